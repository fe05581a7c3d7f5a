//! Custom domain names in front of the data planes: which API a host and path are for, and which certificate the host is
//! shown. A name without an uploaded certificate (ACM's are not to be had here) is shown the node's own.

use http::Request;
use wire::server::Certificate;

use super::address::{Address, host};
use crate::domain::{self, CustomDomain};
use crate::{Failure, Gateway};

/// Names that stay the node's, whoever claims them.
const RESERVED: [&str; 2] = ["localhost", "localhost.localstack.cloud"];
/// And all below AWS's own: what its tools call the node when they are led to it by force.
const RESERVED_ABOVE: &str = ".amazonaws.com";

impl Gateway {
    /// The API that a request is for, if it is for one: by the node's own forms of address, or below a custom domain name.
    pub async fn address<B>(&self, request: &Request<B>) -> Option<Address> {
        if let Some(address) = Address::of(request) {
            return Some(address);
        }
        let host = host(request).map(without_port).filter(|host| can_be_custom(host))?;
        match self.custom_domain(host).await {
            Ok(found) => Some(below((*found).as_ref()?, request.uri().path())),
            Err(error) => {
                tracing::error!(%error, host, "whether a host is a custom domain name cannot be read");
                None
            }
        }
    }

    /// Shows each custom domain name's certificate that is stored. To be called once, at the start.
    pub async fn show_certificates(&self) -> Result<(), base::Error> {
        let all = self.store.scan(domain::CERTIFICATES, store::Scan::all()).await.map_err(Failure::from)?;
        for (key, stored) in all {
            let Some(name) = key.parts::<String>() else { continue };
            self.show(&name, Some(&stored));
        }
        Ok(())
    }

    /// Shows what is stored of a custom domain name's certificate now.
    pub(crate) async fn show_certificate(&self, name: &str) {
        let read = async { self.store.snapshot()?.get(domain::CERTIFICATES, &store::Key::of(name)).await };
        match read.await {
            Ok(stored) => self.show(name, stored.as_ref()),
            Err(error) => tracing::error!(%error, name, "a custom domain name's certificate cannot be read"),
        }
    }

    fn show(&self, name: &str, stored: Option<&domain::Certificate>) {
        let Some(stored) = stored else { return self.ports.certificates.remove(name) };
        match Certificate::parse(&stored.chain, &stored.private_key) {
            Ok(certificate) => self.ports.certificates.put(name, certificate),
            Err(error) => tracing::warn!(%error, name, "a custom domain name's certificate cannot be used"),
        }
    }
}

/// Where a path leads below a custom domain name; to no API, where it leads nowhere: that is a refusal of the name's.
fn below(domain: &CustomDomain, path: &str) -> Address {
    let nowhere = Address {
        api_id: String::new(),
        region: Some(domain.region.to_string()),
        prefix_bytes: 0,
        stage: None,
        base_path: Some(String::new()),
    };
    let Some((mapping, prefix_bytes)) = domain.find(path) else { return nowhere };
    Address {
        api_id: mapping.api_id.clone(),
        prefix_bytes,
        stage: mapping.stage.clone(),
        base_path: Some(mapping.key.clone()),
        ..nowhere
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a host can be a custom domain name at all: most requests' cannot, and need no look.
fn can_be_custom(host: &str) -> bool {
    let is_address = host.starts_with('[') || host.bytes().last().is_some_and(|b| b.is_ascii_digit());
    let is_reserved = RESERVED.iter().any(|name| host.eq_ignore_ascii_case(name)) || host.ends_with(RESERVED_ABOVE);
    host.is_ascii() && host.contains('.') && !is_address && !is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_cannot_be_custom_domain_names_need_no_look() {
        for host in ["api.example.com", "api.localhost", "a.localhost.localstack.cloud", "API.Example.com"] {
            assert!(can_be_custom(without_port(&format!("{host}:4566"))), "{host}");
        }
        for host in [
            "localhost",
            "localhost:4566",
            "127.0.0.1:4566",
            "[::1]:4566",
            "LocalHost.LocalStack.Cloud",
            "lambda.us-east-1.amazonaws.com",
            "updraft",
            "",
            "ä.example",
        ] {
            assert!(!can_be_custom(without_port(host)), "{host}");
        }
    }
}
