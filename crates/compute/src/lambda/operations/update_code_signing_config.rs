//! UpdateCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{
    AllowedPublishers, CODE_SIGNING, CodeSigningConfig, CodeSigningConfigArn, CodeSigningPolicies, CodeSigningRecord,
    CodeSigningTarget, missing,
};
use crate::lambda::error::Failure;

/// Changes a code signing configuration; what is absent stays. It holds for the next deployment of its functions.
#[derive(Shape, Default)]
#[shape(name = "UpdateCodeSigningConfigRequest")]
pub struct UpdateCodeSigningConfig {
    /// Which.
    #[shape(label)]
    pub code_signing_config_arn: CodeSigningConfigArn,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// Who may sign.
    pub allowed_publishers: Option<AllowedPublishers>,
    /// What becomes of other packages.
    pub code_signing_policies: Option<CodeSigningPolicies>,
}

/// What it is now.
#[derive(Shape, Debug, Default)]
pub struct UpdateCodeSigningConfigResponse {
    /// The configuration.
    pub code_signing_config: CodeSigningConfig,
}

impl Operation<Lambda> for UpdateCodeSigningConfig {
    const META: Meta =
        Meta::write("UpdateCodeSigningConfig").http("PUT", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}");
    type Output = UpdateCodeSigningConfigResponse;

    fn authorize(&self, _cx: &Cx, need: &mut Authz) {
        if let Ok(target) = CodeSigningTarget::of(&self.code_signing_config_arn) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<UpdateCodeSigningConfigResponse, Error> {
        let target = CodeSigningTarget::own(cx, &self.code_signing_config_arn)?;
        let (config, now) = (target.clone(), cx.now());
        let updated = lambda.store.transact(move |tx| self.write(tx, &config, now)).await?;
        Ok(UpdateCodeSigningConfigResponse { code_signing_config: target.shown(&updated) })
    }
}

impl UpdateCodeSigningConfig {
    fn write(
        &self,
        tx: &mut Tx<'_>,
        config: &CodeSigningTarget,
        now: base::Timestamp,
    ) -> Result<CodeSigningRecord, Failure> {
        let found = tx.get(CODE_SIGNING, &config.key())?;
        let mut record = found.ok_or_else(|| missing(&config.arn().to_string()))?;
        if let Some(description) = &self.description {
            record.description = Some(description.clone());
        }
        if let Some(AllowedPublishers { signing_profile_version_arns }) = &self.allowed_publishers {
            record.publishers = signing_profile_version_arns.iter().map(|arn| arn.0.clone()).collect();
        }
        let policies = self.code_signing_policies.as_ref();
        record.policy = policies.and_then(|all| all.untrusted_artifact_on_deployment).unwrap_or(record.policy);
        record.modified = now;
        tx.put(CODE_SIGNING, &config.key(), &record)?;
        Ok(record)
    }
}
