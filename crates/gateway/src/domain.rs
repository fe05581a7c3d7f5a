//! Custom domain names: names of the user's own, below which stages of APIs are found by the beginning of the path.
//!
//! Both versions of API Gateway show the same names, each in its own way: what v1 calls a base path, v2 calls the key of an
//! API mapping. Here is what is kept, by what rules, and how a request's host and path find a stage; the operations are with
//! their versions. A name belongs to one account in one region, whoever claims it first.

mod lookup;

use base::{AccountId, Arn, Cx, Error, Region, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Scan, Table, Tx};

pub(crate) use lookup::{CustomDomain, CustomDomains};

use crate::edge::owner::{self, Kind};
use crate::http_api::records::{IpAddressType, Texts};
use crate::{Failure, Gateway, http_api, rest};

/// Domain names by (account, region, name).
pub(crate) const DOMAINS: Table<Domain> = Table::new("gateway.domains");
/// (name): whose it is.
const OWNERS: Table<DomainOwner> = Table::new("gateway.domain-owners");
/// Mappings by (name, key).
pub(crate) const MAPPINGS: Table<Mapping> = Table::new("gateway.domain-mappings");
/// (API, name, key): which mappings lead to an API.
const MAPPED: Table<Mark> = Table::new("gateway.domain-mapped");
/// Certificates that came with a domain name, by name.
pub(crate) const CERTIFICATES: Table<Certificate> = Table::new("gateway.domain-certificates");

/// Mappings of a domain name (a quota of AWS).
const MAPPINGS_MAX: usize = 200;

/// Characters of a mapping's key.
const KEY_CHARACTERS_MAX: usize = 300;

/// A domain name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Domain {
    /// In small letters; `*.example.com` is for every name directly below.
    pub(crate) name: String,
    /// Where clients come in: near to them (edge-optimized), or in the region.
    pub(crate) is_edge: bool,
    /// The certificate that ACM keeps.
    pub(crate) certificate_arn: Option<String>,
    /// The name of the certificate that came along.
    pub(crate) certificate_name: Option<String>,
    /// When that came.
    pub(crate) certificate_uploaded: Option<Timestamp>,
    /// ACM's proof that the name is its owner's.
    pub(crate) ownership_certificate_arn: Option<String>,
    /// The versions and ciphers of TLS.
    pub(crate) security_policy: String,
    pub(crate) ip_address_type: IpAddressType,
    /// The first label of the address that the name's CNAME record would lead to.
    pub(crate) target_label: String,
    pub(crate) created: Timestamp,
    pub(crate) tags: Texts,
}

impl Record for Domain {}

/// Whose a domain name is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DomainOwner {
    account: String,
    region: String,
}

impl Record for DomainOwner {}

/// Which stage is below a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    /// Its id, which only v2 shows.
    pub(crate) id: String,
    /// The path, without slashes at its ends; empty for everything.
    pub(crate) key: String,
    pub(crate) api_id: String,
    /// None if the next segment of the path names it, which only v1 has.
    pub(crate) stage: Option<String>,
}

impl Record for Mapping {}

/// That something is so.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Mark;

impl Record for Mark {}

/// A certificate with its key, as PEM.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// The certificate, and those that vouch for it.
    pub(crate) chain: String,
    pub(crate) private_key: String,
}

impl Record for Certificate {}

impl Domain {
    /// What IAM and tags call it.
    pub(crate) fn arn(&self, cx: &Cx) -> Arn {
        crate::control::arn(cx, format_args!("/domainnames/{}", self.name))
    }

    /// The address that AWS would have the name's CNAME record lead to.
    pub(crate) fn target(&self, region: &Region) -> String {
        match self.is_edge {
            true => format!("{}.cloudfront.net", self.target_label),
            false => format!("{}.execute-api.{region}.amazonaws.com", self.target_label),
        }
    }

