//! Names and addresses for the links between sandboxes and the host.
//!
//! A server takes one block out of the configured range that no route of the host touches, and gives each link two
//! addresses of it (RFC 3021). Numbers go round the whole block, so that an address comes back only after all others: by
//! then the kernel has forgotten the connections of its last owner. An interface keeps its name while its addresses change.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::Ipv4Addr,
};

use super::{
    Lack,
    netlink::{Netlink, Route},
};

/// Addresses of one server: a /16, 32,768 links.
const BLOCK_PREFIX: u8 = 16;

/// The kernel gives each namespace's `lo` this index.
const LOOPBACK: u32 = 1;

/// Pairs of addresses in a documentation network (a /24).
const OUTSIDE_ATTEMPTS_MAX: u32 = 128;

/// When there is no route outside to take it from.
const MTU_DEFAULT: u32 = 1500;

/// The addresses from which links are made: by default 100.64.0.0/10, which RFC 6598 sets aside for addresses that are
/// translated before they meet the Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkRange {
    /// The first address.
    pub network: Ipv4Addr,
    /// Length of the prefix, 8 to 28.
    pub prefix: u8,
}

impl Default for LinkRange {
    fn default() -> LinkRange {
        LinkRange { network: Ipv4Addr::new(100, 64, 0, 0), prefix: 10 }
    }
}

impl std::str::FromStr for LinkRange {
    type Err = String;

    fn from_str(text: &str) -> Result<LinkRange, String> {
        let wrong = || format!("{text}: expected an IPv4 network such as 100.64.0.0/10, with a prefix of 8 to 28");
        let (network, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let network: Ipv4Addr = network.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if !(8..=28).contains(&prefix) || network.to_bits() & !mask(prefix) != 0 {
            return Err(wrong());
        }
        Ok(LinkRange { network, prefix })
    }
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) network: Ipv4Addr,
    pub(super) prefix: u8,
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// One link: a veth pair with an address at either end.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The host's interface.
    pub(super) name: String,
    pub(super) host: Ipv4Addr,
    pub(super) sandbox: Ipv4Addr,
    pub(super) mtu: u32,
}

/// The links of one server, one after the other.
#[derive(Debug)]
pub(super) struct Links {
    block: Block,
    /// Four hexadecimal digits that stand for the instance.
    tag: String,
    mtu: u32,
    next: u32,
    /// Numbers of addresses that a sandbox has.
    taken: HashSet<u32>,
    routes: Vec<Route>,
}

impl Links {
    /// Finds a free block and the MTU of the way outside.
    pub(super) fn open(range: &LinkRange, instance: &str) -> Result<Links, Lack> {
        let reading = |error: io::Error| Lack::new(format!("the host's routes cannot be read: {error}"), "run as root");
        let mut netlink = Netlink::open().map_err(reading)?;
        let routes = netlink.routes().map_err(reading)?;
        if routes.iter().all(|route| route.interface == Some(LOOPBACK)) {
            return Err(Lack::new(
                "there is no network here but loopback",
                "run as root on a host with a network; without root, sandboxes have none",
            ));
        }
        let hash = short_hash(instance);
        let block = free_block(range, &routes, u32::from(hash)).ok_or_else(|| {
            let why = format!("every part of {}/{} is in use by the host's routes", range.network, range.prefix);
            Lack::new(why, "configure another range for the links of sandboxes")
        })?;
        let uplinks = routes.iter().filter(|route| route.prefix == 0).filter_map(|route| route.interface);
        let mtu = uplinks.filter_map(|index| Some(netlink.interface_at(index).ok()?.mtu)).min();
        // Not where a former server began: the kernel may remember its connections.
        let next = RandomState::new().build_hasher().finish() as u32;
        Ok(Links {
            block,
            tag: format!("{hash:04x}"),
            mtu: mtu.unwrap_or(MTU_DEFAULT),
            next,
            taken: HashSet::new(),
            routes,
        })
    }

    pub(super) fn block(&self) -> Block {
        self.block
    }

    /// Stands for the instance in names of tables and interfaces.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// What the names of all the host's interfaces begin with.
    pub(super) fn name_prefix(&self) -> String {
        format!("updr{}-", self.tag)
    }

