//! GetFunctionCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{NamespacedFunctionName, Target};

/// Returns which code signing configuration a function has.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionCodeSigningConfigRequest")]
pub struct GetFunctionCodeSigningConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
}

/// What it has. AWS's model requires both members; its answer for a function without a configuration has neither.
#[derive(Shape, Debug, Default)]
pub struct GetFunctionCodeSigningConfigResponse {
    /// The configuration.
    pub code_signing_config_arn: Option<String>,
    /// The function.
    pub function_name: Option<String>,
}

impl Operation<Lambda> for GetFunctionCodeSigningConfig {
    const META: Meta = Meta::read("GetFunctionCodeSigningConfig")
        .http("GET", "/2020-06-30/functions/{FunctionName}/code-signing-config");
    type Output = GetFunctionCodeSigningConfigResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetFunctionCodeSigningConfigResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let arn = lambda.function(&target).await?.code_signing;
        let function_name = arn.is_some().then_some(target.name);
        Ok(GetFunctionCodeSigningConfigResponse { code_signing_config_arn: arn, function_name })
    }
}
