//! DeleteProvisionedConcurrencyConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::concurrency::{not_provisionable, unprovision};
use crate::lambda::name::{FunctionName, ProvisionedQualifier, Qualifier, Target};

/// Ends the provisioned concurrency of a version or alias; requests under way end where they are.
#[derive(Shape, Default)]
#[shape(name = "DeleteProvisionedConcurrencyConfigRequest")]
pub struct DeleteProvisionedConcurrencyConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which version or alias.
    #[shape(query = "Qualifier")]
    pub qualifier: ProvisionedQualifier,
}

impl Operation<Lambda> for DeleteProvisionedConcurrencyConfig {
    const META: Meta = Meta::write("DeleteProvisionedConcurrencyConfig")
        .http("DELETE", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = self.qualifier.target(cx, &self.function_name)?;
        if matches!(target.qualifier, None | Some(Qualifier::Latest)) {
            return Err(not_provisionable());
        }
        let function = target.clone();
        lambda.store.transact(move |tx| unprovision(tx, &function)).await?;
        lambda.apply_concurrency(&target.function()).await;
        Ok(())
    }
}
