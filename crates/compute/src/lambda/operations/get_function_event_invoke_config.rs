//! GetFunctionEventInvokeConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::event_invoke_config::{FunctionEventInvokeConfig, configured, no_config};
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};

/// Returns how a version or alias is invoked asynchronously.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionEventInvokeConfigRequest")]
pub struct GetFunctionEventInvokeConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version or alias; `$LATEST` if absent.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

impl Operation<Lambda> for GetFunctionEventInvokeConfig {
    const META: Meta = Meta::read("GetFunctionEventInvokeConfig")
        .http("GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config");
    type Output = FunctionEventInvokeConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionEventInvokeConfig, Error> {
        let target = configured(cx, &self.function_name, self.qualifier.as_ref())?;
        // AWS does not look whether there is such a function.
        let record = lambda.event_invoke_config(&target).await?.ok_or_else(|| no_config(&target))?;
        Ok(FunctionEventInvokeConfig::of(&target, &record))
    }
}
