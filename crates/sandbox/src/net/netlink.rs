//! Just enough of rtnetlink to make veth pairs, give them addresses and routes, and read the host's routes.
//!
//! Requests and answers as in rtnetlink(7): a header, a fixed part, then attributes (length, kind, value, padded to four
//! bytes). One request at a time, each acknowledged.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

const HEADER_BYTES: usize = 16;
const ALIGN: usize = 4;
/// Larger than any datagram the kernel makes for a dump.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// `IFLA_INET6_ADDR_GEN_MODE` and its value "none": no link-local IPv6 address.
const INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;
/// `VETH_INFO_PEER`.
const VETH_INFO_PEER: u16 = 1;
const PREFIX_HOST_PAIR: u8 = 31;
/// `TCP_METRICS_CMD_DEL` and its version: without an address, of all.
const TCP_METRICS_DELETE: [u8; 4] = [2, 1, 0, 0];
/// `CTRL_CMD_GETFAMILY` and its version, and the attributes of its question and answer.
const GET_FAMILY: [u8; 4] = [3, 1, 0, 0];
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// A netlink socket in the network namespace in which it was opened, wherever the thread goes later.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// An IPv4 network that the host has a route to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) network: Ipv4Addr,
    pub(super) prefix: u8,
    /// Index of the interface it leads to.
    pub(super) interface: Option<u32>,
}

