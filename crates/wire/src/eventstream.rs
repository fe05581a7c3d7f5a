//! Event streams out: `application/vnd.amazon.eventstream`.
//!
//! A message is a prelude (total length, header length, CRC-32 of both), headers, a payload and a CRC-32 of it all. We
//! only ever send string headers, so the writer is small enough to be ours: `aws-smithy-eventstream` would bring
//! `aws-smithy-types` and a date library of its own along for this.

use base::Error;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt as _;
use shape::{Body, Event, EventStream, Kind, Place, Schema, Value};

use crate::protocol::{Answer, Protocol};

/// The media type of event streams.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// The greatest payload of one message, in bytes (the format's own limit).
pub const PAYLOAD_BYTES_MAX: usize = 24 * 1024 * 1024;

/// One message. Names longer than 255 bytes and values longer than 65,535 are cut, a payload beyond
/// [`PAYLOAD_BYTES_MAX`] is a fault of the caller.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    const STRING: u8 = 7;
    debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    let mut block = BytesMut::with_capacity(128);
    for (name, value) in headers {
        let (name, value) = (&name.as_bytes()[..name.len().min(255)], &value.as_bytes()[..value.len().min(65_535)]);
        block.put_u8(name.len() as u8);
        block.put_slice(name);
        block.put_u8(STRING);
        block.put_u16(value.len() as u16);
        block.put_slice(value);
    }
    let total = 12 + block.len() + payload.len() + 4;
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(total as u32);
    out.put_u32(block.len() as u32);
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&block);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

/// Takes the event stream out of an output, if it has one, with the union its events belong to.
pub(crate) fn take(output: &'static Schema, value: &mut Value) -> Option<(&'static Schema, EventStream)> {
    let Value::Struct(slots) = value else { return None };
    for (member, slot) in output.members().iter().zip(slots) {
        if let Kind::Events(union) = member.target().kind
            && let Some(Value::Events(stream)) = slot.take()
        {
            return Some((union(), stream));
        }
    }
    None
}

/// The answer that streams these events. Under RPC protocols the output's other members go ahead in an
/// `initial-response` event; under restJson1 they are headers, the caller's matter.
pub(crate) fn answer(
    protocol: Protocol,
    output: &'static Schema,
    rest: &Value,
    (union, stream): (&'static Schema, EventStream),
) -> Answer {
    let initial = (protocol != Protocol::RestJson1).then(|| {
        let (media_type, payload) = protocol.event_document(output, rest);
        event_message("initial-response", media_type, &payload)
    });
    let events = stream.0.map(move |event| encode(protocol, union, event));
    // The first error ends the stream: nothing may follow it.
    let events = events.scan(false, |ended, (bytes, last)| {
        let go_on = !std::mem::replace(ended, *ended || last);
        std::future::ready(go_on.then_some(Ok(bytes)))
    });
    let all = futures_util::stream::iter(initial.map(Ok)).chain(events);
    Answer::event_stream(Body::Stream(Box::pin(all)))
}

/// One message, and whether it is the last.
fn encode(protocol: Protocol, union: &'static Schema, event: Result<Event, Error>) -> (Bytes, bool) {
    let event = match event {
        Ok(event) => event,
        Err(error) => return (failure(protocol, union, &error), true),
    };
    let Some((_, member)) = union.member(event.name) else {
        return (failure(protocol, union, &Error::internal()), true);
    };
    (encode_event(protocol, member.target(), event), false)
}

/// An event is a structure whose members are headers, the payload, or (unbound) a document together.
fn encode_event(protocol: Protocol, schema: &'static Schema, event: Event) -> Bytes {
    let payload = schema.payload().map(|(at, _)| at);
    if let (Some(at), Value::Struct(slots)) = (payload, &event.value) {
        return match slots.get(at) {
            Some(Some(Value::Blob(bytes))) => event_message(event.name, "application/octet-stream", bytes),
            Some(Some(Value::String(text))) => event_message(event.name, "text/plain", text.as_bytes()),
            Some(Some(value)) => {
                let (media_type, payload) = protocol.event_document(schema.members()[at].target(), value);
                event_message(event.name, media_type, &payload)
            }
            _ => event_message(event.name, "application/octet-stream", b""),
        };
    }
    let (media_type, payload) = protocol.event_document(schema, &event.value);
    let mut headers = vec![(":message-type", "event"), (":event-type", event.name), (":content-type", media_type)];
    if let Value::Struct(slots) = &event.value {
        for (member, slot) in schema.members().iter().zip(slots) {
            if let (Place::Header(name), Some(Value::String(text))) = (member.place, slot) {
                headers.push((name, text));
            }
        }
    }
    message(&headers, &payload)
}

fn event_message(name: &str, media_type: &str, payload: &[u8]) -> Bytes {
    message(&[(":message-type", "event"), (":event-type", name), (":content-type", media_type)], payload)
}

/// A modelled exception is a member of the union; any other error has no payload, only headers.
fn failure(protocol: Protocol, union: &'static Schema, error: &Error) -> Bytes {
    let modelled =
        union.members().iter().find(|member| member.target().name == error.code || member.name == error.code);
    match modelled {
        Some(member) => {
            let (media_type, payload) = protocol.event_error(error);
            let headers =
                [(":message-type", "exception"), (":exception-type", member.name), (":content-type", media_type)];
            message(&headers, &payload)
        }
        None => message(
            &[(":message-type", "error"), (":error-code", &error.code), (":error-message", &error.message)],
            b"",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_message_is_what_the_format_says() {
        // The format's own example: an empty message has 16 bytes and these checksums.
        assert_eq!(message(&[], b"")[..], [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255]);
        let event = message(&[(":event-type", "PayloadChunk")], b"hello");
        assert_eq!(event.len(), 12 + 1 + 11 + 1 + 2 + 12 + 5 + 4);
        assert_eq!(&event[4..8], (1u32 + 11 + 1 + 2 + 12).to_be_bytes());
    }
}