    /// The hosted zone of that address.
    pub(crate) fn hosted_zone_id(&self, region: &Region) -> &'static str {
        if self.is_edge {
            return "Z2FDTNDATAQYW2";
        }
        let zone = HOSTED_ZONES.iter().find(|(name, _)| *name == region.as_str());
        zone.map_or(HOSTED_ZONES[0].1, |(_, zone)| zone)
    }
}

/// The hosted zones of regional endpoints ("Amazon API Gateway endpoints and quotas" in the AWS General Reference).
const HOSTED_ZONES: &[(&str, &str)] = &[
    ("us-east-1", "Z1UJRXOUMOOFQ8"),
    ("us-east-2", "ZOJJZC49E0EPZ"),
    ("us-west-1", "Z2MUQ32089INYE"),
    ("us-west-2", "Z2OJLYMUO9EFXC"),
    ("ap-northeast-1", "Z1YSHQZHG15GKL"),
    ("ap-south-1", "Z3VO1THU9YC4UR"),
    ("ap-southeast-1", "ZL327KTPIQFUL"),
    ("ap-southeast-2", "Z2RPCDW04V8134"),
    ("ca-central-1", "Z19DQILCV0OWEC"),
    ("eu-central-1", "Z1U9ULNL0V5AJ3"),
    ("eu-west-1", "ZLY8HYME6SFDD"),
    ("eu-west-2", "ZJ5UAJN8Y3Z2Q"),
    ("sa-east-1", "ZCMLWB8V5SYIT"),
];

/// The key of one of an account's domain names.
pub(crate) fn domain_key(account: AccountId, region: &Region, name: &str) -> Key {
    Key::of((account.as_str(), region.as_str(), name.to_ascii_lowercase()))
}

/// Whether a text can be a domain name: labels between dots, the first perhaps `*`.
pub(crate) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

/// Why a mapping is not made; each version has its own words.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The key is none.
    Key,
    /// The name has a mapping with this key.
    Taken,
    /// The name has as many mappings as it may.
    TooMany,
    /// There is no such API of this account in this region.
    Api,
    /// The API has no such stage.
    Stage,
    /// The store failed.
    Store(store::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Store(error)
    }
}

/// Claims a domain name and writes it; false if it is claimed already.
pub(crate) fn add(tx: &mut Tx<'_>, account: AccountId, region: &Region, domain: &Domain) -> Result<bool, Failure> {
    let owner = Key::of(domain.name.as_str());
    if tx.exists(OWNERS, &owner)? {
        return Ok(false);
    }
    tx.put(OWNERS, &owner, &DomainOwner { account: account.to_string(), region: region.to_string() })?;
    tx.put(DOMAINS, &domain_key(account, region, &domain.name), domain)?;
    Ok(true)
}

/// Keeps the certificate that came with a domain name.
pub(crate) fn put_certificate(tx: &mut Tx<'_>, name: &str, certificate: &Certificate) -> store::Result<()> {
    tx.put(CERTIFICATES, &Key::of(name), certificate)
}

/// Removes a domain name with its mappings; false if there is none.
pub(crate) fn remove(tx: &mut Tx<'_>, key: &Key) -> Result<bool, Failure> {
    let Some(domain) = tx.get(DOMAINS, key)? else { return Ok(false) };
    for (_, mapping) in tx.scan(MAPPINGS, Scan::under(domain.name.as_str()))? {
        remove_mapping(tx, &domain.name, &mapping)?;
    }
    tx.delete(OWNERS, &Key::of(domain.name.as_str()))?;
    tx.delete(CERTIFICATES, &Key::of(domain.name.as_str()))?;
    tx.delete(DOMAINS, key)?;
    Ok(true)
}

