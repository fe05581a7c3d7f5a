//! DeleteResourcePolicy.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::not_found;

use super::add_permission::change_policy;
use super::put_resource_policy::PolicyResourceArn;

/// Removes the whole resource policy of a function, version or alias.
#[derive(Shape, Default)]
#[shape(name = "DeleteResourcePolicyRequest")]
pub struct DeleteResourcePolicy {
    /// Which.
    #[shape(label)]
    pub resource_arn: PolicyResourceArn,
    /// The revision that the caller has seen.
    #[shape(
        query = "RevisionId",
        length(36..=36),
        pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    )]
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for DeleteResourcePolicy {
    const META: Meta =
        Meta::write("DeleteResourcePolicy").http("DELETE", "/2026-07-09/resource-policy/{ResourceArn}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        self.resource_arn.need(cx, need);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = self.resource_arn.target(cx)?;
        let (function, revision_id) = (target.clone(), base::id::uuid());
        let deleted = lambda.store.transact(move |tx| {
            change_policy(tx, &function, self.revision_id.as_deref(), &revision_id, |record, qualifier| {
                match record.policies.remove(&qualifier) {
                    Some(_) => Ok(()),
                    None => Err(not_found("No policy is associated with the given resource.").into()),
                }
            })
        });
        let deleted = deleted.await;
        lambda.forget(&target);
        Ok(deleted?)
    }
}
