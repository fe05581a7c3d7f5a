//! `Content-Encoding: gzip` request bodies, inflated under a limit so that a small bomb stays small.
//!
//! For services with request compression (CloudWatch's PutMetricData). Not for S3, where the encoding belongs to the object.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;

/// What is wrong with a compressed body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It would inflate to more than the limit.
    #[error("body inflates to more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit given.
        limit_bytes: usize,
    },
    /// Not gzip, damaged, or cut short.
    #[error("body is not a whole gzip stream")]
    Malformed,
}

/// Inflates a gzip stream piece by piece.
#[derive(Debug)]
pub struct Decoder {
    inflater: MultiGzDecoder<Sink>,
    limit_bytes: usize,
}

/// Holds what is inflated and not yet taken, and refuses to grow past the whole body's limit.
#[derive(Debug)]
struct Sink {
    ready: BytesMut,
    room_bytes: usize,
    overflowed: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room_bytes {
            self.overflowed = true;
            return Err(io::Error::other("limit reached"));
        }
        self.room_bytes -= bytes.len();
        self.ready.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// A decoder that gives out `limit_bytes` at most.
    pub fn new(limit_bytes: usize) -> Decoder {
        let sink = Sink { ready: BytesMut::new(), room_bytes: limit_bytes, overflowed: false };
        Decoder { inflater: MultiGzDecoder::new(sink), limit_bytes }
    }

    /// Takes the next bytes and gives what they inflate to, perhaps nothing yet.
    pub fn push(&mut self, input: &[u8]) -> Result<Bytes, Error> {
        if self.inflater.write_all(input).is_err() {
            return Err(self.fault());
        }
        Ok(self.inflater.get_mut().ready.split().freeze())
    }

    /// Gives the rest; an error if the stream was cut short.
    pub fn finish(mut self) -> Result<Bytes, Error> {
        if self.inflater.try_finish().is_err() {
            return Err(self.fault());
        }
        Ok(self.inflater.get_mut().ready.split().freeze())
    }

    fn fault(&self) -> Error {
        if self.inflater.get_ref().overflowed {
            Error::TooLarge { limit_bytes: self.limit_bytes }
        } else {
            Error::Malformed
        }
    }
}

/// Inflates a whole body.
pub fn decode(body: &[u8], limit_bytes: usize) -> Result<Bytes, Error> {
    let mut decoder = Decoder::new(limit_bytes);
    let first = decoder.push(body)?;
    let last = decoder.finish()?;
    if last.is_empty() {
        return Ok(first);
    }
    Ok([first, last].concat().into())
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Error, decode};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn inflates_in_pieces_and_members() {
        let text: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let packed = [gzip(&text), gzip(b"tail")].concat();
        let mut decoder = Decoder::new(text.len() + 4);
        let mut seen = Vec::new();
        for piece in packed.chunks(7) {
            seen.extend_from_slice(&decoder.push(piece).unwrap());
        }
        seen.extend_from_slice(&decoder.finish().unwrap());
        assert_eq!(seen, [&text[..], b"tail"].concat());
    }

    #[test]
    fn stops_a_bomb_and_refuses_fragments() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert_eq!(decode(&bomb, 1_000_000), Err(Error::TooLarge { limit_bytes: 1_000_000 }));
        assert_eq!(decode(&bomb, 10_000_000).map(|b| b.len()), Ok(10_000_000));
        assert_eq!(decode(&bomb[..bomb.len() - 1], 10_000_000), Err(Error::Malformed));
        assert_eq!(decode(b"plain text", 100), Err(Error::Malformed));
        let mut damaged = gzip(b"hello");
        let crc_at = damaged.len() - 8;
        damaged[crc_at] ^= 1;
        assert_eq!(decode(&damaged, 100), Err(Error::Malformed));
    }
}
