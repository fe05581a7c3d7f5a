//! Unpacks a deployment package into a directory, or refuses it and leaves that directory for its owner to remove.
//!
//! The archive comes from a stranger, so everything it says is checked before anything is written, and what it says of
//! sizes is checked again while writing. Files come first and symbolic links last, so nothing is ever written through
//! a link. All becomes read-only; of the modes only the executable bit is kept.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;

/// AWS's limit: all files of a function (and its layers) together, in bytes.
pub(crate) const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Most entries of one archive. AWS names no number; the largest `node_modules` that fit 250 MB have about half.
pub(crate) const ENTRIES_MAX: usize = 100_000;
/// Most directories, and their deepest nesting; the deepest real trees of npm have about 40 levels. Removing a tree holds
/// a descriptor for each level.
const DIRECTORIES_MAX: usize = ENTRIES_MAX;
const DEPTH_MAX: usize = 128;
/// Most symbolic links of one archive.
const LINKS_MAX: usize = 10_000;
/// Longest path within the archive, in bytes: Linux's PATH_MAX less the part that our own directories take.
const PATH_BYTES_MAX: usize = 3_500;
/// Longest target of a symbolic link, in bytes.
const LINK_BYTES_MAX: u64 = 4_095;
/// Most links one path may lead through, as Linux has it.
const LINKS_FOLLOWED_MAX: usize = 40;
const CHUNK_BYTES: usize = 64 * 1024;

const KIND_MASK: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_DIRECTORY: u32 = 0o040_000;
const KIND_LINK: u32 = 0o120_000;

/// Why there is no code tree.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no archive we can or want to unpack; why, for our log.
    #[error("not a usable zip archive: {0}")]
    Unreadable(String),
    /// Nothing is in it.
    #[error("the archive is empty")]
    Empty,
    /// It would be too large unpacked.
    #[error("unpacked it would be {0} bytes")]
    TooLarge(u64),
    /// Not the archive's fault.
    #[error("cannot write the code tree: {0}")]
    Write(#[from] io::Error),
}

impl Refused {
    fn unreadable(reason: impl ToString) -> Refused {
        Refused::Unreadable(reason.to_string())
    }
}

/// What an entry becomes.
enum Kind {
    Directory,
    File { executable: bool },
    Link,
}

