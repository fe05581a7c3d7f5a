//! The server's side of the spawner: sends requests, hands out replies and descriptors, restarts a spawner that died.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{Child, Command},
    sync::{oneshot, watch},
    task::AbortHandle,
};

use super::{
    ARGUMENT,
    plan::{CodeTrees, Companion, CompanionId, Config, Ended, Exit, Limits, Plan, Program, SlotId, Spawned, Usage},
    process,
    protocol::{self, Asked, Hello, MESSAGE_MAX, Refusal, Reply, Request, Said, SocketKind},
};
use crate::{
    cgroup::Meter,
    posture::{Egress, Layer, Posture},
};

/// How long the process may take until it is ready.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

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

/// The server's handle of the spawner process. Cheap to clone. When the last clone is dropped the process ends, and with
/// it every sandbox.
#[derive(Clone)]
pub struct Spawner {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    /// The process of now; replaced under `restart` when it is dead.
    link: Mutex<Arc<Live>>,
    restart: tokio::sync::Mutex<()>,
}

/// A process in use. When the last user lets go of it the reader stops, the socket closes and the process ends.
struct Live {
    link: Arc<Link>,
    reader: AbortHandle,
}

impl std::ops::Deref for Live {
    type Target = Arc<Link>;
    fn deref(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// One spawner process.
struct Link {
    socket: AsyncFd<OwnedFd>,
    ticket: AtomicU64,
    shared: Mutex<Shared>,
    posture: Posture,
    process: Mutex<Option<Child>>,
}

/// A reply and the descriptors that came with it.
type Answer = (Result<Reply, Refusal>, Vec<OwnedFd>);

/// What the reader and the requests share.
#[derive(Default)]
struct Shared {
    dead: bool,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    exits: HashMap<SlotId, watch::Sender<Option<Exit>>>,
    companions: HashMap<CompanionId, watch::Sender<Option<Ended>>>,
    booted: HashSet<String>,
}

impl Spawner {
    /// Sweeps what a crashed predecessor left under this instance, starts the process and waits until it is ready
    /// (template built, zygotes started but not yet booted).
    pub async fn start(config: Config) -> Result<Spawner, Error> {
        let link = Link::start(&config).await?;
        Ok(Spawner { inner: Arc::new(Inner { config, link: Mutex::new(link), restart: tokio::sync::Mutex::new(()) }) })
    }

    /// Which layers of isolation stand.
    pub fn posture(&self) -> Posture {
        self.inner.current().posture.clone()
    }

    /// Whether this zygote has booted. Spawning from one that has not waits for it.
    pub fn zygote_ready(&self, name: &str) -> bool {
        self.inner.current().shared().booted.contains(name)
    }

    /// The name by which the host's cgroups and links of this instance go.
    pub fn instance(&self) -> String {
        process::instance_name(&instance_dir(&self.inner.config))
    }

    /// The process id of the spawner's watchdog, for status pages and tests.
    pub fn process_id(&self) -> Option<u32> {
        lock(&self.inner.current().process).as_ref().and_then(Child::id)
    }

    /// Makes a sandbox. When this returns its first process runs the program (or the zygote has been forked).
    /// [`Spawner::destroy`] must be called for it some day, also after it ended by itself. If the returned future is
    /// dropped the sandbox is destroyed.
    pub async fn spawn(&self, plan: &Plan) -> Result<Spawned, Error> {
        let link = self.inner.link().await?;
        match link.ask(Request::Spawn(plan.clone())).await? {
            (Ok(Reply::Spawned { id }), descriptors) => {
                let Some(spawned) = spawned(id, descriptors, plan.channel) else {
                    // This process is out of descriptors: the kernel dropped what did not fit.
                    link.destroy_unseen(id);
                    return Err(Error::System { step: "receive descriptors".into(), errno: libc::EMFILE });
                };
                Ok(spawned)
            }
            (Ok(_), _) => Err(Error::Died),
            (Err(Refusal::NoZygote), _) => match &plan.start {
                super::plan::Start::Zygote { name } => Err(Error::NoZygote(name.clone())),
                super::plan::Start::Exec { .. } => Err(Error::Died),
            },
            (Err(refusal), _) => Err(self.error(refusal)),
        }
    }

    /// Mounts code into a parked sandbox and writes its real limits.
    pub async fn attach(&self, id: SlotId, code: &CodeTrees, limits: Limits) -> Result<(), Error> {
        self.order(Request::Attach { id, code: code.clone(), limits }).await.map(drop)
    }

    /// Changes its share of processor time, its memory and its number of processes while it runs.
    pub async fn limit(&self, id: SlotId, limits: Limits) -> Result<(), Error> {
        self.order(Request::Limit { id, limits }).await.map(drop)
    }

    /// As [`Spawner::limit`], at the end of its init: from now on its threads go before those of sandboxes that boot.
    pub async fn settle(&self, id: SlotId, limits: Limits) -> Result<(), Error> {
        self.order(Request::Settle { id, limits }).await.map(drop)
    }

    /// Stops or resumes every process in it. The processes do not notice.
    pub async fn freeze(&self, id: SlotId, frozen: bool) -> Result<(), Error> {
        self.order(Request::Freeze { id, frozen }).await.map(drop)
    }

    /// Starts a program in a running sandbox, beside its runtime. From then on the sandbox does not end with its runtime: only
    /// [`Spawner::destroy`] ends it, with all that is in it.
    pub async fn join(&self, id: SlotId, program: Program) -> Result<Companion, Error> {
        let link = self.inner.current();
        match link.ask(Request::Join { id, program }).await? {
            (Ok(Reply::Joined { companion }), descriptors) => {
                let mut shared = link.shared();
                let ended = shared.companions.get(&companion).map(watch::Sender::subscribe);
                if ended.as_ref().is_some_and(|ended| ended.borrow().is_some()) {
                    shared.companions.remove(&companion);
                }
                drop(shared);
                match (descriptors.into_iter().next(), ended) {
                    (Some(output), Some(ended)) => Ok(Companion { id: companion, output, ended }),
                    _ => Err(Error::System { step: "receive descriptors".into(), errno: libc::EMFILE }),
                }
            }
            (Ok(_), _) => Err(Error::Died),
            (Err(refusal), _) => Err(self.error(refusal)),
        }
    }

    /// Asks a sandbox's runtime to end, by SIGTERM; or ends a process that was started beside it, by SIGKILL.
    pub async fn stop_process(&self, id: SlotId, companion: Option<CompanionId>) -> Result<(), Error> {
        self.order(Request::Stop { id, companion }).await.map(drop)
    }

    /// A TCP socket of the sandbox's network, not connected and non-blocking.
    pub async fn socket(&self, id: SlotId) -> Result<OwnedFd, Error> {
        self.socket_of_kind(id, SocketKind::Stream).await
    }

    /// A UDP socket of the sandbox's network where the trace daemon listens, non-blocking.
    pub async fn trace_daemon(&self, id: SlotId) -> Result<OwnedFd, Error> {
        self.socket_of_kind(id, SocketKind::TraceDaemon).await
    }

    async fn socket_of_kind(&self, id: SlotId, kind: SocketKind) -> Result<OwnedFd, Error> {
        match self.inner.current().ask(Request::Socket { id, kind }).await? {
            (Ok(_), descriptors) => descriptors
                .into_iter()
                .next()
                .ok_or(Error::System { step: "receive descriptors".into(), errno: libc::EMFILE }),
            (Err(refusal), _) => Err(self.error(refusal)),
        }
    }

    /// How its runtime ended, if it has.
    pub fn exit(&self, id: SlotId) -> Option<Exit> {
        self.inner.current().shared().exits.get(&id).and_then(|exit| *exit.borrow())
    }

    /// What it has used so far.
    pub async fn usage(&self, id: SlotId) -> Result<Usage, Error> {
        match self.order(Request::Usage { id }).await? {
            Reply::Usage(usage) => Ok(usage),
            _ => Err(Error::Died),
        }
    }

    /// Waits for its end.
    pub async fn wait(&self, id: SlotId) -> Result<Exit, Error> {
        let mut exit = match self.inner.current().shared().exits.get(&id) {
            Some(exit) => exit.subscribe(),
            None => return Err(Error::Gone),
        };
        let ended = exit.wait_for(Option::is_some).await.map_err(|_| Error::Gone)?;
        ended.ok_or(Error::Gone)
    }

    /// Kills it, waits until everything in it is gone, and frees its slot. A sandbox that is gone already is no error.
    pub async fn destroy(&self, id: SlotId) -> Result<(), Error> {
        let link = self.inner.current();
        if link.shared().dead {
            link.shared().exits.remove(&id);
            return Ok(());
        }
        let answer = link.ask(Request::Destroy { id }).await;
        link.shared().exits.remove(&id);
        match answer {
            Ok((Ok(_), _)) | Err(Error::Died) => Ok(()),
            Ok((Err(refusal), _)) => Err(self.error(refusal)),
            Err(error) => Err(error),
        }
    }

    /// Makes sure, before the server ends, that there is a process to sweep behind it: a dead one leaves control groups and
    /// mounts, which the start of the next sweeps.
    pub async fn before_end(&self) {
        if let Err(error) = self.inner.link().await {
            tracing::warn!(%error, "what the dead spawner left stays until the next start");
        }
    }

    /// Ends the process and everything it made, and waits for that.
    pub async fn stop(&self) {
        let link = self.inner.current();
        let _ = rustix::net::shutdown(&link.socket, rustix::net::Shutdown::Write);
        let process = lock(&link.process).take();
        if let Some(mut process) = process {
            let _ = tokio::time::timeout(STOP_PATIENCE, process.wait()).await;
        }
    }

    async fn order(&self, request: Request) -> Result<Reply, Error> {
        let link = self.inner.current();
        match link.ask(request).await?.0 {
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(self.error(refusal)),
        }
    }

    fn error(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Full => Error::Full(self.inner.config.slots_max),
            Refusal::Gone => Error::Gone,
            Refusal::NoZygote => Error::NoZygote(String::new()),
            Refusal::System { step, errno } => Error::System { step, errno },
        }
    }
}

impl Inner {
    fn current(&self) -> Arc<Live> {
        Arc::clone(&lock(&self.link))
    }

