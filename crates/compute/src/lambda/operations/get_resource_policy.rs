//! GetResourcePolicy.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;

use super::get_policy::policy_of;
use super::put_resource_policy::PolicyResourceArn;

/// Returns the whole resource policy of a function, version or alias.
#[derive(Shape, Default)]
#[shape(name = "GetResourcePolicyRequest")]
pub struct GetResourcePolicy {
    /// Which.
    #[shape(label)]
    pub resource_arn: PolicyResourceArn,
}

/// A resource policy.
#[derive(Shape, Debug, Default)]
pub struct GetResourcePolicyResponse {
    /// The document, JSON.
    pub policy: Option<String>,
    /// The revision of what it is attached to.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for GetResourcePolicy {
    const META: Meta = Meta::read("GetResourcePolicy").http("GET", "/2026-07-09/resource-policy/{ResourceArn}");
    type Output = GetResourcePolicyResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        self.resource_arn.need(cx, need);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetResourcePolicyResponse, Error> {
        let (policy, revision_id) = policy_of(lambda, &self.resource_arn.target(cx)?).await?;
        Ok(GetResourcePolicyResponse { policy: Some(policy), revision_id: Some(revision_id) })
    }
}
