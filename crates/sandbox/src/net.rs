//! Network namespaces: what a sandbox can reach, and the sockets through which we serve it from inside.
//!
//! Synchronous and for one thread, because it is called from the spawner. A namespace takes 0.3 ms to make and its
//! removal holds kernel locks, so [`NetPool`] makes them ahead of need. In each, `lo` is up and three sockets are bound,
//! which the *server* then serves: the Runtime API where AWS has it, the server's own endpoint (so that
//! `http://localhost:4566` is right inside and outside, without any route to the host), and a resolver.
//!
//! With [`Egress::None`] there is nothing else: the host, its loopback and other sandboxes are out of reach by
//! construction. With [`Egress::Nat`] a veth pair leads to the host, where one nftables table per server (`firewall`)
//! lets packets go outside only: never to the host's own addresses, to other sandboxes or to metadata services.
//! Where the host cannot do that, sandboxes get no outside at all and [`NetPool::layers`] says why.
//!
//! Not here: what the sockets answer (the engine), except names, see [`dns`].

pub mod dns;
mod firewall;
mod links;
mod netlink;
mod slot;

use std::{collections::VecDeque, io, net::Ipv4Addr, os::fd::OwnedFd};

pub use links::LinkRange;

use crate::posture::{Egress, Layer};
use firewall::Firewall;
use links::{Link, Links};
use slot::Ground;

/// Where AWS's Runtime API listens inside a sandbox.
pub const RUNTIME_API_PORT: u16 = 9001;

/// The name server's port.
pub const DNS_PORT: u16 = 53;

/// What [`NetPool::new`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// What sandboxes may reach.
    pub egress: Egress,
    /// Port of the server's own endpoint inside each sandbox, 4566 by custom.
    pub endpoint_port: u16,
    /// Names the firewall table and the links; must be unique among the servers of this host.
    pub instance: String,
    /// Where the addresses of the links come from.
    pub links: LinkRange,
}

/// A network namespace for one sandbox; to be kept until that is dead.
#[derive(Debug)]
pub struct NetSlot {
    /// For `setns`.
    pub netns: OwnedFd,
    /// What the server listens on inside; none once it has them.
    pub sockets: Option<Sockets>,
    /// The sandbox's address on its link outside; none without egress.
    pub address: Option<Ipv4Addr>,
    link: Option<Link>,
    /// How connections went is not kept.
    remembers_nothing: bool,
}

/// What the server listens on inside of a sandbox, non-blocking.
#[derive(Debug)]
pub struct Sockets {
    /// TCP listener on 127.0.0.1:9001.
    pub runtime_api: OwnedFd,
    /// TCP listener on 127.0.0.1:`endpoint_port`.
    pub endpoint: OwnedFd,
    /// UDP socket on 127.0.0.1:53; for [`dns::forward`].
    pub dns: OwnedFd,
}

impl NetSlot {
    /// A UDP socket where AWS's trace daemon listens, non-blocking. Made when it is first wanted: most sandboxes never trace.
    pub fn trace_daemon(&self) -> std::io::Result<OwnedFd> {
        slot::trace_daemon(std::os::fd::AsFd::as_fd(&self.netns))
    }

    /// A TCP socket in this namespace, non-blocking: whoever holds it connects from inside of the sandbox.
    pub fn socket(&self) -> std::io::Result<OwnedFd> {
        slot::socket(std::os::fd::AsFd::as_fd(&self.netns))
    }
}

/// The namespace of a dead sandbox.
#[derive(Debug)]
struct Used {
    netns: OwnedFd,
    link: Option<Link>,
    remembers_nothing: bool,
    attempts: u32,
}

/// How often we look whether the server has closed its sockets in a used namespace before we give it up.
const REVIVALS_MAX: u32 = 3;

/// Network namespaces made ahead of need.
pub struct NetPool {
    /// None where the thread could not come back from another namespace.
    ground: io::Result<Ground>,
    outside: Option<Outside>,
    layers: Vec<Layer>,
    ready: Vec<NetSlot>,
    /// Oldest first, since the server may still be closing the sockets of the newest.
    used: VecDeque<Used>,
}

/// What leads outside.
struct Outside {
    firewall: Firewall,
    links: Links,
}

impl NetPool {
    /// Prepares the host: a firewall table and forwarding when egress is asked for. What a former server of that
    /// instance left is replaced. Never fails: see [`NetPool::layers`].
    pub fn new(config: &Config) -> NetPool {
        let ground = Ground::prepare(config.endpoint_port);
        let isolated = match solid(&ground).and_then(slot::make) {
            Ok(_) => Layer::present("network namespace"),
            Err(error) => {
                let why = format!("a network namespace cannot be made: {error}");
                Layer::degraded("network namespace", why, "run as root, or allow user namespaces")
            }
        };
        let (outside, egress) = open_outside(&ground, config);
        let layers = vec![isolated, egress];
        NetPool { ground, outside, layers, ready: Vec::new(), used: VecDeque::new() }
    }