/// Writes a mapping: a new one, or in the place of `before`.
pub(crate) fn map(
    tx: &mut Tx<'_>,
    place: (AccountId, &Region),
    name: &str,
    before: Option<&Mapping>,
    mapping: &Mapping,
) -> Result<(), Refusal> {
    check_key(&mapping.key)?;
    check_stage(tx, place, mapping)?;
    if before.is_none_or(|before| before.key != mapping.key) {
        let others = tx.scan(MAPPINGS, Scan::under(name))?;
        if others.iter().any(|(_, other)| other.key == mapping.key) {
            return Err(Refusal::Taken);
        }
        if before.is_none() && others.len() >= MAPPINGS_MAX {
            return Err(Refusal::TooMany);
        }
    }
    if let Some(before) = before {
        remove_mapping(tx, name, before)?;
    }
    tx.put(MAPPINGS, &Key::of((name, mapping.key.as_str())), mapping)?;
    tx.put(MAPPED, &Key::of((mapping.api_id.as_str(), name, mapping.key.as_str())), &Mark)?;
    Ok(())
}

/// Removes a mapping.
pub(crate) fn remove_mapping(tx: &mut Tx<'_>, name: &str, mapping: &Mapping) -> store::Result<()> {
    tx.delete(MAPPINGS, &Key::of((name, mapping.key.as_str())))?;
    tx.delete(MAPPED, &Key::of((mapping.api_id.as_str(), name, mapping.key.as_str())))
}

/// Whether a domain name leads to an API, which then cannot be deleted.
pub(crate) fn is_mapped(tx: &Tx<'_>, api_id: &str) -> store::Result<bool> {
    Ok(!tx.scan(MAPPED, Scan::under(api_id).limit(1))?.is_empty())
}

/// AWS's words for that.
pub(crate) fn still_mapped() -> Error {
    Error::new(
        400,
        "BadRequestException",
        "Deleting API failed. Please remove all base path mappings related to this API in your domains.",
    )
}

fn check_key(key: &str) -> Result<(), Refusal> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&b);
    let has_gap = key.starts_with('/') || key.ends_with('/') || key.contains("//");
    match key.len() <= KEY_CHARACTERS_MAX && key.bytes().all(is_allowed) && !has_gap {
        true => Ok(()),
        false => Err(Refusal::Key),
    }
}

fn check_stage(tx: &Tx<'_>, place: (AccountId, &Region), mapping: &Mapping) -> Result<(), Refusal> {
    let owner = owner::of(tx, &mapping.api_id)?.ok_or(Refusal::Api)?;
    if owner.place().is_none_or(|(account, region)| account != place.0 || region != *place.1) {
        return Err(Refusal::Api);
    }
    let Some(stage) = &mapping.stage else { return Ok(()) };
    let (api, stage) = (mapping.api_id.as_str(), stage.as_str());
    let is_there = match owner.kind {
        Kind::Rest => {
            let home = rest::records::Home { account: place.0, region: place.1.clone() };
            tx.exists(rest::records::STAGES, &home.deep(api, stage))?
        }
        Kind::Http | Kind::WebSocket => tx.exists(http_api::records::STAGES, &Key::of((api, stage)))?,
    };
    if is_there { Ok(()) } else { Err(Refusal::Stage) }
}

impl Gateway {
    /// Deletes all domain names of an account, or all that there are.
    pub(crate) async fn reset_domains(&self, account: Option<AccountId>) -> Result<(), Error> {
        let all = account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, domain) in self.store.scan(DOMAINS, all).await.map_err(Failure::from)? {
            self.store.transact(move |tx| remove(tx, &key)).await?;
            self.forget_domain(&domain.name).await;
        }
        Ok(())
    }

    /// Forgets what is at hand of a domain name, and shows its certificate as it is now. To be called after each change,
    /// before it is answered.
    pub(crate) async fn forget_domain(&self, name: &str) {
        // A host may have been found by a wildcard name, or not at all: changes are rare, so all are looked up anew.
        self.custom_domains.forget(|_| true);
        self.show_certificate(&name.to_ascii_lowercase()).await;
    }
}
