//! Tar archives, read as a stream: ustar, with GNU's long names and PAX's records, as image builders write them.
//!
//! A reader of our own because of who writes the archives: what extends a header is bounded here before it is read into
//! memory. Sparse files are refused; no image builder writes them.

use std::io::{self, Read};

use crate::Error;

const BLOCK_BYTES: usize = 512;
/// Longest name or target of a link, in bytes: Linux's PATH_MAX.
pub(crate) const PATH_BYTES_MAX: u64 = 4096;
/// Most bytes of one entry's PAX records: they may have extended attributes, which we skip.
const RECORDS_BYTES_MAX: u64 = 1024 * 1024;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    /// To a path of the archive.
    Hardlink,
    /// A device or a pipe.
    Special,
}

/// One entry; its content is read by [`Tar::content`] before the next is asked for, or skipped.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) bytes: u64,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
}

/// The archive.
pub(crate) struct Tar<R> {
    reader: R,
    /// Of the present entry's content, unread.
    left: u64,
    /// What fills its last block.
    padding: u64,
}

/// What stands before an entry's own header and wins over it.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    bytes: Option<u64>,
}

impl<R: Read> Tar<R> {
    pub(crate) fn new(reader: R) -> Tar<R> {
        Tar { reader, left: 0, padding: 0 }
    }

    /// The next entry; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Error> {
        let mut extension = Extension::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let bytes = number(&header[124..136])?;
            let kind = header[156];
            self.expect(match kind {
                b'L' | b'K' | b'x' | b'g' => bytes,
                _ => extension.bytes.unwrap_or(bytes),
            });
            match kind {
                b'L' => extension.path = Some(text(&self.small(bytes, PATH_BYTES_MAX)?)),
                b'K' => extension.link = Some(text(&self.small(bytes, PATH_BYTES_MAX)?)),
                b'x' => extension.read(&self.small(bytes, RECORDS_BYTES_MAX)?)?,
                b'g' => _ = self.small(bytes, RECORDS_BYTES_MAX)?,
                _ => return self.entry(&header, kind, extension).map(Some),
            }
        }
    }

    /// The content of the present entry.
    pub(crate) fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    fn entry(&mut self, header: &[u8; BLOCK_BYTES], kind: u8, extension: Extension) -> Result<Entry, Error> {
        let path = extension.path.unwrap_or_else(|| own_path(header));
        let link = extension.link.unwrap_or_else(|| text(&header[157..257]));
        let kind = match kind {
            0 | b'0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' | b'4' | b'6' => Kind::Special,
            b'5' => Kind::Directory,
            other => return Err(Error::refused(format!("a tar entry of the unknown kind {:?}", other as char))),
        };
        if path.len() as u64 > PATH_BYTES_MAX || link.len() as u64 > PATH_BYTES_MAX {
            return Err(Error::refused("a name in a tar is too long"));
        }
        let mode = (number(&header[100..108])? & 0o7777) as u32;
        Ok(Entry { path, kind, mode, bytes: self.left, link })
    }

    fn expect(&mut self, bytes: u64) {
        self.left = bytes;
        self.padding = (BLOCK_BYTES as u64 - bytes % BLOCK_BYTES as u64) % BLOCK_BYTES as u64;
    }

    /// Skips what is left of the present entry.
    fn skip(&mut self) -> Result<(), Error> {
        let ahead = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut (&mut self.reader).take(ahead), &mut io::sink())?;
        if skipped < ahead { Err(cut_off()) } else { Ok(()) }
    }

    /// The next header; none at the archive's end, be it marked by zeros or not.
    fn header(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, Error> {
        let mut header = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.reader.read(&mut header[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(cut_off()),
                count => filled += count,
            }
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if number(&header[148..156])? != sum {
            return Err(Error::refused("a tar header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// A small content, as a whole.
    fn small(&mut self, bytes: u64, bytes_max: u64) -> Result<Vec<u8>, Error> {
        if bytes > bytes_max {
            return Err(Error::refused(format!("what extends a tar header has {bytes} bytes, limit {bytes_max}")));
        }
        let mut content = Vec::new();
        self.content().read_to_end(&mut content)?;
        Ok(content)
    }
}

/// Reads an entry's content, to its end and not beyond.
pub(crate) struct Content<'a, R>(&'a mut Tar<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = (self.0.left).min(buffer.len() as u64) as usize;
        if most == 0 {
            return Ok(0);
        }
        match self.0.reader.read(&mut buffer[..most])? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar is cut off")),
            count => {
                self.0.left -= count as u64;
                Ok(count)
            }
        }
    }
}

impl Extension {
    /// Reads PAX records: `LENGTH KEY=VALUE\n`, the length counting all of it.
    fn read(&mut self, mut records: &[u8]) -> Result<(), Error> {
        let broken = || Error::refused("a tar's PAX records are broken");
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let length = length.filter(|length| *length > space + 1 && *length <= records.len()).ok_or_else(broken)?;
            let record = records[space + 1..length].strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let bytes = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                    self.bytes = Some(bytes.ok_or_else(broken)?);
                }
                key if key.starts_with(b"GNU.sparse") => return Err(Error::refused("sparse files in a tar")),
                _ => {} // times, owners and extended attributes mean nothing in a sandbox
            }
            records = &records[length..];
        }
        Ok(())
    }
}

/// The name in the header itself. Only POSIX's form has a prefix; GNU keeps other things there.
fn own_path(header: &[u8; BLOCK_BYTES]) -> Vec<u8> {
    let name = text(&header[..100]);
    let prefix = if &header[257..263] == b"ustar\0" { text(&header[345..500]) } else { Vec::new() };
    if prefix.is_empty() { name } else { [prefix, name].join(&b'/') }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// Octal digits, or, with the first bit set, a binary number.
fn number(field: &[u8]) -> Result<u64, Error> {
    let broken = || Error::refused("a number in a tar header is broken");
    if field[0] & 0x80 != 0 {
        let bytes = [field[0] & 0x7f].into_iter().chain(field[1..].iter().copied());
        let read =
            bytes.into_iter().try_fold(0u64, |number, byte| number.checked_mul(256)?.checked_add(u64::from(byte)));
        return read.ok_or_else(broken);
    }
    let digits: Vec<u8> = text(field).into_iter().filter(|byte| *byte != b' ').collect();
    if digits.iter().any(|digit| !(b'0'..=b'7').contains(digit)) {
        return Err(broken());
    }
    digits
        .iter()
        .try_fold(0u64, |number, digit| number.checked_mul(8)?.checked_add(u64::from(digit - b'0')))
        .ok_or_else(broken)
}

fn cut_off() -> Error {
    Error::refused("the tar is cut off")
}
