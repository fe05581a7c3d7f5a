//! Layers become a root: files, directories, links and whiteouts, one layer over the other.
//!
//! The directory is nobody's but ours while it is made, and it is read-only afterwards; so what must be watched is only what
//! the layers themselves do. Every path is walked from the root by our own steps, links resolved as if the root
//! were the file system's, so nothing lands outside whatever links earlier entries made. Of modes the plain permissions
//! are kept; owners, devices and set-user-id are not.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::tar::{Entry, Kind, Tar};
use crate::{Blobs, Error, Image};

/// AWS's limit of an image, unpacked, in bytes: 10 GB.
pub const IMAGE_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// Most entries of all layers; the largest real images have some 300,000.
const ENTRIES_MAX: u64 = 1_000_000;
/// What all entries' headers may take beyond their content, in bytes.
const HEADERS_BYTES_MAX: u64 = ENTRIES_MAX * 2048;
/// Deepest directory.
const DEPTH_MAX: usize = 128;
/// Most links one path may lead through, as Linux has it.
const LINKS_FOLLOWED_MAX: usize = 40;
const CHUNK_BYTES: usize = 128 * 1024;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Where a sandbox mounts something: these must be directories, and no links to elsewhere.
const MOUNT_DIRECTORIES: [&str; 6] = ["proc", "dev", "tmp", "etc", "run", "run/updraft"];
/// These must be files.
const MOUNT_FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// Unpacks an image into the directory `root`, which exists and is empty. Returns the bytes of its files. If it fails the
/// directory is its owner's to remove.
pub fn unpack(blobs: &dyn Blobs, image: &Image, root: &Path) -> Result<u64, Error> {
    let mut unpacker = Unpacker::new(root);
    for layer in &image.layers {
        unpacker.layer(blobs.open(*layer)?)?;
    }
    unpacker.finish()
}

struct Unpacker<'a> {
    root: &'a Path,
    bytes: u64,
    entries: u64,
    /// What is read of layers, decompressed.
    read_left: u64,
    /// The modes that directories get in the end; until then we must be able to write into them. By their place below the
    /// root, links resolved.
    directories: BTreeMap<PathBuf, u32>,
    /// What the present layer made: its whiteouts do not touch it.
    made: HashSet<PathBuf>,
}

impl<'a> Unpacker<'a> {
    fn new(root: &'a Path) -> Unpacker<'a> {
        let read_left = IMAGE_BYTES_MAX + HEADERS_BYTES_MAX;
        Unpacker { root, bytes: 0, entries: 0, read_left, directories: BTreeMap::new(), made: HashSet::new() }
    }

    fn layer(&mut self, blob: Box<dyn Read + Send>) -> Result<(), Error> {
        self.made.clear();
        let mut blob = BufReader::with_capacity(CHUNK_BYTES, blob);
        let magic = io::BufRead::fill_buf(&mut blob)?;
        let decompressed: Box<dyn Read> = match magic {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(blob)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(Error::refused("layers compressed by zstd are not supported")),
            _ => Box::new(blob),
        };
        let mut tar = Tar::new(decompressed.take(self.read_left));
        loop {
            let entry = match tar.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(()),
                // A broken compression is the image's fault, not the disk's.
                Err(Error::Io(error)) => return Err(Error::refused(format!("a layer cannot be read: {error}"))),
                Err(error) => return Err(error),
            };
            self.entries += 1;
            self.read_left = self.read_left.saturating_sub(entry.bytes.saturating_add(512));
            if self.entries > ENTRIES_MAX || self.read_left == 0 {
                return Err(Error::refused("the layers have too many entries or bytes"));
            }
            self.entry(&entry, &mut tar)?;
        }
    }

