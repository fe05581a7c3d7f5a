//! The AWS protocols, server side: HTTP to [`shape::Value`] and back, led by constant schemas.
//!
//! [`Protocol`] is the door; each protocol is one file below, and what they share (JSON, XML, HTTP bindings, text forms)
//! has a file of its own. Nothing here knows a service or an operation: names, bindings and namespaces come in as data.
//! Which protocol a request speaks and which operation it means is found in [`crate::route`].

mod aws_json;
mod aws_query;
mod bindings;
mod cbor;
mod json;
mod rest_json;
mod rpc_v2_cbor;
mod text;
mod xml;

use base::Error;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shape::{Body, Kind, Schema, Value};

use crate::route::{HttpBinding, Labels};

/// The greatest request body AWS's control planes take, in bytes: Lambda's "Request must be smaller than 70167211 bytes
/// for the CreateFunction operation", a 50 MiB zip in base64 and change.
pub const REQUEST_BYTES_MAX: usize = 70_167_211;

/// How deep documents may nest before they are refused. AWS names no number; serde_json stops at this one as well.
pub const DEPTH_MAX: usize = 128;

/// How many parameters one form or query string may have. AWS names no number; IAM's and SQS's largest calls need a
/// few hundred.
pub const PARAMETERS_MAX: usize = 10_000;

/// A wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// JSON bodies, members also in path, query and headers: Lambda, API Gateway.
    RestJson1,
    /// JSON bodies, operation in `X-Amz-Target`: DynamoDB, SQS, Step Functions.
    AwsJson10,
    /// As [`Protocol::AwsJson10`] under another media type: CloudWatch Logs, EventBridge, Kinesis.
    AwsJson11,
    /// Forms in, XML out: IAM, STS, SNS, CloudFormation.
    AwsQuery,
    /// CBOR bodies, operation in the path: CloudWatch.
    RpcV2Cbor,
}

/// What a response is made under, besides its value.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The operation's name: awsQuery names its elements after it.
    pub operation: &'a str,
    /// The schema of the output.
    pub output: &'static Schema,
    /// The operation's HTTP binding; only restJson1 looks at it (for the status).
    pub http: Option<&'a HttpBinding>,
    /// The service's XML namespace, for awsQuery.
    pub xml_namespace: Option<&'a str>,
    /// The id for `x-amzn-RequestId`.
    pub request_id: &'a str,
}

/// A response, as the desk hands it to the HTTP server.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers but those the server adds (`Date`, `Content-Length`).
    pub headers: HeaderMap,
    /// The body: whole, or a stream for payloads and event streams.
    pub body: Body,
}

impl Protocol {
    /// True if the operation takes the request's body unread: [`Protocol::decode`] then accepts a `Body::Stream`.
    /// Otherwise the body must have been collected (`Body::Whole`) before.
    pub fn takes_stream(self, input: &Schema) -> bool {
        self == Protocol::RestJson1 && input.payload().is_some_and(|(_, m)| matches!(m.target().kind, Kind::Body))
    }

    /// Reads a request into a value under `input`. Absent idempotency tokens are filled in.
    ///
    /// Constraints are not checked here (`shape::validate`), form is: the error is AWS's `SerializationException`
    /// (`MalformedInput` in awsQuery).
    pub fn decode(
        self,
        input: &'static Schema,
        labels: &Labels,
        head: &http::request::Parts,
        body: Body,
    ) -> Result<Value, Error> {
        let mut value = match self {
            Protocol::RestJson1 => rest_json::decode(input, labels, head, body)?,
            Protocol::AwsJson10 | Protocol::AwsJson11 => aws_json::decode(input, &whole(body)?)?,
            Protocol::AwsQuery => aws_query::decode(input, head.uri.query(), &whole(body)?)?,
            Protocol::RpcV2Cbor => rpc_v2_cbor::decode(input, &whole(body)?)?,
        };
        fill_tokens(input, &mut value);
        Ok(value)
    }

    /// Writes a successful response. A value that does not fit its schema is a fault of ours; it is left out.
    pub fn encode(self, reply: &Reply<'_>, value: Value) -> Answer {
        let mut answer = match self {
            Protocol::RestJson1 => rest_json::encode(reply, value),
            Protocol::AwsJson10 | Protocol::AwsJson11 => aws_json::encode(self, reply, value),
            Protocol::AwsQuery => aws_query::encode(reply, &value),
            Protocol::RpcV2Cbor => rpc_v2_cbor::encode(reply, value),
        };
        answer.identify(reply.request_id);
        answer
    }

