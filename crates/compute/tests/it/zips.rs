//! Archives, honest and otherwise. The dishonest ones are written byte by byte, since no archiver makes them.

use bytes::Bytes;

/// One entry; what it declares may differ from what it holds.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// Unix mode with its kind.
    pub(crate) mode: u32,
    /// Deflate instead of stored; `data` is then the compressed form.
    pub(crate) deflated: bool,
    pub(crate) declared_bytes: u32,
    pub(crate) crc: u32,
}

impl Entry {
    pub(crate) fn new(name: &str, data: &[u8], mode: u32) -> Entry {
        Entry {
            name: name.as_bytes().to_vec(),
            data: data.to_vec(),
            mode,
            deflated: false,
            declared_bytes: data.len() as u32,
            crc: crc32(data),
        }
    }
}

/// A zip of ordinary files.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Bytes {
    archive(&files.iter().map(|(name, data)| Entry::new(name, data, 0o100_644)).collect::<Vec<_>>())
}

/// A zip of any entries.
pub(crate) fn archive(entries: &[Entry]) -> Bytes {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = out.len() as u32;
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes()); // version needed
        common.extend(0_u16.to_le_bytes()); // flags
        common.extend(if entry.deflated { 8_u16 } else { 0 }.to_le_bytes());
        common.extend([0; 4]); // time and date
        common.extend(entry.crc.to_le_bytes());
        common.extend((entry.data.len() as u32).to_le_bytes());
        common.extend(entry.declared_bytes.to_le_bytes());
        common.extend((entry.name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes()); // extra
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(&entry.name);
        out.extend(&entry.data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]); // made by version 2.0 on Unix
        directory.extend(&common);
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let (start, count) = (out.len() as u32, entries.len() as u16);
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out.into()
}

/// Deflate of this many zero bytes, in stored-block form turned into one long run: 1,000 times smaller than it says.
pub(crate) fn deflated_zeros(count: usize) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let chunk = vec![0; 1 << 20];
    let mut left = count;
    while left > 0 {
        let size = left.min(chunk.len());
        encoder.write_all(&chunk[..size]).expect("memory");
        left -= size;
    }
    encoder.finish().expect("memory")
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}
