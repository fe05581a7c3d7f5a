//! GetFunctionRecursionConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::lineage::RecursiveLoop;
use crate::lambda::name::{Target, UnqualifiedFunctionName};

/// Returns what happens to events that go in a circle through a function.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionRecursionConfigRequest")]
pub struct GetFunctionRecursionConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: UnqualifiedFunctionName,
}

/// What is set.
#[derive(Shape, Debug, Default)]
pub struct GetFunctionRecursionConfigResponse {
    /// Whether events that go in a circle are stopped.
    pub recursive_loop: Option<RecursiveLoop>,
}

impl Operation<Lambda> for GetFunctionRecursionConfig {
    const META: Meta =
        Meta::read("GetFunctionRecursionConfig").http("GET", "/2024-08-31/functions/{FunctionName}/recursion-config");
    type Output = GetFunctionRecursionConfigResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetFunctionRecursionConfigResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?;
        let recursive_loop = lambda.function(&target).await?.recursive_loop;
        Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop) })
    }
}
