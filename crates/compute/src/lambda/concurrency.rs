//! Concurrency that functions set aside: reservations and provisioned concurrency, as stored, and what follows from it.
//!
//! What is stored is the truth; the fleet's limits and keepers follow it ([`Lambda::apply_concurrency`]), after each change
//! and at each start. All rules that tie the numbers together are here.

use std::collections::HashMap;

use base::{AccountId, Error, Region};
use store::{Key, Scan, Tx};

use super::error::{Failure, conflict, invalid, no_function, unattributed};
use super::fleet::SetAside;
use super::function::load;
use super::name::{Qualifier, Target};
use super::records::{
    ALIASES, AliasRecord, CONCURRENCY, ConcurrencyRecord, ProvisionedRecord, VERSIONS, VersionRecord,
};
use super::{Lambda, target_of};

/// What must stay for functions without a reservation: AWS's minimum, or all of it where an account has less.
const UNRESERVED_MIN: u32 = 100;

impl ConcurrencyRecord {
    /// As the account's limit sees it.
    pub(crate) fn set_aside(&self) -> SetAside {
        SetAside { reserved: self.reserved, provisioned: self.provisioned_total(None) }
    }

    /// Provisioned environments of all versions and aliases, but one.
    fn provisioned_total(&self, but: Option<&str>) -> u32 {
        self.provisioned.iter().filter(|(name, _)| Some(name.as_str()) != but).map(|(_, of)| of.requested).sum()
    }

    /// Writes it, or removes it where it says nothing.
    fn put(&self, tx: &mut Tx<'_>, target: &Target) -> Result<(), Failure> {
        if self.reserved.is_none() && self.provisioned.is_empty() {
            return Ok(tx.delete(CONCURRENCY, &target.key())?);
        }
        Ok(tx.put(CONCURRENCY, &target.key(), self)?)
    }
}

/// The account's limit, and what must stay of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) u32);

impl Limit {
    fn unreserved_min(self) -> u32 {
        UNRESERVED_MIN.min(self.0)
    }

    /// Whether all that is set aside leaves enough to the others.
    fn allows(self, total: u32) -> bool {
        self.0.checked_sub(total).is_some_and(|left| left >= self.unreserved_min())
    }
}

/// Reserves concurrency for a function.
pub(crate) fn reserve(tx: &mut Tx<'_>, target: &Target, reserved: u32, limit: Limit) -> Result<(), Failure> {
    // As recorded on AWS: this operation looks for $LATEST.
    load(tx, target).map_err(|_| no_function(&target.qualified_arn(&Qualifier::Latest)))?;
    let mut record = concurrency_in(tx, target)?;
    let provisioned = record.provisioned_total(None);
    if reserved < provisioned {
        // The blanks are AWS's.
        return Err(unattributed(format!(
            " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned \
             concurrency [{provisioned}]."
        ))
        .into());
    }
    if !limit.allows(set_aside_by_others(tx, target)?.saturating_add(reserved)) {
        return Err(unattributed(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
             below its minimum value of [{}].",
            limit.unreserved_min()
        ))
        .into());
    }
    record.reserved = Some(reserved);
    record.put(tx, target)
}

/// Gives a reservation back.
pub(crate) fn unreserve(tx: &mut Tx<'_>, target: &Target) -> Result<(), Failure> {
    load(tx, target)?;
    let mut record = concurrency_in(tx, target)?;
    record.reserved = None;
    record.put(tx, target)
}

