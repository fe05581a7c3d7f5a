//! DeleteFunctionEventInvokeConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::event_invoke_config::{configured, no_config};
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};
use crate::lambda::records::EVENT_INVOKE_CONFIGS;

/// Lets a version or alias be invoked asynchronously by AWS's defaults again.
#[derive(Shape, Default)]
#[shape(name = "DeleteFunctionEventInvokeConfigRequest")]
pub struct DeleteFunctionEventInvokeConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version or alias; `$LATEST` if absent.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

impl Operation<Lambda> for DeleteFunctionEventInvokeConfig {
    const META: Meta = Meta::write("DeleteFunctionEventInvokeConfig")
        .http("DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = configured(cx, &self.function_name, self.qualifier.as_ref())?;
        let (key, missing) = (target.event_invoke_config_key(), no_config(&target));
        let delete = move |tx: &mut store::Tx<'_>| {
            if !tx.exists(EVENT_INVOKE_CONFIGS, &key)? {
                return Err(Failure::Aws(missing.clone()));
            }
            Ok(tx.delete(EVENT_INVOKE_CONFIGS, &key)?)
        };
        Ok(lambda.store.transact(delete).await?)
    }
}
