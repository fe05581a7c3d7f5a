//! DeleteCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{CODE_SIGNING, CODE_SIGNING_USES, CodeSigningConfigArn, CodeSigningTarget, missing};
use crate::lambda::error::{Failure, conflict};

/// Deletes a code signing configuration that no function has.
#[derive(Shape, Default)]
#[shape(name = "DeleteCodeSigningConfigRequest")]
pub struct DeleteCodeSigningConfig {
    /// Which.
    #[shape(label)]
    pub code_signing_config_arn: CodeSigningConfigArn,
}

/// Nothing.
#[derive(Shape, Debug, Default)]
pub struct DeleteCodeSigningConfigResponse {}

impl Operation<Lambda> for DeleteCodeSigningConfig {
    const META: Meta = Meta::write("DeleteCodeSigningConfig")
        .http("DELETE", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}")
        .status(204);
    type Output = DeleteCodeSigningConfigResponse;

    fn authorize(&self, _cx: &Cx, need: &mut Authz) {
        if let Ok(target) = CodeSigningTarget::of(&self.code_signing_config_arn) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<DeleteCodeSigningConfigResponse, Error> {
        let target = CodeSigningTarget::own(cx, &self.code_signing_config_arn)?;
        lambda.store.transact(move |tx| delete(tx, &target)).await?;
        Ok(DeleteCodeSigningConfigResponse {})
    }
}

fn delete(tx: &mut Tx<'_>, config: &CodeSigningTarget) -> Result<(), Failure> {
    let arn = config.arn().to_string();
    if !tx.exists(CODE_SIGNING, &config.key())? {
        return Err(missing(&arn).into());
    }
    if !tx.scan(CODE_SIGNING_USES, config.uses().limit(1))?.is_empty() {
        return Err(
            conflict(format!("The code signing configuration {arn} is in use by at least one function.")).into()
        );
    }
    tx.delete(CODE_SIGNING, &config.key())?;
    Ok(())
}