struct Entry {
    index: usize,
    path: PathBuf,
    kind: Kind,
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Unpacks `package` into the directory `root`, which exists and is empty. Returns the bytes written.
pub(crate) fn unzip(package: &[u8], root: &Path) -> Result<u64, Refused> {
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(Refused::unreadable)?;
    let entries = inspect(&mut archive)?;
    let mut links = HashMap::new();
    let mut written = 0;
    let mut directories = HashSet::new();
    for entry in &entries {
        let target = root.join(&entry.path);
        match entry.kind {
            Kind::Directory => make_directories(root, &entry.path, &mut directories)?,
            Kind::Link if links.len() >= LINKS_MAX => return Err(Refused::unreadable("too many symbolic links")),
            Kind::Link => _ = links.insert(entry.path.clone(), link_target(&mut archive, entry.index)?),
            Kind::File { executable } => {
                make_parents(root, &entry.path, &mut directories)?;
                written += write_file(&mut archive, entry.index, &target, executable)?;
            }
        }
    }
    for (path, target) in &links {
        check_stays_inside(&links, path)?;
        make_parents(root, path, &mut directories)?;
        symlink(target, root.join(path)).map_err(clash)?;
    }
    for directory in &directories {
        fs::set_permissions(root.join(directory), Permissions::from_mode(0o555))?;
    }
    fs::set_permissions(root, Permissions::from_mode(0o555))?;
    Ok(written)
}

/// What all files of a package that was unpacked before hold, in bytes. Unpacking made sure that its directory is right.
pub(crate) fn unzipped_bytes(package: &[u8]) -> Result<u64, Refused> {
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(Refused::unreadable)?;
    let mut bytes: u64 = 0;
    for index in 0..archive.len() {
        // From the archive's directory: archivers that stream leave the sizes before the entries empty.
        bytes = bytes.saturating_add(archive.by_index_raw(index).map_err(Refused::unreadable)?.size());
    }
    Ok(bytes)
}

/// Whether a package that was unpacked before has what archives keep signatures in.
pub(crate) fn looks_signed(package: &[u8]) -> Result<bool, Refused> {
    let archive = ZipArchive::new(Cursor::new(package)).map_err(Refused::unreadable)?;
    let is_signature = |name: &str| {
        let name = name.to_ascii_lowercase();
        let suffixes = [".sf", ".rsa", ".dsa", ".ec", ".p7s", ".sig"];
        name.starts_with("meta-inf/") && suffixes.iter().any(|suffix| name.ends_with(suffix))
    };
    Ok(archive.file_names().any(|name| name.is_ok_and(|name| is_signature(&name))))
}

/// Reads the central directory and refuses all that can be refused by it.
fn inspect(archive: &mut Archive<'_>) -> Result<Vec<Entry>, Refused> {
    if archive.is_empty() {
        return Err(Refused::Empty);
    }
    if archive.len() > ENTRIES_MAX {
        return Err(Refused::unreadable(format!("{} entries, limit {ENTRIES_MAX}", archive.len())));
    }
    if archive.has_duplicate_names() {
        return Err(Refused::unreadable("two entries of one name"));
    }
    let mut seen = HashSet::new();
    let mut entries = Vec::with_capacity(archive.len());
    let mut declared_bytes: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(Refused::unreadable)?;
        if entry.encrypted() {
            return Err(Refused::unreadable("encrypted"));
        }
        let name = entry.name().map_err(Refused::unreadable)?;
        let path = entry_path(&name)?;
        let kind = entry_kind(entry.is_dir(), entry.unix_mode().unwrap_or(0), &name)?;
        if !matches!(kind, Kind::Directory) && !seen.insert(path.clone()) {
            return Err(Refused::unreadable(format!("two entries become {}", path.display())));
        }
        declared_bytes = declared_bytes.saturating_add(entry.size());
        entries.push(Entry { index, path, kind });
    }
    if declared_bytes >= UNZIPPED_BYTES_MAX {
        return Err(Refused::TooLarge(declared_bytes));
    }
    if entries.iter().all(|entry| matches!(entry.kind, Kind::Directory)) {
        return Err(Refused::Empty);
    }
    // Entries that share their bytes are how bombs get their ratio; no honest archiver writes them.
    if archive.has_overlapping_entries().map_err(Refused::unreadable)? {
        return Err(Refused::unreadable("entries overlap"));
    }
    Ok(entries)
}

/// The path of an entry below the root: relative, without `.`, never with `..`.
fn entry_path(name: &str) -> Result<PathBuf, Refused> {
    let refuse = |reason: &str| Refused::unreadable(format!("{reason} in the name {name:?}"));
    if name.len() > PATH_BYTES_MAX || name.contains('\0') {
        return Err(refuse("a NUL, or too many bytes"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) if part.len() <= 255 => path.push(part),
            Component::CurDir => {}
            _ => return Err(refuse("an absolute path, '..' or a part of more than 255 bytes")),
        }
    }
    if path.components().count() > DEPTH_MAX {
        return Err(refuse("too many directories"));
    }
    Ok(path)
}

fn entry_kind(directory_by_name: bool, mode: u32, name: &str) -> Result<Kind, Refused> {
    match mode & KIND_MASK {
        _ if directory_by_name => Ok(Kind::Directory),
        // 0: made by an archiver that knows no modes.
        0 | KIND_FILE => Ok(Kind::File { executable: mode & 0o111 != 0 }),
        KIND_DIRECTORY => Ok(Kind::Directory),
        KIND_LINK => Ok(Kind::Link),
        other => Err(Refused::unreadable(format!("{name:?} is a device, socket or pipe (mode {other:o})"))),
    }
}

fn make_parents(root: &Path, path: &Path, made: &mut HashSet<PathBuf>) -> Result<(), Refused> {
    path.parent().map_or(Ok(()), |parent| make_directories(root, parent, made))
}

