//! UpdateFunctionEventInvokeConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::event_invoke_config::{DestinationConfig, FunctionEventInvokeConfig, Wanted, configured, no_config};
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};

/// Changes how a version or alias is invoked asynchronously; what is not named stays.
#[derive(Shape, Default)]
#[shape(name = "UpdateFunctionEventInvokeConfigRequest")]
pub struct UpdateFunctionEventInvokeConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version or alias; `$LATEST` if absent.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// How often a failed event is tried again.
    #[shape(range(0..=2))]
    pub maximum_retry_attempts: Option<i32>,
    /// How old an event may grow.
    #[shape(range(60..=21_600))]
    pub maximum_event_age_in_seconds: Option<i32>,
    /// Where records of events go.
    pub destination_config: Option<DestinationConfig>,
}

impl Operation<Lambda> for UpdateFunctionEventInvokeConfig {
    const META: Meta = Meta::write("UpdateFunctionEventInvokeConfig")
        .http("POST", "/2019-09-25/functions/{FunctionName}/event-invoke-config");
    type Output = FunctionEventInvokeConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionEventInvokeConfig, Error> {
        let target = configured(cx, &self.function_name, self.qualifier.as_ref())?;
        let wanted = Wanted {
            maximum_retry_attempts: self.maximum_retry_attempts,
            maximum_event_age_in_seconds: self.maximum_event_age_in_seconds,
            destination_config: self.destination_config,
        };
        wanted.check()?;
        lambda.check_configurable(&target).await?;
        if let Some(destinations) = &wanted.destination_config {
            lambda.check_destinations(&target, destinations).await?;
        }
        let (now, missing) = (cx.now(), no_config(&target));
        let update = move |older: Option<_>| Ok(wanted.over(older.ok_or_else(|| missing.clone())?, now));
        Ok(lambda.write_event_invoke_config(&target, update).await?)
    }
}