/// What we want to know of an interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) mtu: u32,
    /// Up, and its queue takes packets.
    pub(super) running: bool,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Netlink> {
        Netlink::of_protocol(libc::NETLINK_ROUTE)
    }

    /// For [`Netlink::forget_connections`].
    pub(super) fn open_generic() -> io::Result<Netlink> {
        Netlink::of_protocol(libc::NETLINK_GENERIC)
    }

    #[expect(unsafe_code, reason = "no safe wrapper for netlink sockets among our dependencies")]
    fn of_protocol(protocol: i32) -> io::Result<Netlink> {
        // SAFETY: socket(2) with numbers touches no memory of ours.
        let raw = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a descriptor that was opened on the line above and that nobody else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Netlink { socket, sequence: 0, buffer: Vec::new() })
    }

    /// What the kernel calls the family of messages about TCP's memory.
    pub(super) fn tcp_metrics(&mut self) -> io::Result<u16> {
        let mut message = Message::default();
        message.raw(&GET_FAMILY);
        message.text(FAMILY_NAME, "tcp_metrics");
        let answers = self.send(libc::GENL_ID_CTRL as u16, libc::NLM_F_ACK, message)?;
        let body = answers.first().ok_or(io::ErrorKind::NotFound)?;
        let (_, id) = attributes(body, 4).find(|(kind, _)| *kind == FAMILY_ID).ok_or(io::ErrorKind::InvalidData)?;
        id.try_into().map(u16::from_ne_bytes).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Makes the kernel forget how the TCP connections of this namespace went.
    pub(super) fn forget_connections(&mut self, tcp_metrics: u16) -> io::Result<()> {
        let mut message = Message::default();
        message.raw(&TCP_METRICS_DELETE);
        self.change(tcp_metrics, 0, message)
    }

    /// Makes a veth pair: `name` here, `peer` in the namespace `home`. Both are down.
    pub(super) fn add_veth(&mut self, name: &str, mtu: u32, peer: &str, home: BorrowedFd<'_>) -> io::Result<()> {
        let mut message = Message::link(0, 0);
        message.text(libc::IFLA_IFNAME, name);
        message.number(libc::IFLA_MTU, mtu);
        message.one_queue();
        message.nested(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth");
            info.nested(libc::IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    other.link_header(0, 0);
                    other.text(libc::IFLA_IFNAME, peer);
                    other.number(libc::IFLA_MTU, mtu);
                    other.one_queue();
                    other.number(libc::IFLA_NET_NS_FD, home.as_raw_fd() as u32);
                });
            });
        });
        self.change(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL, message)
    }

    /// Keeps an interface from giving itself an IPv6 address when it comes up.
    pub(super) fn without_ipv6(&mut self, name: &str) -> io::Result<()> {
        let mut message = Message::link(0, 0);
        message.text(libc::IFLA_IFNAME, name);
        message.nested(libc::IFLA_AF_SPEC, |families| {
            families.nested(libc::AF_INET6 as u16, |six| six.bytes(INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]));
        });
        match self.change(libc::RTM_SETLINK, 0, message) {
            // A kernel without IPv6 gives none anyway.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(()),
            other => other,
        }
    }

    pub(super) fn set_up(&mut self, name: &str) -> io::Result<()> {
        let mut message = Message::link(0, libc::IFF_UP as u32);
        message.text(libc::IFLA_IFNAME, name);
        self.change(libc::RTM_SETLINK, 0, message)
    }

    /// Gives an interface one end of a two-address network.
    pub(super) fn add_address(&mut self, interface: u32, address: Ipv4Addr) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.change(libc::RTM_NEWADDR, flags, Message::address(interface, address))
    }

    /// Takes it away again, and with the last address of an interface all routes through it.
    pub(super) fn remove_address(&mut self, interface: u32, address: Ipv4Addr) -> io::Result<()> {
        self.change(libc::RTM_DELADDR, 0, Message::address(interface, address))
    }

    /// Sends everything without a route of its own to `gateway`.
    pub(super) fn add_default_route(&mut self, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = Message::default();
        message.raw(&[libc::AF_INET as u8, 0, 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_STATIC]);
        message.raw(&[libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST]);
        message.raw(&0u32.to_ne_bytes());
        message.bytes(libc::RTA_GATEWAY, &gateway.octets());
        self.change(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, message)
    }

    pub(super) fn interface(&mut self, name: &str) -> io::Result<Interface> {
        let mut message = Message::link(0, 0);
        message.text(libc::IFLA_IFNAME, name);
        self.ask_link(message)
    }

    pub(super) fn interface_at(&mut self, index: u32) -> io::Result<Interface> {
        self.ask_link(Message::link(index, 0))
    }

    fn ask_link(&mut self, message: Message) -> io::Result<Interface> {
        let answers = self.send(libc::RTM_GETLINK, libc::NLM_F_ACK, message)?;
        let body = answers.first().ok_or(io::ErrorKind::NotFound)?;
        let index = u32_at(body, 4).ok_or(io::ErrorKind::InvalidData)?;
        let flags = u32_at(body, 8).ok_or(io::ErrorKind::InvalidData)?;
        let mtu =
            attributes(body, 16).find(|(kind, _)| *kind == libc::IFLA_MTU).and_then(|(_, value)| u32_at(value, 0));
        Ok(Interface { index, mtu: mtu.unwrap_or(1500), running: flags & libc::IFF_RUNNING as u32 != 0 })
    }

    /// All IPv4 routes of all tables, the host's own addresses among them.
    pub(super) fn routes(&mut self) -> io::Result<Vec<Route>> {
        let mut message = Message::default();
        message.raw(&[libc::AF_INET as u8, 0, 0, 0, 0, 0, 0, 0]);
        message.raw(&0u32.to_ne_bytes());
        let answers = self.send(libc::RTM_GETROUTE, libc::NLM_F_DUMP, message)?;
        Ok(answers.iter().filter_map(|body| route(body)).collect())
    }

    fn change(&mut self, kind: u16, flags: i32, message: Message) -> io::Result<()> {
        self.send(kind, flags | libc::NLM_F_ACK, message).map(drop)
    }

    /// Sends one request and collects the bodies of its answers up to the acknowledgement or the end of the dump.
    fn send(&mut self, kind: u16, flags: i32, message: Message) -> io::Result<Vec<Vec<u8>>> {
        self.sequence += 1;
        let length = HEADER_BYTES + message.0.len();
        let mut request = Vec::with_capacity(length);
        request.extend_from_slice(&(length as u32).to_ne_bytes());
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        request.extend_from_slice(&self.sequence.to_ne_bytes());
        request.extend_from_slice(&0u32.to_ne_bytes());
        request.extend_from_slice(&message.0);
        rustix::net::send(&self.socket, &request, rustix::net::SendFlags::empty())?;
        self.collect()
    }

    fn collect(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut answers = Vec::new();
        self.buffer.resize(ANSWER_BYTES_MAX, 0);
        loop {
            let (count, _) = rustix::net::recv(&self.socket, &mut self.buffer[..], rustix::net::RecvFlags::empty())?;
            let mut rest = &self.buffer[..count];
            while let Some(length) = u32_at(rest, 0).map(|length| length as usize) {
                let body = rest.get(HEADER_BYTES..length).ok_or(io::ErrorKind::InvalidData)?;
                let kind = i32::from(u16::from_ne_bytes([rest[4], rest[5]]));
                if u32_at(rest, 8) == Some(self.sequence) {
                    match kind {
                        libc::NLMSG_DONE => return Ok(answers),
                        libc::NLMSG_ERROR => return answer(body).map(|()| answers),
                        _ => answers.push(body.to_vec()),
                    }
                }
                rest = rest.get(aligned(length)..).unwrap_or_default();
            }
        }
    }
}