    /// The layers `network namespace`, and `egress`: degraded means that there is no outside, and says why.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether sandboxes have a link outside; when not, their resolver has to refuse.
    pub fn has_outside(&self) -> bool {
        self.outside.is_some()
    }

    /// How many are ready.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// A ready namespace, else a new one (0.3 ms, with a link about 1 ms).
    pub fn take(&mut self) -> io::Result<NetSlot> {
        match self.ready.pop() {
            Some(slot) => Ok(slot),
            None => self.make(),
        }
    }

    /// Takes back the namespace of a *dead* sandbox. It is used again once the server has closed its copies of the sockets,
    /// and under another address: the kernel may remember connections of the old one. (Making a new one costs 0.7 ms here
    /// and as much again in the kernel's clean-up; reviving one 0.1 ms.)
    pub fn give_back(&mut self, slot: NetSlot) {
        let NetSlot { netns, link, remembers_nothing, .. } = slot;
        self.used.push_back(Used { netns, link, remembers_nothing, attempts: 0 });
    }

    /// Brings the pool nearer to `ready` by one namespace; true while more is to be done. Call it between requests.
    pub fn refill(&mut self, ready: usize) -> io::Result<bool> {
        if self.ready.len() >= ready {
            // Some are kept for the next time, so that a steady coming and going makes none anew.
            while self.used.len() > ready
                && let Some(used) = self.used.pop_front()
            {
                self.forget(&used);
            }
            return Ok(false);
        }
        let slot = match self.revive() {
            Some(slot) => slot,
            None => self.make()?,
        };
        self.ready.push(slot);
        Ok(self.ready.len() < ready)
    }

    /// The oldest used namespace, made new; none when there is none or it does not come free.
    fn revive(&mut self) -> Option<NetSlot> {
        let mut used = self.used.pop_front()?;
        let links = self.outside.as_mut().map(|outside| &mut outside.links);
        match solid(&self.ground).and_then(|ground| slot::revive(ground, &used, links)) {
            Ok(slot) => return Some(slot),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && used.attempts < REVIVALS_MAX => {
                used.attempts += 1;
                self.used.push_back(used);
            }
            Err(_) => self.forget(&used),
        }
        None
    }

    fn forget(&mut self, used: &Used) {
        if let (Some(outside), Some(link)) = (&mut self.outside, &used.link) {
            outside.links.release(link);
        }
    }

    /// Removes the firewall table, and forwarding if it was us who switched it on. Links go with their namespaces.
    pub fn shutdown(self) {
        drop((self.ready, self.used));
        if let Some(outside) = self.outside {
            outside.firewall.remove();
        }
    }

    fn make(&mut self) -> io::Result<NetSlot> {
        let ground = solid(&self.ground)?;
        match &mut self.outside {
            Some(outside) => slot::make_linked(ground, &mut outside.links),
            None => slot::make(ground),
        }
    }
}

fn solid(ground: &io::Result<Ground>) -> io::Result<&Ground> {
    ground.as_ref().map_err(|error| error.kind().into())
}

fn open_outside(ground: &io::Result<Ground>, config: &Config) -> (Option<Outside>, Layer) {
    const NAME: &str = "egress";
    if config.egress == Egress::None {
        return (None, Layer::present(NAME));
    }
    let opened = Links::open(&config.links, &config.instance).and_then(|mut links| {
        let stuck =
            |error| Lack::new(format!("network namespaces cannot be visited: {error}"), "run as root on the host");
        let ground = solid(ground).map_err(stuck)?;
        let firewall = Firewall::install(&links)?;
        if let Err(lack) = slot::probe(ground, &mut links) {
            firewall.remove();
            return Err(lack);
        }
        Ok(Outside { firewall, links })
    });
    match opened {
        Ok(outside) => (Some(outside), Layer::present(NAME)),
        Err(lack) => (None, Layer::degraded(NAME, lack.why, lack.fix)),
    }
}

/// Why there is no way outside, and what the operator can do.
#[derive(Debug)]
struct Lack {
    why: String,
    fix: String,
}

impl Lack {
    fn new(why: impl Into<String>, fix: impl Into<String>) -> Lack {
        Lack { why: why.into(), fix: fix.into() }
    }
}