    /// The process of now, or a new one if that is dead.
    async fn link(&self) -> Result<Arc<Live>, Error> {
        let link = self.current();
        if !link.shared().dead {
            return Ok(link);
        }
        let _one_at_a_time = self.restart.lock().await;
        let link = self.current();
        if !link.shared().dead {
            return Ok(link);
        }
        tracing::warn!("the spawner died, with every sandbox; starting another");
        let link = Link::start(&self.config).await?;
        *lock(&self.link) = Arc::clone(&link);
        Ok(link)
    }
}

impl Link {
    async fn start(config: &Config) -> Result<Arc<Live>, Error> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| Error::Start(format!("{what}: {error}"))
        };
        let (ours, theirs) = socket_pair().map_err(failed("cannot make a socket"))?;
        let process = start_process(config, theirs).map_err(failed("cannot execute it"))?;
        // SAFETY: the AsyncFd owns the descriptor, so that it stays open and the same as long as it is registered.
        let socket =
            unsafe { AsyncFd::register(ours) }.map_err(|error| failed("cannot watch the socket")(error.into()))?;
        let hello = protocol::encode(&hello(config)).map_err(failed("a path is not UTF-8"))?;
        protocol::send(&socket, &hello, &[]).map_err(failed("cannot send the settings"))?;
        let mut buffer = vec![0; MESSAGE_MAX];
        let first = tokio::time::timeout(START_PATIENCE, receive(&socket, &mut buffer)).await;
        let first = first.map_err(|_| Error::Start("it is not ready after 30 s".into()))?;
        let posture = match first {
            Ok((Said::Ready { layers }, _)) => Posture { layers: layers.into_iter().map(layer).collect() },
            Ok((Said::Failed { why }, _)) => return Err(Error::Start(why)),
            Ok(_) => return Err(Error::Start("it said something unexpected".into())),
            Err(error) => return Err(failed("it ended")(error)),
        };
        let link = Arc::new(Link {
            socket,
            ticket: AtomicU64::new(0),
            shared: Mutex::default(),
            posture,
            process: Mutex::new(Some(process)),
        });
        let reader = tokio::spawn(read(Arc::clone(&link), buffer)).abort_handle();
        Ok(Arc::new(Live { link, reader }))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Sends a request and waits for its reply.
    async fn ask(&self, request: Request) -> Result<Answer, Error> {
        let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
        let bytes = protocol::encode(&Asked { ticket, request })
            .map_err(|_| Error::System { step: "encode a path that is not UTF-8".into(), errno: libc::EINVAL })?;
        if bytes.len() > MESSAGE_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut shared = self.shared();
            if shared.dead {
                return Err(Error::Died);
            }
            shared.waiting.insert(ticket, sender);
        }
        let sent = self.socket.async_io(Interest::WRITABLE, |socket| protocol::send(socket, &bytes, &[])).await;
        if sent.is_err() {
            self.shared().waiting.remove(&ticket);
            return Err(Error::Died);
        }
        receiver.await.map_err(|_| Error::Died)
    }

    /// Destroys a sandbox that nobody holds.
    fn destroy_unseen(self: &Arc<Link>, id: SlotId) {
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let _ = link.ask(Request::Destroy { id }).await;
            link.shared().exits.remove(&id);
        });
    }

    fn hear(self: &Arc<Link>, said: Said, descriptors: Vec<OwnedFd>) {
        match said {
            Said::Reply { ticket, reply } => {
                let born = match &reply {
                    Ok(Reply::Spawned { id }) => Some(*id),
                    _ => None,
                };
                let mut shared = self.shared();
                if let Ok(Reply::Joined { companion }) = &reply {
                    shared.companions.insert(*companion, watch::Sender::new(None));
                }
                if let Some(id) = born {
                    shared.exits.insert(id, watch::Sender::new(None));
                }
                let waiting = shared.waiting.remove(&ticket);
                drop(shared);
                let heard = waiting.is_some_and(|waiting| waiting.send((reply, descriptors)).is_ok());
                if let (Some(id), false) = (born, heard) {
                    self.destroy_unseen(id);
                }
            }
            Said::Exited { id, exit } => {
                if let Some(sender) = self.shared().exits.get(&id) {
                    sender.send_replace(Some(exit));
                }
            }
            Said::CompanionEnded { companion, ended } => {
                let mut shared = self.shared();
                if let Some(sender) = shared.companions.get(&companion) {
                    sender.send_replace(Some(ended));
                    if sender.receiver_count() > 0 {
                        shared.companions.remove(&companion); // else whoever started it has not looked yet
                    }
                }
            }
            Said::ZygoteReady { name } => drop(self.shared().booted.insert(name)),
            Said::ZygoteEnded { name } => {
                tracing::warn!(zygote = name, "a zygote ended");
                self.shared().booted.remove(&name);
            }
            Said::Failed { why } => tracing::error!("the spawner failed: {why}"),
            Said::Ready { .. } => {}
        }
    }

    /// Every request fails, every sandbox has ended.
    fn die(&self) {
        let mut shared = self.shared();
        shared.dead = true;
        shared.waiting.clear();
        shared.companions.clear();
        shared.booted.clear();
        for exit in shared.exits.values() {
            exit.send_if_modified(|exit| {
                let news = exit.is_none();
                exit.get_or_insert(Exit { ended: Ended::SpawnerDied, usage: Usage::default() });
                news
            });
        }
    }
}

