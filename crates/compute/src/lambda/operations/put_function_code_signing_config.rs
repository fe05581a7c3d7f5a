//! PutFunctionCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{CodeSigningConfigArn, assign, existing};
use crate::lambda::error::Failure;
use crate::lambda::function::load;
use crate::lambda::name::{NamespacedFunctionName, Target};
use crate::lambda::records::FUNCTIONS;

/// Gives a function a code signing configuration. It holds for the next deployment; the present code stays.
#[derive(Shape, Default)]
#[shape(name = "PutFunctionCodeSigningConfigRequest")]
pub struct PutFunctionCodeSigningConfig {
    /// Which configuration.
    pub code_signing_config_arn: CodeSigningConfigArn,
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
}

/// What the function has now.
#[derive(Shape, Debug, Default)]
pub struct PutFunctionCodeSigningConfigResponse {
    /// The configuration.
    pub code_signing_config_arn: String,
    /// The function.
    pub function_name: String,
}

impl Operation<Lambda> for PutFunctionCodeSigningConfig {
    const META: Meta = Meta::write("PutFunctionCodeSigningConfig")
        .http("PUT", "/2020-06-30/functions/{FunctionName}/code-signing-config");
    type Output = PutFunctionCodeSigningConfigResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<PutFunctionCodeSigningConfigResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let arn = self.code_signing_config_arn.0;
        let (function, config) = (target.clone(), arn.clone());
        lambda.store.transact(move |tx| change(tx, &function, Some(&config))).await?;
        Ok(PutFunctionCodeSigningConfigResponse { code_signing_config_arn: arn, function_name: target.name })
    }
}

/// Changes a function's configuration.
pub(crate) fn change(tx: &mut Tx<'_>, target: &Target, config: Option<&str>) -> Result<(), Failure> {
    if let Some(arn) = config {
        existing(tx, target, arn)?;
    }
    let mut function = load(tx, target)?;
    assign(tx, target, &mut function, config)?;
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(())
}
