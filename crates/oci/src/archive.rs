//! Images in a tar: an OCI layout (`docker buildx --output type=oci`, `skopeo`, `buildah`), or what `docker save` writes,
//! which is one as well since Docker 25, and was a format of its own before.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use serde::Deserialize;

use crate::manifest::{self, CONFIG_TYPE, DOCUMENT_BYTES_MAX, Descriptor, Document, LAYER_TYPE, MANIFEST_TYPE};
use crate::tar::{Entry, Kind, Tar};
use crate::unpack::IMAGE_BYTES_MAX;
use crate::{Blobs, Digest, Error};

/// Most entries of an archive.
const ENTRIES_MAX: usize = 10_000;

/// An image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is: a manifest or an index.
    pub root: Digest,
    /// The names that the archive gives it; perhaps none, perhaps only a tag.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// What was kept of an archive on the way.
#[derive(Default)]
struct Parts {
    /// `index.json` and `manifest.json`.
    documents: HashMap<String, Vec<u8>>,
    /// Everything else by its name, with its size.
    files: BTreeMap<String, (Digest, u64)>,
}

/// Reads an archive; its parts go to `blobs` as they come.
pub fn read_archive(source: impl Read, blobs: &dyn Blobs) -> Result<Vec<Found>, Error> {
    let mut tar = Tar::new(source);
    let mut parts = Parts::default();
    let (mut entries, mut bytes) = (0, 0u64);
    while let Some(entry) = tar.next()? {
        entries += 1;
        bytes = bytes.saturating_add(entry.bytes);
        if entries > ENTRIES_MAX || bytes > IMAGE_BYTES_MAX {
            return Err(Error::refused(format!("more than {ENTRIES_MAX} entries or {IMAGE_BYTES_MAX} bytes")));
        }
        parts.take(&entry, &mut tar, blobs)?;
    }
    parts.images(blobs)
}

impl Parts {
    fn take<R: Read>(&mut self, entry: &Entry, tar: &mut Tar<R>, blobs: &dyn Blobs) -> Result<(), Error> {
        let name = String::from_utf8_lossy(&entry.path).trim_start_matches("./").to_owned();
        match entry.kind {
            Kind::File if ["index.json", "manifest.json"].contains(&name.as_str()) => {
                if entry.bytes > DOCUMENT_BYTES_MAX {
                    return Err(Error::refused(format!("{name} has more than 4 MiB")));
                }
                let mut content = Vec::new();
                tar.content().read_to_end(&mut content)?;
                self.documents.insert(name, content);
            }
            Kind::File if ["oci-layout", "repositories"].contains(&name.as_str()) => {}
            Kind::File => {
                // The name of a part of an OCI layout is a promise.
                let expected = name.strip_prefix("blobs/sha256/").map(|hex| {
                    Digest::from_hex(hex).ok_or_else(|| Error::refused(format!("not a sha256 digest: {hex:?}")))
                });
                let digest = blobs.put(&mut tar.content(), expected.transpose()?, entry.bytes)?;
                self.files.insert(name, (digest, entry.bytes));
            }
            // Docker once saved a layer that two images share as a link.
            Kind::Symlink | Kind::Hardlink => {
                let target = String::from_utf8_lossy(&entry.link).into_owned();
                let beside = name.rsplit_once('/').map_or("", |(directory, _)| directory);
                let target = if entry.kind == Kind::Symlink { joined(beside, &target) } else { target };
                if let Some(found) = self.files.get(&target).copied() {
                    self.files.insert(name, found);
                }
            }
            Kind::Directory | Kind::Special => {}
        }
        Ok(())
    }

    fn images(&self, blobs: &dyn Blobs) -> Result<Vec<Found>, Error> {
        let saved: Vec<Saved> =
            self.documents.get("manifest.json").map(|bytes| manifest::parse(bytes)).transpose()?.unwrap_or_default();
        if let Some(index) = self.documents.get("index.json") {
            let index: Document = manifest::parse(index)?;
            return index.manifests.iter().flatten().map(|one| self.indexed(one, &saved, blobs)).collect();
        }
        if saved.is_empty() {
            return Err(Error::refused(
                "neither an OCI layout nor what `docker save` writes: no index.json, no manifest.json",
            ));
        }
        saved.iter().map(|one| self.saved(one, blobs)).collect()
    }

    fn indexed(&self, one: &Descriptor, saved: &[Saved], blobs: &dyn Blobs) -> Result<Found, Error> {
        let root: Digest = one.digest.parse()?;
        let annotation = |key: &str| one.annotations.get(key).cloned();
        let name = annotation("io.containerd.image.name").or_else(|| annotation("org.opencontainers.image.ref.name"));
        let mut names: Vec<String> = name.into_iter().collect();
        // Docker names the images of its layouts in the old place.
        let document: Document = manifest::parse(&manifest::document_bytes(blobs, root)?)?;
        if let Some(config) = document.config.as_ref().and_then(|config| config.digest.strip_prefix("sha256:")) {
            let same = saved.iter().filter(|one| one.config.contains(config));
            names.extend(same.flat_map(|one| one.repo_tags.iter().flatten().cloned()));
        }
        names.dedup();
        Ok(Found { root, names })
    }

    /// An image of the old format gets the manifest that it lacks.
    fn saved(&self, one: &Saved, blobs: &dyn Blobs) -> Result<Found, Error> {
        let part = |name: &String, media_type: &str| {
            let (digest, size) = self.files.get(name).ok_or_else(|| Error::refused(format!("{name} is missing")))?;
            Ok::<_, Error>(Descriptor {
                media_type: media_type.to_owned(),
                digest: digest.to_string(),
                size: *size,
                platform: None,
                annotations: BTreeMap::new(),
            })
        };
        let document = Document {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.to_owned()),
            manifests: None,
            config: Some(part(&one.config, CONFIG_TYPE)?),
            layers: Some(one.layers.iter().map(|layer| part(layer, LAYER_TYPE)).collect::<Result<_, _>>()?),
        };
        let bytes = serde_json::to_vec(&document).map_err(|error| Error::refused(error.to_string()))?;
        let root = blobs.put(&mut bytes.as_slice(), None, bytes.len() as u64)?;
        Ok(Found { root, names: one.repo_tags.clone().unwrap_or_default() })
    }
}

/// A relative path from a directory of the archive.
fn joined(directory: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            ".." => _ = parts.pop(),
            "" | "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
