//! GetLayerVersionPolicy.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, not_found};
use crate::lambda::layer::{LayerName, LayerTarget, check_number, missing_version};
use crate::lambda::records::LAYER_VERSIONS;

/// Returns the policy of a layer version.
#[derive(Shape, Default)]
#[shape(name = "GetLayerVersionPolicyRequest")]
pub struct GetLayerVersionPolicy {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Which version.
    #[shape(label)]
    pub version_number: i64,
}

/// A policy.
#[derive(Shape, Debug, Default)]
pub struct GetLayerVersionPolicyResponse {
    /// The document as JSON.
    pub policy: Option<String>,
    /// Its revision.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for GetLayerVersionPolicy {
    const META: Meta = Meta::read("GetLayerVersionPolicy")
        .http("GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy");
    type Output = GetLayerVersionPolicyResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        LayerTarget::need(cx, need, &self.layer_name, self.version_number);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetLayerVersionPolicyResponse, Error> {
        let number = check_number(self.version_number)?;
        let target = LayerTarget::own(cx, &self.layer_name)?;
        let found = lambda.store.get(LAYER_VERSIONS, &target.version_key(number)).await.map_err(Failure::from)?;
        let version = found.ok_or_else(|| missing_version(&target, self.version_number))?;
        if version.policy.is_empty() {
            return Err(not_found("No policy is associated with the given resource."));
        }
        Ok(GetLayerVersionPolicyResponse {
            policy: Some(version.policy.document()),
            revision_id: Some(version.policy_revision_id),
        })
    }
}
