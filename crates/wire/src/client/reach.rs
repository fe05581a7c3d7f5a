//! Which addresses a call may lead to. A name means what it resolves to at the moment of connecting, so that no later answer
//! of a resolver leads elsewhere.
//!
//! Whose URL is called decides. The operator's go anywhere. A tenant's (an API's integration, a JWT issuer) go where a
//! function's own code could go (`sandbox::net::firewall` has the same rules for packets): outside and to networks around,
//! but not to this machine and never to a cloud's metadata service. On a node that only its own machine can call, tenant and
//! operator are one person, whose services on `localhost` are what they develop against: there, this machine is open too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far calls may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Anywhere: for URLs that the operator names.
    Anywhere,
    /// Anywhere but metadata services: for tenants of a node that only its own machine can call.
    Neighbours,
    /// Neither metadata services nor this machine: for everybody else's URLs.
    Outside,
}

/// Metadata services outside of the link-local blocks: Azure's wire server, Alibaba's metadata.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
/// AWS's, which is not in a link-local block.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

impl Reach {
    /// Whether a connection to this address may be made.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        let address = embedded(address);
        match self {
            Reach::Anywhere => true,
            Reach::Neighbours => is_unicast(address) && !is_metadata(address),
            Reach::Outside => is_unicast(address) && !is_metadata(address) && !address.is_loopback(),
        }
    }

    /// Whether a connection between these two, which stands already, may be used: an address of this machine other than
    /// loopback's is known by its being our own end's as well.
    pub(super) fn allows_between(self, ours: IpAddr, theirs: IpAddr) -> bool {
        self != Reach::Outside || ours.to_canonical() != theirs.to_canonical()
    }
}

/// The IPv4 address that an IPv6 address stands for, where it does: mapped, translated (NAT64), tunnelled (6to4).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => IpAddr::V6(v6),
    }
}

fn is_unicast(address: IpAddr) -> bool {
    // All of 0.0.0.0/8 is "this network"; Linux takes 0.0.0.0 and :: for this machine.
    let is_broadcast_or_this = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    !address.is_multicast() && !is_broadcast_or_this
}

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(address: &str) -> [bool; 3] {
        let address = address.parse().unwrap();
        [Reach::Anywhere, Reach::Neighbours, Reach::Outside].map(|reach| reach.allows(address))
    }

    #[test]
    fn tenants_reach_the_world_and_never_the_metadata_service() {
        for outside in ["8.8.8.8", "10.0.0.7", "192.168.1.1", "172.17.0.1", "2606:4700::1111", "fd12::1"] {
            assert_eq!(reaches(outside), [true, true, true], "{outside}");
        }
        for own in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"]
        {
            assert_eq!(reaches(own), [true, true, false], "{own}");
        }
        let never = [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::1",
            "168.63.129.16",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ];
        for never in never {
            assert_eq!(reaches(never), [true, false, false], "{never}");
        }
    }

    #[test]
    fn an_own_address_is_known_by_both_ends_being_it() {
        let lan = "192.168.1.7".parse().unwrap();
        assert!(!Reach::Outside.allows_between(lan, lan));
        assert!(Reach::Outside.allows_between(lan, "192.168.1.8".parse().unwrap()));
        assert!(Reach::Neighbours.allows_between(lan, lan));
    }
}
