//! GetFunctionConfiguration.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::configuration::FunctionConfiguration;
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};

/// Returns the settings and state of a function's version.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionConfigurationRequest")]
pub struct GetFunctionConfiguration {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

impl Operation<Lambda> for GetFunctionConfiguration {
    const META: Meta =
        Meta::read("GetFunctionConfiguration").http("GET", "/2015-03-31/functions/{FunctionName}/configuration");
    type Output = FunctionConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        let (_, version) = lambda.version(&target).await?;
        Ok(FunctionConfiguration::of(&target, target.qualifier.as_ref(), &version))
    }
}
