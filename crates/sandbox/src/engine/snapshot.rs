//! Snapshots, for SnapStart: a sandbox that stops at the end of its init, sleeps, and goes on when a request comes.
//!
//! Where the runtime can (`helper/image.rs`: Python out of a zygote, without threads or connections), an [`MemoryImage`] of a
//! snapshot's memory makes as many more snapshots as are wanted, each in a few milliseconds, without another init. An image
//! is written by the function's own process and read by the function's own processes: it is trusted by nobody else.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use tokio::time::Instant;

use super::{
    LaunchPath, Sandbox,
    channel::{FromRuntime, ImageOrder},
    life::{Heard, Life, Say},
    sandbox::{Broken, Until, broken},
    shutdown::AtWork,
    spec::{Failure, InitFailure, InitReport, RESTORE_TIMEOUT, RestoreFailure, RestoreReport},
};

/// How long an image may take to be written, or to be read.
const IMAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// What an image may need beyond the function's memory, in bytes: its head, and the interpreter's own files.
pub(super) const IMAGE_EXTRA_BYTES: u64 = 64 << 20;

/// A snapshot's memory. Only children of the zygote that its process came from can become it; the spawner's end is its end.
#[derive(Debug)]
pub struct MemoryImage {
    memory: OwnedFd,
    bytes: u64,
}

impl MemoryImage {
    /// What it takes of the host's memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Room for one, which cannot grow.
    fn room(memory_mb: u32) -> io::Result<OwnedFd> {
        let memory = memfd_create(c"updraft-image", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, (u64::from(memory_mb) << 20) + IMAGE_EXTRA_BYTES)?;
        fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK)?;
        Ok(memory)
    }

    /// Nobody can change it from now on, also not whoever wrote it.
    fn written(memory: OwnedFd) -> io::Result<MemoryImage> {
        fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::SEAL)?;
        let bytes = u64::try_from(fstat(&memory)?.st_blocks).unwrap_or_default() * 512;
        Ok(MemoryImage { memory, bytes })
    }
}

impl Sandbox {
    /// Runs the init phase of a function with SnapStart (its environment says so, see the boot files), once, up to where it
    /// waits to be restored, and freezes it there. A failure ends it.
    pub async fn snapshot(&mut self) -> Result<InitReport, InitFailure> {
        if self.initialised || self.is_snapshot {
            return Err(InitFailure::internal("the sandbox is initialised"));
        }
        let Some(life) = self.life.take().map(AtWork::from) else {
            return Err(InitFailure::internal("the sandbox is gone"));
        };
        life.rest.wake().await;
        let (mut life, report) = self.first_init(life, Until::Snapshot).await.map_err(|(failure, _)| failure)?;
        self.is_snapshot = true;
        life.drain_logs();
        life.rest.park().await;
        self.life = Some(life.done());
        Ok(report)
    }

    /// Lets a snapshot go on, within [`RESTORE_TIMEOUT`]; after it requests find it initialised. A failure ends it.
    pub async fn restore(&mut self) -> Result<RestoreReport, RestoreFailure> {
        let started = Instant::now();
        let (true, Some(mut life)) = (self.is_snapshot, self.life.take().map(AtWork::from)) else {
            let report = RestoreReport { duration: Duration::ZERO, billed: Duration::ZERO };
            return Err(RestoreFailure {
                report,
                failure: Failure::Internal("there is no snapshot to restore".into()),
            });
        };
        life.rest.wake().await;
        let woken = Instant::now();
        let heard = life.converse(Say::Restore, started + RESTORE_TIMEOUT).await;
        let report = RestoreReport { duration: started.elapsed(), billed: woken.elapsed() };
        let broken = match heard {
            Heard::Message(FromRuntime::InitDone) => {
                (self.is_snapshot, self.restored) = (false, Some(report));
                self.init_ended(&life);
                life.drain_logs();
                self.idles(&life);
                self.life = Some(life.done());
                return Ok(report);
            }
            Heard::Message(FromRuntime::RestoreFailed { payload, error_type }) => {
                Broken::from(Failure::Function { payload, error_type })
            }
            heard => broken(heard),
        };
        let (failure, _) = life.done().end(broken.failure, broken.exit).await;
        Err(RestoreFailure { report, failure })
    }

    /// Writes an image of this snapshot, which has then done its work and is gone: what was written is charged to it. None
    /// where that is not possible (extensions are processes of their own, and not in it): it sleeps on, unless it ended over that ([`Sandbox::is_alive`]).
    pub async fn image(&mut self) -> Option<MemoryImage> {
        // Whoever does not know the question would take it for the order to go on.
        let may_have = self.is_snapshot && self.can_have_image();
        let mut life = self.life.take_if(|life| may_have && !life.extensions.any())?;
        life.rest.wake().await;
        self.engine.factory.make_room_for_image(&life, &self.identity.spec, true).await;
        match self.write_image(&mut life).await {
            Ok(Some(image)) => Some(image),
            Ok(None) => {
                self.engine.factory.make_room_for_image(&life, &self.identity.spec, false).await;
                life.rest.park().await;
                self.life = Some(life);
                None
            }
            Err(heard) => {
                tracing::warn!(?heard, sandbox = self.identity.sandbox, "an image could not be written");
                None
            }
        }
    }

    /// A zygote's child, or perhaps one.
    fn can_have_image(&self) -> bool {
        self.path() != LaunchPath::Exec && self.identity.spec.runtime.starts_with("python")
    }

    async fn write_image(&self, life: &mut Life) -> Result<Option<MemoryImage>, Heard> {
        let deadline = Instant::now() + IMAGE_TIMEOUT;
        let Ok(room) = MemoryImage::room(self.identity.spec.memory_mb) else { return Ok(None) };
        let mut order = ImageOrder::Save;
        loop {
            match life.converse(Say::Image(order), deadline).await {
                Heard::Message(FromRuntime::WantsImage) => order = ImageOrder::Descriptor(room.as_fd()),
                Heard::Message(FromRuntime::NoImage) => return Ok(None),
                Heard::Message(FromRuntime::ImageDone) => {
                    let written = MemoryImage::written(room);
                    return Ok(written.inspect_err(|error| tracing::warn!(%error, "an image is no good")).ok());
                }
                other => return Err(other),
            }
        }
    }

    /// Becomes a snapshot by an image of one, in place of an init. After an error it is of no use.
    pub async fn load(&mut self, image: &MemoryImage) -> Result<(), Failure> {
        let taken = self.life.take().filter(|_| !self.initialised && !self.is_snapshot);
        let mut life = taken.ok_or_else(|| Failure::Internal("the sandbox is in use".into()))?;
        life.rest.wake().await;
        let deadline = Instant::now() + IMAGE_TIMEOUT;
        let mut say = Say::Image(ImageOrder::Load);
        loop {
            say = match life.converse(say, deadline).await {
                Heard::Message(FromRuntime::Parked) => Say::Nothing,
                Heard::Message(FromRuntime::WantsImage) => Say::Image(ImageOrder::Descriptor(image.memory.as_fd())),
                Heard::Message(FromRuntime::SnapshotReady) => break,
                other => return Err(Failure::Internal(format!("no snapshot by an image: {other:?}"))),
            }
        }
        self.is_snapshot = true;
        life.drain_logs();
        life.rest.park().await;
        self.life = Some(life);
        Ok(())
    }
}
