//! awsJson1.0 and awsJson1.1: everything in one JSON document, the operation in `X-Amz-Target`.
//!
//! Errors carry `__type` in the body. The two versions differ in their media type only, as far as a server is concerned.

use base::Error;
use shape::{Schema, Value};

use super::json::{self, Members};
use super::{Answer, Protocol, Reply, error_members};
use crate::eventstream;

pub(super) fn decode(input: &'static Schema, body: &[u8]) -> Result<Value, Error> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::empty(input));
    }
    json::read(input, body, Members::All)
}

pub(super) fn encode(protocol: Protocol, reply: &Reply<'_>, mut value: Value) -> Answer {
    if let Some(events) = eventstream::take(reply.output, &mut value) {
        return eventstream::answer(protocol, reply.output, &value, events);
    }
    let mut body = Vec::with_capacity(256);
    json::write(&mut body, reply.output, &value, Members::All);
    Answer::new(200, media_type(protocol), bytes::Bytes::from(body))
}

pub(super) fn encode_error(protocol: Protocol, error: &Error) -> Answer {
    let body = json::write_texts(&error_members(error, true));
    let mut answer = Answer::new(error.status, media_type(protocol), bytes::Bytes::from(body));
    answer.set_query_error(error);
    answer
}

fn media_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson10 => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}
