//! Functions in the store: finding them, and changing them in transactions.
//!
//! A change is one transaction: it checks revision and state, writes the new record, notes which zips are used by whom and
//! marks the version as between two states. What follows ([`super::settle`]) may happen twice or after a crash.

use base::{Cx, Timestamp};
use store::{Scan, Snapshot, Tx};

use super::Lambda;
use super::alias::check_unreferenced;
use super::code_uses::{Holder, hold};
use super::concurrency::forget_qualifier;
use super::error::{Failure, conflict, no_function, stale_revision};
use super::name::{Qualifier, Target};
use super::records::{
    ALIASES, CONCURRENCY, EVENT_INVOKE_CONFIGS, FUNCTIONS, FunctionRecord, Mark, SETTLING, State, Update, VERSIONS,
    VersionRecord,
};
use super::{code_signing, code_storage};

/// Versions that one transaction removes; AWS's storage limit allows more, so deleting goes in steps.
const VERSIONS_PER_STEP: usize = 1_000;

impl Lambda {
    /// The function, or AWS's 404.
    pub(crate) async fn function(&self, target: &Target) -> Result<FunctionRecord, Failure> {
        let found = self.store.get(FUNCTIONS, &target.key()).await?;
        found.ok_or_else(|| no_function(&target.arn()).into())
    }

    /// The function and the version that is meant; of an alias with two the first.
    pub(crate) async fn version(&self, target: &Target) -> Result<(FunctionRecord, VersionRecord), Failure> {
        version_at(&self.store.snapshot()?, target).await
    }

    /// Removes a function with all its versions, or one version. False if there was none.
    pub(crate) async fn remove(&self, target: &Target, version: Option<u64>) -> Result<bool, Failure> {
        let removed = match version {
            Some(number) => {
                let target = target.clone();
                self.store.transact(move |tx| remove_version(tx, &target, number)).await
            }
            None => self.remove_all(target).await,
        };
        self.forget(target);
        let arn = target.function_arn().to_string();
        if version.is_none() || matches!(removed, Ok(true)) {
            self.fleet.retire(&arn, version);
            self.fleet.snapshots.retire(&arn, version);
            self.apply_concurrency(&target.function()).await;
        }
        self.collect_later();
        removed
    }

    async fn remove_all(&self, target: &Target) -> Result<bool, Failure> {
        loop {
            let target = target.clone();
            if let Some(found) = self.store.transact(move |tx| remove_some(tx, &target)).await? {
                return Ok(found);
            }
        }
    }
}

/// The function and the version that is meant, as they stood at one moment.
pub(crate) async fn version_at(
    snapshot: &Snapshot,
    target: &Target,
) -> Result<(FunctionRecord, VersionRecord), Failure> {
    let missing = || no_function(&target.arn());
    let function = snapshot.get(FUNCTIONS, &target.key()).await?.ok_or_else(missing)?;
    let number = match &target.qualifier {
        None | Some(Qualifier::Latest) => 0,
        Some(Qualifier::Version(number)) => *number,
        Some(Qualifier::Alias(name)) => {
            snapshot.get(ALIASES, &target.alias_key(name)).await?.ok_or_else(missing)?.version
        }
    };
    let version = match number {
        0 => Some(function.latest.clone()),
        number => snapshot.get(VERSIONS, &target.version_key(number)).await?,
    };
    Ok((function, version.ok_or_else(missing)?))
}

/// The function within a transaction, or AWS's 404.
pub(crate) fn load(tx: &Tx<'_>, target: &Target) -> Result<FunctionRecord, Failure> {
    tx.get(FUNCTIONS, &target.key())?.ok_or_else(|| no_function(&target.function_arn()).into())
}

/// Refuses a caller who has seen an older state.
pub(crate) fn check_revision(record: &VersionRecord, expected: Option<&str>) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != record.revision_id => Err(stale_revision("GetFunction/GetAlias").into()),
        _ => Ok(()),
    }
}

/// Refuses while `$LATEST` is being created or updated.
pub(crate) fn check_settled(target: &Target, latest: &VersionRecord) -> Result<(), Failure> {
    if latest.state == State::Pending {
        return Err(conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        )
        .into());
    }
    if latest.update == Update::InProgress {
        let arn = target.function_arn();
        return Err(conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        ))
        .into());
    }
    Ok(())
}

/// What one change stamps on the records it writes. Drawn before the transaction, since that may run twice.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    now: Timestamp,
    revision_id: String,
    publication_revision_id: String,
}

impl Stamp {
    pub(crate) fn new(cx: &Cx) -> Stamp {
        Stamp { now: cx.now(), revision_id: base::id::uuid(), publication_revision_id: base::id::uuid() }
    }

    /// When.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The new revision of `$LATEST`.
    pub(crate) fn revision_id(&self) -> String {
        self.revision_id.clone()
    }
}