fn make_directories(root: &Path, path: &Path, made: &mut HashSet<PathBuf>) -> Result<(), Refused> {
    if path.as_os_str().is_empty() || made.contains(path) {
        return Ok(());
    }
    make_parents(root, path, made)?;
    match fs::create_dir(root.join(path)) {
        Ok(()) => {}
        Err(error) => return Err(clash(error)),
    }
    made.insert(path.to_owned());
    if made.len() > DIRECTORIES_MAX {
        return Err(Refused::unreadable("too many directories"));
    }
    Ok(())
}

/// A file where a directory should be, or the reverse, is the archive's fault.
fn clash(error: io::Error) -> Refused {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            Refused::unreadable("one entry lies within another that is no directory")
        }
        _ => Refused::Write(error),
    }
}

/// Writes one file; exactly as many bytes as the directory declared, with the right checksum, or not at all.
fn write_file(archive: &mut Archive<'_>, index: usize, target: &Path, executable: bool) -> Result<u64, Refused> {
    let entry = archive.by_index(index).map_err(Refused::unreadable)?;
    let declared_bytes = entry.size();
    let mut file = File::create_new(target).map_err(clash)?;
    // One byte more than declared: to see a lie, and to reach the end, where the checksum is compared.
    let mut reader = entry.take(declared_bytes + 1);
    let mut chunk = vec![0; CHUNK_BYTES.min(declared_bytes as usize + 1)];
    let mut written = 0;
    loop {
        let count = reader.read(&mut chunk).map_err(Refused::unreadable)?;
        if count == 0 {
            break;
        }
        written += count as u64;
        if written > declared_bytes {
            return Err(Refused::unreadable("an entry is larger than it says"));
        }
        file.write_all(&chunk[..count])?;
    }
    if written < declared_bytes {
        return Err(Refused::unreadable("an entry is smaller than it says"));
    }
    let mode = if executable { 0o555 } else { 0o444 };
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(written)
}

fn link_target(archive: &mut Archive<'_>, index: usize) -> Result<PathBuf, Refused> {
    let entry = archive.by_index(index).map_err(Refused::unreadable)?;
    let mut target = String::new();
    entry.take(LINK_BYTES_MAX + 1).read_to_string(&mut target).map_err(Refused::unreadable)?;
    if target.is_empty() || target.len() as u64 > LINK_BYTES_MAX || target.contains('\0') {
        return Err(Refused::unreadable("a symbolic link without a usable target"));
    }
    Ok(PathBuf::from(target))
}

/// Refuses a link that leaves the tree, by itself or through others. It is resolved as the kernel would: comparing
/// paths as text is not enough, since `a/b/..` is another place when `b` is a link.
fn check_stays_inside(links: &HashMap<PathBuf, PathBuf>, link: &Path) -> Result<(), Refused> {
    let refuse = || Refused::unreadable(format!("the symbolic link {} leaves the tree", link.display()));
    let mut place = PathBuf::new();
    let mut ahead: Vec<PathBuf> = parts(link);
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        match part.components().next() {
            Some(Component::ParentDir) if !place.pop() => return Err(refuse()),
            Some(Component::Normal(name)) => {
                place.push(name);
                if let Some(target) = links.get(&place) {
                    followed += 1;
                    if target.is_absolute() || followed > LINKS_FOLLOWED_MAX {
                        return Err(refuse());
                    }
                    place.pop();
                    ahead.extend(parts(target));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The parts of a path, the last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::unzip;

    fn archive() -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        writer.start_file("d/app.py", options).expect("memory");
        writer.write_all(&[b'x'; 300]).expect("memory");
        writer.add_symlink("link", "d/app.py", options).expect("memory");
        writer.finish().expect("memory").into_inner()
    }

    /// Whatever a single wrong byte makes of an archive, it is unpacked within its root or refused; nothing panics.
    #[test]
    fn every_spoiled_byte_is_survived() {
        let whole = archive();
        let root = tempfile::tempdir().expect("a temporary directory");
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut spoiled = whole.clone();
                spoiled[at] ^= flip;
                let tree = root.path().join(format!("{at}-{flip}"));
                std::fs::create_dir(&tree).expect("a directory");
                let _either = unzip(&spoiled, &tree);
                super::super::remove_tree(&tree).expect("it can be removed");
            }
        }
        assert_eq!(std::fs::read_dir(root.path()).expect("the root").count(), 0, "nothing left the trees");
    }
}