    fn entry<R: Read>(&mut self, entry: &Entry, tar: &mut Tar<R>) -> Result<(), Error> {
        let mut parts = parts(&entry.path)?;
        let Some(name) = parts.pop() else {
            // The root itself.
            if entry.kind == Kind::Directory {
                self.directories.insert(PathBuf::new(), entry.mode & 0o777);
            }
            return Ok(());
        };
        if name.as_bytes() == OPAQUE {
            let directory = self.walk(&parts, true)?;
            return self.remove_lower(&directory);
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            if hidden.is_empty() || hidden == b"." || hidden == b".." || hidden.starts_with(WHITEOUT) {
                return Ok(()); // aufs keeps notes of its own under such names
            }
            let place = self.walk(&parts, true)?.join(OsString::from_vec(hidden.to_vec()));
            if !self.made.contains(&place) {
                self.remove(&place)?;
            }
            return Ok(());
        }
        if entry.kind == Kind::Special {
            return Ok(()); // a sandbox has devices of its own, and no others
        }
        let place = self.walk(&parts, true)?.join(name);
        let path = self.root.join(&place);
        let present = path.symlink_metadata().ok();
        if present.as_ref().is_some_and(|found| !(found.is_dir() && entry.kind == Kind::Directory)) {
            self.remove(&place)?;
        }
        match entry.kind {
            Kind::Directory => {
                if !present.is_some_and(|found| found.is_dir()) {
                    fs::create_dir(&path)?;
                }
                self.directories.insert(place.clone(), entry.mode & 0o777);
            }
            Kind::File => self.file(&path, entry, tar)?,
            Kind::Symlink => symlink(OsString::from_vec(link_target(&entry.link)?), &path)?,
            Kind::Hardlink => self.hard_link(&entry.link, &path)?,
            Kind::Special => {}
        }
        self.made.extend(place.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()).map(Path::to_owned));
        Ok(())
    }

    fn file<R: Read>(&mut self, path: &Path, entry: &Entry, tar: &mut Tar<R>) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(entry.bytes);
        if self.bytes > IMAGE_BYTES_MAX {
            return Err(Error::refused(format!("unpacked it has more than {IMAGE_BYTES_MAX} bytes")));
        }
        let mut file = File::create_new(path)?;
        let mut content = tar.content();
        let mut chunk = vec![0; CHUNK_BYTES.min(entry.bytes as usize).max(1)];
        loop {
            let count =
                content.read(&mut chunk).map_err(|error| Error::refused(format!("a layer cannot be read: {error}")))?;
            if count == 0 {
                break;
            }
            file.write_all(&chunk[..count])?;
        }
        file.set_permissions(Permissions::from_mode(entry.mode & 0o777))?;
        Ok(())
    }

    /// Another name of a file that is in the root already.
    fn hard_link(&mut self, target: &[u8], path: &Path) -> Result<(), Error> {
        let mut parts = parts(target)?;
        let refuse =
            || Error::refused(format!("a hard link to {:?}, which is no file", String::from_utf8_lossy(target)));
        let name = parts.pop().ok_or_else(refuse)?;
        let source = self.root.join(self.walk(&parts, false)?).join(name);
        let found = source.symlink_metadata().map_err(|_| refuse())?;
        if found.is_symlink() {
            return Ok(symlink(fs::read_link(&source)?, path)?);
        }
        if !found.is_file() {
            return Err(refuse());
        }
        if fs::hard_link(&source, path).is_err() {
            fs::copy(&source, path)?; // a file may have no more names than its file system lets it
        }
        Ok(())
    }

    /// The directory that a path means, below the root and without links. `make`: what is missing is made.
    fn walk(&mut self, parts: &[OsString], make: bool) -> Result<PathBuf, Error> {
        let root = self.root;
        let mut made = Vec::new();
        let place = walk(root, parts, |place| {
            if !make {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            fs::create_dir(root.join(place))?;
            made.push(place.to_owned());
            Ok(())
        })?;
        self.directories.extend(made.into_iter().map(|place| (place, 0o755)));
        Ok(place)
    }

    /// Removes what lower layers put into a directory.
    fn remove_lower(&mut self, directory: &Path) -> Result<(), Error> {
        for entry in fs::read_dir(self.root.join(directory))? {
            let entry = entry?;
            let place = directory.join(entry.file_name());
            if !self.made.contains(&place) {
                self.remove(&place)?;
            } else if entry.file_type()?.is_dir() {
                self.remove_lower(&place)?;
            }
        }
        Ok(())
    }

    /// Removes whatever is at a place, links unfollowed.
    fn remove(&mut self, place: &Path) -> Result<(), Error> {
        let path = self.root.join(place);
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path)?,
            Ok(_) => fs::remove_file(&path)?,
            Err(_) => return Ok(()),
        }
        // Or a link that takes its place would lead the last step, which sets modes, elsewhere.
        let gone: Vec<PathBuf> = self
            .directories
            .range(place.to_owned()..)
            .map(|(known, _)| known.clone())
            .take_while(|known| known.starts_with(place))
            .collect();
        gone.iter().for_each(|known| _ = self.directories.remove(known));
        self.made.remove(place);
        Ok(())
    }

    /// Makes what a sandbox mounts on, and gives directories their modes.
    fn finish(mut self) -> Result<u64, Error> {
        for name in MOUNT_DIRECTORIES {
            let path = self.root.join(name);
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => continue,
                Ok(found) if found.is_symlink() && name != "etc" => {}
                Ok(_) => return Err(Error::refused(format!("/{name} is no directory"))),
                Err(_) => {}
            }
            self.remove(Path::new(name))?;
            fs::create_dir(&path)?;
            self.directories.insert(PathBuf::from(name), 0o755);
        }
        for name in MOUNT_FILES {
            let path = self.root.join(name);
            if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
                self.remove(Path::new(name))?;
                File::create_new(&path)?;
            }
        }
        self.directories.entry(PathBuf::new()).or_insert(0o755);
        // The innermost first: an outer one may not let us in any more.
        for (place, mode) in self.directories.iter().rev() {
            fs::set_permissions(self.root.join(place), Permissions::from_mode(*mode))?;
        }
        Ok(self.bytes)
    }
}

