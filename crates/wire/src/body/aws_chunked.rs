//! aws-chunked: the framing of S3 uploads whose length or checksum is not known when their headers are signed.
//!
//! `SIZE[;chunk-signature=…]\r\n DATA \r\n` repeated, a chunk of size zero, trailing headers, an empty line. Bytes are
//! given out as they come, before their chunk's signature is seen: they stay provisional until [`Decoder::finish`]
//! says that the whole body was right.

use bytes::{Buf, Bytes, BytesMut};

use crate::sigv4::{ChunkSignatures, Refusal};

/// The longest chunk header or trailer line; AWS's own are about 100 bytes.
const LINE_MAX_BYTES: usize = 4096;
/// The most trailing headers; AWS's SDKs send one or two.
const TRAILERS_MAX: usize = 16;

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The framing cannot be read.
    #[error("malformed aws-chunked body: {0}")]
    Malformed(&'static str),
    /// The body ended before its last chunk and trailers, or holds more or less than was declared.
    #[error("body holds {decoded} bytes, {declared:?} were declared")]
    Incomplete {
        /// Bytes seen.
        decoded: u64,
        /// `X-Amz-Decoded-Content-Length`.
        declared: Option<u64>,
    },
    /// A chunk's or the trailer's signature is wrong or missing.
    #[error("chunk signature is wrong")]
    Signature,
}

impl Error {
    /// S3's error for it.
    pub fn to_s3(self) -> base::Error {
        match self {
            Error::Malformed(_) | Error::Incomplete { .. } => {
                base::Error::new(400, "IncompleteBody", "The request body terminated unexpectedly")
            }
            Error::Signature => Refusal::ChunkMismatch.to_error(crate::sigv4::Family::S3),
        }
    }
}

/// Trailing headers, names in lower case, in their order; the signature is not among them.
pub type Trailers = Vec<(String, String)>;

/// Takes an aws-chunked body apart, piece by piece.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    line: BytesMut,
    signatures: Option<ChunkSignatures>,
    chunk_signature: String,
    declared: Option<u64>,
    decoded: u64,
    trailers: Trailers,
    trailer_lines: Vec<u8>,
    trailer_proven: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Data { left: u64 },
    DataEnd,
    Trailer,
    Done,
}

impl Decoder {
    /// For a body whose chunks are not signed. `declared` is `X-Amz-Decoded-Content-Length`.
    pub fn unsigned(declared: Option<u64>) -> Decoder {
        Decoder::new(None, declared)
    }

    /// For a body whose chunks are signed.
    pub fn signed(signatures: ChunkSignatures, declared: Option<u64>) -> Decoder {
        Decoder::new(Some(signatures), declared)
    }

    fn new(signatures: Option<ChunkSignatures>, declared: Option<u64>) -> Decoder {
        Decoder {
            state: State::Header,
            line: BytesMut::new(),
            signatures,
            chunk_signature: String::new(),
            declared,
            decoded: 0,
            trailers: Vec::new(),
            trailer_lines: Vec::new(),
            trailer_proven: false,
        }
    }

    /// Takes the next bytes and appends the data among them to `data`, without copying it.
    pub fn push(&mut self, mut input: Bytes, data: &mut Vec<Bytes>) -> Result<(), Error> {
        while !input.is_empty() {
            match self.state {
                State::Data { left } => data.push(self.take_data(left, &mut input)),
                State::Done => return Err(Error::Malformed("bytes after the last chunk")),
                State::Header | State::DataEnd | State::Trailer => {
                    let Some(line) = self.take_line(&mut input)? else {
                        return Ok(());
                    };
                    self.read_line(&line)?;
                }
            }
        }
        Ok(())
    }

    /// The trailing headers, once everything was seen and found right.
    pub fn finish(self) -> Result<Trailers, Error> {
        let whole = self.state == State::Done && self.declared.is_none_or(|declared| declared == self.decoded);
        whole.then_some(self.trailers).ok_or(Error::Incomplete { decoded: self.decoded, declared: self.declared })
    }