/// Begins an update of `$LATEST`: visible at once, and in progress until it is settled. Does not write the record.
pub(crate) fn begin_update(
    tx: &mut Tx<'_>,
    target: &Target,
    function: &mut FunctionRecord,
    stamp: &Stamp,
) -> Result<(), Failure> {
    function.latest.update = Update::InProgress;
    function.latest.modified = stamp.now;
    function.latest.revision_id = stamp.revision_id();
    function.latest.deployment_id = stamp.revision_id();
    tx.put(SETTLING, &target.version_key(0), &Mark {})?;
    Ok(())
}

/// Publishes `$LATEST` as the next version, unless nothing changed since the last: then that one is the answer. Does not
/// write the function's record.
pub(crate) fn publish(
    tx: &mut Tx<'_>,
    target: &Target,
    function: &mut FunctionRecord,
    description: Option<&str>,
    stamp: &Stamp,
) -> Result<VersionRecord, Failure> {
    if let Some(last) = function.published
        && last.changes == function.changes
        && let Some(version) = tx.get(VERSIONS, &target.version_key(last.version))?
    {
        return Ok(version);
    }
    // A number is never given twice, even if the last version was deleted.
    let number = function.published.map_or(0, |last| last.version) + 1;
    let is_ready = function.latest.state == State::Active && function.latest.update == Update::Successful;
    // AWS gives $LATEST a new revision with each version that is made of it.
    function.latest.revision_id = stamp.revision_id();
    let mut version = VersionRecord {
        number,
        revision_id: stamp.publication_revision_id.clone(),
        deployment_id: stamp.publication_revision_id.clone(),
        state: State::Pending,
        update: Update::None,
        ..function.latest.clone()
    };
    if let Some(description) = description {
        version.settings.description = description.to_owned();
    }
    if is_ready && !version.snap_starts() {
        // A copy of what is ready is ready; a snapshot would have to be made first.
        (version.state, version.update) = (State::Active, Update::Successful);
    } else {
        tx.put(SETTLING, &target.version_key(number), &Mark {})?;
    }
    function.published = Some(super::records::Publication { version: number, changes: function.changes });
    replace_version(tx, target, None, Some(&version))?;
    tx.put(VERSIONS, &target.version_key(number), &version)?;
    Ok(version)
}

/// Removes versions, and with the last of them the function. None if there is more to do.
fn remove_some(tx: &mut Tx<'_>, target: &Target) -> Result<Option<bool>, Failure> {
    let Some(mut function) = tx.get(FUNCTIONS, &target.key())? else {
        return Ok(Some(false));
    };
    let versions = tx.scan(VERSIONS, Scan::under(target.parts()).limit(VERSIONS_PER_STEP))?;
    for (key, version) in &versions {
        tx.delete(VERSIONS, key)?;
        forget_version(tx, target, version)?;
    }
    if versions.len() == VERSIONS_PER_STEP {
        return Ok(None);
    }
    tx.delete_range(ALIASES, Scan::under(target.parts()))?;
    code_signing::assign(tx, target, &mut function, None)?;
    tx.delete(CONCURRENCY, &target.key())?;
    tx.delete(FUNCTIONS, &target.key())?;
    super::url::remove_ids(tx, &function)?;
    tx.delete_range(EVENT_INVOKE_CONFIGS, Scan::under(target.parts()))?;
    forget_version(tx, target, &function.latest)?;
    Ok(Some(true))
}

fn remove_version(tx: &mut Tx<'_>, target: &Target, number: u64) -> Result<bool, Failure> {
    let mut function = load(tx, target)?;
    let Some(version) = tx.get(VERSIONS, &target.version_key(number))? else {
        return Ok(false);
    };
    check_unreferenced(tx, target, number)?;
    forget_qualifier(tx, target, &number.to_string())?;
    tx.delete(VERSIONS, &target.version_key(number))?;
    let published = target.qualified(Qualifier::Version(number));
    tx.delete(EVENT_INVOKE_CONFIGS, &published.event_invoke_config_key())?;
    forget_version(tx, target, &version)?;
    if function.policies.remove(&number.to_string()).is_some() {
        tx.put(FUNCTIONS, &target.key(), &function)?;
    }
    Ok(true)
}

/// Notes which packages a version has from now on, and how much they hold. It is new if there is no old one, and goes if
/// there is no new one.
pub(crate) fn replace_version(
    tx: &mut Tx<'_>,
    target: &Target,
    old: Option<&VersionRecord>,
    new: Option<&VersionRecord>,
) -> Result<(), Failure> {
    let packages = |version: Option<&VersionRecord>| version.map(VersionRecord::packages).unwrap_or_default();
    let bytes = |version: Option<&VersionRecord>| version.map_or(0, |version| version.code.bytes());
    let number = new.or(old).map_or(0, |version| version.number);
    hold(tx, Holder::Function(target, number), &packages(old), &packages(new))?;
    code_storage::count(tx, target.account, &target.region, bytes(old), bytes(new))
}

fn forget_version(tx: &mut Tx<'_>, target: &Target, version: &VersionRecord) -> Result<(), Failure> {
    replace_version(tx, target, Some(version), None)?;
    tx.delete(SETTLING, &target.version_key(version.number))?;
    Ok(())
}