/// Where a program of an image is, as the kernel will be asked for it: a name without a slash is looked up on the image's
/// path. None if there is no such file.
pub fn resolve_program(root: &Path, program: &str, search: &str, directory: &str) -> Option<String> {
    let candidates: Vec<String> = match program {
        "" => return None,
        absolute if absolute.starts_with('/') => vec![absolute.to_owned()],
        relative if relative.contains('/') => vec![format!("{}/{relative}", directory.trim_end_matches('/'))],
        name => {
            search.split(':').filter(|place| place.starts_with('/')).map(|place| format!("{place}/{name}")).collect()
        }
    };
    candidates.into_iter().find(|candidate| is_file(root, candidate, LINKS_FOLLOWED_MAX))
}

fn is_file(root: &Path, path: &str, links_max: usize) -> bool {
    let Ok(mut parts) = parts_with_parents(path.as_bytes()) else { return false };
    let Some(name) = parts.pop() else { return false };
    let Ok(place) = walk(root, &parts, |_| Err(Error::refused("missing"))) else { return false };
    let found = root.join(&place).join(&name);
    match found.symlink_metadata() {
        Ok(meta) if meta.is_symlink() && links_max > 0 => {
            let target = fs::read_link(&found).unwrap_or_default();
            // `join` takes an absolute target as it is.
            let next = Path::new("/").join(&place).join(target);
            next.to_str().is_some_and(|next| is_file(root, next, links_max - 1))
        }
        Ok(meta) => meta.is_file(),
        Err(_) => false,
    }
}

/// Walks from the root, resolving links as if the root were `/`; `missing` makes a directory or refuses.
fn walk(
    root: &Path,
    parts: &[OsString],
    mut missing: impl FnMut(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let mut place = PathBuf::new();
    let mut ahead: Vec<OsString> = parts.iter().rev().cloned().collect();
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            place.pop(); // above the root is the root
            continue;
        }
        place.push(&part);
        if place.components().count() > DEPTH_MAX {
            return Err(Error::refused("too many directories within each other"));
        }
        match root.join(&place).symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                followed += 1;
                if followed > LINKS_FOLLOWED_MAX {
                    return Err(Error::refused("links that lead to each other"));
                }
                let target = fs::read_link(root.join(&place))?;
                place.pop();
                if target.is_absolute() {
                    place.clear();
                }
                ahead.extend(parts_with_parents(target.as_os_str().as_bytes())?.into_iter().rev());
            }
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(Error::refused("one entry lies within another that is no directory")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing(&place)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(place)
}

/// The parts of an entry's path: relative, never with `..`.
fn parts(path: &[u8]) -> Result<Vec<OsString>, Error> {
    let parts = parts_with_parents(path)?;
    match parts.iter().any(|part| part == "..") {
        true => Err(Error::refused(format!("'..' in the path {:?}", String::from_utf8_lossy(path)))),
        false => Ok(parts),
    }
}

fn parts_with_parents(path: &[u8]) -> Result<Vec<OsString>, Error> {
    let refuse = || {
        Error::refused(format!(
            "the path {:?} has a NUL or a part of more than 255 bytes",
            String::from_utf8_lossy(path)
        ))
    };
    if path.contains(&0) {
        return Err(refuse());
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let parts = path.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    let parts: Vec<OsString> = parts.map(|part| part.as_os_str().to_owned()).collect();
    if parts.iter().any(|part| part.len() > 255) { Err(refuse()) } else { Ok(parts) }
}

fn link_target(target: &[u8]) -> Result<Vec<u8>, Error> {
    match target.is_empty() || target.contains(&0) {
        true => Err(Error::refused("a symbolic link without a usable target")),
        false => Ok(target.to_vec()),
    }
}