/// Has environments of a version or alias initialised ahead.
pub(crate) fn provision(
    tx: &mut Tx<'_>,
    target: &Target,
    provisioned: &ProvisionedRecord,
    limit: Limit,
) -> Result<(), Failure> {
    let (qualifier, alias, version) = provisionable(tx, target)?;
    let mut record = concurrency_in(tx, target)?;
    if let Some(alias) = alias {
        if alias.additional.is_some() {
            return Err(invalid("Alias with weights can not be used with Provisioned Concurrency").into());
        }
        if record.provisioned.contains_key(&version.number.to_string()) {
            let words =
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
            return Err(conflict(words).into());
        }
    }
    for other in record.provisioned.keys().filter(|other| **other != qualifier) {
        if let Some(other) = tx.get(ALIASES, &target.alias_key(other))?
            && other.version == version.number
        {
            return Err(conflict("Version is pointed by a Provisioned Concurrency alias").into());
        }
    }
    check_can_wait(&version)?;
    let requested = provisioned.requested;
    let total = record.provisioned_total(Some(&qualifier)).saturating_add(requested);
    match record.reserved {
        Some(reserved) if total > reserved => {
            let words = "Requested Provisioned Concurrency should not be greater than the \
                         reservedConcurrentExecution for function";
            return Err(invalid(words).into());
        }
        Some(_) => {}
        None => check_unreserved(limit, requested, set_aside_by_others(tx, target)?.saturating_add(total))?,
    }
    record.provisioned.insert(qualifier, provisioned.clone());
    record.put(tx, target)
}

fn check_unreserved(limit: Limit, requested: u32, total: u32) -> Result<(), Failure> {
    if requested > limit.0 {
        return Err(unattributed(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
            limit.0
        ))
        .into());
    }
    if !limit.allows(total) {
        return Err(unattributed(format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{}].",
            limit.unreserved_min()
        ))
        .into());
    }
    Ok(())
}

/// Refuses versions whose environments cannot wait for requests.
fn check_can_wait(version: &VersionRecord) -> Result<(), Failure> {
    if version.snap_starts() {
        // AWS's guide: SnapStart "does not support provisioned concurrency". The words are ours.
        return Err(invalid("Provisioned Concurrency is not supported for functions with SnapStart enabled.").into());
    }
    if version.code.id().is_none() {
        return Err(Error::not_implemented("provisioned concurrency of code in the hot-reload bucket").into());
    }
    Ok(())
}

/// Ends the provisioned concurrency of a version or alias. One that has none is fine, as on AWS.
pub(crate) fn unprovision(tx: &mut Tx<'_>, target: &Target) -> Result<(), Failure> {
    let (qualifier, ..) = provisionable(tx, target)?;
    forget_qualifier(tx, target, &qualifier)
}

/// Forgets what a version or alias that goes had.
pub(crate) fn forget_qualifier(tx: &mut Tx<'_>, target: &Target, qualifier: &str) -> Result<(), Failure> {
    let mut record = concurrency_in(tx, target)?;
    match record.provisioned.remove(qualifier) {
        Some(_) => record.put(tx, target),
        None => Ok(()),
    }
}

/// The version or alias that provisioned concurrency is meant for, and the version behind it, or AWS's refusal.
fn provisionable(tx: &Tx<'_>, target: &Target) -> Result<(String, Option<AliasRecord>, VersionRecord), Failure> {
    let (alias, number) = match &target.qualifier {
        Some(Qualifier::Alias(name)) => {
            let alias = super::alias::load_alias(tx, target, name)?;
            let number = alias.version;
            (Some(alias), number)
        }
        Some(Qualifier::Version(number)) => (None, *number),
        None | Some(Qualifier::Latest) => return Err(not_provisionable().into()),
    };
    if number == 0 {
        return Err(unpublished().into());
    }
    let version = tx.get(VERSIONS, &target.version_key(number))?.ok_or_else(|| no_function(&target.arn()))?;
    let qualifier = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok((qualifier, alias, version))
}

/// `$LATEST` and whole functions have no provisioned concurrency, as the operations that show and end it say so.
pub(crate) fn not_provisionable() -> Error {
    invalid("The function resource provided must be an alias or a published version.")
}

