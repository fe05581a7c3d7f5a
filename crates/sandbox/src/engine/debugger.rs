//! A debugger's way into one sandbox: a port on the host's loopback whose connections end at the same port within.
//!
//! The runtime's own debugger (debugpy, Node.js's inspector, JDWP) listens inside, as the boot files have it. A sandbox's
//! loopback is not the host's, so the spawner makes a socket in the sandbox's network for each connection. The port belongs to
//! one sandbox at a time: others of the same function run on, and one of them takes it over when the first is gone.
//!
//! Whoever looks at a stopped program takes longer than any timeout: while somebody is attached there is none.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base::Clock;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use super::{
    cell::Cell,
    spec::{DebugPort, LogSink},
};

/// Connections at a time. A debugger needs one or two; further ones wait.
const CONNECTIONS_MAX: usize = 8;

/// How often a port that is taken is tried again.
const PORT_PAUSE: Duration = Duration::from_millis(50);

/// How long a port may be taken before that is worth a word: a former sandbox lets go of it within milliseconds.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// How often and how long a connection waits for the debugger inside, which starts with the function.
const INSIDE_PAUSE: Duration = Duration::from_millis(50);
const INSIDE_PATIENCE: Duration = Duration::from_secs(30);

/// The way in. Dropping it closes it.
pub(crate) struct Debugger {
    presence: watch::Sender<Presence>,
    task: Option<AbortHandle>,
}

/// Who is there.
#[derive(Clone, Copy, Debug)]
struct Presence {
    attached: usize,
    /// The function waits for the first.
    awaited: bool,
}

impl Presence {
    fn holds(self) -> bool {
        self.attached > 0 || self.awaited
    }
}

impl Debugger {
    /// Opens the way. Must be called within a tokio runtime.
    pub(crate) fn open(debug: DebugPort, cell: Arc<Cell>, sink: Arc<dyn LogSink>, clock: Clock) -> Debugger {
        let presence = watch::Sender::new(Presence { attached: 0, awaited: debug.wait });
        let bridge = Bridge { port: debug.port, cell, sink, clock, presence: presence.clone() };
        if matches!(&*bridge.cell, Cell::Process(_)) {
            // It listens on the host itself, where nobody can tell who is attached.
            presence.send_modify(|presence| presence.attached = 1);
            bridge.say("listens", "its functions have no timeouts");
            return Debugger { presence, task: None };
        }
        Debugger { presence, task: Some(tokio::spawn(bridge.run()).abort_handle()) }
    }

    /// Comes when so much time has passed without anybody attached: all of it anew after somebody was.
    async fn idle_for(&self, time: Duration) {
        let mut presence = self.presence.subscribe();
        loop {
            sleep(time).await;
            if !presence.borrow_and_update().holds() {
                return;
            }
            if presence.wait_for(|presence| !presence.holds()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Comes at the deadline, unless a debugger is attached then.
pub(crate) async fn overdue(deadline: Instant, debugger: Option<&Debugger>) {
    match debugger {
        None => sleep_until(deadline).await,
        Some(debugger) => debugger.idle_for(deadline.saturating_duration_since(Instant::now())).await,
    }
}

/// What carries connections in.
#[derive(Clone)]
struct Bridge {
    port: u16,
    cell: Arc<Cell>,
    sink: Arc<dyn LogSink>,
    clock: Clock,
    presence: watch::Sender<Presence>,
}

impl Bridge {
    async fn run(self) {
        let listener = self.bind().await;
        self.say("can be attached", "while one is, this function has no timeout");
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                sleep(PORT_PAUSE).await;
                continue;
            };
            let bridge = self.clone();
            connections.spawn(async move {
                bridge.carry(stream).await;
                drop(place);
            });
        }
    }

    async fn bind(&self) -> TcpListener {
        let started = Instant::now();
        let mut silent = true;
        loop {
            let error = match TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await {
                Ok(listener) => return listener,
                Err(error) => error,
            };
            if silent && started.elapsed() > PORT_PATIENCE {
                self.say("cannot be attached to this environment yet", &format!("{error}; it runs without"));
                silent = false;
            }
            sleep(PORT_PAUSE).await;
        }
    }

    /// One connection, from its beginning to its end.
    async fn carry(&self, mut outside: TcpStream) {
        let _ = outside.set_nodelay(true);
        let mut inside = match self.connect().await {
            Ok(inside) => inside,
            Err(error) => {
                self.say("is not there", &format!("nothing listens inside of the sandbox: {error}"));
                return;
            }
        };
        let _ = inside.set_nodelay(true);
        let _guest = Guest::enter(self);
        let _ = copy_bidirectional(&mut outside, &mut inside).await;
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let started = Instant::now();
        loop {
            match self.cell.connect(self.port).await {
                Err(error) if started.elapsed() < INSIDE_PATIENCE => {
                    tracing::trace!(%error, "the debugger inside is not there yet");
                    sleep(INSIDE_PAUSE).await;
                }
                connected => return connected,
            }
        }
    }

    /// A line in the function's own log, where its developer looks.
    fn say(&self, what: &str, more: &str) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let line = format!("UPDRAFT debugger {what} at {address}; {more}");
        self.sink.line(self.clock.now().millis(), line.into());
    }
}

/// Somebody attached.
struct Guest<'a>(&'a Bridge);

impl<'a> Guest<'a> {
    fn enter(bridge: &'a Bridge) -> Guest<'a> {
        let mut first = false;
        bridge.presence.send_modify(|presence| {
            first = presence.attached == 0;
            *presence = Presence { attached: presence.attached + 1, awaited: false };
        });
        if first {
            bridge.say("is attached", "the timeout is suspended");
        }
        Guest(bridge)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut last = false;
        self.0.presence.send_modify(|presence| {
            presence.attached -= 1;
            last = presence.attached == 0;
        });
        if last {
            self.0.say("has left", "the timeout counts anew");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debugger(attached: usize, awaited: bool) -> Debugger {
        Debugger { presence: watch::Sender::new(Presence { attached, awaited }), task: None }
    }

    async fn is_over(debugger: &Debugger) -> bool {
        let overdue = overdue(Instant::now(), Some(debugger));
        tokio::time::timeout(Duration::from_millis(100), overdue).await.is_ok()
    }

    #[tokio::test]
    async fn time_counts_while_nobody_is_attached() {
        overdue(Instant::now(), Some(&debugger(0, false))).await;
        assert!(!is_over(&debugger(1, false)).await);
        assert!(!is_over(&debugger(0, true)).await, "the function waits for one");
    }

    #[tokio::test]
    async fn it_counts_anew_when_the_last_has_left() {
        let debugger = debugger(1, false);
        let (presence, time) = (debugger.presence.clone(), Duration::from_millis(50));
        let started = Instant::now();
        let left = tokio::spawn(async move {
            sleep(time * 2).await;
            presence.send_modify(|presence| presence.attached = 0);
            Instant::now()
        });
        overdue(started + time, Some(&debugger)).await;
        assert!(Instant::now() >= left.await.unwrap() + time);
    }
}
