//! CreateCodeSigningConfig.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{
    AllowedPublishers, CODE_SIGNING, CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy, CodeSigningRecord,
    CodeSigningTarget,
};
use crate::lambda::error::Failure;

/// Makes a code signing configuration, which functions can then be given.
#[derive(Shape, Default)]
#[shape(name = "CreateCodeSigningConfigRequest")]
pub struct CreateCodeSigningConfig {
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// Who may sign.
    pub allowed_publishers: AllowedPublishers,
    /// What becomes of other packages.
    pub code_signing_policies: Option<CodeSigningPolicies>,
    /// Not built yet.
    pub tags: Option<BTreeMap<String, String>>,
}

/// What was made.
#[derive(Shape, Debug, Default)]
pub struct CreateCodeSigningConfigResponse {
    /// The configuration.
    pub code_signing_config: CodeSigningConfig,
}

impl Operation<Lambda> for CreateCodeSigningConfig {
    const META: Meta =
        Meta::write("CreateCodeSigningConfig").http("POST", "/2020-04-22/code-signing-configs").status(201);
    type Output = CreateCodeSigningConfigResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<CreateCodeSigningConfigResponse, Error> {
        if self.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
            return Err(Error::not_implemented("the tagging of code signing configurations"));
        }
        let target = CodeSigningTarget::new(cx);
        let policies = self.code_signing_policies.unwrap_or_default();
        let record = CodeSigningRecord {
            description: self.description,
            publishers: self.allowed_publishers.signing_profile_version_arns.into_iter().map(|arn| arn.0).collect(),
            policy: policies.untrusted_artifact_on_deployment.unwrap_or(CodeSigningPolicy::Warn),
            modified: cx.now(),
        };
        let shown = target.shown(&record);
        lambda.store.transact(move |tx| tx.put(CODE_SIGNING, &target.key(), &record).map_err(Failure::from)).await?;
        Ok(CreateCodeSigningConfigResponse { code_signing_config: shown })
    }
}
