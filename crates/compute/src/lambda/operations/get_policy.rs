//! GetPolicy.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::not_found;
use crate::lambda::name::{NamespacedFunctionName, Qualifier, QualifierText, Target};

/// Returns the resource policy of a function, version or alias.
#[derive(Shape, Default)]
#[shape(name = "GetPolicyRequest")]
pub struct GetPolicy {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// The policy of this version or alias, not the function's.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

/// A resource policy.
#[derive(Shape, Debug, Default)]
pub struct GetPolicyResponse {
    /// The document as JSON.
    pub policy: Option<String>,
    /// The revision of what it is attached to.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for GetPolicy {
    const META: Meta = Meta::read("GetPolicy").http("GET", "/2015-03-31/functions/{FunctionName}/policy");
    type Output = GetPolicyResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetPolicyResponse, Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        let (policy, revision_id) = policy_of(lambda, &target).await?;
        Ok(GetPolicyResponse { policy: Some(policy), revision_id: Some(revision_id) })
    }
}

/// The policy's document, and the revision of what it is attached to.
pub(super) async fn policy_of(lambda: &Lambda, target: &Target) -> Result<(String, String), Error> {
    let (function, version) = lambda.version(target).await?;
    let qualifier = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
    let policy = function.policies.get(&qualifier);
    let policy = policy.ok_or_else(|| not_found("The resource you requested does not exist."))?;
    let revision_id = match &target.qualifier {
        Some(Qualifier::Alias(name)) => lambda.alias(target, name).await?.revision_id,
        _ => version.revision_id,
    };
    Ok((policy.document(), revision_id))
}