/// The same as the operation that begins it says so.
pub(crate) fn unpublished() -> Error {
    invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

fn concurrency_in(tx: &Tx<'_>, target: &Target) -> Result<ConcurrencyRecord, Failure> {
    Ok(tx.get(CONCURRENCY, &target.key())?.unwrap_or_default())
}

/// What the other functions of the account and region have set aside.
fn set_aside_by_others(tx: &Tx<'_>, target: &Target) -> Result<u32, Failure> {
    let key = target.key();
    let all = tx.scan(CONCURRENCY, of_account(target.account, &target.region))?;
    Ok(all.iter().filter(|(other, _)| *other != key).map(|(_, record)| record.set_aside().total()).sum())
}

/// The records of an account in a region.
pub(crate) fn of_account(account: AccountId, region: &Region) -> Scan {
    Scan::under((account.as_str(), region.as_str()))
}

impl Lambda {
    /// The account's limit.
    pub(crate) fn limit(&self) -> Limit {
        Limit(self.config.concurrent_executions_max)
    }

    /// A function's record, empty if there is none.
    pub(crate) async fn concurrency(&self, target: &Target) -> Result<ConcurrencyRecord, Failure> {
        Ok(self.store.get(CONCURRENCY, &target.key()).await?.unwrap_or_default())
    }

    /// Has the fleet follow what is stored of a function's concurrency, after whatever change.
    pub(crate) async fn apply_concurrency(&self, target: &Target) {
        // One at a time, each with a look of its own: so the last look is the last word.
        let _turn = self.applying.lock().await;
        let applied = async {
            let all = self.store.scan(CONCURRENCY, of_account(target.account, &target.region)).await?;
            self.apply_limits(target.account, &target.region, &all);
            let key = target.key();
            let own = all.into_iter().find(|(other, _)| *other == key).map(|(_, record)| record);
            self.apply_provisioned(target, &own.unwrap_or_default()).await
        };
        if let Err(error) = applied.await {
            let function = target.function_arn();
            tracing::error!(%error, %function, "concurrency is stored and does not take effect before the next start");
        }
    }

    /// As [`Lambda::apply_concurrency`], of all functions: at a start. Environments are initialised behind it.
    pub(crate) async fn apply_all_concurrency(&self) -> Result<(), Failure> {
        let mut accounts: HashMap<(AccountId, Region), Vec<(Key, ConcurrencyRecord)>> = HashMap::new();
        let mut provisioned = Vec::new();
        for (key, record) in self.store.scan(CONCURRENCY, Scan::all()).await? {
            let Some(target) = target_of(&key) else { continue };
            if !record.provisioned.is_empty() {
                provisioned.push(target.clone());
            }
            accounts.entry((target.account, target.region)).or_default().push((key, record));
        }
        for ((account, region), records) in &accounts {
            self.apply_limits(*account, region, records);
        }
        let lambda = self.clone();
        tokio::spawn(async move {
            for target in provisioned {
                lambda.apply_concurrency(&target).await;
            }
        });
        Ok(())
    }

    fn apply_limits(&self, account: AccountId, region: &Region, records: &[(Key, ConcurrencyRecord)]) {
        let named = records.iter().filter_map(|(key, record)| Some((target_of(key)?.name, record.set_aside())));
        self.fleet.set_aside(account, region, &named.collect());
    }

    async fn apply_provisioned(&self, target: &Target, record: &ConcurrencyRecord) -> Result<(), Failure> {
        let named = |qualifier: &str| target.qualified(Qualifier::parse(qualifier));
        let kept: Vec<String> = record.provisioned.keys().map(|name| named(name).arn().to_string()).collect();
        self.fleet.unprovision(&target.function_arn().to_string(), |arn| kept.iter().any(|kept| kept == arn));
        for (qualifier, provisioned) in &record.provisioned {
            let target = named(qualifier);
            match self.first_version(&target).await {
                Ok(resolved) => {
                    self.fleet.provision(target.arn().to_string(), &resolved, provisioned.requested as usize);
                }
                Err(error) => tracing::warn!(%error, arn = %target.arn(), "cannot be provisioned"),
            }
        }
        Ok(())
    }
}
