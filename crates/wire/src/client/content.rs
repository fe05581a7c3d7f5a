//! An answer's body: read as fast as its reader takes it, within the call's time and size.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use shape::Body;
use shape::body::ByteStream;
use tokio::time::Sleep;

use super::Error;

/// An answer's body. Dropping it unread ends the connection (HTTP/1.1) or the stream (h2).
pub struct Content {
    pub(super) body: Incoming,
    /// How much more it may have.
    pub(super) left: u64,
    pub(super) bytes_max: u64,
    pub(super) deadline: Pin<Box<Sleep>>,
    pub(super) timeout: Duration,
}

impl Content {
    /// All of it.
    pub async fn collect(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.piece().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// As a stream of its pieces, for whoever knows nothing of HTTP.
    pub fn into_pieces(self) -> ByteStream {
        Box::pin(Pieces(self))
    }

    /// The next piece of it; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.frame().await.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(piece)) => return Ok(Some(piece)),
                Some(Err(_)) => {} // trailers
            }
        }
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Body {
        match content.is_end_stream() {
            true => Body::default(),
            false => Body::Stream(content.into_pieces()),
        }
    }
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Error::Timeout(this.timeout))));
        };
        let Some(frame) = frame.transpose().map_err(|error| Error::Answer(error.to_string()))? else {
            return Poll::Ready(None);
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(left) = this.left.checked_sub(length) else {
            this.left = 0;
            return Poll::Ready(Some(Err(Error::TooLarge(this.bytes_max))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Pieces(Content);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let content = &mut self.get_mut().0;
        loop {
            match ready!(Pin::new(&mut *content).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
    }
}