    /// The next free link in the round; none when sandboxes have all.
    pub(super) fn take(&mut self) -> Option<Link> {
        let count = 1u32 << (31 - self.block.prefix);
        let free = |number: &u32| !self.taken.contains(number);
        let number = (0..count).map(|offset| self.next.wrapping_add(offset) % count).find(free)?;
        self.taken.insert(number);
        self.next = number + 1;
        let host = self.block.network.to_bits() + 2 * number;
        Some(Link {
            name: format!("{}{number}", self.name_prefix()),
            host: Ipv4Addr::from_bits(host),
            sandbox: Ipv4Addr::from_bits(host + 1),
            mtu: self.mtu,
        })
    }

    /// The addresses of a link are free again, though the round comes back to them last.
    pub(super) fn release(&mut self, link: &Link) {
        self.taken.remove(&((link.host.to_bits() - self.block.network.to_bits()) / 2));
    }

    /// Links to a pretended outside, for the self-test, with addresses that exist nowhere (RFC 5737). None when the host
    /// routes all of those. Several, since the kernel may still be taking down that of a former server.
    pub(super) fn outside(&self) -> impl Iterator<Item = Link> {
        let documentation = [[198, 51, 100, 0], [203, 0, 113, 0], [192, 0, 2, 0]];
        let network = documentation.into_iter().map(Ipv4Addr::from).find(|network| {
            let block = Block { network: *network, prefix: 24 };
            !self.routes.iter().any(|route| overlaps(block, route))
        });
        let links = move |network: Ipv4Addr| {
            (0..OUTSIDE_ATTEMPTS_MAX).map(move |number| Link {
                name: format!("updo{}-{number}", self.tag),
                host: Ipv4Addr::from_bits(network.to_bits() + 2 * number),
                sandbox: Ipv4Addr::from_bits(network.to_bits() + 2 * number + 1),
                mtu: self.mtu,
            })
        };
        network.into_iter().flat_map(links)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// The first block, from `start` on, that no route but the default ones touches.
fn free_block(range: &LinkRange, routes: &[Route], start: u32) -> Option<Block> {
    let prefix = range.prefix.max(BLOCK_PREFIX);
    let count = 1u32 << (prefix - range.prefix);
    (0..count).find_map(|offset| {
        let number = (start + offset) % count;
        let network = Ipv4Addr::from_bits(range.network.to_bits() + (number << (32 - prefix)));
        let block = Block { network, prefix };
        (!routes.iter().any(|route| overlaps(block, route))).then_some(block)
    })
}

fn overlaps(block: Block, route: &Route) -> bool {
    let shared = mask(block.prefix.min(route.prefix));
    route.prefix > 0 && block.network.to_bits() & shared == route.network.to_bits() & shared
}

/// FNV-1a, folded to 16 bits: interface names have room for no more.
fn short_hash(text: &str) -> u16 {
    let hash = text.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        let (network, prefix) = text.split_once('/').unwrap();
        Route { network: network.parse().unwrap(), prefix: prefix.parse().unwrap(), interface: None }
    }

    #[test]
    fn a_block_avoids_the_hosts_routes() {
        let range: LinkRange = "100.64.0.0/14".parse().unwrap();
        let routes = [route("0.0.0.0/0"), route("100.64.7.1/32"), route("100.66.0.0/15")];
        assert_eq!(free_block(&range, &routes, 0), Some(Block { network: Ipv4Addr::new(100, 65, 0, 0), prefix: 16 }));
    }

    #[test]
    fn a_range_in_use_gives_no_block() {
        let range = LinkRange::default();
        assert_eq!(free_block(&range, &[route("100.64.0.0/10")], 3), None);
        assert_eq!(free_block(&range, &[route("100.0.0.0/8")], 3), None);
    }

    #[test]
    fn ranges_are_checked() {
        assert!("10.0.0.0/8".parse::<LinkRange>().is_ok());
        for wrong in ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/30", "::/64", "10.0.0.0/4"] {
            assert!(wrong.parse::<LinkRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn links_go_round_the_block_and_past_those_in_use() {
        let block = Block { network: Ipv4Addr::new(10, 0, 0, 0), prefix: 30 };
        let mut links =
            Links { block, tag: "00ff".into(), mtu: 1500, next: u32::MAX, taken: HashSet::new(), routes: Vec::new() };
        let last = links.take().unwrap();
        assert_eq!((last.name.as_str(), last.sandbox), ("updr00ff-1", Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(links.take().unwrap().host, block.network);
        assert!(links.take().is_none());
        links.release(&last);
        assert_eq!(links.take().unwrap().host, last.host);
    }
}
