//! The second half of a creation or update: Pending becomes Active, InProgress becomes Successful.
//!
//! It happens when the code tree is ready to run, normally a moment after the answer. Each version between two states
//! has a row in [`SETTLING`], so a start finds what a crash interrupted. Settling twice does no harm.

use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Region};
use store::{BlobId, Scan, Tx};

use super::Lambda;
use super::code::{CodeTree, Refused};
use super::error::Failure;
use super::layer::AttachedLayer;
use super::name::Target;
use super::records::{Code, FUNCTIONS, SETTLING, State, Update, VERSIONS, VersionRecord};

/// Attempts at making a code tree before the version is called failed.
const ATTEMPTS_MAX: u32 = 3;
/// Pause before the next attempt.
const RETRY: Duration = Duration::from_millis(200);

impl Lambda {
    /// Settles a version in the background; 0 is `$LATEST`.
    pub(crate) fn settle_later(&self, target: &Target, number: u64) {
        let (lambda, target) = (self.clone(), target.function());
        tokio::spawn(async move {
            tokio::time::sleep(lambda.config.settle_delay).await;
            if let Err(error) = lambda.settle(&target, number).await {
                tracing::error!(function = %target.function_arn(), number, %error, "cannot settle; the next start will");
            }
        });
    }

    /// Settles a version now.
    pub(crate) async fn settle(&self, target: &Target, number: u64) -> Result<(), Failure> {
        let Some(version) = self.unsettled(target, number).await? else {
            return Ok(());
        };
        self.fleet.expect(&version.settings);
        let (code, deployment_id) = (version.code.clone(), version.deployment_id.clone());
        let mut failure = self.trees_with_retries(&code, &version.settings.layers).await.err().map(|error| {
            tracing::error!(function = %target.function_arn(), %error, "cannot make the code tree");
            "The function's code could not be unpacked.".to_owned()
        });
        if failure.is_none() {
            failure = self.first_snapshot(target, version).await?;
        }
        let (function, revision_id) = (target.clone(), base::id::uuid());
        let settled = self
            .store
            .transact(move |tx| write_settled(tx, &function, number, &code, failure.as_deref(), &revision_id));
        let settled = settled.await;
        self.forget(target);
        if number == 0 {
            self.fleet.replace_latest(&target.function_arn().to_string(), &deployment_id);
        }
        settled
    }

    /// Finishes what an earlier process began.
    pub(crate) async fn settle_all(&self) -> Result<(), Failure> {
        for (key, _) in self.store.scan(SETTLING, Scan::all()).await? {
            let Some((account, region, name, number)) = key.parts::<(String, String, String, u64)>() else {
                continue;
            };
            let (Some(account), Some(region)) = (AccountId::parse(&account), Region::parse(&region)) else {
                continue;
            };
            let target = Target { account, region, name, qualifier: None };
            match self.unsettled(&target, number).await? {
                // A function's init may take minutes, and the start is not to wait for it.
                Some(version) if version.snap_starts() => self.settle_later(&target, number),
                _ => self.settle(&target, number).await?,
            }
        }
        Ok(())
    }

    /// Has sandboxes parked for the functions there are, so that even their first request after a start finds one.
    pub(crate) async fn expect_all(&self) -> Result<(), Failure> {
        for (_, function) in self.store.scan(FUNCTIONS, Scan::all()).await? {
            self.fleet.expect(&function.latest.settings);
        }
        Ok(())
    }

    async fn unsettled(&self, target: &Target, number: u64) -> Result<Option<VersionRecord>, Failure> {
        let version = match number {
            0 => self.store.get(FUNCTIONS, &target.key()).await?.map(|function| function.latest),
            _ => self.store.get(VERSIONS, &target.version_key(number)).await?,
        };
        Ok(version.filter(VersionRecord::is_settling))
    }

    async fn trees_with_retries(&self, code: &Code, layers: &[AttachedLayer]) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            match self.trees(code, layers).await {
                Err(error) if attempt < ATTEMPTS_MAX => tracing::warn!(%error, attempt, "making a code tree failed"),
                done => return done.map(drop),
            }
            attempt += 1;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The trees for `/var/task` and `/opt`, unpacked again if the cache lost them.
    pub(crate) async fn trees(
        &self,
        code: &Code,
        layers: &[AttachedLayer],
    ) -> Result<(Arc<CodeTree>, Option<Arc<CodeTree>>), Failure> {
        let task = match code {
            Code::Zip { id, .. } => self.tree(*id).await?,
            Code::Image(image) => self.image_tree(image).await?,
            Code::HotReload { directory } => CodeTree::in_place(directory.as_ref()),
        };
        let mut trees = Vec::with_capacity(layers.len());
        for layer in layers {
            trees.push(self.tree(layer.id).await?);
        }
        Ok((task, self.code.merge(trees).await?))
    }

    async fn tree(&self, id: BlobId) -> Result<Arc<CodeTree>, Failure> {
        if let Some(tree) = self.code.find(id) {
            return Ok(tree);
        }
        // Or the zip could be collected in between, and the tree would stay for ever.
        let _no_collection = self.collection.read().await;
        let package = self.store.blobs().get(id).await?;
        self.code.unpack(id, package).await.map_err(|error| match error {
            // It was unpacked before: whatever is wrong with it now is not the caller's fault.
            Refused::Write(_) => error.into(),
            other => Refused::Write(std::io::Error::other(other)).into(),
        })
    }
}

/// Writes the settled state, if the version still has the code that was made ready.
fn write_settled(
    tx: &mut Tx<'_>,
    target: &Target,
    number: u64,
    code: &Code,
    failure: Option<&str>,
    revision_id: &str,
) -> Result<(), Failure> {
    let settle = |version: &mut VersionRecord| {
        let current = version.code == *code && version.is_settling();
        if current {
            let update = failure.map_or(Update::Successful, |reason| Update::Failed(reason.to_owned()));
            let pending = version.state == State::Pending;
            version.state = match failure {
                Some(reason) if pending => State::Failed(reason.to_owned()),
                _ => State::Active,
            };
            version.update = update;
            version.revision_id = revision_id.to_owned();
        }
        current
    };
    if number == 0 {
        let Some(mut function) = tx.get(FUNCTIONS, &target.key())? else {
            return Ok(());
        };
        if settle(&mut function.latest) {
            tx.put(FUNCTIONS, &target.key(), &function)?;
            tx.delete(SETTLING, &target.version_key(0))?;
        }
    } else {
        let Some(mut version) = tx.get(VERSIONS, &target.version_key(number))? else {
            return Ok(());
        };
        if settle(&mut version) {
            tx.put(VERSIONS, &target.version_key(number), &version)?;
            tx.delete(SETTLING, &target.version_key(number))?;
        }
    }
    Ok(())
}
