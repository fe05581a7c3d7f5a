//! Certificates with which API Gateway names itself to HTTP integrations.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;
use wire::client::Identity;

use super::Texts;

/// A certificate as it is shown.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct ClientCertificate {
    /// Its id.
    pub client_certificate_id: String,
    /// Free text.
    pub description: Option<String>,
    /// The certificate, which integrations' servers may check.
    pub pem_encoded_certificate: String,
    /// When it was made.
    pub created_date: Timestamp,
    /// A year later.
    pub expiration_date: Timestamp,
    /// Tags.
    pub tags: Option<Texts>,
}

/// A certificate with its private key, which nobody is shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ClientCertificateRecord {
    pub(crate) shown: ClientCertificate,
    pub(crate) private_key_pem: String,
}

impl Record for ClientCertificateRecord {}

impl ClientCertificateRecord {
    /// What a server that asks is shown.
    pub(crate) fn identity(self) -> Identity {
        Identity { certificate: self.shown.pem_encoded_certificate.into(), key: self.private_key_pem.into() }
    }
}
