//! Function URLs: what one is, how it is found, how it is shown. Requests to them are in the files below: `serve` is their
//! route, `address` tells them from all others; what is translated on the way is in `cloud::proxy`.
//!
//! The configurations stand in the function's record, one for the function and one for each alias; a small table finds the
//! function by the URL's id.

pub mod address;
pub(crate) mod cors;
mod serve;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base::{Cx, Error, Timestamp};
use cloud::proxy::cors::Policy;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::{Key, Record, Table};

use super::Lambda;
use super::error::{Failure, not_found};
use super::function::load;
use super::name::{Qualifier, Target, texts};
use super::records::{ALIASES, FUNCTIONS, FunctionRecord};
use cors::Cors;

/// (id): whose URL it is.
pub(crate) const URL_IDS: Table<UrlOwner> = Table::new("lambda.url-ids");

/// Letters and digits of a URL's id.
const ID_CHARACTERS: usize = 32;

/// The tag by which a function's URLs get an id of the user's choice; LocalStack's name for it.
const CUSTOM_ID_TAG: &str = "_custom_id_";

/// The domain below which every name leads to the loopback address, from LocalStack; its users have it in their tools.
const WILDCARD_DOMAIN: &str = "localhost.localstack.cloud";

/// URLs whose configuration is kept at hand.
const CACHED_MAX: usize = 10_000;

/// What the operations on URLs take. AWS's pattern also refuses versions, which [`target`] does.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=140),
    pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:([0-9a-zA-Z-_]+))?"
)]
pub struct FunctionUrlFunctionName(pub String);

/// An alias as callers write it; what is none [`target`] refuses.
#[derive(Shape, Clone, Debug, Default)]
#[shape(length(1..=128))]
pub struct FunctionUrlQualifier(pub String);

texts!(FunctionUrlFunctionName, FunctionUrlQualifier);

/// How a function URL authenticates.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionUrlAuthType {
    /// Not at all.
    #[shape(value = "NONE")]
    None,
    /// By IAM.
    #[shape(value = "AWS_IAM")]
    AwsIam,
}

impl FunctionUrlAuthType {
    /// As AWS writes it, in requests and in policies' conditions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FunctionUrlAuthType::None => "NONE",
            FunctionUrlAuthType::AwsIam => "AWS_IAM",
        }
    }
}

/// How the function's answer leaves. (In AWS's order, which its refusals show.)
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvokeMode {
    /// While it is written.
    #[shape(value = "RESPONSE_STREAM")]
    ResponseStream,
    /// Whole, up to 6 MB.
    #[shape(value = "BUFFERED")]
    Buffered,
}

/// A function URL's configuration as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UrlRecord {
    pub(crate) id: String,
    pub(crate) auth_type: FunctionUrlAuthType,
    pub(crate) cors: Option<Cors>,
    /// None if never given: AWS then leaves the member out, and buffers.
    pub(crate) invoke_mode: Option<InvokeMode>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
}

/// Whose URL an id is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UrlOwner {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// The alias; empty for the function itself.
    pub(crate) alias: String,
}

impl Record for UrlOwner {}

impl UrlOwner {
    fn of(target: &Target) -> UrlOwner {
        UrlOwner {
            account: target.account.to_string(),
            region: target.region.to_string(),
            name: target.name.clone(),
            alias: alias_of(target),
        }
    }

    fn target(&self) -> Option<Target> {
        Some(Target {
            account: base::AccountId::parse(&self.account)?,
            region: base::Region::parse(&self.region)?,
            name: self.name.clone(),
            qualifier: (!self.alias.is_empty()).then(|| Qualifier::Alias(self.alias.clone())),
        })
    }
}

/// A function URL, ready to be used.
#[derive(Debug)]
pub(crate) struct Url {
    pub(crate) record: UrlRecord,
    /// The function, and the alias if it is one's.
    pub(crate) target: Target,
    /// What browsers are told, if the URL tells them anything.
    pub(crate) cors: Option<Policy>,
}

