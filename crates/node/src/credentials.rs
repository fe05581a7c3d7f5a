//! The node's own secrets: the master key that seals sessions. Made on the first start, readable by its owner only.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use identity::session::MasterKey;

const KEY_FILE: &str = "master.key";

/// Reads the master key, or makes one.
pub(crate) fn master_key(data_dir: &Path) -> io::Result<MasterKey> {
    let path = data_dir.join(KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(hex) => parse(hex.trim()).ok_or_else(|| {
            io::Error::other(format!("{} does not hold 64 hexadecimal digits; restore it or remove it", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hex = base::id::lower_hex(64);
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(hex.as_bytes())?;
            file.sync_all()?;
            parse(&hex).ok_or_else(|| io::Error::other("a fresh key does not parse"))
        }
        Err(error) => Err(error),
    }
}

fn parse(hex: &str) -> Option<MasterKey> {
    let mut key = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(MasterKey(key))
}
