//! GetCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{CodeSigningConfig, CodeSigningConfigArn, CodeSigningTarget};

/// Returns a code signing configuration.
#[derive(Shape, Default)]
#[shape(name = "GetCodeSigningConfigRequest")]
pub struct GetCodeSigningConfig {
    /// Which.
    #[shape(label)]
    pub code_signing_config_arn: CodeSigningConfigArn,
}

/// What was asked for.
#[derive(Shape, Debug, Default)]
pub struct GetCodeSigningConfigResponse {
    /// The configuration.
    pub code_signing_config: CodeSigningConfig,
}

impl Operation<Lambda> for GetCodeSigningConfig {
    const META: Meta =
        Meta::read("GetCodeSigningConfig").http("GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}");
    type Output = GetCodeSigningConfigResponse;

    fn authorize(&self, _cx: &Cx, need: &mut Authz) {
        if let Ok(target) = CodeSigningTarget::of(&self.code_signing_config_arn) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetCodeSigningConfigResponse, Error> {
        let target = CodeSigningTarget::own(cx, &self.code_signing_config_arn)?;
        let record = lambda.code_signing(&target).await?;
        Ok(GetCodeSigningConfigResponse { code_signing_config: target.shown(&record) })
    }
}
