//! GetRuntimeManagementConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};

use super::put_runtime_management_config::{RuntimeManagementConfig, managed_version};

/// Returns when a version gets newer builds of its runtime.
#[derive(Shape, Default)]
#[shape(name = "GetRuntimeManagementConfigRequest")]
pub struct GetRuntimeManagementConfig {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// `$LATEST`, the default, or a published version.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

impl Operation<Lambda> for GetRuntimeManagementConfig {
    const META: Meta = Meta::read("GetRuntimeManagementConfig")
        .http("GET", "/2021-07-20/functions/{FunctionName}/runtime-management-config");
    type Output = RuntimeManagementConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<RuntimeManagementConfig, Error> {
        let target = managed_version(cx, &self.function_name, self.qualifier.as_ref())?;
        let (_, version) = lambda.version(&target).await?;
        Ok(RuntimeManagementConfig::of(&target, &version.runtime_management))
    }
}
