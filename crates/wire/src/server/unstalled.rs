//! A connection whose client must take what it is sent: whoever asks for much and then reads nothing would hold its answer, and
//! whatever that waits for, for as long as it pleases.
//!
//! It is the client's stillness that is measured, not its speed. What becomes a WebSocket looks after itself (`Upgrade` takes the
//! stream out of here).

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::stream::Stream;

/// How long a client may take nothing at all of what there is for it: nginx's `send_timeout`. (AWS tells no number.)
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A stream that ends when its reader stands still.
pub(crate) struct Unstalled {
    stream: Stream,
    /// Runs while something waits to be taken.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Unstalled {
    pub(super) fn new(stream: Stream) -> Unstalled {
        Unstalled { stream, stall: None }
    }

    /// The stream alone.
    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    /// What a write came to, unless it has waited too long.
    fn within_time<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(STALL_TIMEOUT))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Unstalled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Unstalled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.within_time(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.within_time(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.within_time(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.within_time(shut, cx)
    }
}