/// Reads until the process ends.
async fn read(link: Arc<Link>, mut buffer: Vec<u8>) {
    while let Ok((said, descriptors)) = receive(&link.socket, &mut buffer).await {
        link.hear(said, descriptors);
    }
    link.die();
    let process = lock(&link.process).take();
    if let Some(mut process) = process {
        let _ = process.wait().await;
    }
}

async fn receive(socket: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<(Said, Vec<OwnedFd>)> {
    let received = socket.async_io(Interest::READABLE, |socket| protocol::receive(socket, buffer, false)).await?;
    let (length, descriptors) = received;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((protocol::decode(&buffer[..length])?, descriptors))
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// The socket is its standard input; of the environment it gets only where to find programs.
fn start_process(config: &Config, socket: OwnedFd) -> io::Result<Child> {
    let (program, arguments): (PathBuf, &[PathBuf]) = match config.program.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => ("/proc/self/exe".into(), &[]),
    };
    let mut command = Command::new(program);
    if config.program.is_empty() {
        command.arg(ARGUMENT);
    }
    command.args(arguments).env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.current_dir("/").stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn()
}

fn instance_dir(config: &Config) -> PathBuf {
    std::path::absolute(&config.instance_dir).unwrap_or_else(|_| config.instance_dir.clone())
}

fn hello(config: &Config) -> Hello {
    Hello {
        instance_dir: instance_dir(config),
        nat: config.egress == Egress::Nat,
        endpoint_port: config.endpoint_port,
        slots_max: config.slots_max,
        userland: config.userland.clone(),
        zygotes: config.zygotes.clone(),
    }
}

fn layer((name, why, fix): (String, Option<String>, String)) -> Layer {
    // A handful of names for each start of a spawner.
    let name: &'static str = Box::leak(name.into_boxed_str());
    match why {
        None => Layer { fix, ..Layer::present(name) },
        Some(why) => Layer::degraded(name, why, fix),
    }
}

fn spawned(id: SlotId, descriptors: Vec<OwnedFd>, channel: bool) -> Option<Spawned> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next();
    Some(Spawned {
        id,
        pidfd: next()?,
        output: next()?,
        telemetry: next()?,
        runtime_api: next()?,
        endpoint: next()?,
        dns: next()?,
        channel: if channel { Some(next()?) } else { None },
        memory_meter: next().map(Meter::new),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