/// An acknowledgement is an error message with the number zero.
fn answer(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(|number| number as i32) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(-number)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn route(body: &[u8]) -> Option<Route> {
    let mut route = Route { network: Ipv4Addr::UNSPECIFIED, prefix: *body.get(1)?, interface: None };
    for (kind, value) in attributes(body, 12) {
        match kind {
            libc::RTA_DST => route.network = Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?),
            libc::RTA_OIF => route.interface = u32_at(value, 0),
            _ => {}
        }
    }
    Some(route)
}

/// The attributes after a fixed part of `skip` bytes.
fn attributes(body: &[u8], skip: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(skip..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*rest.first()?, *rest.get(1)?]));
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]);
        let value = rest.get(4..length)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGN)
}

/// A request's fixed part and attributes.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn link(index: u32, flags: u32) -> Message {
        let mut message = Message::default();
        message.link_header(index, flags);
        message
    }

    /// `struct ifaddrmsg` and the address.
    fn address(interface: u32, address: Ipv4Addr) -> Message {
        let mut message = Message::default();
        message.raw(&[libc::AF_INET as u8, PREFIX_HOST_PAIR, 0, libc::RT_SCOPE_UNIVERSE]);
        message.raw(&interface.to_ne_bytes());
        message.bytes(libc::IFA_LOCAL, &address.octets());
        message.bytes(libc::IFA_ADDRESS, &address.octets());
        message
    }

    /// `struct ifinfomsg`; flags are also the mask of what to change.
    fn link_header(&mut self, index: u32, flags: u32) {
        self.raw(&[0; 4]);
        self.raw(&index.to_ne_bytes());
        self.raw(&flags.to_ne_bytes());
        self.raw(&flags.to_ne_bytes());
    }

    /// The kernel would make as many as there may be processors, each with files of its own, and take all but one away.
    fn one_queue(&mut self) {
        self.number(libc::IFLA_NUM_TX_QUEUES, 1);
        self.number(libc::IFLA_NUM_RX_QUEUES, 1);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.raw(&((4 + value.len()) as u16).to_ne_bytes());
        self.raw(&kind.to_ne_bytes());
        self.raw(value);
        self.0.resize(aligned(self.0.len()), 0);
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(kind, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_went() {
        let mut message = Message::default();
        message.text(3, "abcd");
        message.number(4, 7);
        let read: Vec<_> = attributes(&message.0, 0).collect();
        assert_eq!(read, [(3, &b"abcd\0"[..]), (4, &7u32.to_ne_bytes()[..])]);
    }

    #[test]
    fn a_cut_attribute_ends_the_list() {
        let mut message = Message::default();
        message.number(4, 7);
        assert_eq!(attributes(&message.0[..6], 0).count(), 0);
    }
}
