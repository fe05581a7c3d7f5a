//! Archives and images made in memory.

use std::collections::HashMap;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use oci::{Architecture, Blobs, Digest, Error, Image};
use tempfile::TempDir;

/// Parts in memory.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<Digest, Vec<u8>>>);

impl Memory {
    pub(crate) fn add(&self, bytes: &[u8]) -> Digest {
        self.0.lock().unwrap().insert(Digest::of(bytes), bytes.to_vec());
        Digest::of(bytes)
    }
}

impl Blobs for Memory {
    fn put(&self, content: &mut dyn Read, expected: Option<Digest>, bytes_max: u64) -> Result<Digest, Error> {
        let mut bytes = Vec::new();
        content.take(bytes_max + 1).read_to_end(&mut bytes)?;
        assert!(bytes.len() as u64 <= bytes_max);
        if expected.is_some_and(|expected| expected != Digest::of(&bytes)) {
            return Err(Error::Refused("not the promised content".to_owned()));
        }
        Ok(self.add(&bytes))
    }

    fn has(&self, digest: Digest) -> Result<bool, Error> {
        Ok(self.0.lock().unwrap().contains_key(&digest))
    }

    fn open(&self, digest: Digest) -> Result<Box<dyn Read + Send>, Error> {
        let bytes = self.0.lock().unwrap().get(&digest).cloned().ok_or(Error::Missing(digest))?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

/// A tar that is built entry by entry.
#[derive(Default)]
pub(crate) struct Built(Vec<u8>);

impl Built {
    pub(crate) fn file(self, path: &str, content: &str) -> Built {
        self.entry(b'0', path, 0o644, content.as_bytes(), "")
    }

    pub(crate) fn directory(self, path: &str, mode: u32) -> Built {
        self.entry(b'5', path, mode, b"", "")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Built {
        self.entry(b'2', path, 0o777, b"", target)
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Built {
        self.entry(b'1', path, 0o644, b"", target)
    }

    pub(crate) fn entry(mut self, kind: u8, path: &str, mode: u32, content: &[u8], link: &str) -> Built {
        self.0.extend(header(kind, path, mode, content.len() as u64, link));
        self.content(content)
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Built {
        self.0.extend(content);
        self.0.resize(self.0.len().div_ceil(512) * 512, 0);
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Built {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn done(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub(crate) fn header(kind: u8, path: &str, mode: u32, bytes: u64, link: &str) -> [u8; 512] {
    let mut header = [0; 512];
    header[..path.len().min(100)].copy_from_slice(&path.as_bytes()[..path.len().min(100)]);
    header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + link.len().min(100)].copy_from_slice(&link.as_bytes()[..link.len().min(100)]);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image's manifest over these layers; its digest.
pub(crate) fn manifest(blobs: &Memory, architecture: &str, layers: &[Vec<u8>]) -> Digest {
    let config = blobs.add(
        format!(r#"{{"architecture":"{architecture}","os":"linux","config":{{"Env":["A=1","B=x=y"],"Entrypoint":["/run.sh"],"Cmd":["app.handler"],"WorkingDir":"/work","User":"1000"}}}}"#).as_bytes(),
    );
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| {
            let digest = blobs.add(layer);
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{digest}","size":{}}}"#,
                layer.len()
            )
        })
        .collect();
    let layers = layers.join(",");
    blobs.add(
        format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":1}},"layers":[{layers}]}}"#)
            .as_bytes(),
    )
}

/// A root of these layers beside a directory that nothing may touch.
pub(crate) struct Unpacked {
    pub(crate) directory: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) result: Result<u64, Error>,
}

impl Unpacked {
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    /// Asserts that it was refused so, and that nothing outside of the root was touched.
    #[track_caller]
    pub(crate) fn refused(&self, words: &str) {
        let error = self.result.as_ref().expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
        self.untouched();
    }

    #[track_caller]
    pub(crate) fn untouched(&self) {
        let mut names: Vec<_> =
            std::fs::read_dir(self.directory.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["outside", "root"]);
        assert_eq!(std::fs::read_dir(self.directory.path().join("outside")).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(self.directory.path().join("outside/secret")).unwrap(), "secret");
    }
}

pub(crate) fn unpack(layers: &[Vec<u8>]) -> Unpacked {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(directory.path().join("outside")).unwrap();
    std::fs::write(directory.path().join("outside/secret"), "secret").unwrap();
    let blobs = Memory::default();
    let digest = manifest(&blobs, "amd64", layers);
    let result = Image::find(&blobs, digest, Architecture::X86_64).and_then(|image| oci::unpack(&blobs, &image, &root));
    Unpacked { directory, root, result }
}
