//! Client certificates: self-signed, as AWS's are. Servers behind integrations trust each by itself.

use std::time::Duration;

use base::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};

/// For how long a certificate is good: AWS's year.
const LIFETIME_SECONDS: i64 = 365 * 24 * 60 * 60;

/// A certificate and its key.
pub(crate) struct Generated {
    pub(crate) certificate_pem: String,
    pub(crate) private_key_pem: String,
    pub(crate) expires: Timestamp,
}

/// Makes a certificate.
pub(crate) fn generate(created: Timestamp) -> Result<Generated, rcgen::Error> {
    let expires = Timestamp::from_secs(created.secs() + LIFETIME_SECONDS);
    let at = |time: Timestamp| {
        let since_1970 = Duration::from_secs(u64::try_from(time.secs()).unwrap_or_default());
        rcgen::date_time_ymd(1970, 1, 1) + since_1970
    };
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "ApiGateway");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (parameters.not_before, parameters.not_after) = (at(created), at(expires));
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok(Generated { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem(), expires })
}
