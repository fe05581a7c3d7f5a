//! PutProvisionedConcurrencyConfig, and what the operations on provisioned concurrency share.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::concurrency::{provision, unpublished};
use crate::lambda::fleet::{Standing, Status};
use crate::lambda::name::{FunctionName, ProvisionedQualifier, Qualifier, Target};
use crate::lambda::records::ProvisionedRecord;

/// Has environments of a version or alias initialised before requests come, and kept so.
#[derive(Shape, Default)]
#[shape(name = "PutProvisionedConcurrencyConfigRequest")]
pub struct PutProvisionedConcurrencyConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which version or alias.
    #[shape(query = "Qualifier")]
    pub qualifier: ProvisionedQualifier,
    /// How many.
    #[shape(range(1..))]
    pub provisioned_concurrent_executions: i32,
}

/// How provisioned concurrency stands.
#[derive(Shape, Debug, Default)]
#[shape(name = "PutProvisionedConcurrencyConfigResponse")]
pub struct ProvisionedConcurrencyConfig {
    /// How many environments are wanted.
    pub requested_provisioned_concurrent_executions: Option<i32>,
    /// How many are there, those that initialise among them.
    pub allocated_provisioned_concurrent_executions: Option<i32>,
    /// How many are initialised.
    pub available_provisioned_concurrent_executions: Option<i32>,
    /// What of it.
    pub status: Option<ProvisionedConcurrencyStatus>,
    /// Why it failed, if it did.
    pub status_reason: Option<String>,
    /// When the configuration was last changed, `2026-11-22T16:00:00+0000`.
    pub last_modified: Option<String>,
}

/// Whether as many are there as are wanted.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
#[shape(name = "ProvisionedConcurrencyStatusEnum")]
pub enum ProvisionedConcurrencyStatus {
    /// Not yet.
    #[shape(value = "IN_PROGRESS")]
    InProgress,
    /// They are.
    #[shape(value = "READY")]
    Ready,
    /// They cannot be initialised.
    #[shape(value = "FAILED")]
    Failed,
}

impl ProvisionedConcurrencyConfig {
    pub(super) fn of(record: &ProvisionedRecord, standing: Option<Standing>) -> ProvisionedConcurrencyConfig {
        let nothing = Standing { allocated: 0, available: 0, status: Status::InProgress };
        let Standing { allocated, available, status } = standing.unwrap_or(nothing);
        let (status, reason) = match status {
            Status::InProgress => (ProvisionedConcurrencyStatus::InProgress, None),
            Status::Ready => (ProvisionedConcurrencyStatus::Ready, None),
            Status::Failed(reason) => (ProvisionedConcurrencyStatus::Failed, Some(reason)),
        };
        ProvisionedConcurrencyConfig {
            requested_provisioned_concurrent_executions: Some(record.requested as i32),
            allocated_provisioned_concurrent_executions: Some(allocated as i32),
            available_provisioned_concurrent_executions: Some(available as i32),
            status: Some(status),
            status_reason: reason,
            // AWS shows whole seconds here, unlike elsewhere.
            last_modified: Some(record.modified.to_lambda_seconds()),
        }
    }
}

impl Operation<Lambda> for PutProvisionedConcurrencyConfig {
    const META: Meta = Meta::write("PutProvisionedConcurrencyConfig")
        .http("PUT", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency")
        .status(202);
    type Output = ProvisionedConcurrencyConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ProvisionedConcurrencyConfig, Error> {
        let target = self.qualifier.target(cx, &self.function_name)?;
        if matches!(target.qualifier, None | Some(Qualifier::Latest)) {
            return Err(unpublished());
        }
        let requested = u32::try_from(self.provisioned_concurrent_executions).unwrap_or_default();
        let record = ProvisionedRecord { requested, modified: cx.now() };
        let before = lambda.fleet.standing(&target.arn().to_string());
        let (function, new, limit) = (target.clone(), record.clone(), lambda.limit());
        lambda.store.transact(move |tx| provision(tx, &function, &new, limit)).await?;
        lambda.apply_concurrency(&target.function()).await;
        // As AWS answers: the change has begun, and what is there is what was there before.
        let before = before.map(|before| Standing { status: Status::InProgress, ..before });
        Ok(ProvisionedConcurrencyConfig::of(&record, before))
    }
}
