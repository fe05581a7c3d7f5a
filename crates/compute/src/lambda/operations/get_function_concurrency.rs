//! GetFunctionConcurrency.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{FunctionName, Target};

use super::put_function_concurrency::whole_function;

/// Returns a function's reservation.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionConcurrencyRequest")]
pub struct GetFunctionConcurrency {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
}

/// A function's reservation; absent if it has none.
#[derive(Shape, Debug, Default)]
pub struct GetFunctionConcurrencyResponse {
    /// How many executions.
    pub reserved_concurrent_executions: Option<i32>,
}

impl Operation<Lambda> for GetFunctionConcurrency {
    const META: Meta =
        Meta::read("GetFunctionConcurrency").http("GET", "/2019-09-30/functions/{FunctionName}/concurrency");
    type Output = GetFunctionConcurrencyResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetFunctionConcurrencyResponse, Error> {
        let target = whole_function(cx, &self.function_name)?;
        lambda.function(&target).await?;
        let reserved = lambda.concurrency(&target).await?.reserved;
        Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions: reserved.map(|r| r as i32) })
    }
}
