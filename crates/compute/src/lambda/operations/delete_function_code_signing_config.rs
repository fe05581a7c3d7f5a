//! DeleteFunctionCodeSigningConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{NamespacedFunctionName, Target};

use super::put_function_code_signing_config::change;

/// Takes a function's code signing configuration away; without one nothing happens.
#[derive(Shape, Default)]
#[shape(name = "DeleteFunctionCodeSigningConfigRequest")]
pub struct DeleteFunctionCodeSigningConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
}

impl Operation<Lambda> for DeleteFunctionCodeSigningConfig {
    const META: Meta = Meta::write("DeleteFunctionCodeSigningConfig")
        .http("DELETE", "/2020-06-30/functions/{FunctionName}/code-signing-config")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        Ok(lambda.store.transact(move |tx| change(tx, &target, None)).await?)
    }
}