    /// Writes an error response.
    pub fn encode_error(self, error: &Error, request_id: &str, xml_namespace: Option<&str>) -> Answer {
        let mut answer = match self {
            Protocol::RestJson1 => rest_json::encode_error(error),
            Protocol::AwsJson10 | Protocol::AwsJson11 => aws_json::encode_error(self, error),
            Protocol::AwsQuery => aws_query::encode_error(error, request_id, xml_namespace),
            Protocol::RpcV2Cbor => rpc_v2_cbor::encode_error(error),
        };
        answer.identify(request_id);
        for (name, value) in &error.headers {
            answer.set(name, value);
        }
        answer
    }

    /// A document inside an event stream: its media type and bytes.
    pub(crate) fn event_document(self, schema: &Schema, value: &Value) -> (&'static str, Vec<u8>) {
        if self == Protocol::RpcV2Cbor {
            return ("application/cbor", cbor::write(schema, value));
        }
        let mut out = Vec::with_capacity(256);
        // Members bound to the HTTP response or to the message's headers are not in its document.
        json::write(&mut out, schema, value, json::Members::Unbound);
        (self.event_media_type(), out)
    }

    /// An exception inside an event stream: its media type and bytes.
    pub(crate) fn event_error(self, error: &Error) -> (&'static str, Vec<u8>) {
        if self == Protocol::RpcV2Cbor {
            return ("application/cbor", cbor::write_error(error, false));
        }
        (self.event_media_type(), json::write_texts(&error_members(error, false)))
    }

    fn event_media_type(self) -> &'static str {
        match self {
            Protocol::AwsJson10 => "application/x-amz-json-1.0",
            Protocol::AwsJson11 => "application/x-amz-json-1.1",
            _ => "application/json",
        }
    }

    /// AWS's error for an operation that nobody knows; `asked` is what the request named.
    pub fn unknown_operation(self, asked: &str, version: &str) -> Error {
        match self {
            Protocol::RestJson1 | Protocol::RpcV2Cbor => Error::new(404, "UnknownOperationException", ""),
            Protocol::AwsJson10 | Protocol::AwsJson11 => Error::new(400, "UnknownOperationException", ""),
            Protocol::AwsQuery if asked.is_empty() => {
                Error::new(400, "MissingAction", "Missing Action: the request names no operation")
            }
            Protocol::AwsQuery => {
                Error::new(400, "InvalidAction", format!("Could not find operation {asked} for version {version}"))
            }
        }
    }
}

impl Answer {
    /// An answer of one media type.
    pub fn new(status: u16, media_type: &'static str, body: impl Into<Body>) -> Answer {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer { status, headers, body: body.into() }
    }

    pub(crate) fn event_stream(body: Body) -> Answer {
        Answer::new(200, crate::eventstream::MEDIA_TYPE, body)
    }

    /// Sets a header. Control characters, which no header can carry, become spaces.
    fn set(&mut self, name: &str, value: &str) {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return;
        };
        let value = HeaderValue::from_str(value).or_else(|_| {
            let printable: Vec<u8> = value.bytes().map(|b| if b < b' ' || b == 0x7f { b' ' } else { b }).collect();
            HeaderValue::from_bytes(&printable)
        });
        if let Ok(value) = value {
            self.headers.insert(name, value);
        }
    }

    fn identify(&mut self, request_id: &str) {
        static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
        if let Ok(value) = HeaderValue::from_str(request_id) {
            self.headers.insert(&REQUEST_ID, value);
        }
    }

    /// `x-amzn-query-error`, by which clients of services that once spoke awsQuery find the old code.
    fn set_query_error(&mut self, error: &Error) {
        if let Some(code) = error.query_code {
            let blame = if error.is_server_fault() { "Receiver" } else { "Sender" };
            self.set("x-amzn-query-error", &format!("{code};{blame}"));
        }
    }
}

/// What an error's document says, in AWS's order: `__type` where the body carries it, the shape's members, the message.
fn error_members(error: &Error, with_type: bool) -> Vec<(&str, &str)> {
    let name = if error.capital_message { "Message" } else { "message" };
    let kind = with_type.then_some(("__type", error.code.as_ref()));
    let members = error.members.iter().map(|(name, value)| (*name, value.as_str()));
    let message = (!error.message.is_empty()).then_some((name, error.message.as_str()));
    kind.into_iter().chain(members).chain(message).collect()
}

fn whole(body: Body) -> Result<Bytes, Error> {
    debug_assert!(matches!(body, Body::Whole(_)), "the desk collects bodies of operations that do not stream");
    body.whole().ok_or_else(Error::internal)
}

fn fill_tokens(schema: &Schema, value: &mut Value) {
    let Value::Struct(slots) = value else { return };
    for (member, slot) in schema.members().iter().zip(slots) {
        if member.idempotency_token && slot.is_none() {
            *slot = Some(Value::String(base::id::uuid()));
        }
    }
}
