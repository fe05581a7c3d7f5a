//! Aliases: what the API shows of them, and the rules about the versions they point at.
//!
//! An alias points at one version, or at two with a share of the requests for the second. The drawing is done where requests
//! are resolved ([`super::resolve`]); here is what may be drawn.

use std::collections::BTreeMap;

use base::Error;
use shape::Shape;
use store::{Scan, Tx};

use super::Lambda;
use super::error::{Failure, conflict, invalid, no_alias, no_function, unattributed};
use super::function::load;
use super::name::{Qualifier, Target};
use super::records::{ALIASES, AdditionalVersion, AliasRecord, VERSIONS, VersionRecord, version_text};

/// AWS lets an alias have two versions at most.
const ADDITIONAL_VERSIONS_MAX: usize = 1;

/// An alias as the API shows it.
#[derive(Shape, Clone, Debug, Default)]
pub struct AliasConfiguration {
    /// The function's ARN with the alias.
    pub alias_arn: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The version that gets the requests, or those that the second does not.
    pub function_version: Option<String>,
    /// The description, `""` if there is none.
    pub description: Option<String>,
    /// The second version, if there is one.
    pub routing_config: Option<AliasRoutingConfiguration>,
    /// Changes whenever anything about the alias does.
    pub revision_id: Option<String>,
}

/// How requests are shared out.
#[derive(Shape, Clone, Debug, Default)]
pub struct AliasRoutingConfiguration {
    /// Shares of the requests, from 0 to 1, by version; at most one.
    pub additional_version_weights: Option<BTreeMap<String, f64>>,
}

impl AliasConfiguration {
    pub(crate) fn of(target: &Target, name: &str, record: &AliasRecord) -> AliasConfiguration {
        let weights = record.additional.map(|second| BTreeMap::from([(second.version.to_string(), second.weight)]));
        AliasConfiguration {
            alias_arn: Some(target.qualified_arn(&Qualifier::Alias(name.to_owned())).to_string()),
            name: Some(name.to_owned()),
            function_version: Some(version_text(record.version)),
            description: Some(record.description.clone()),
            routing_config: weights.map(|w| AliasRoutingConfiguration { additional_version_weights: Some(w) }),
            revision_id: Some(record.revision_id.clone()),
        }
    }
}

impl AliasRoutingConfiguration {
    /// The second version, checked as far as that can be done without looking at versions.
    pub(crate) fn additional(&self) -> Result<Option<AdditionalVersion>, Error> {
        let none = BTreeMap::new();
        let weights = self.additional_version_weights.as_ref().unwrap_or(&none);
        let refuse = |shown: &str, constraint: &str| {
            let path = "routingConfig.additionalVersionWeights";
            Error::validation(shape::validate::sentence(&[shape::validate::violation(shown, path, constraint)]))
        };
        // As Java shows maps and numbers.
        let shown: Vec<String> = weights.iter().map(|(version, weight)| format!("{version}={weight:?}")).collect();
        let shown = format!("{{{}}}", shown.join(", "));
        if weights.keys().any(|version| version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit())) {
            let constraint = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, \
                              Member must have length greater than or equal to 1, Member must satisfy regular \
                              expression pattern: [0-9]+, Member must not be null]";
            return Err(refuse(&shown, constraint));
        }
        if weights.values().any(|weight| !(0.0..=1.0).contains(weight)) {
            let constraint = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, \
                              Member must have value greater than or equal to 0.0, Member must not be null]";
            return Err(refuse(&shown, constraint));
        }
        if weights.len() > ADDITIONAL_VERSIONS_MAX {
            return Err(invalid(format!(
                "Number of items in AdditionalVersionWeights cannot be greater than {ADDITIONAL_VERSIONS_MAX}"
            )));
        }
        let version = |text: &str| text.parse().unwrap_or(u64::MAX);
        Ok(weights.iter().next().map(|(text, weight)| AdditionalVersion { version: version(text), weight: *weight }))
    }
}

/// The number of a version as AWS's shape lets it be written; `$LATEST` is 0. Numbers beyond ours name no version.
pub(crate) fn version_number(text: &str) -> Result<u64, Error> {
    match text {
        "$LATEST" => Ok(0),
        "$LATEST.PUBLISHED" => Err(Error::not_implemented("lambda's version $LATEST.PUBLISHED")),
        number => Ok(number.parse().unwrap_or(u64::MAX)),
    }
}

/// Refuses an alias whose versions do not go together or are not there.
pub(crate) fn check_versions(tx: &Tx<'_>, target: &Target, alias: &AliasRecord) -> Result<(), Failure> {
    if let Some(second) = alias.additional {
        if second.version == alias.version {
            let version = second.version;
            return Err(invalid(format!(
                "Invalid function version {version}. Function version {version} is already included in routing \
                 configuration."
            ))
            .into());
        }
        if alias.version == 0 {
            return Err(unattributed("$LATEST is not supported for an alias pointing to more than 1 version").into());
        }
    }
    let first = version_in(tx, target, alias.version)?;
    if let Some(second) = alias.additional {
        let second = version_in(tx, target, second.version)?;
        // The rule is in AWS's guide ("both versions must have the same execution role"), the words are ours.
        if first.settings.role != second.settings.role {
            return Err(invalid("The versions that an alias points at must have the same execution role.").into());
        }
    }
    Ok(())
}

fn version_in(tx: &Tx<'_>, target: &Target, number: u64) -> Result<VersionRecord, Failure> {
    let missing = || {
        let qualifier = Qualifier::parse(&version_text(number));
        no_function(&target.qualified_arn(&qualifier))
    };
    let function = load(tx, target).map_err(|_| missing())?;
    match number {
        0 => Ok(function.latest),
        number => Ok(tx.get(VERSIONS, &target.version_key(number))?.ok_or_else(missing)?),
    }
}

/// The alias within a transaction, or AWS's 404.
pub(crate) fn load_alias(tx: &Tx<'_>, target: &Target, name: &str) -> Result<AliasRecord, Failure> {
    tx.get(ALIASES, &target.alias_key(name))?.ok_or_else(|| missing_alias(target, name).into())
}

/// The words for an alias that is not there.
pub(crate) fn missing_alias(target: &Target, name: &str) -> Error {
    no_alias(&target.qualified_arn(&Qualifier::Alias(name.to_owned())))
}

/// Refuses to take a version away from the aliases that point at it.
pub(crate) fn check_unreferenced(tx: &Tx<'_>, target: &Target, number: u64) -> Result<(), Failure> {
    let aliases = tx.scan(ALIASES, Scan::under(target.parts()))?;
    let names = aliases.iter().filter(|(_, alias)| alias.points_at(number)).filter_map(|(key, _)| alias_name(key));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(conflict(format!("Unable to delete version because the following aliases reference it: [{names}]")).into())
}

/// The alias that a key of [`ALIASES`] means.
pub(crate) fn alias_name(key: &store::Key) -> Option<String> {
    key.parts::<(String, String, String, String)>().map(|(.., alias)| alias)
}

impl Lambda {
    /// The alias, or AWS's 404.
    pub(crate) async fn alias(&self, target: &Target, name: &str) -> Result<AliasRecord, Failure> {
        let found = self.store.get(ALIASES, &target.alias_key(name)).await?;
        found.ok_or_else(|| missing_alias(target, name).into())
    }
}
