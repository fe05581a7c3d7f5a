//! Whom a registry's name lets us ask: this machine alone, over http, until there is TLS. No name is looked up, so none can
//! be made to mean another address (a cloud's metadata service, a neighbour) by whoever answers for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

use super::Error;

/// http's.
const PORT: u16 = 80;

/// A host of this machine, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Reads `host` or `host:port`.
    pub(super) fn of(text: &str) -> Result<Address, Error> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (host, port.parse().ok().filter(|port| *port != 0)),
            _ => (text, Some(PORT)),
        };
        let port = port.ok_or_else(|| Error::Unreachable(format!("{text} has no usable port")))?;
        let address = Address { host: host.to_ascii_lowercase(), port };
        match address.sockets().is_empty() {
            true => Err(Error::NoTls(text.to_owned())),
            false => Ok(address),
        }
    }

    /// Where to connect, in order. `localhost` is this machine by definition (RFC 6761), whatever a resolver says.
    pub(super) fn sockets(&self) -> Vec<SocketAddr> {
        let ips: Vec<IpAddr> = match self.host.parse::<Ipv4Addr>() {
            Ok(ip) if ip.is_loopback() => vec![ip.into()],
            Ok(_) => Vec::new(),
            Err(_) if self.host == "localhost" || self.host.ends_with(".localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Err(_) => Vec::new(),
        };
        ips.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect()
    }

    /// As the header Host names it.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where a link leads that was found there: an absolute one, or a path. Never anywhere but to this machine.
    pub(super) fn follow(&self, link: &str) -> Result<(Address, String), Error> {
        let refuse = |why: &str| Error::Unreachable(format!("it leads to {link:?}, {why}"));
        let uri: Uri = link.parse().map_err(|_| refuse("which is no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => {
                let address = Address::of(authority.as_str());
                Ok((address.map_err(|_| refuse("which is not on this machine"))?, path))
            }
            (None, None) if path.starts_with('/') && !path.starts_with("//") => Ok((self.clone(), path)),
            (Some("https"), _) => Err(refuse("and https is not supported")),
            _ => Err(refuse("which is neither http nor a path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Error};

    #[test]
    fn only_this_machine_is_asked() {
        for text in
            ["localhost:5000", "localhost", "127.0.0.1:80", "127.9.9.9:1", "registry.localhost:5000", "LOCALHOST:1"]
        {
            assert!(Address::of(text).is_ok(), "{text}");
        }
        let elsewhere = [
            "ghcr.io",
            "example.com:80",
            "169.254.169.254",
            "169.254.169.254:80",
            "10.0.0.1:5000",
            "0.0.0.0:80",
            "notlocalhost",
            "0x7f.1:80",
            "127.1:80",
            "2130706433:80",
            "user@localhost:80",
            "localhost.example.com",
            "::1",
        ];
        for text in elsewhere {
            assert!(matches!(Address::of(text), Err(Error::NoTls(_))), "{text}");
        }
        for text in ["localhost:0", "localhost:x", "localhost:99999", "localhost:"] {
            assert!(matches!(Address::of(text), Err(Error::Unreachable(_))), "{text}");
        }
    }

    #[test]
    fn links_lead_nowhere_else() {
        let home = Address::of("localhost:5000").expect("an address");
        let follow = |link: &str| home.follow(link).map(|(to, path)| format!("{}{path}", to.authority()));
        assert_eq!(follow("/v2/x?y=1").expect("a path"), "localhost:5000/v2/x?y=1");
        assert_eq!(follow("http://127.0.0.1:9000/b?s").expect("absolute"), "127.0.0.1:9000/b?s");
        for link in [
            "https://localhost:5000/x",
            "http://169.254.169.254/latest",
            "http://example.com/",
            "ftp://localhost/",
            "//localhost/x",
            "http://x@localhost/",
            "x/y",
            "",
        ] {
            assert!(follow(link).is_err(), "{link}");
        }
    }
}
