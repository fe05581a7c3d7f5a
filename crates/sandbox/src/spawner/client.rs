//! The server's side of the spawner: sends requests, hands out replies and descriptors, restarts a spawner that died.

use super::plan::{CodeTrees, Config, Exit, Limits, Plan, SlotId, Spawned, Usage};
use crate::posture::Posture;

/// Why the spawner did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spawner could not be started, or said why it cannot work here.
    #[error("cannot start the spawner: {0}")]
    Start(String),
    /// It died while the request was under way. The next request starts another; all its sandboxes are gone.
    #[error("the spawner died")]
    Died,
    /// All slots are in use.
    #[error("all {0} sandboxes are in use")]
    Full(u32),
    /// No sandbox has this name any more.
    #[error("no such sandbox")]
    Gone,
    /// No zygote has this name, or it ended.
    #[error("no zygote {0}")]
    NoZygote(String),
    /// A step failed in the kernel.
    #[error("{step}: {}", std::io::Error::from_raw_os_error(*.errno))]
    System {
        /// What was being done, for example `mount /proc`.
        step: String,
        /// The system's error number.
        errno: i32,
    },
    /// Arguments and environment are longer than one message bears.
    #[error("a request of {0} bytes is too long for the spawner")]
    TooLong(usize),
}

/// The server's handle of the spawner process. Cheap to clone.
#[derive(Clone)]
pub struct Spawner {}

impl Spawner {
    /// Sweeps what a crashed predecessor left under this instance, starts the process and waits until it is ready
    /// (template built, zygotes started but not yet booted).
    pub async fn start(config: Config) -> Result<Spawner, Error> {
        let _ = config;
        Err(Error::Start("not built yet".into()))
    }

    /// Which layers of isolation stand.
    pub fn posture(&self) -> Posture {
        Posture::default()
    }

    /// Whether this zygote has booted. Spawning from one that has not waits for it.
    pub fn zygote_ready(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Makes a sandbox. When this returns its first process runs the program (or the zygote's fork is confined).
    /// [`Spawner::destroy`] must be called for it some day, also after it ended by itself.
    pub async fn spawn(&self, plan: &Plan) -> Result<Spawned, Error> {
        let _ = plan;
        Err(Error::Died)
    }

    /// Mounts code into a parked sandbox and writes its real limits.
    pub async fn attach(&self, id: SlotId, code: &CodeTrees, limits: Limits) -> Result<(), Error> {
        let _ = (id, code, limits);
        Err(Error::Died)
    }

    /// Stops or resumes every process in it. The processes do not notice.
    pub async fn freeze(&self, id: SlotId, frozen: bool) -> Result<(), Error> {
        let _ = (id, frozen);
        Err(Error::Died)
    }

    /// What it has used so far.
    pub async fn usage(&self, id: SlotId) -> Result<Usage, Error> {
        let _ = id;
        Err(Error::Died)
    }

    /// Waits for its end.
    pub async fn wait(&self, id: SlotId) -> Result<Exit, Error> {
        let _ = id;
        Err(Error::Died)
    }

    /// Kills it, waits until everything in it is gone, and frees its slot. A sandbox that is gone already is no error.
    pub async fn destroy(&self, id: SlotId) -> Result<(), Error> {
        let _ = id;
        Ok(())
    }
}
