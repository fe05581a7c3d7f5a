//! Blobs by content: bytes in files named by their SHA-256, below `blobs/` of the data directory.
//!
//! A blob is written to a temporary file, synced, and only then given its name, so a name always means whole content.
//! Who refers to a blob is written in the tables; what nothing refers to is found by [`Blobs::list`] and removed by
//! [`Blobs::delete_older_than`], whose age protects blobs that were put and are not yet referred to.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::{Clock, Error, Result};

/// Largest blob, bytes. The largest part of an S3 object is 5 GiB.
pub const BLOB_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// The SHA-256 of a blob. Prints, parses and serializes as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash itself (Lambda's `CodeSha256` is its base64).
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for BlobId {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.as_bytes();
        let valid = digits.len() == 64 && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let mut id = [0; 32];
        if !valid {
            return Err(Error::Malformed("blob id"));
        }
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        Ok(Self(id))
    }
}

impl From<BlobId> for String {
    fn from(id: BlobId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for BlobId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// What [`Blobs::list`] tells of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its hash.
    pub id: BlobId,
    /// Its length.
    pub bytes: u64,
    /// When it was last put (a second put of the same content counts), milliseconds since 1970.
    pub put_at_ms: i64,
}

/// The blobs of a store. Clones share the directory.
#[derive(Clone)]
pub struct Blobs {
    root: Arc<Root>,
    clock: Clock,
}

enum Root {
    Kept(PathBuf),
    /// Of a store in memory; removed with the last handle.
    Temporary(TempDir),
}

impl Blobs {
    /// Opens the directory and removes what writers left behind when their process died.
    pub(crate) fn open(directory: PathBuf, clock: Clock) -> Result<Self> {
        let blobs = Self { root: Arc::new(Root::Kept(directory)), clock };
        let unfinished = blobs.unfinished();
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::storage(error)),
            _ => fs::create_dir_all(&unfinished).map_err(Error::storage)?,
        }
        Ok(blobs)
    }

    pub(crate) fn temporary(clock: Clock) -> io::Result<Self> {
        let blobs = Self { root: Arc::new(Root::Temporary(TempDir::with_prefix("updraft-blobs-")?)), clock };
        fs::create_dir_all(blobs.unfinished())?;
        Ok(blobs)
    }

    /// The same blobs under another clock.
    pub(crate) fn with_clock(&self, clock: Clock) -> Self {
        Self { root: Arc::clone(&self.root), clock }
    }

    /// Stores bytes, durably. Content that is there already costs a hash.
    pub async fn put(&self, bytes: impl Into<bytes::Bytes>) -> Result<BlobId> {
        let bytes = bytes.into();
        let blobs = self.clone();
        blocking(move || {
            let id = BlobId::of(&bytes);
            if blobs.touch(id)? {
                return Ok(id);
            }
            let mut writer = blobs.start(BLOB_BYTES_MAX)?;
            writer.append(&bytes)?;
            writer.keep(id)
        })
        .await
    }

    /// Starts a blob whose bytes come piece by piece; more than `bytes_max` are refused.
    pub fn writer(&self, bytes_max: u64) -> Result<BlobWriter> {
        self.start(bytes_max.min(BLOB_BYTES_MAX))
    }

    /// Reads a whole blob.
    ///
    /// # Errors
    /// [`Error::NoSuchBlob`].
    pub async fn get(&self, id: BlobId) -> Result<bytes::Bytes> {
        let path = self.place(id);
        let read = blocking(move || {
            fs::read(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NoSuchBlob(id),
                _ => Error::storage(error),
            })
        });
        Ok(read.await?.into())
    }

    /// The blob's file, to be read or mounted, never written.
    ///
    /// # Errors
    /// [`Error::NoSuchBlob`].
    pub fn path(&self, id: BlobId) -> Result<PathBuf> {
        let path = self.place(id);
        if path.try_exists().map_err(Error::storage)? { Ok(path) } else { Err(Error::NoSuchBlob(id)) }
    }

    /// True if the blob is there.
    pub fn exists(&self, id: BlobId) -> Result<bool> {
        self.place(id).try_exists().map_err(Error::storage)
    }

    /// Removes a blob; false if there was none.
    pub async fn delete(&self, id: BlobId) -> Result<bool> {
        match fs::remove_file(self.place(id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::storage(error)),
        }
    }

    /// Removes a blob that nobody has put since `age_ms` ago; false if it is younger or absent. For garbage collection:
    /// choose an age longer than any operation takes between putting a blob and committing a reference to it.
    pub async fn delete_older_than(&self, id: BlobId, age_ms: i64) -> Result<bool> {
        match self.info(id)? {
            Some(info) if info.put_at_ms < (self.clock)().saturating_sub(age_ms) => self.delete(id).await,
            _ => Ok(false),
        }
    }

    /// All blobs, in no order. Reads the whole directory: for garbage collection and statistics.
    pub async fn list(&self) -> Result<Vec<BlobInfo>> {
        let blobs = self.clone();
        blocking(move || {
            let mut found = Vec::new();
            for shelf in fs::read_dir(blobs.directory()).map_err(Error::storage)? {
                let shelf = shelf.map_err(Error::storage)?.path();
                if shelf == blobs.unfinished() {
                    continue;
                }
                for file in fs::read_dir(shelf).map_err(Error::storage)? {
                    let name = file.map_err(Error::storage)?.file_name();
                    let id = name.to_str().and_then(|name| name.parse().ok());
                    found.extend(id.map_or(Ok(None), |id| blobs.info(id))?);
                }
            }
            Ok(found)
        })
        .await
    }

    fn info(&self, id: BlobId) -> Result<Option<BlobInfo>> {
        let metadata = match fs::metadata(self.place(id)) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::storage(error)),
        };
        let put_at = metadata.modified().map_err(Error::storage)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let put_at_ms = i64::try_from(put_at.as_millis()).unwrap_or(i64::MAX);
        Ok(Some(BlobInfo { id, bytes: metadata.len(), put_at_ms }))
    }

    /// Renews the age of a blob that is there; false if it is not.
    fn touch(&self, id: BlobId) -> Result<bool> {
        match File::options().append(true).open(self.place(id)) {
            Ok(file) => file.set_modified(self.now()).map(|()| true).map_err(Error::storage),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::storage(error)),
        }
    }

    fn start(&self, bytes_max: u64) -> Result<BlobWriter> {
        let file = NamedTempFile::new_in(self.unfinished()).map_err(Error::storage)?;
        Ok(BlobWriter { blobs: self.clone(), file, hash: Sha256::new(), bytes: 0, bytes_max })
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis((self.clock)().max(0).unsigned_abs())
    }

    fn directory(&self) -> &Path {
        match self.root.as_ref() {
            Root::Kept(directory) => directory,
            Root::Temporary(directory) => directory.path(),
        }
    }

    fn unfinished(&self) -> PathBuf {
        self.directory().join("unfinished")
    }

    /// Two hexadecimal digits of directory keep directories small: 4,000 files each for a million blobs.
    fn place(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.directory().join(&name[..2]).join(name)
    }
}

