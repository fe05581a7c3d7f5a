//! A body on its way out, an answer's or a request's: whole, or as its pieces come and its reader takes them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use shape::Body;
use shape::body::ByteStream;

/// A body on its way out.
pub(crate) enum Outgoing {
    Whole(Option<Bytes>),
    Stream(ByteStream),
}

impl From<Body> for Outgoing {
    fn from(body: Body) -> Self {
        match body {
            Body::Whole(bytes) => Outgoing::Whole((!bytes.is_empty()).then_some(bytes)),
            Body::Stream(stream) => Outgoing::Stream(stream),
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Outgoing::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Outgoing::Stream(stream) => stream.as_mut().poll_next(cx).map(|item| item.map(|r| r.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Outgoing::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Outgoing::Stream(_) => SizeHint::default(),
        }
    }
}
