//! Network namespaces, the firewall and the resolver against the real kernel. The "host" of these tests is a network
//! namespace of our own, with an "internet" behind it in another: the machine's own network is never touched.
#![allow(unsafe_code, reason = "forks and enters namespaces as the spawner does")]

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        linux::fs::MetadataExt,
    },
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use sandbox::{
    Egress, LayerState,
    net::{Config, LinkRange, NetPool, NetSlot, dns},
};

use crate::privilege;

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
pub(crate) const PORT: u16 = 8000;
const PATIENCE: Duration = Duration::from_millis(700);

/// A network namespace, kept by descriptor only: nothing is left when a test fails.
pub(crate) struct Namespace(pub(crate) OwnedFd);

impl Namespace {
    fn new() -> Namespace {
        let made = thread::spawn(|| {
            // SAFETY: NEWNET changes only which network this thread sees.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET).unwrap() };
            ip("link set lo up");
            Namespace(File::open("/proc/thread-self/ns/net").unwrap().into())
        });
        made.join().unwrap()
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// Does something in a namespace, on a thread of its own.
pub(crate) fn within<R: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> R + Send) -> R {
    let visit = || {
        move_into_link_name_space(netns, Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(visit).join().unwrap())
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}");
}

fn nft(script: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "nft: {script}");
}

/// A host with one uplink to an internet that serves [`PORT`] and pretends to be a metadata service too.
pub(crate) struct World {
    pub(crate) host: Namespace,
    pub(crate) internet: Namespace,
}

impl World {
    pub(crate) fn new() -> World {
        let world = World { host: Namespace::new(), internet: Namespace::new() };
        within(world.host.0.as_fd(), || {
            // New namespaces inherit what the machine has.
            fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
            ip(&format!("link add wan0 mtu 1400 type veth peer name eth0 mtu 1400 netns {}", world.internet.path()));
            ip(&format!("addr add {HOST}/24 dev wan0"));
            ip("link set wan0 up");
        });
        within(world.internet.0.as_fd(), || {
            ip(&format!("addr add {INTERNET}/24 dev eth0"));
            ip(&format!("addr add {METADATA}/32 dev eth0"));
            ip("link set eth0 up");
        });
        within(world.host.0.as_fd(), || ip(&format!("route add default via {INTERNET}")));
        world
    }

    fn pool(&self, egress: Egress) -> NetPool {
        self.pool_with(egress, LinkRange::default())
    }

    fn pool_with(&self, egress: Egress, links: LinkRange) -> NetPool {
        let config = Config { egress, endpoint_port: 4566, instance: format!("test-{}", std::process::id()), links };
        within(self.host.0.as_fd(), || NetPool::new(&config))
    }

    fn take(&self, pool: &mut NetPool) -> NetSlot {
        within(self.host.0.as_fd(), || pool.take().unwrap())
    }

    fn end(&self, pool: NetPool) {
        within(self.host.0.as_fd(), || pool.shutdown());
    }
}

/// Listens in a namespace and answers every connection with the address it came from.
pub(crate) fn serve(netns: &OwnedFd, port: u16) {
    let listener = within(netns.as_fd(), || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let from = stream.peer_addr().unwrap().ip();
            let _ = stream.write_all(from.to_string().as_bytes());
        }
    });
}