/// A function URL as it is shown.
#[derive(Shape, Debug, Default)]
pub struct FunctionUrlConfig {
    /// Where it is.
    pub function_url: Option<String>,
    /// The function's ARN, with the alias if it is one's.
    pub function_arn: Option<String>,
    /// When it was made.
    pub creation_time: Option<String>,
    /// When it was changed last.
    pub last_modified_time: Option<String>,
    /// What browsers are told.
    pub cors: Option<Cors>,
    /// How it authenticates.
    pub auth_type: Option<FunctionUrlAuthType>,
    /// How answers leave: told by Create and Update if it was ever given, by Get and List always.
    pub invoke_mode: Option<InvokeMode>,
}

impl FunctionUrlConfig {
    pub(crate) fn of(cx: &Cx, target: &Target, record: &UrlRecord) -> FunctionUrlConfig {
        FunctionUrlConfig {
            function_url: Some(shown(cx, target, &record.id)),
            function_arn: Some(target.arn().to_string()),
            creation_time: Some(time(record.created)),
            last_modified_time: Some(time(record.modified)),
            cors: record.cors.clone(),
            auth_type: Some(record.auth_type),
            invoke_mode: record.invoke_mode,
        }
    }
}

impl FunctionUrlConfig {
    /// As Get and List show it.
    pub(crate) fn whole(self) -> FunctionUrlConfig {
        FunctionUrlConfig { invoke_mode: self.invoke_mode.or(Some(InvokeMode::Buffered)), ..self }
    }
}

/// `2026-11-25T17:00:00.123Z`
fn time(at: Timestamp) -> String {
    at.to_lambda().replace("+0000", "Z")
}

/// The address that leads here from where the caller is. AWS shows `https://{id}.lambda-url.{region}.on.aws/`; names below
/// a name only lead here where somebody has said so, which is known of LocalStack's domain alone. Elsewhere it is a path.
fn shown(cx: &Cx, target: &Target, id: &str) -> String {
    let (scheme, host, region) =
        (if cx.origin.tls { "https" } else { "http" }, cx.origin.host.as_str(), &target.region);
    match host.rfind(WILDCARD_DOMAIN) {
        Some(at) => format!("{scheme}://{id}.lambda-url.{region}.{}/", &host[at..]),
        None => format!("{scheme}://{host}{}{id}/", address::PATH),
    }
}

/// The function that is meant, and the alias if there is one: URLs are for those alone.
pub(crate) fn target(
    cx: &Cx,
    function: &FunctionUrlFunctionName,
    qualifier: Option<&FunctionUrlQualifier>,
) -> Result<Target, Error> {
    let refuse = |value: &str, path: &str, pattern: &str| {
        let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
        Error::validation(shape::validate::sentence(&[shape::validate::violation(value, path, &constraint)]))
    };
    if let Some(FunctionUrlQualifier(text)) = qualifier {
        let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_name || text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(text, "qualifier", r"((?!^\d+$)^[0-9a-zA-Z-_]+$)"));
        }
    }
    let text = qualifier.map(|FunctionUrlQualifier(text)| super::name::QualifierText(text.clone()));
    let target = Target::own(cx, function, text.as_ref())?;
    match target.qualifier {
        Some(Qualifier::Version(_)) => Err(refuse(
            &function.0,
            "functionName",
            r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?",
        )),
        _ => Ok(target),
    }
}

/// The key of a target's configuration in the function's record.
pub(crate) fn alias_of(target: &Target) -> String {
    match &target.qualifier {
        Some(Qualifier::Alias(alias)) => alias.clone(),
        _ => String::new(),
    }
}

/// AWS's words for a URL that is not there.
pub(crate) fn no_url() -> Error {
    not_found("The resource you requested does not exist.")
}

/// AWS's words for the function or alias that a URL is asked for.
pub(crate) fn no_owner() -> Error {
    not_found("Function does not exist")
}

