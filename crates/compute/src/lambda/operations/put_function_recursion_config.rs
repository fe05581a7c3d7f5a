//! PutFunctionRecursionConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::function::load;
use crate::lambda::lineage::RecursiveLoop;
use crate::lambda::name::{Target, UnqualifiedFunctionName};
use crate::lambda::records::FUNCTIONS;

/// Sets what happens to events that go in a circle through a function.
#[derive(Shape)]
#[shape(name = "PutFunctionRecursionConfigRequest")]
pub struct PutFunctionRecursionConfig {
    /// Which function.
    #[shape(label)]
    pub function_name: UnqualifiedFunctionName,
    /// Whether they are stopped.
    pub recursive_loop: RecursiveLoop,
}

/// What is set.
#[derive(Shape, Debug, Default)]
pub struct PutFunctionRecursionConfigResponse {
    /// Whether events that go in a circle are stopped.
    pub recursive_loop: Option<RecursiveLoop>,
}

impl Operation<Lambda> for PutFunctionRecursionConfig {
    const META: Meta =
        Meta::write("PutFunctionRecursionConfig").http("PUT", "/2024-08-31/functions/{FunctionName}/recursion-config");
    type Output = PutFunctionRecursionConfigResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<PutFunctionRecursionConfigResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?;
        let (function, recursive_loop) = (target.clone(), self.recursive_loop);
        let put = lambda.store.transact(move |tx| {
            let mut record = load(tx, &function)?;
            record.recursive_loop = recursive_loop;
            tx.put(FUNCTIONS, &function.key(), &record)?;
            Ok::<_, Failure>(())
        });
        let put = put.await;
        lambda.forget(&target);
        put?;
        Ok(PutFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop) })
    }
}
