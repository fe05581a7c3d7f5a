//! A certificate authority of the node's own, for names that mean this machine: made when it is first needed, kept in a directory,
//! for users to trust once. Wildcards would not do (most clients take none for `*.localhost`, none reaches more than one label
//! deep), so certificates are made for the names that are asked for. What it can vouch for is bounded by its own
//! certificate: whoever steals its key can impersonate this machine to itself.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use base::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::tls::certified;

/// Where it is kept.
pub(super) const CERTIFICATE_FILE: &str = "authority.pem";
const KEY_FILE: &str = "authority.key";

/// The domains, and all below them, that mean this machine.
const DOMAINS: [&str; 2] = ["localhost", "localhost.localstack.cloud"];

/// How long the authority and its certificates are good for. Those are made anew by each process; Apple takes 825 days.
const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_DAYS: u32 = 3650;
const CERTIFICATE_DAYS: u32 = 800;

/// The authority, and the one key of all certificates that this process makes.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// The authority of a directory, which is made if there is none. Blocks.
    pub(super) fn open(directory: &Path) -> io::Result<Authority> {
        let (certificate_path, key_path) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
        if !certificate_path.exists() {
            make(directory, &certificate_path, &key_path)?;
        }
        let key = KeyPair::from_pem(&fs::read_to_string(&key_path)?).map_err(io::Error::other)?;
        let certificate = CertificateDer::from_pem_file(&certificate_path).map_err(io::Error::other)?;
        let issuer = Issuer::new(params(&key), key);
        Ok(Authority { issuer, certificate, key: KeyPair::generate().map_err(io::Error::other)? })
    }

    /// Whether a name means this machine.
    pub(super) fn vouches_for(name: &str) -> bool {
        DOMAINS.iter().any(|domain| {
            name.strip_suffix(domain)
                .is_some_and(|before| before.is_empty() || before.ends_with('.') && before.len() > 1)
        })
    }

    /// A certificate for names or addresses.
    pub(super) fn issue(&self, names: &[&str]) -> io::Result<CertifiedKey> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name = named("Updraft");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, CERTIFICATE_DAYS);
        let certificate = params.signed_by(&self.key, &self.issuer).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(io::Error::other)?;
        certified(vec![certificate.der().clone(), self.certificate.clone()], &key).map_err(io::Error::other)
    }
}

/// Everything that the authority's certificate says but for its dates: the key and this are enough to sign in its name.
fn params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Two authorities that somebody trusts must not have the same name.
    let print: String = params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = named(&format!("Updraft, this machine only ({print})"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let domains = DOMAINS.iter().map(|domain| GeneralSubtree::DnsName((*domain).to_owned()));
    let mut permitted: Vec<GeneralSubtree> = domains.collect();
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)));
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(std::net::Ipv6Addr::LOCALHOST.octets(), 128)));
    params.name_constraints = Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() });
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// From yesterday on, for clocks that are late.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(Clock::system().now().millis().max(0) as u64);
    params.not_before = now - DAY;
    params.not_after = now + DAY * days;
}

/// The certificate is written last: where it is, the key is.
fn make(directory: &Path, certificate_path: &Path, key_path: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = params(&key);
    valid_for(&mut params, AUTHORITY_DAYS);
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(certificate_path, &certificate.pem(), 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    _ = fs::remove_file(&unfinished);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_vouches_for_this_machine_only() {
        for name in ["localhost", "a.localhost", "x.execute-api.us-east-1.localhost", "y.localhost.localstack.cloud"] {
            assert!(Authority::vouches_for(name), "{name}");
        }
        for name in ["", ".localhost", "notlocalhost", "localhost.example", "localstack.cloud", "example.com"] {
            assert!(!Authority::vouches_for(name), "{name}");
        }
    }

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("tls");
        let first = Authority::open(&place).unwrap();
        let again = Authority::open(&place).unwrap();
        assert_eq!(first.certificate, again.certificate);
        assert_eq!(fs::metadata(place.join(KEY_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.issue(&["a.localhost"]).is_ok());
        assert!(first.issue(&["not ascii: ä"]).is_err());
        fs::write(place.join(KEY_FILE), "nonsense").unwrap();
        assert!(Authority::open(&place).is_err(), "a broken one is not replaced: somebody trusts it");
    }
}
