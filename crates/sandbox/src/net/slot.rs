//! Making one network namespace: loopback, the three sockets, and the link outside.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::{
    DNS_PORT, Lack, NetSlot, RUNTIME_API_PORT, Sockets, Used,
    links::{Link, Links},
    netlink::Netlink,
};
use crate::TRACE_DAEMON;

/// What the link outside is called inside.
const INTERFACE: &str = "eth0";

/// A name or address may still belong to a link that the kernel is taking down; then the next is tried.
const LINK_ATTEMPTS_MAX: usize = 64;

/// How long the self-test waits for its packet.
const PROBE_PATIENCE: Duration = Duration::from_millis(1000);

/// Docker, for one, has the host drop what it does not know.
const FORWARD_FIX: &str = "let the host's firewall forward from and to interfaces named updr*; beside Docker: \
    iptables -I DOCKER-USER -i updr+ -j ACCEPT; iptables -I DOCKER-USER -o updr+ -j ACCEPT";

/// This thread's network namespace, by magic link: `/proc/self` would be the main thread's.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Makes a namespace without a link.
pub(super) fn make(ground: &Ground) -> io::Result<NetSlot> {
    let visit = Visit::to_new(&ground.home)?;
    let remembers_nothing = ground.oblivion.settle(&mut Netlink::open()?)?;
    let netns = File::open(OWN_NAMESPACE)?.into();
    let slot = NetSlot { remembers_nothing, ..furnish(netns, ground.endpoint_port, None)? };
    visit.end();
    Ok(slot)
}

/// Makes a namespace with a link to the host.
pub(super) fn make_linked(ground: &Ground, links: &mut Links) -> io::Result<NetSlot> {
    let mut host = Netlink::open()?;
    let visit = Visit::to_new(&ground.home)?;
    let mut inside = Netlink::open()?;
    let remembers_nothing = ground.oblivion.settle(&mut inside)?;
    let link = plug_in(&mut inside, ground.home.0.as_fd(), links)?;
    let netns = File::open(OWN_NAMESPACE)?.into();
    let slot = NetSlot { remembers_nothing, ..furnish(netns, ground.endpoint_port, Some(link.clone()))? };
    visit.end();
    raise_host_end(&mut host, &link)?;
    await_running(&mut inside, INTERFACE)?;
    Ok(slot)
}

/// New sockets in the namespace of a dead sandbox, and new addresses if it had any: an answer to the last occupant finds
/// nobody. Fails with `EADDRINUSE` when somebody still holds the old sockets.
pub(super) fn revive(ground: &Ground, used: &Used, links: Option<&mut Links>) -> io::Result<NetSlot> {
    let visit = Visit::to(&ground.home, used.netns.as_fd())?;
    let mut slot = furnish(used.netns.try_clone()?, ground.endpoint_port, None)?;
    slot.remembers_nothing = used.remembers_nothing || ground.oblivion.forget()?;
    if let (Some(old), Some(links)) = (&used.link, links) {
        let mut inside = Netlink::open()?;
        let mut link = links.take().ok_or(io::ErrorKind::AddrNotAvailable)?;
        link.name.clone_from(&old.name);
        let interface = inside.interface(INTERFACE)?;
        inside.remove_address(interface.index, old.sandbox)?;
        inside.add_address(interface.index, link.sandbox)?;
        inside.add_default_route(link.host)?;
        visit.end();
        let mut host = Netlink::open()?;
        let interface = host.interface(&link.name)?;
        host.remove_address(interface.index, old.host)?;
        host.add_address(interface.index, link.host)?;
        links.release(old);
        slot.address = Some(link.sandbox);
        slot.link = Some(link);
    }
    Ok(slot)
}

/// What all namespaces are made from.
#[derive(Debug)]
pub(super) struct Ground {
    home: Home,
    oblivion: Oblivion,
    endpoint_port: u16,
}

impl Ground {
    pub(super) fn prepare(endpoint_port: u16) -> io::Result<Ground> {
        let home = Home::here()?;
        Ok(Ground { oblivion: Oblivion::here(&home), home, endpoint_port })
    }
}

/// How namespaces come not to remember the connections of their last occupant: the kernel keeps round-trip times and the like.
#[derive(Debug, Clone, Copy)]
enum Oblivion {
    /// When they are used for the second time they are made to forget, by a message of this family, and not to remember any more.
    Later(u16),
    /// From the beginning, which costs more with every namespace there is: the kernel looks for a file in `/proc/sys/net` among those
    /// of all of them. For spawners without privileges, which may not send that message.
    AtOnce,
}

