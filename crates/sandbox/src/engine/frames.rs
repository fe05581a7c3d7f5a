//! Length-prefixed frames on the one socket a managed runtime inherits (fd 3).
//!
//! `u32` little-endian length of kind and body, one kind byte, the body. Everything read here was written by user
//! code: sizes are judged from the header before a byte of the body is stored, kinds out of the list end the sandbox, and
//! reading never waits longer than the caller's deadline, since every future here may be dropped at any await.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::BorrowedFd,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, Interest},
    net::UnixStream,
};

use super::spec::RESPONSE_BYTES_MAX;

/// Length field and kind.
const HEADER_BYTES: usize = 5;

/// Largest part of a streamed answer in one frame, in bytes; boot files cut what is longer.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Read at most this much at a time, so that a hostile sender makes no buffer grow faster than it writes.
const READ_BYTES: usize = 64 * 1024;

/// Frame kinds the server sends.
pub(crate) mod to_runtime {
    /// The function's settings.
    pub(crate) const INIT: u8 = b'I';
    /// One event.
    pub(crate) const EVENT: u8 = b'E';
    /// The snapshot is to go on.
    pub(crate) const RESTORE: u8 = b'R';
    /// The snapshot is to write its image down.
    pub(crate) const SAVE: u8 = b'M';
    /// The process is to become the one that an image is of.
    pub(crate) const LOAD: u8 = b'L';
}

/// What a runtime says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `P`: booted, waiting for its function.
    Parked,
    /// `K`: the function is loaded.
    InitDone,
    /// `X`: the function cannot be loaded; AWS's error document.
    InitFailed(Bytes),
    /// `O`: the result.
    Response(Bytes),
    /// `F`: the handler failed; AWS's error document.
    Error(Bytes),
    /// `S`: the function is loaded and waits to be restored.
    SnapshotReady,
    /// `W`: it waits for an image's descriptor.
    WantsImage,
    /// `V`: the image is written.
    ImageDone,
    /// `N`: it can have no image, or become none.
    NoImage,
    /// `Y`: a hook after the restore failed; AWS's error document.
    RestoreFailed(Bytes),
    /// `H`: a streamed answer begins; its media type.
    StreamBegins(Bytes),
    /// `C`: the next part of it.
    Chunk(Bytes),
    /// `D`: it is whole. The handler may still have something to do.
    StreamEnds,
    /// `A`: it ends in the middle; AWS's error document.
    StreamFails(Bytes),
    /// `R`: after a streamed answer, however it ended: ready for the next event.
    Ready,
}

/// Why no more frames can be read.
#[derive(Debug)]
pub(crate) enum Violation {
    /// The other end is closed, at a frame's border or within one.
    Closed,
    /// A result over [`RESPONSE_BYTES_MAX`], of this size.
    TooLarge(usize),
    /// Anything else that no runtime of ours writes.
    Malformed,
}

/// Takes one frame off `inbox`; `None` when more bytes are needed.
pub(crate) fn decode(inbox: &mut BytesMut) -> Result<Option<Frame>, Violation> {
    let Some((length, kind)) = header(inbox) else {
        return Ok(None);
    };
    check(length, kind)?;
    if inbox.len() < 4 + length {
        return Ok(None);
    }
    inbox.advance(HEADER_BYTES);
    let body = inbox.split_to(length - 1).freeze();
    Ok(Some(match kind {
        b'P' => Frame::Parked,
        b'K' => Frame::InitDone,
        b'X' => Frame::InitFailed(body),
        b'O' => Frame::Response(body),
        b'S' => Frame::SnapshotReady,
        b'W' => Frame::WantsImage,
        b'V' => Frame::ImageDone,
        b'N' => Frame::NoImage,
        b'Y' => Frame::RestoreFailed(body),
        b'H' => Frame::StreamBegins(body),
        b'C' => Frame::Chunk(body),
        b'D' => Frame::StreamEnds,
        b'A' => Frame::StreamFails(body),
        b'R' => Frame::Ready,
        _ => Frame::Error(body),
    }))
}

/// Length (of kind and body) and kind of the frame that begins here.
fn header(inbox: &BytesMut) -> Option<(usize, u8)> {
    let head = inbox.first_chunk::<HEADER_BYTES>()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    Some((length, head[4]))
}

/// Judges a header before its body is awaited.
fn check(length: usize, kind: u8) -> Result<(), Violation> {
    match kind {
        b'P' | b'K' | b'S' | b'W' | b'V' | b'N' | b'D' | b'R' if length == 1 => Ok(()),
        b'O' | b'F' | b'X' | b'Y' | b'A' if length > RESPONSE_BYTES_MAX + 1 => Err(Violation::TooLarge(length - 1)),
        b'O' | b'F' | b'X' | b'Y' | b'A' if length >= 1 => Ok(()),
        b'H' | b'C' if (1..=CHUNK_BYTES_MAX + 1).contains(&length) => Ok(()),
        _ => Err(Violation::Malformed),
    }
}

