//! InvokeAsync: the way to call a function asynchronously that AWS deprecated; it goes the way of today's.

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{NamespacedFunctionName, Target};

use super::invoke::{InvocationType, Invoke};

/// Accepts an event for a function. [`Invoke`] with `Event` is the same.
#[derive(Shape)]
#[shape(name = "InvokeAsyncRequest")]
pub struct InvokeAsync {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// The event, JSON.
    #[shape(payload)]
    pub invoke_args: Bytes,
}

/// That it was accepted.
#[derive(Shape, Default)]
pub struct InvokeAsyncResponse {
    /// 202.
    #[shape(status_code)]
    pub status: Option<i32>,
    /// The same once more, `{"Status":202}`; not in AWS's model, but sent.
    #[shape(payload)]
    pub body: Option<Bytes>,
}

impl Operation<Lambda> for InvokeAsync {
    const META: Meta =
        Meta::write("InvokeAsync").http("POST", "/2014-11-13/functions/{FunctionName}/invoke-async").status(202);
    type Output = InvokeAsyncResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<InvokeAsyncResponse, Error> {
        let invoke = Invoke {
            function_name: self.function_name,
            invocation_type: Some(InvocationType::Event),
            log_type: None,
            client_context: None,
            payload: Some(self.invoke_args),
            qualifier: None,
            durable_execution_name: None,
            tenant_id: None,
        };
        let status = invoke.run(lambda, cx).await?.status_code;
        Ok(InvokeAsyncResponse { status, body: Some(Bytes::from_static(br#"{"Status":202}"#)) })
    }
}