impl Oblivion {
    fn here(home: &Home) -> Oblivion {
        let later = || {
            let family = Netlink::open_generic()?.tcp_metrics()?;
            let visit = Visit::to_new(home)?;
            let forgotten = Netlink::open_generic()?.forget_connections(family);
            visit.end();
            forgotten.map(|()| Oblivion::Later(family))
        };
        later().unwrap_or(Oblivion::AtOnce)
    }

    /// In a new namespace, where the thread is now. Whether it remembers nothing.
    fn settle(self, inside: &mut Netlink) -> io::Result<bool> {
        let remembers_nothing = matches!(self, Oblivion::AtOnce);
        if remembers_nothing {
            // Where it cannot be written, that is all that is lost.
            let _ = remember_nothing();
        }
        inside.set_up("lo")?;
        Ok(remembers_nothing)
    }

    /// In a used namespace, where the thread is now. Whether it remembers nothing from now on.
    fn forget(self) -> io::Result<bool> {
        let Oblivion::Later(family) = self else { return Ok(true) };
        let remembers_nothing = remember_nothing().is_ok();
        Netlink::open_generic()?.forget_connections(family)?;
        Ok(remembers_nothing)
    }
}

fn remember_nothing() -> io::Result<()> {
    std::fs::write("/proc/sys/net/ipv4/tcp_no_metrics_save", "1")
}

/// The sockets, in the namespace where the thread is now.
fn furnish(netns: OwnedFd, endpoint_port: u16, link: Option<Link>) -> io::Result<NetSlot> {
    Ok(NetSlot {
        netns,
        sockets: Some(Sockets {
            runtime_api: listener(RUNTIME_API_PORT)?,
            endpoint: listener(endpoint_port)?,
            dns: resolver()?,
        }),
        address: link.as_ref().map(|link| link.sandbox),
        link,
        remembers_nothing: false,
    })
}

