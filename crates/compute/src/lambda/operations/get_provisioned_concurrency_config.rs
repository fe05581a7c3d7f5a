//! GetProvisionedConcurrencyConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::concurrency::not_provisionable;
use crate::lambda::name::{FunctionName, ProvisionedQualifier, Qualifier, Target};

use super::put_provisioned_concurrency_config::ProvisionedConcurrencyConfig;

/// Returns how the provisioned concurrency of a version or alias stands.
#[derive(Shape, Default)]
#[shape(name = "GetProvisionedConcurrencyConfigRequest")]
pub struct GetProvisionedConcurrencyConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which version or alias.
    #[shape(query = "Qualifier")]
    pub qualifier: ProvisionedQualifier,
}

impl Operation<Lambda> for GetProvisionedConcurrencyConfig {
    const META: Meta = Meta::read("GetProvisionedConcurrencyConfig")
        .http("GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency");
    type Output = ProvisionedConcurrencyConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ProvisionedConcurrencyConfig, Error> {
        let target = self.qualifier.target(cx, &self.function_name)?;
        match &target.qualifier {
            None | Some(Qualifier::Latest) => return Err(not_provisionable()),
            Some(Qualifier::Alias(name)) => _ = lambda.alias(&target, name).await?,
            Some(Qualifier::Version(_)) => _ = lambda.version(&target).await?,
        }
        let record = lambda.concurrency(&target).await?;
        let qualifier = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
        let provisioned = record.provisioned.get(&qualifier).ok_or_else(|| {
            let words = "No Provisioned Concurrency Config found for this function";
            Error::new(404, "ProvisionedConcurrencyConfigNotFoundException", words).with("Type", "User")
        })?;
        let standing = lambda.fleet.standing(&target.arn().to_string());
        Ok(ProvisionedConcurrencyConfig::of(provisioned, standing))
    }
}