/// The function's record within a transaction, once it is sure that the alias is there, too.
pub(crate) fn load_owner(tx: &store::Tx<'_>, target: &Target) -> Result<FunctionRecord, Failure> {
    let function = load(tx, target).map_err(|_| no_owner())?;
    if let Some(Qualifier::Alias(alias)) = &target.qualifier
        && !tx.exists(ALIASES, &target.alias_key(alias))?
    {
        return Err(no_owner().into());
    }
    Ok(function)
}

/// The id for a new URL: a random one, or what the function's tag says.
pub(crate) fn id_for(function: &FunctionRecord, alias: &str, random: &str) -> String {
    let is_good = |id: &&String| {
        !id.is_empty() && id.len() <= 63 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    match function.tags.get(CUSTOM_ID_TAG).filter(is_good) {
        None => random.to_owned(),
        Some(id) if alias.is_empty() => id.clone(),
        Some(id) => format!("{id}-{alias}"),
    }
}

/// Draws an id.
pub(crate) fn random_id() -> String {
    base::id::lower_alphanumeric(ID_CHARACTERS)
}

/// The key of an id in [`URL_IDS`]: names of hosts have no case.
pub(crate) fn id_key(id: &str) -> Key {
    Key::of(id.to_ascii_lowercase())
}

/// URLs by id, as last read; emptied by every change of a function.
#[derive(Default)]
pub(crate) struct UrlCache {
    urls: RwLock<HashMap<String, Arc<Url>>>,
    generation: AtomicU64,
}

impl UrlCache {
    pub(crate) fn forget(&self) {
        let mut urls = self.urls.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        urls.clear();
    }
}

impl Lambda {
    /// The URL with this id.
    pub(crate) async fn url(&self, id: &str) -> Result<Option<Arc<Url>>, Failure> {
        let id = id.to_ascii_lowercase();
        if let Some(url) = self.urls.urls.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Some(url.clone()));
        }
        let generation = self.urls.generation.load(Ordering::SeqCst);
        let snapshot = self.store.snapshot()?;
        let Some(owner) = snapshot.get(URL_IDS, &id_key(&id)).await? else { return Ok(None) };
        let Some(target) = owner.target() else { return Ok(None) };
        let function = snapshot.get(FUNCTIONS, &target.key()).await?;
        let record = function.and_then(|function| function.urls.get(&owner.alias).cloned());
        let Some(record) = record.filter(|record| record.id.eq_ignore_ascii_case(&id)) else { return Ok(None) };
        let cors = record.cors.as_ref().map(Cors::policy);
        let url = Arc::new(Url { record, target, cors });
        let mut urls = self.urls.urls.write().unwrap_or_else(PoisonError::into_inner);
        if self.urls.generation.load(Ordering::SeqCst) == generation {
            if urls.len() >= CACHED_MAX {
                urls.clear();
            }
            urls.insert(id, url.clone());
        }
        Ok(Some(url))
    }
}

/// Removes the ids of a function's URLs, with the function.
pub(crate) fn remove_ids(tx: &mut store::Tx<'_>, function: &FunctionRecord) -> Result<(), Failure> {
    for record in function.urls.values() {
        tx.delete(URL_IDS, &id_key(&record.id))?;
    }
    Ok(())
}

/// Notes whose an id is. One that is another's is refused: only ids of the user's choice can be.
pub(crate) fn claim_id(tx: &mut store::Tx<'_>, target: &Target, id: &str) -> Result<(), Failure> {
    let owner = UrlOwner::of(target);
    if tx.get(URL_IDS, &id_key(id))?.is_some_and(|other| other != owner) {
        let arn = target.arn();
        return Err(super::error::conflict(format!(
            "Failed to create function url config for [functionArn = {arn}]. Error message:  The id {id} is another \
             function's"
        ))
        .into());
    }
    Ok(tx.put(URL_IDS, &id_key(id), &owner)?)
}