    fn take_data(&mut self, left: u64, input: &mut Bytes) -> Bytes {
        let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let piece = input.split_to(length);
        if let Some(signatures) = &mut self.signatures {
            signatures.update(&piece);
        }
        self.decoded += length as u64;
        self.state = match left - length as u64 {
            0 => State::DataEnd,
            left => State::Data { left },
        };
        piece
    }

    /// The next line without its ending, once it is whole.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<BytesMut>, Error> {
        let end = input.iter().position(|b| *b == b'\n');
        let length = end.unwrap_or(input.len());
        if self.line.len() + length > LINE_MAX_BYTES {
            return Err(Error::Malformed("line too long"));
        }
        self.line.extend_from_slice(&input.split_to(length));
        if end.is_none() {
            return Ok(None);
        }
        input.advance(1);
        let mut line = self.line.split();
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Error> {
        let line = std::str::from_utf8(line).map_err(|_| Error::Malformed("line is not text"))?;
        match self.state {
            State::Header => self.read_header(line),
            State::DataEnd if line.is_empty() => {
                self.state = State::Header;
                self.check_chunk()
            }
            State::DataEnd => Err(Error::Malformed("chunk longer than its size")),
            _ => self.read_trailer(line),
        }
    }

    fn read_header(&mut self, line: &str) -> Result<(), Error> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let hex = !size.is_empty() && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| hex).ok_or(Error::Malformed("chunk size"))?;
        if self.declared.is_some_and(|declared| size > declared - self.decoded) {
            return Err(Error::Incomplete { decoded: self.decoded.saturating_add(size), declared: self.declared });
        }
        self.chunk_signature = extension.strip_prefix("chunk-signature=").unwrap_or_default().to_owned();
        if size > 0 {
            self.state = State::Data { left: size };
            return Ok(());
        }
        self.state = State::Trailer;
        self.check_chunk()
    }

    fn check_chunk(&mut self) -> Result<(), Error> {
        let signature = std::mem::take(&mut self.chunk_signature);
        let right = self.signatures.as_mut().is_none_or(|s| s.check_chunk(&signature));
        right.then_some(()).ok_or(Error::Signature)
    }

    fn read_trailer(&mut self, line: &str) -> Result<(), Error> {
        let expects_trailer = self.signatures.as_ref().is_some_and(ChunkSignatures::expects_trailer);
        if line.is_empty() {
            // AWS's own documentation shows an empty line before signed trailers; some clients send it.
            if expects_trailer && !self.trailer_proven && self.trailer_lines.is_empty() {
                return Ok(());
            }
            self.state = State::Done;
            let unproven = expects_trailer && !self.trailer_proven;
            return if unproven { Err(Error::Signature) } else { Ok(()) };
        }
        let (name, value) = line.split_once(':').ok_or(Error::Malformed("trailer"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if self.trailer_proven || self.trailers.len() >= TRAILERS_MAX {
            return Err(Error::Malformed("too many trailers"));
        }
        match &mut self.signatures {
            Some(signatures) if name == "x-amz-trailer-signature" && expects_trailer => {
                if !signatures.check_trailer(&self.trailer_lines, &value) {
                    return Err(Error::Signature);
                }
                self.trailer_proven = true;
            }
            // Trailers that no signature covers could be anybody's.
            Some(_) if !expects_trailer => return Err(Error::Signature),
            _ => {
                self.trailer_lines.extend_from_slice(format!("{name}:{value}\n").as_bytes());
                self.trailers.push((name, value));
            }
        }
        Ok(())
    }
}

/// Takes a whole body apart.
pub fn decode(mut decoder: Decoder, body: Bytes) -> Result<(Bytes, Trailers), Error> {
    let mut data = Vec::new();
    decoder.push(body, &mut data)?;
    let trailers = decoder.finish()?;
    let whole = if data.len() == 1 { data.remove(0) } else { data.concat().into() };
    Ok((whole, trailers))
}

/// Frames a body in chunks of `chunk_bytes`, signed if `signatures` are given: for tests and outgoing uploads.
pub fn encode(
    body: &[u8],
    chunk_bytes: usize,
    mut signatures: Option<ChunkSignatures>,
    trailers: &[(&str, &str)],
) -> Bytes {
    let mut framed = Vec::with_capacity(body.len() + 512);
    for chunk in body.chunks(chunk_bytes).chain([&[][..]]) {
        let signature = signatures.as_mut().map(|s| {
            s.update(chunk);
            format!(";chunk-signature={}", s.end_chunk())
        });
        framed.extend_from_slice(format!("{:x}{}\r\n", chunk.len(), signature.unwrap_or_default()).as_bytes());
        if !chunk.is_empty() {
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
    }
    let mut lines = String::new();
    for (name, value) in trailers {
        framed.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        lines.push_str(&format!("{name}:{value}\n"));
    }
    if let Some(signatures) = signatures.as_mut().filter(|s| s.expects_trailer()) {
        let signature = signatures.end_trailer(lines.as_bytes());
        framed.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    framed.extend_from_slice(b"\r\n");
    framed.into()
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Error, Trailers, decode, encode};
    use bytes::Bytes;

    fn in_pieces(body: &[u8], size: usize, declared: Option<u64>) -> Result<(Vec<u8>, Trailers), Error> {
        let mut decoder = Decoder::unsigned(declared);
        let mut data = Vec::new();
        for piece in body.chunks(size) {
            decoder.push(Bytes::copy_from_slice(piece), &mut data)?;
        }
        decoder.finish().map(|trailers| (data.concat(), trailers))
    }

    #[test]
    fn any_split_gives_the_same_body() {
        let body: Vec<u8> = (0..2000u32).map(|i| (i % 251) as u8).collect();
        let framed = encode(&body, 300, None, &[("x-amz-checksum-crc32", "AAAAAA==")]);
        for size in [1, 2, 3, 7, 299, 300, 301, 5000] {
            let (seen, trailers) = in_pieces(&framed, size, Some(2000)).unwrap();
            assert_eq!(seen, body);
            assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
        }
    }

    #[test]
    fn an_empty_body_is_one_empty_chunk() {
        assert_eq!(in_pieces(b"0\r\n\r\n", 10, Some(0)), Ok((Vec::new(), Vec::new())));
    }

    #[test]
    fn damage_is_refused() {
        let refused =
            |body: &[u8], declared| decode(Decoder::unsigned(declared), Bytes::copy_from_slice(body)).unwrap_err();
        let incomplete = |decoded, declared| Error::Incomplete { decoded, declared };
        assert_eq!(refused(b"", None), incomplete(0, None));
        assert_eq!(refused(b"3\r\nabc\r\n", None), incomplete(3, None));
        assert_eq!(refused(b"3\r\nabc\r\n0\r\n", None), incomplete(3, None));
        assert_eq!(refused(b"3\r\nabc\r\n0\r\n\r\n", Some(4)), incomplete(3, Some(4)));
        assert_eq!(refused(b"3\r\nabc\r\n0\r\n\r\n", Some(2)), incomplete(3, Some(2)));
        assert_eq!(refused(b"3\r\nabc\r\nffffffffffffffff\r\n", Some(4)), incomplete(u64::MAX, Some(4)));
        for bad in [
            &b"3\r\nabcd\r\n0\r\n\r\n"[..],
            b"x\r\n",
            b"+3\r\nabc\r\n",
            b"\r\n",
            b"0\r\nnocolon\r\n\r\n",
            b"0\r\n\r\nx",
        ] {
            assert!(matches!(refused(bad, None), Error::Malformed(_)), "{}", String::from_utf8_lossy(bad));
        }
        assert!(matches!(refused(&[b'1'; 5000], None), Error::Malformed("line too long")));
    }
}
