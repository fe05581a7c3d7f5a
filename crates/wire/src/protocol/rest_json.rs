//! restJson1: JSON bodies, with members also in path, query string and headers, and payloads that are the whole body.

use base::Error;
use bytes::Bytes;
use shape::{Body, Kind, Member, Place, Schema, Value};

use super::json::{self, Members};
use super::{Answer, Protocol, Reply, bindings, error_members, text, whole};
use crate::eventstream;
use crate::route::Labels;

const JSON: &str = "application/json";

pub(super) fn decode(
    input: &'static Schema,
    labels: &Labels,
    head: &http::request::Parts,
    body: Body,
) -> Result<Value, Error> {
    let mut value = match input.payload() {
        Some((at, member)) => {
            let mut value = Value::empty(input);
            if let Value::Struct(slots) = &mut value {
                slots[at] = payload(member, body)?;
            }
            value
        }
        None if input.members().iter().any(|member| member.place == Place::Body) => document(input, &whole(body)?)?,
        None => Value::empty(input),
    };
    if let Value::Struct(slots) = &mut value {
        bindings::read(input, labels, head, slots)?;
    }
    Ok(value)
}

fn document(input: &'static Schema, body: &[u8]) -> Result<Value, Error> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::empty(input));
    }
    json::read(input, body, Members::Unbound)
}

/// The member that is the whole body. An empty body is an absent payload, except where absence is not possible.
fn payload(member: &'static Member, body: Body) -> Result<Option<Value>, Error> {
    let schema = member.target();
    if let Kind::Body = schema.kind {
        return Ok(Some(Value::Body(body)));
    }
    let bytes = whole(body)?;
    if bytes.is_empty() && !(member.required && matches!(schema.kind, Kind::Blob | Kind::String)) {
        return Ok(None);
    }
    match schema.kind {
        Kind::Blob => Ok(Some(Value::Blob(bytes))),
        Kind::String | Kind::Enum(_) => match String::from_utf8(bytes.into()) {
            Ok(text) => Ok(Some(Value::String(text))),
            Err(_) => Err(text::cannot("BINARY_VALUE", schema)),
        },
        _ => json::read(schema, &bytes, Members::All).map(Some),
    }
}

pub(super) fn encode(reply: &Reply<'_>, mut value: Value) -> Answer {
    let status = reply.http.map_or(200, |http| http.status);
    if let Some(events) = eventstream::take(reply.output, &mut value) {
        let mut answer = eventstream::answer(Protocol::RestJson1, reply.output, &value, events);
        bindings::write(reply.output, &value, &mut answer);
        return answer;
    }
    let (body, media_type) = match reply.output.payload() {
        Some((at, member)) => encode_payload(member, take(&mut value, at)),
        None if reply.output.members().iter().any(|member| member.place == Place::Body) => {
            let mut body = Vec::with_capacity(512);
            json::write(&mut body, reply.output, &value, Members::Unbound);
            (Body::Whole(body.into()), Some(JSON))
        }
        None => (Body::default(), None),
    };
    let mut answer = Answer::new(status, media_type.unwrap_or(JSON), body);
    if media_type.is_none() {
        answer.headers.remove(http::header::CONTENT_TYPE);
    }
    bindings::write(reply.output, &value, &mut answer);
    answer
}

fn take(value: &mut Value, at: usize) -> Option<Value> {
    match value {
        Value::Struct(slots) => slots.get_mut(at)?.take(),
        _ => None,
    }
}

/// The payload and its media type, which a `Content-Type` header member overrides.
fn encode_payload(member: &Member, value: Option<Value>) -> (Body, Option<&'static str>) {
    match value {
        None if matches!(member.target().kind, Kind::Struct(_)) => (Bytes::from_static(b"{}").into(), Some(JSON)),
        None => (Body::default(), None),
        Some(Value::Body(body)) => (body, Some("application/octet-stream")),
        Some(Value::Blob(bytes)) => (Body::Whole(bytes), Some("application/octet-stream")),
        Some(Value::String(text)) => (Body::Whole(text.into()), Some("text/plain")),
        Some(value) => {
            let mut body = Vec::with_capacity(512);
            json::write(&mut body, member.target(), &value, Members::All);
            (Body::Whole(body.into()), Some(JSON))
        }
    }
}

pub(super) fn encode_error(error: &Error) -> Answer {
    let body = Bytes::from(json::write_texts(&error_members(error, false)));
    let mut answer = Answer::new(error.status, JSON, body);
    answer.set("x-amzn-ErrorType", &error.code);
    answer
}
