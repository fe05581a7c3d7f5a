//! DeleteFunctionConcurrency.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::concurrency::unreserve;
use crate::lambda::name::{FunctionName, Target};

use super::put_function_concurrency::whole_function;

/// Gives a function's reservation back to the account.
#[derive(Shape, Default)]
#[shape(name = "DeleteFunctionConcurrencyRequest")]
pub struct DeleteFunctionConcurrency {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
}

impl Operation<Lambda> for DeleteFunctionConcurrency {
    const META: Meta = Meta::write("DeleteFunctionConcurrency")
        .http("DELETE", "/2017-10-31/functions/{FunctionName}/concurrency")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = whole_function(cx, &self.function_name)?;
        let function = target.clone();
        lambda.store.transact(move |tx| unreserve(tx, &function)).await?;
        lambda.apply_concurrency(&target).await;
        Ok(())
    }
}
