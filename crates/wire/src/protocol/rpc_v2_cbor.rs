//! rpcv2Cbor: CBOR bodies, the operation in the path, and a header that says so.

use base::Error;
use shape::{Schema, Value};

use super::{Answer, Protocol, Reply, cbor};
use crate::eventstream;

const CBOR: &str = "application/cbor";

pub(super) fn decode(input: &'static Schema, body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Ok(Value::empty(input));
    }
    cbor::read(input, body)
}

pub(super) fn encode(reply: &Reply<'_>, mut value: Value) -> Answer {
    let mut answer = match eventstream::take(reply.output, &mut value) {
        Some(events) => eventstream::answer(Protocol::RpcV2Cbor, reply.output, &value, events),
        None => Answer::new(200, CBOR, bytes::Bytes::from(cbor::write(reply.output, &value))),
    };
    answer.set("smithy-protocol", "rpc-v2-cbor");
    answer
}

pub(super) fn encode_error(error: &Error) -> Answer {
    let mut answer = Answer::new(error.status, CBOR, bytes::Bytes::from(cbor::write_error(error, true)));
    answer.set("smithy-protocol", "rpc-v2-cbor");
    answer.set_query_error(error);
    answer
}
