//! GetFunctionUrlConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::name::Target;
use crate::lambda::records::FUNCTIONS;
use crate::lambda::url::{self, FunctionUrlConfig, FunctionUrlFunctionName, FunctionUrlQualifier};

/// Tells a function's URL, or that of one of its aliases.
#[derive(Shape)]
#[shape(name = "GetFunctionUrlConfigRequest")]
pub struct GetFunctionUrlConfig {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionUrlFunctionName,
    /// The alias, if it is not the function itself.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<FunctionUrlQualifier>,
}

impl Operation<Lambda> for GetFunctionUrlConfig {
    const META: Meta = Meta::read("GetFunctionUrlConfig").http("GET", "/2021-10-31/functions/{FunctionName}/url");
    type Output = FunctionUrlConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionUrlConfig, Error> {
        let target = url::target(cx, &self.function_name, self.qualifier.as_ref())?;
        let function = lambda.store.get(FUNCTIONS, &target.key()).await.map_err(Failure::from)?;
        let record = function.and_then(|function| function.urls.get(&url::alias_of(&target)).cloned());
        Ok(FunctionUrlConfig::of(cx, &target, &record.ok_or_else(url::no_url)?).whole())
    }
}