/// A blob being written. Dropping it leaves nothing behind.
pub struct BlobWriter {
    blobs: Blobs,
    file: NamedTempFile,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
}

impl BlobWriter {
    /// Appends bytes. They go to the page cache, so this hardly blocks; pass moderate pieces all the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above the writer's limit.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let total = self.bytes + bytes.len() as u64;
        if total > self.bytes_max {
            return Err(Error::TooLarge { what: "blob bytes", actual: total, limit: self.bytes_max });
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(Error::storage)?;
        self.bytes = total;
        Ok(())
    }

    /// How many bytes have been appended.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The id that it would have by now.
    pub fn id(&self) -> BlobId {
        BlobId(self.hash.clone().finalize().into())
    }

    /// Syncs the blob and gives it its name.
    pub async fn finish(self) -> Result<BlobId> {
        blocking(move || {
            let id = self.id();
            if self.blobs.touch(id)? { Ok(id) } else { self.keep(id) }
        })
        .await
    }

    fn keep(self, id: BlobId) -> Result<BlobId> {
        let place = self.blobs.place(id);
        let shelf = place.parent().unwrap_or(self.blobs.directory());
        let kept = (|| {
            self.file.as_file().set_modified(self.blobs.now())?;
            self.file.as_file().sync_all()?;
            if !shelf.try_exists()? {
                fs::create_dir_all(shelf)?;
                File::open(self.blobs.directory())?.sync_all()?;
            }
            self.file.persist(&place).map_err(|error| error.error)?;
            File::open(shelf)?.sync_all()
        })();
        kept.map(|()| id).map_err(Error::storage)
    }
}

/// Runs what may block for as long as a disk does where that holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::storage)?
}
