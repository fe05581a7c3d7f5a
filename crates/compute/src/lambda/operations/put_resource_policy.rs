//! PutResourcePolicy, and how the operations on whole policies name what they are about.

use base::{Arn, Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{invalid, no_function};
use crate::lambda::name::{Qualifier, Target};
use crate::lambda::policy::Policy;

use super::add_permission::change_policy;

/// The whole ARN of a function, version or alias. AWS's pattern knows runtimes, too, whose policies nobody can write.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq)]
#[shape(
    length(0..=512),
    pattern = r"arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_])+)?|runtime/[a-zA-Z0-9-_./]+)"
)]
pub struct PolicyResourceArn(pub String);

impl PolicyResourceArn {
    /// The function of the caller's account that is meant.
    pub(super) fn target(&self, cx: &Cx) -> Result<Target, Error> {
        match Arn::parse(&self.0) {
            Some(arn) if !arn.resource.starts_with("function:") => Err(no_function(&arn)),
            _ => Target::own(cx, &self.0, None),
        }
    }

    /// States the permission an operation needs on it.
    pub(super) fn need(&self, cx: &Cx, need: &mut Authz) {
        if let Ok(target) = Target::of(cx, &self.0, None) {
            need.on(target.arn());
        }
    }
}

/// Sets the whole resource policy of a function, version or alias, in place of the one it has.
#[derive(Shape, Default)]
#[shape(name = "PutResourcePolicyRequest")]
pub struct PutResourcePolicy {
    /// Which.
    #[shape(label)]
    pub resource_arn: PolicyResourceArn,
    /// The policy document, JSON.
    #[shape(length(1..=20_480), pattern = r"[\s\S]+")]
    pub policy: String,
    /// The revision that the caller has seen.
    #[shape(length(36..=36), pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")]
    pub revision_id: Option<String>,
}

/// The policy as it now is.
#[derive(Shape, Debug, Default)]
pub struct PutResourcePolicyResponse {
    /// The document, JSON.
    pub policy: Option<String>,
    /// Its new revision.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for PutResourcePolicy {
    const META: Meta = Meta::write("PutResourcePolicy").http("PUT", "/2026-07-09/resource-policy/{ResourceArn}");
    type Output = PutResourcePolicyResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        self.resource_arn.need(cx, need);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<PutResourcePolicyResponse, Error> {
        let target = self.resource_arn.target(cx)?;
        if target.qualifier == Some(Qualifier::Latest) {
            return Err(invalid("We currently do not support adding policies for $LATEST."));
        }
        let policy = Policy::parse(&self.policy, &target.arn())?;
        let shown = policy.document();
        let (function, revision_id) = (target.clone(), base::id::uuid());
        let revision = revision_id.clone();
        let put = lambda.store.transact(move |tx| {
            change_policy(tx, &function, self.revision_id.as_deref(), &revision, |record, qualifier| {
                record.policies.insert(qualifier, policy.clone());
                Ok(())
            })
        });
        let put = put.await;
        lambda.forget(&target);
        put?;
        Ok(PutResourcePolicyResponse { policy: Some(shown), revision_id: Some(revision_id) })
    }
}
