//! Payloads that stream: opaque bodies and event streams.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::Value;

/// A stream of body chunks; an error ends it.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A payload member that may be too large to hold: whole bytes or a stream, unread.
pub enum Body {
    /// All of it, already here.
    Whole(Bytes),
    /// Chunks as they come.
    Stream(ByteStream),
}

impl Body {
    /// The bytes if they are already here.
    pub fn whole(self) -> Option<Bytes> {
        match self {
            Body::Whole(bytes) => Some(bytes),
            Body::Stream(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::Whole(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Whole(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Body::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

/// One event of an outgoing event stream: a member of the stream's union.
#[derive(Debug)]
pub struct Event {
    /// The union member's name, sent as `:event-type`.
    pub name: &'static str,
    /// The member's value under its schema in the union.
    pub value: Value,
}

/// Events going out; an error becomes an exception event and ends the stream.
pub struct EventStream(pub Pin<Box<dyn Stream<Item = Result<Event, base::Error>> + Send>>);

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
