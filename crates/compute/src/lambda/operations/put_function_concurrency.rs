//! PutFunctionConcurrency, and what the operations on reservations share.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::concurrency::reserve;
use crate::lambda::error::invalid;
use crate::lambda::name::{FunctionName, Target};

/// Reserves concurrent executions for a function: so many at most, and so many at least. 0 stops it.
#[derive(Shape, Default)]
#[shape(name = "PutFunctionConcurrencyRequest")]
pub struct PutFunctionConcurrency {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
    /// How many.
    #[shape(range(0..))]
    pub reserved_concurrent_executions: i32,
}

/// A function's reservation.
#[derive(Shape, Clone, Debug, Default)]
pub struct Concurrency {
    /// How many.
    pub reserved_concurrent_executions: Option<i32>,
}

impl Operation<Lambda> for PutFunctionConcurrency {
    const META: Meta =
        Meta::write("PutFunctionConcurrency").http("PUT", "/2017-10-31/functions/{FunctionName}/concurrency");
    type Output = Concurrency;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<Concurrency, Error> {
        let target = whole_function(cx, &self.function_name)?;
        let reserved = u32::try_from(self.reserved_concurrent_executions).unwrap_or_default();
        let (function, limit) = (target.clone(), lambda.limit());
        lambda.store.transact(move |tx| reserve(tx, &function, reserved, limit)).await?;
        lambda.apply_concurrency(&target).await;
        Ok(Concurrency { reserved_concurrent_executions: Some(self.reserved_concurrent_executions) })
    }
}

/// The function that a reservation is meant for; versions and aliases have none.
pub(super) fn whole_function(cx: &Cx, name: &FunctionName) -> Result<Target, Error> {
    let target = Target::own(cx, name, None)?;
    if target.qualifier.is_some() {
        return Err(invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
             operation. Please specify either a function name or an unqualified function ARN.",
        ));
    }
    Ok(target)
}
