//! What an image consists of: an index points at manifests by platform, a manifest at a configuration and layers.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::{Blobs, Digest, Error};

/// Largest index, manifest or configuration, in bytes; registries take 4 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most layers; Docker's limit.
const LAYERS_MAX: usize = 127;
/// Most manifests of an index.
const MANIFESTS_MAX: usize = 64;
/// Indexes within indexes.
pub(crate) const DEPTH_MAX: usize = 3;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// Instruction sets that functions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `amd64`
    X86_64,
    /// `arm64`
    Arm64,
}

impl Architecture {
    /// As images name it.
    pub fn name(&self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}

/// A pointer at content.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
}

/// An index or a manifest; which it is say its members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifests: Option<Vec<Descriptor>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    config: Option<ContainerConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    working_dir: Option<String>,
}

/// How an image wants to be run. (Its user is left out: Lambda runs all images as its own.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Variables.
    pub env: Vec<(String, String)>,
    /// The program.
    pub entrypoint: Vec<String>,
    /// Its arguments, or the program with its arguments if there is no entrypoint.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: String,
}

/// One platform's image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its manifest.
    pub manifest: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Digest>,
    /// Its manifest, configuration and layers.
    pub parts: Vec<Digest>,
    /// How it wants to be run.
    pub settings: Settings,
}

impl Image {
    /// Finds the image for an instruction set: what `root` is, or what it has for it.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none.
    pub fn find(blobs: &dyn Blobs, root: Digest, architecture: Architecture) -> Result<Image, Error> {
        let (manifest, document) = find_manifest(blobs, root, architecture, DEPTH_MAX)?;
        let (Some(config), Some(layers)) = (document.config, document.layers) else {
            return Err(Error::refused("the manifest has no configuration or no layers"));
        };
        if layers.len() > LAYERS_MAX {
            return Err(Error::refused(format!("{} layers, limit {LAYERS_MAX}", layers.len())));
        }
        if let Some(layer) =
            layers.iter().find(|layer| layer.media_type.contains("foreign") || layer.media_type.contains("zstd"))
        {
            return Err(Error::refused(format!("layers of the type {} are not supported", layer.media_type)));
        }
        let config: Digest = config.digest.parse()?;
        let layers: Vec<Digest> = layers.iter().map(|layer| layer.digest.parse()).collect::<Result<_, _>>()?;
        let configuration: Configuration = parse(&document_bytes(blobs, config)?)?;
        if !configuration.architecture.is_empty() && configuration.architecture != architecture.name() {
            let (has, wants) = (configuration.architecture, architecture.name());
            return Err(Error::refused(format!("the image was built for {has}, and the function is for {wants}")));
        }
        let parts = [manifest, config].into_iter().chain(layers.iter().copied()).collect();
        Ok(Image { manifest, layers, parts, settings: Settings::of(configuration.config.unwrap_or_default()) })
    }
}

impl Settings {
    fn of(config: ContainerConfig) -> Settings {
        let env = config.env.unwrap_or_default();
        let pair = |entry: &String| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Settings {
            env: env.iter().filter_map(pair).collect(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            directory: config.working_dir.filter(|directory| !directory.is_empty()).unwrap_or_else(|| "/".to_owned()),
        }
    }
}

/// All parts of an image of any platforms, itself first; every one of them is there.
pub fn reachable(blobs: &dyn Blobs, root: Digest) -> Result<Vec<Digest>, Error> {
    let mut found = Vec::new();
    reach(blobs, root, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn reach(blobs: &dyn Blobs, digest: Digest, depth: usize, found: &mut Vec<Digest>) -> Result<(), Error> {
    if found.contains(&digest) {
        return Ok(());
    }
    found.push(digest);
    let document: Document = parse(&document_bytes(blobs, digest)?)?;
    for manifest in document.manifests.iter().flatten().take(MANIFESTS_MAX).filter(|one| is_image(one)) {
        let next = depth.checked_sub(1).ok_or_else(|| Error::refused("too many indexes within indexes"))?;
        let digest = manifest.digest.parse()?;
        match reach(blobs, digest, next, found) {
            // An archive of one platform's image may keep an index that names them all.
            Err(Error::Missing(missing)) if missing == digest => found.retain(|known| *known != digest),
            done => done?,
        }
    }
    for part in document.config.iter().chain(document.layers.iter().flatten()) {
        let digest: Digest = part.digest.parse()?;
        drop(blobs.open(digest)?);
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    Ok(())
}

/// Not a signature or an attestation, which builders put beside images under an unknown platform.
fn is_image(descriptor: &Descriptor) -> bool {
    descriptor.platform.as_ref().is_none_or(|platform| platform.architecture != "unknown")
}

fn find_manifest(
    blobs: &dyn Blobs,
    digest: Digest,
    architecture: Architecture,
    depth: usize,
) -> Result<(Digest, Document), Error> {
    let document: Document = parse(&document_bytes(blobs, digest)?)?;
    let Some(one) = choose(&document, architecture)? else { return Ok((digest, document)) };
    let next = depth.checked_sub(1).ok_or_else(|| Error::refused("too many indexes within indexes"))?;
    find_manifest(blobs, one.digest.parse()?, architecture, next)
}

/// What an index has for an instruction set; none of what is no index.
pub(crate) fn choose(document: &Document, architecture: Architecture) -> Result<Option<&Descriptor>, Error> {
    let Some(manifests) = &document.manifests else { return Ok(None) };
    let candidates: Vec<&Descriptor> = manifests.iter().take(MANIFESTS_MAX).filter(|one| is_image(one)).collect();
    let suits = |one: &&Descriptor| {
        one.platform
            .as_ref()
            .is_some_and(|p| p.architecture == architecture.name() && (p.os.is_empty() || p.os == "linux"))
    };
    match (candidates.iter().copied().find(suits), candidates.as_slice()) {
        (Some(one), _) => Ok(Some(one)),
        // One that does not say for what it is: its configuration will.
        (None, [only]) if only.platform.is_none() => Ok(Some(*only)),
        _ => Err(Error::refused(format!("the image has nothing for linux/{}", architecture.name()))),
    }
}

pub(crate) fn document_bytes(blobs: &dyn Blobs, digest: Digest) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    blobs.open(digest)?.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(Error::refused("a manifest or configuration of more than 4 MiB"));
    }
    Ok(bytes)
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::refused(format!("a manifest or configuration is broken: {error}")))
}
