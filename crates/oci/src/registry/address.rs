//! Where a registry is: its name, read, and where links lead that it gives. Registries of this machine are asked over http, others
//! over https, unless the operator says otherwise; nothing that came over https leads to http. What addresses a name
//! may mean in the end is decided where connections are made.

use std::net::Ipv4Addr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::Error;

/// Docker's names for its own registry, and the host that answers for it.
const DOCKER_HUB: ([&str; 2], &str) = (["docker.io", "index.docker.io"], "registry-1.docker.io");

/// A server of registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: Scheme,
    authority: Authority,
}

impl Address {
    /// Reads `host` or `host:port`.
    pub(super) fn of(text: &str, https: Option<bool>) -> Result<Address, Error> {
        let unusable = || Error::Unreachable(format!("{text} is no host, or has no usable port"));
        let (names, hub) = DOCKER_HUB;
        let host = if names.contains(&text) { hub } else { text };
        let authority: Authority = host.to_ascii_lowercase().parse().map_err(|_| unusable())?;
        let is_host = !authority.as_str().contains('@') && !authority.host().is_empty();
        let has_port = authority.as_str().ends_with(authority.host()) || authority.port_u16().is_some_and(|p| p != 0);
        if !is_host || !has_port {
            return Err(unusable());
        }
        let scheme = match https.unwrap_or(!is_this_machine(authority.host())) {
            true => Scheme::HTTPS,
            false => Scheme::HTTP,
        };
        Ok(Address { scheme, authority })
    }

    /// A path there.
    pub(super) fn url(&self, path: &str) -> Result<Uri, Error> {
        let unusable = |error: http::Error| Error::Unreachable(error.to_string());
        let path: PathAndQuery = path.parse().map_err(|error| unusable(http::Error::from(error)))?;
        let url = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path);
        url.build().map_err(unusable)
    }

    /// Where a link leads that was found there: an absolute one, or a path.
    pub(super) fn follow(&self, link: &str) -> Result<(Address, String), Error> {
        let refuse = |why: &str| Error::Unreachable(format!("it leads to {link:?}, {why}"));
        let uri: Uri = link.parse().map_err(|_| refuse("which is no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let https = match uri.scheme_str() {
            None if uri.authority().is_none() && path.starts_with('/') && !path.starts_with("//") => {
                return Ok((self.clone(), path));
            }
            Some("http") if self.scheme == Scheme::HTTPS => return Err(refuse("away from https")),
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse("which is neither http nor a path")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("which has no host"))?;
        let address = Address::of(authority.as_str(), Some(https))?;
        // Who is asked over http is this machine, or the operator's own: nobody else is on its word.
        if !https && !is_this_machine(authority.host()) && address.authority.host() != self.authority.host() {
            return Err(refuse("which is not on this machine"));
        }
        Ok((address, path))
    }
}

/// `localhost` is this machine by definition (RFC 6761), whatever a resolver says.
pub(super) fn is_this_machine(host: &str) -> bool {
    match host.parse::<Ipv4Addr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn url(host: &str, https: Option<bool>) -> Option<String> {
        Some(Address::of(host, https).ok()?.url("/v2/").ok()?.to_string())
    }

    #[test]
    fn this_machine_is_asked_over_http_and_others_over_https() {
        for (host, expected) in [
            ("localhost:5000", "http://localhost:5000/v2/"),
            ("LOCALHOST", "http://localhost/v2/"),
            ("127.9.9.9:1", "http://127.9.9.9:1/v2/"),
            ("registry.localhost:5000", "http://registry.localhost:5000/v2/"),
            ("ghcr.io", "https://ghcr.io/v2/"),
            ("docker.io", "https://registry-1.docker.io/v2/"),
            ("example.com:80", "https://example.com:80/v2/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/"),
            ("notlocalhost", "https://notlocalhost/v2/"),
            ("localhost.example.com", "https://localhost.example.com/v2/"),
        ] {
            assert_eq!(url(host, None).as_deref(), Some(expected), "{host}");
        }
        assert_eq!(url("localhost:5000", Some(true)).as_deref(), Some("https://localhost:5000/v2/"));
        assert_eq!(url("10.0.0.1:5000", Some(false)).as_deref(), Some("http://10.0.0.1:5000/v2/"));
        for text in
            ["localhost:0", "localhost:x", "localhost:99999", "localhost:", "user@localhost:80", "::1", ":80", ""]
        {
            assert_eq!(url(text, None), None, "{text}");
        }
    }

    #[test]
    fn links_lead_to_no_less_safety() {
        let follow = |home: &str, link: &str| {
            let (to, path) = Address::of(home, None).expect("an address").follow(link).ok()?;
            Some(to.url(&path).expect("a URL").to_string())
        };
        for (home, link, expected) in [
            ("localhost:5000", "/v2/x?y=1", "http://localhost:5000/v2/x?y=1"),
            ("localhost:5000", "http://127.0.0.1:9000/b?s", "http://127.0.0.1:9000/b?s"),
            ("localhost:5000", "https://cdn.example/b", "https://cdn.example/b"),
            ("ghcr.io", "/b", "https://ghcr.io/b"),
            ("ghcr.io", "https://cdn.example:8443/b?s", "https://cdn.example:8443/b?s"),
        ] {
            assert_eq!(follow(home, link).as_deref(), Some(expected), "{link}");
        }
        for link in [
            "http://169.254.169.254/latest",
            "http://example.com/",
            "ftp://localhost/",
            "//localhost/x",
            "x/y",
            "",
            "http://x@localhost/",
        ] {
            assert_eq!(follow("localhost:5000", link), None, "{link}");
        }
        for link in ["http://ghcr.io/x", "http://localhost/x"] {
            assert_eq!(follow("ghcr.io", link), None, "{link}");
        }
    }
}