/// The server's end of the socket.
pub(crate) struct FrameSocket {
    stream: UnixStream,
    inbox: BytesMut,
}

impl FrameSocket {
    /// Takes over the connected socket. Must be called within a tokio runtime.
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<FrameSocket> {
        stream.set_nonblocking(true)?;
        Ok(FrameSocket { stream: UnixStream::from_std(stream)?, inbox: BytesMut::new() })
    }

    /// Writes one frame made of `parts`. If dropped midway the stream is broken: the caller then ends the sandbox.
    pub(crate) async fn send(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
        let body: usize = parts.iter().map(|part| part.len()).sum();
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + body);
        frame.put_u32_le(body as u32 + 1);
        frame.put_u8(kind);
        for part in parts {
            frame.extend_from_slice(part);
        }
        while frame.has_remaining() {
            match self.stream.try_write(&frame) {
                Ok(written) => frame.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next frame. Dropping the future loses nothing.
    pub(crate) async fn receive(&mut self) -> Result<Frame, Violation> {
        loop {
            if let Some(frame) = decode(&mut self.inbox)? {
                return Ok(frame);
            }
            self.inbox.reserve(READ_BYTES);
            let mut room = (&mut self.inbox).limit(READ_BYTES);
            match self.stream.read_buf(&mut room).await {
                Ok(0) | Err(_) => return Err(Violation::Closed),
                Ok(_) => {}
            }
        }
    }

    /// Hands a descriptor over, with one byte that is no frame: the runtime has said that it waits for it.
    pub(crate) async fn send_descriptor(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        loop {
            self.stream.writable().await?;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                let descriptors = [descriptor];
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
                Ok(sendmsg(&self.stream, &[IoSlice::new(b"\0")], &mut ancillary, SendFlags::NOSIGNAL)?)
            });
            match sent {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nothing unasked-for has arrived. A frame left over from before would be taken for the next answer.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        self.inbox.is_empty()
            && matches!(
                rustix::net::recv(
                    &self.stream,
                    &mut byte,
                    rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT
                ),
                Err(rustix::io::Errno::AGAIN)
            )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_u32_le(body.len() as u32 + 1);
        bytes.put_u8(kind);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_frame_arrives_whole_or_not_yet() {
        let whole = frame(b'O', b"{\"a\":1}");
        for cut in 0..whole.len() {
            let mut inbox = BytesMut::from(&whole[..cut]);
            assert!(decode(&mut inbox).unwrap().is_none(), "cut at {cut}");
            assert_eq!(inbox.len(), cut, "nothing is eaten before the frame is whole");
        }
        let mut inbox = whole;
        assert_eq!(decode(&mut inbox).unwrap(), Some(Frame::Response(Bytes::from_static(b"{\"a\":1}"))));
        assert!(inbox.is_empty());
    }

    #[test]
    fn the_size_is_judged_from_the_header() {
        let mut largest = frame(b'O', b"");
        largest[..4].copy_from_slice(&(RESPONSE_BYTES_MAX as u32 + 1).to_le_bytes());
        assert!(decode(&mut largest).unwrap().is_none());
        let mut larger = frame(b'O', b"");
        larger[..4].copy_from_slice(&(RESPONSE_BYTES_MAX as u32 + 2).to_le_bytes());
        assert!(matches!(decode(&mut larger), Err(Violation::TooLarge(bytes)) if bytes == RESPONSE_BYTES_MAX + 1));
    }

    #[test]
    fn what_no_runtime_writes_is_refused() {
        for bad in [
            &b"\0\0\0\0O"[..],
            b"\x01\0\0\0Q",
            b"\x02\0\0\0Kx",
            b"\x02\0\0\0Dx",
            b"\x02\0\x01\0C",
            b"\xff\xff\xff\xffP",
            b"GET / HTTP/1.1\r\n",
        ] {
            assert!(matches!(decode(&mut BytesMut::from(bad)), Err(Violation::Malformed)), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let mut inbox = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut inbox) {}
            prop_assert!(inbox.len() <= bytes.len());
        }

        #[test]
        fn frames_survive_any_cutting(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..8), step in 1usize..64) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(b'O', body).to_vec()).collect();
            let (mut inbox, mut seen) = (BytesMut::new(), Vec::new());
            for chunk in stream.chunks(step) {
                inbox.extend_from_slice(chunk);
                while let Some(Frame::Response(body)) = decode(&mut inbox).unwrap() {
                    seen.push(body.to_vec());
                }
            }
            prop_assert_eq!(seen, bodies);
        }
    }
}