/// What a server says to somebody in a namespace who connects to it.
fn ask(netns: &OwnedFd, address: impl Into<SocketAddr>) -> io::Result<String> {
    let address = address.into();
    within(netns.as_fd(), || {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
}

fn refused(netns: &OwnedFd, address: impl Into<SocketAddr>) -> bool {
    ask(netns, address).is_err()
}

fn inode(netns: &OwnedFd) -> u64 {
    fs::metadata(format!("/proc/self/fd/{}", netns.as_raw_fd())).unwrap().st_ino()
}

fn layer(pool: &NetPool, name: &str) -> LayerState {
    pool.layers().iter().find(|layer| layer.name == name).unwrap().state.clone()
}

fn with_outside(world: &World) -> NetPool {
    let pool = world.pool(Egress::Nat);
    assert_eq!(layer(&pool, "egress"), LayerState::Present);
    assert!(pool.has_outside());
    pool
}

#[test]
fn the_sockets_inside_are_the_servers() {
    if !privilege::root_for("the_sockets_inside_are_the_servers") {
        return;
    }
    let world = World::new();
    let slot = world.take(&mut world.pool(Egress::None));
    let sockets = slot.sockets.as_ref().unwrap();
    for (port, socket) in [(9001, &sockets.runtime_api), (4566, &sockets.endpoint)] {
        let listener = TcpListener::from(socket.try_clone().unwrap());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let _client = within(slot.netns.as_fd(), || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
        listener.accept().unwrap();
    }
    let dns = UdpSocket::from(sockets.dns.try_clone().unwrap());
    within(slot.netns.as_fd(), || {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(b"who", (Ipv4Addr::LOCALHOST, 53)).unwrap();
    });
    assert_eq!(dns.recv_from(&mut [0; 8]).unwrap().0, 3);
}

#[test]
fn without_egress_nothing_is_in_reach() {
    if !privilege::root_for("without_egress_nothing_is_in_reach") {
        return;
    }
    let world = World::new();
    serve(&world.host.0, PORT);
    serve(&world.internet.0, PORT);
    let mut pool = world.pool(Egress::None);
    let (slot, other) = (world.take(&mut pool), world.take(&mut pool));
    serve(&other.netns, PORT);
    assert_eq!(slot.address, None);
    assert!(!pool.has_outside());
    for address in [HOST, INTERNET, METADATA, Ipv4Addr::LOCALHOST] {
        assert!(refused(&slot.netns, (address, PORT)), "{address}");
    }
    // What was out of reach is there.
    assert_eq!(ask(&world.internet.0, (HOST, PORT)).unwrap(), INTERNET.to_string());
    assert_eq!(ask(&world.host.0, (INTERNET, PORT)).unwrap(), HOST.to_string());
    assert_eq!(ask(&other.netns, (Ipv4Addr::LOCALHOST, PORT)).unwrap(), "127.0.0.1");
}

#[test]
fn links_may_lie_around_a_refused_address() {
    if !privilege::root_for("links_may_lie_around_a_refused_address") {
        return;
    }
    let world = World::new();
    // One of the metadata addresses lies in the range of the links: every block of that range holds it.
    let pool = world.pool_with(Egress::Nat, "100.100.100.0/24".parse().unwrap());
    assert!(pool.has_outside(), "{:?}", pool.layers());
    world.end(pool);
}

#[test]
fn egress_leads_outside_under_the_hosts_address() {
    if !privilege::root_for("egress_leads_outside_under_the_hosts_address") {
        return;
    }
    let world = World::new();
    serve(&world.internet.0, PORT);
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    assert_eq!(ask(&slot.netns, (INTERNET, PORT)).unwrap(), HOST.to_string());
    // The link carries packets of the uplink's size, so nothing has to be cut on the way.
    let links = within(slot.netns.as_fd(), || Command::new("ip").args(["link", "show", "eth0"]).output().unwrap());
    assert!(String::from_utf8_lossy(&links.stdout).contains("mtu 1400"));
    world.end(pool);
    assert!(refused(&slot.netns, (INTERNET, PORT)), "after shutdown nothing is forwarded");
}

#[test]
fn egress_never_leads_to_the_host() {
    if !privilege::root_for("egress_never_leads_to_the_host") {
        return;
    }
    let world = World::new();
    serve(&world.host.0, PORT);
    let redirect = "table ip published {\n chain in {\n type nat hook prerouting priority -100;\n tcp dport 8080 redirect to :8000\n }\n }\n";
    within(world.host.0.as_fd(), || nft(redirect));
    assert_eq!(ask(&world.internet.0, (HOST, PORT)).unwrap(), INTERNET.to_string());
    assert_eq!(ask(&world.internet.0, (HOST, 8080)).unwrap(), INTERNET.to_string());
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    let link = Ipv4Addr::from_bits(slot.address.unwrap().to_bits() - 1);
    for address in [HOST, link, Ipv4Addr::LOCALHOST] {
        for port in [PORT, 8080] {
            let start = Instant::now();
            assert!(refused(&slot.netns, (address, port)), "{address}:{port}");
            assert!(start.elapsed() < PATIENCE, "{address}:{port} is refused, not left to wait");
        }
    }
    world.end(pool);
}

#[test]
fn egress_never_leads_to_other_sandboxes() {
    if !privilege::root_for("egress_never_leads_to_other_sandboxes") {
        return;
    }
    let world = World::new();
    let mut pool = with_outside(&world);
    let (slot, other) = (world.take(&mut pool), world.take(&mut pool));
    let there = (other.address.unwrap(), PORT);
    serve(&other.netns, PORT);
    assert!(refused(&slot.netns, there));
    assert_eq!(ask(&other.netns, there).unwrap(), there.0.to_string(), "it does listen");
    world.end(pool);
}

#[test]
fn nobody_outside_reaches_a_sandbox() {
    if !privilege::root_for("nobody_outside_reaches_a_sandbox") {
        return;
    }
    let world = World::new();
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    let there = (slot.address.unwrap(), PORT);
    serve(&slot.netns, PORT);
    within(world.internet.0.as_fd(), || ip(&format!("route add 100.64.0.0/10 via {HOST}")));
    assert!(refused(&world.internet.0, there));
    // With our rules gone the same packet does arrive, so it was the rules.
    within(world.host.0.as_fd(), || {
        nft("flush ruleset");
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    });
    assert_eq!(ask(&world.internet.0, there).unwrap(), INTERNET.to_string());
    world.end(pool);
}

#[test]
fn egress_never_leads_to_metadata_services() {
    if !privilege::root_for("egress_never_leads_to_metadata_services") {
        return;
    }
    let world = World::new();
    serve(&world.internet.0, PORT);
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    assert_eq!(ask(&world.host.0, (METADATA, PORT)).unwrap(), HOST.to_string(), "the host itself reaches it");
    assert!(refused(&slot.netns, (METADATA, PORT)));
    world.end(pool);
}

#[test]
fn there_is_no_ipv6_on_the_link() {
    if !privilege::root_for("there_is_no_ipv6_on_the_link") {
        return;
    }
    let world = World::new();
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    for netns in [&slot.netns, &world.host.0] {
        let interfaces = within(netns.as_fd(), || {
            let mut text = String::new();
            File::open("/proc/thread-self/net/if_inet6").map(|mut file| file.read_to_string(&mut text)).ok();
            text
        });
        let outside = interfaces.lines().filter(|line| line.ends_with("eth0") || line.contains("updr"));
        assert_eq!(outside.count(), 0, "{interfaces}");
    }
    world.end(pool);
}

#[test]
fn forwarding_is_switched_on_for_sandboxes_only() {
    if !privilege::root_for("forwarding_is_switched_on_for_sandboxes_only") {
        return;
    }
    let world = World::new();
    serve(&world.internet.0, PORT);
    let lan = Namespace::new();
    within(world.host.0.as_fd(), || {
        ip(&format!("link add lan0 type veth peer name eth0 netns {}", lan.path()));
        ip("addr add 10.78.0.1/24 dev lan0");
        ip("link set lan0 up");
    });
    within(lan.0.as_fd(), || {
        ip("addr add 10.78.0.2/24 dev eth0");
        ip("link set eth0 up");
        ip("route add default via 10.78.0.1");
    });
    within(world.internet.0.as_fd(), || ip(&format!("route add 10.78.0.0/24 via {HOST}")));
    let forwarding = || within(world.host.0.as_fd(), || fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap());
    assert_eq!(forwarding(), "0\n");
    let pool = with_outside(&world);
    assert_eq!(forwarding(), "1\n");
    assert!(refused(&lan.0, (INTERNET, PORT)), "the host has not become a router for others");
    within(world.host.0.as_fd(), || nft("delete table inet updraft_forwarding"));
    assert_eq!(ask(&lan.0, (INTERNET, PORT)).unwrap(), "10.78.0.2", "it would have, without the guard");
    world.end(pool);
    within(world.host.0.as_fd(), || fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap());
    let again = with_outside(&world);
    // A crash: no shutdown. The next server finds its table and takes the guard over.
    drop(again);
    world.end(with_outside(&world));
    assert_eq!(forwarding(), "0\n", "what we switched on we switch off");
    let tables = within(world.host.0.as_fd(), || Command::new("nft").args(["list", "tables"]).output().unwrap());
    assert_eq!(String::from_utf8_lossy(&tables.stdout), "");
}

#[test]
fn a_foreign_firewall_that_forwards_nothing_is_reported() {
    if !privilege::root_for("a_foreign_firewall_that_forwards_nothing_is_reported") {
        return;
    }
    let world = World::new();
    let docker = "table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; policy drop;\n }\n }\n";
    within(world.host.0.as_fd(), || nft(docker));
    let mut pool = world.pool(Egress::Nat);
    let LayerState::Degraded { why } = layer(&pool, "egress") else { panic!("not reported") };
    assert!(why.contains("does not get through"), "{why}");
    assert_eq!(world.take(&mut pool).address, None);
    world.end(pool);
}

#[test]
fn a_range_that_the_host_uses_is_reported() {
    if !privilege::root_for("a_range_that_the_host_uses_is_reported") {
        return;
    }
    let world = World::new();
    within(world.host.0.as_fd(), || ip(&format!("route add 100.64.0.0/10 via {INTERNET}")));
    let pool = world.pool(Egress::Nat);
    let LayerState::Degraded { why } = layer(&pool, "egress") else { panic!("not reported") };
    assert!(why.contains("100.64.0.0/10"), "{why}");
}

#[test]
fn a_namespace_comes_back_only_when_its_sockets_are_closed() {
    if !privilege::root_for("a_namespace_comes_back_only_when_its_sockets_are_closed") {
        return;
    }
    let world = World::new();
    let mut pool = world.pool(Egress::None);
    let refill = |pool: &mut NetPool| within(world.host.0.as_fd(), || while pool.refill(1).unwrap() {});
    let slot = world.take(&mut pool);
    let (first, held) = (inode(&slot.netns), slot.sockets.as_ref().unwrap().runtime_api.try_clone().unwrap());
    let _keep = slot.netns.try_clone().unwrap();
    pool.give_back(slot);
    refill(&mut pool);
    let slot = world.take(&mut pool);
    let second = inode(&slot.netns);
    assert_ne!(second, first, "the server still listens in the first");
    drop(held);
    pool.give_back(slot);
    for expected in [first, second] {
        refill(&mut pool);
        let slot = world.take(&mut pool);
        assert_eq!(inode(&slot.netns), expected);
        let remembers_nothing =
            within(slot.netns.as_fd(), || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_no_metrics_save").unwrap());
        assert_eq!(remembers_nothing.trim(), "1", "how its connections went is nothing for the next");
    }
}

#[test]
fn answers_to_the_last_occupant_do_not_reach_the_next() {
    if !privilege::root_for("answers_to_the_last_occupant_do_not_reach_the_next") {
        return;
    }
    let world = World::new();
    serve(&world.internet.0, PORT);
    let server = within(world.internet.0.as_fd(), || UdpSocket::bind((INTERNET, PORT)).unwrap());
    let occupy = |slot: &NetSlot| {
        let socket = within(slot.netns.as_fd(), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5000)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let mut pool = with_outside(&world);
    let slot = world.take(&mut pool);
    let (namespace, address) = (inode(&slot.netns), slot.address.unwrap());
    let first = occupy(&slot);
    let mut buffer = [0; 8];
    first.send_to(b"ask", (INTERNET, PORT)).unwrap();
    let (_, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(b"answer", from).unwrap();
    first.recv(&mut buffer).unwrap();
    drop(first);
    pool.give_back(slot);
    within(world.host.0.as_fd(), || while pool.refill(1).unwrap() {});
    let slot = world.take(&mut pool);
    assert_eq!(inode(&slot.netns), namespace, "the namespace is used again");
    assert_ne!(slot.address.unwrap(), address, "its address is not");
    let next = occupy(&slot);
    server.send_to(b"late", from).unwrap();
    assert!(next.recv(&mut buffer).is_err(), "the answer reached the wrong one");
    assert_eq!(ask(&slot.netns, (INTERNET, PORT)).unwrap(), HOST.to_string(), "it leads outside");
    next.send_to(b"ask", (INTERNET, PORT)).unwrap();
    let (_, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(b"answer", from).unwrap();
    next.recv(&mut buffer).unwrap();
    world.end(pool);
}

#[test]
fn names_are_found_through_the_hosts_resolver() {
    if !privilege::root_for("names_are_found_through_the_hosts_resolver") {
        return;
    }
    let world = World::new();
    let resolver = within(world.internet.0.as_fd(), || UdpSocket::bind((INTERNET, 53)).unwrap());
    thread::spawn(move || {
        let mut buffer = [0u8; 512];
        while let Ok((length, from)) = resolver.recv_from(&mut buffer) {
            buffer[2] |= 0x80;
            let _ = resolver.send_to(&buffer[..length], from);
        }
    });
    let slot = world.take(&mut world.pool(Egress::None));
    let inside = UdpSocket::from(slot.sockets.as_ref().unwrap().dns.try_clone().unwrap());
    let host = world.host.0.try_clone().unwrap();
    thread::spawn(move || {
        within(host.as_fd(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = tokio::net::UdpSocket::from_std(inside).unwrap();
                let upstream = dns::Upstream::Servers(vec![(INTERNET, 53).into()]);
                dns::forward(socket, Arc::new(upstream)).await
            })
        })
    });
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";
    let answer = within(slot.netns.as_fd(), || {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(question, (Ipv4Addr::LOCALHOST, 53)).unwrap();
        let mut buffer = [0u8; 512];
        client.recv(&mut buffer).map(|length| buffer[..length].to_vec())
    });
    assert_eq!(answer.unwrap()[12..], question[12..]);
}
