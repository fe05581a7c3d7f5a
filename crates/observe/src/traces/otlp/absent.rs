//! What stands for OTLP in a build without it: an address that cannot be made, and an exporter that can therefore not be.

use wire::client::Client;

use super::Refused;
use crate::traces::records::Arrival;

/// A receiver's address; there is none.
#[derive(Clone, Debug)]
pub enum Endpoint {}

impl Endpoint {
    /// Says that this build has no OTLP.
    pub fn parse(_: &str) -> Result<Endpoint, Refused> {
        Err(Refused::NotBuilt)
    }
}

/// Nobody who sends.
pub(in crate::traces) enum Exporter {}

impl Exporter {
    pub(in crate::traces) fn start(endpoint: Endpoint, _: Client) -> Exporter {
        match endpoint {}
    }

    pub(in crate::traces) fn put(&self, _: &[Arrival]) {
        match *self {}
    }

    pub(in crate::traces) async fn close(&self) {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_refused() {
        let refused = Endpoint::parse("http://localhost:4318").unwrap_err();
        assert_eq!(refused, Refused::NotBuilt);
        assert!(refused.to_string().starts_with("this build has no OTLP"));
    }
}
