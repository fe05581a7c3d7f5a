//! The request's input: taken out of its encodings, read under the operation's schema, and validated.

use base::Error;
use bytes::Bytes;
use http::request::Parts;
use shape::{Body, Value};
use wire::body::{aws_chunked, gzip};
use wire::sigv4::BodyCheck;

use super::identify::{Identity, header};
use super::route::Route;

pub(super) fn decode(
    identity: &Identity,
    route: &Route,
    head: &Parts,
    body: Bytes,
    check: BodyCheck,
) -> Result<Value, Error> {
    let body = unwrapped(identity, head, body, check)?;
    let input = identity.protocol.decode(route.operation.input, &route.labels, head, Body::Whole(body))?;
    identity.service.id.validate(route.operation.meta.name, route.operation.input, &input)?;
    Ok(input)
}

/// The body without aws-chunked framing and gzip.
fn unwrapped(identity: &Identity, head: &Parts, body: Bytes, check: BodyCheck) -> Result<Bytes, Error> {
    let encodings = header(head, "content-encoding").unwrap_or_default();
    let is = |name: &str| encodings.split(',').any(|e| e.trim().eq_ignore_ascii_case(name));
    let presented = identity.presented.as_ref().ok().and_then(Option::as_ref);
    let chunked = is("aws-chunked") || presented.is_some_and(|p| p.payload.is_aws_chunked());
    let mut body = body;
    if chunked {
        let declared = header(head, "x-amz-decoded-content-length").and_then(|v| v.parse().ok());
        let decoder = match check {
            BodyCheck::SignedChunks(signatures) => aws_chunked::Decoder::signed(signatures, declared),
            _ => aws_chunked::Decoder::unsigned(declared),
        };
        let decoded = aws_chunked::decode(decoder, body);
        body = decoded.map_err(|error| Error::serialization(error.to_string()))?.0;
    }
    if is("gzip") {
        let limit_bytes = identity.service.id.body_limit_bytes;
        body = gzip::decode(&body, limit_bytes).map_err(|error| Error::serialization(error.to_string()))?;
    }
    Ok(body)
}