fn listener(port: u16) -> io::Result<OwnedFd> {
    let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

/// A TCP socket in another namespace.
pub(super) fn socket(netns: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let home = Home::here()?;
    let visit = Visit::to(&home, netns)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    visit.end();
    Ok(socket?)
}

/// The trace daemon's socket in another namespace, and its address on the loopback there, where the next occupant may find
/// it: an address without a socket answers nothing.
pub(super) fn trace_daemon(netns: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let home = Home::here()?;
    let visit = Visit::to(&home, netns)?;
    let socket = daemon_socket();
    visit.end();
    socket
}

fn daemon_socket() -> io::Result<OwnedFd> {
    let (address, port) = TRACE_DAEMON;
    let mut inside = Netlink::open()?;
    let loopback = inside.interface("lo")?;
    match inside.add_address(loopback.index, address) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let socket = UdpSocket::bind(SocketAddrV4::new(address, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn resolver() -> io::Result<OwnedFd> {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, DNS_PORT))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The inner end, in the namespace where the thread is now: the pair, its address, the way out.
fn plug_in(inside: &mut Netlink, host: BorrowedFd<'_>, links: &mut Links) -> io::Result<Link> {
    let mut attempt = 0;
    let link = loop {
        let link = links.take().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let Err(error) = inside.add_veth(INTERFACE, link.mtu, &link.name, host) else {
            break link;
        };
        links.release(&link);
        attempt += 1;
        if error.kind() != io::ErrorKind::AlreadyExists || attempt == LINK_ATTEMPTS_MAX {
            return Err(error);
        }
    };
    configure_inside(inside, &link)?;
    Ok(link)
}

fn configure_inside(inside: &mut Netlink, link: &Link) -> io::Result<()> {
    inside.without_ipv6(INTERFACE)?;
    inside.set_up(INTERFACE)?;
    let interface = inside.interface(INTERFACE)?;
    inside.add_address(interface.index, link.sandbox)?;
    inside.add_default_route(link.host)
}

fn raise_host_end(host: &mut Netlink, link: &Link) -> io::Result<()> {
    host.without_ipv6(&link.name)?;
    host.set_up(&link.name)?;
    let interface = host.interface(&link.name)?;
    host.add_address(interface.index, link.host)?;
    await_running(host, &link.name)
}

/// Waits until an interface whose other end came up takes packets: until the kernel's link watch has run they are lost,
/// and a first connection would wait a second for its second attempt. Since Linux 6.8 the question alone settles it.
fn await_running(netlink: &mut Netlink, name: &str) -> io::Result<()> {
    const ATTEMPTS_MAX: usize = 20;
    for _ in 0..ATTEMPTS_MAX {
        if netlink.interface(name)?.running {
            break;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

/// Sends a packet from a sandbox's link to a pretended outside and an answer back, through everything that this host's
/// firewalls have to say; and one to the host itself, which must not arrive.
pub(super) fn probe(ground: &Ground, links: &mut Links) -> Result<(), Lack> {
    let broken = |what: &str, error: io::Error| Lack::new(format!("{what}: {error}"), "run as root on the host");
    let slot = make_linked(ground, links).map_err(|error| broken("a link to the host cannot be made", error))?;
    // A host that routes all the documentation networks goes without the test.
    if links.outside().next().is_none() {
        return Ok(());
    }
    let (far, outside) =
        far_socket(&ground.home, links).map_err(|error| broken("the self-test cannot be set up", error))?;
    let near = near_socket(&ground.home, &slot).map_err(|error| broken("the self-test cannot be set up", error))?;
    let exchange = exchange(&near, &far, &outside);
    exchange.map_err(|error| {
        let why = format!("a packet from a sandbox does not get through this host: {error}");
        Lack::new(why, FORWARD_FIX)
    })?;
    let caught = UdpSocket::bind(SocketAddrV4::new(outside.host, 0)).and_then(|host| leak(&near, &host));
    match caught {
        Ok(false) => Ok(()),
        Ok(true) => {
            Err(Lack::new("the firewall rules do not keep sandboxes from the host", "report this host's kernel"))
        }
        Err(error) => Err(broken("the self-test failed", error)),
    }
}

fn far_socket(home: &Home, links: &Links) -> io::Result<(UdpSocket, Link)> {
    let mut host = Netlink::open()?;
    let visit = Visit::to_new(home)?;
    let mut inside = Netlink::open()?;
    let mut free = links.outside();
    let outside = loop {
        let outside = free.next().ok_or(io::ErrorKind::AlreadyExists)?;
        match inside.add_veth(INTERFACE, outside.mtu, &outside.name, home.0.as_fd()) {
            Ok(()) => break outside,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    };
    configure_inside(&mut inside, &outside)?;
    let socket = UdpSocket::bind(SocketAddrV4::new(outside.sandbox, 0))?;
    visit.end();
    raise_host_end(&mut host, &outside)?;
    await_running(&mut inside, INTERFACE)?;
    socket.set_read_timeout(Some(PROBE_PATIENCE))?;
    Ok((socket, outside))
}

fn near_socket(home: &Home, slot: &NetSlot) -> io::Result<UdpSocket> {
    let visit = Visit::to(home, slot.netns.as_fd())?;
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
    visit.end();
    socket.set_read_timeout(Some(PROBE_PATIENCE))?;
    Ok(socket)
}

fn exchange(near: &UdpSocket, far: &UdpSocket, outside: &Link) -> io::Result<()> {
    let mut buffer = [0u8; 8];
    near.send_to(b"out", far.local_addr()?)?;
    let (_, from) = far.recv_from(&mut buffer)?;
    if from.ip() != outside.host {
        return Err(io::Error::other(format!("its address was not translated: it came from {}", from.ip())));
    }
    far.send_to(b"back", from)?;
    near.recv_from(&mut buffer).map(drop)
}

/// Whether a packet from a sandbox reaches a socket of the host.
fn leak(near: &UdpSocket, host: &UdpSocket) -> io::Result<bool> {
    const DELIVERY: Duration = Duration::from_millis(20);
    host.set_read_timeout(Some(DELIVERY))?;
    // Refused at once or never answered: both are fine.
    let _ = near.send_to(b"in", host.local_addr()?);
    Ok(host.recv_from(&mut [0u8; 8]).is_ok())
}

/// The network namespace of a thread that visits others.
#[derive(Debug)]
struct Home(File);

impl Home {
    /// This thread's namespace, if it could be entered again: in a user namespace that does not own it, leaving is for good.
    fn here() -> io::Result<Home> {
        let home = File::open(OWN_NAMESPACE)?;
        move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(Home(home))
    }
}

/// A stay in another network namespace; dropping it goes home.
struct Visit<'a> {
    home: &'a Home,
}

impl Visit<'_> {
    #[expect(unsafe_code, reason = "unshare is unsafe for other flags")]
    fn to_new(home: &Home) -> io::Result<Visit<'_>> {
        // SAFETY: NEWNET changes only which network this thread sees; no descriptor or memory becomes invalid.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
        Ok(Visit { home })
    }

    fn to<'a>(home: &'a Home, netns: BorrowedFd<'_>) -> io::Result<Visit<'a>> {
        move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
        Ok(Visit { home })
    }

    fn end(self) {}
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if move_into_link_name_space(self.home.0.as_fd(), Some(LinkNameSpaceType::Network)).is_err() {
            // Going on would mean to act for the host inside of somebody's sandbox.
            std::process::abort();
        }
    }
}
