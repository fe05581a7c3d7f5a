//! Container images as code: loaded into the node under a name, found by it, unpacked, and told how to run.
//!
//! The parts of an image (manifest, configuration, layers) are blobs like zips, with the same care: a name refers to
//! them, and so does every version of a function. What is on its way in is referred to by its *arrival*, which ends
//! when something else refers to it, when it fails, or with the next start. Images are the node's, not an
//! account's: who may administrate it loads them, and functions of all accounts may name them.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use base::Cx;
use oci::{Blobs, Digest, Reference};
use sandbox::ImageProcess;
use store::{BlobId, Key, Scan, Tx};
use tokio::runtime::Handle;

use super::Lambda;
use super::code::{CodeTree, Refused};
use super::code_uses::{Holder, hold};
use super::configuration::{Architecture, ImageConfig};
use super::error::{Failure, invalid};
use super::records::{
    ARRIVALS, Code, FUNCTIONS, IMAGES, ImageCode, ImageOverrides, ImageRecord, Mark, VERSIONS, VersionRecord,
};

/// What Lambda puts on the path of an image that says nothing.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/opt/bin";
const CHUNK_BYTES: usize = 256 * 1024;

/// An image that was loaded.
#[derive(Debug, serde::Serialize)]
pub struct LoadedImage {
    /// By which functions name it.
    pub name: String,
    /// Its content.
    pub digest: String,
}

/// Why no image was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive, or its name, is none that we can use; why.
    #[error("{0}")]
    Refused(String),
    /// Our own fault.
    #[error("the image could not be stored: {0}")]
    Failed(String),
}

impl From<oci::Error> for LoadError {
    fn from(error: oci::Error) -> LoadError {
        match error {
            oci::Error::Io(error) => LoadError::Failed(error.to_string()),
            other => LoadError::Refused(other.to_string()),
        }
    }
}

impl From<Failure> for LoadError {
    fn from(failure: Failure) -> LoadError {
        LoadError::Failed(failure.to_string())
    }
}

impl Lambda {
    /// Loads the images of an archive (an OCI layout or what `docker save` writes, in a tar) under the names it gives them,
    /// or the one image of it under `name`.
    ///
    /// # Errors
    /// With nothing left behind.
    pub async fn load_image(
        &self,
        source: impl Read + Send + 'static,
        name: Option<String>,
    ) -> Result<Vec<LoadedImage>, LoadError> {
        let arrival = Arrival::begin(self);
        let parts = Parts::of(&arrival);
        let read = tokio::task::spawn_blocking(move || {
            let found = oci::read_archive(source, &parts)?;
            let named = names(&found, name)?;
            let record = |(name, root): (Reference, Digest)| {
                let parts = oci::reachable(&parts, root)?.into_iter().map(blob_id).collect();
                Ok::<_, LoadError>((name, ImageRecord { root: blob_id(root), parts }))
            };
            named.into_iter().map(record).collect::<Result<Vec<_>, _>>()
        });
        let images = read.await.map_err(|panic| LoadError::Failed(panic.to_string()))??;
        let loaded = images
            .iter()
            .map(|(name, record)| LoadedImage { name: name.to_string(), digest: digest(record.root).to_string() });
        let loaded = loaded.collect();
        let named = self.store.transact(move |tx| images.iter().try_for_each(|(name, image)| put(tx, name, image)));
        named.await?;
        drop(arrival);
        self.collect_later();
        Ok(loaded)
    }

    /// An image by its name, unpacked; refused in AWS's words. One that was loaded, or else its registry's. Hold the arrival until a version refers to it.
    pub(crate) async fn stage_image(
        &self,
        cx: &Cx,
        uri: &str,
        architecture: Architecture,
    ) -> Result<(ImageCode, Arc<Arrival>), Failure> {
        let not_valid = |reason: &str| {
            tracing::info!(uri, reason, "refused a container image");
            invalid(format!("Source image {uri} is not valid. Provide a valid source image."))
        };
        let reference = Reference::parse(uri).map_err(|error| not_valid(&error.to_string()))?;
        let arrival = Arrival::begin(self);
        let (named, holder) = (reference.clone(), arrival.id.clone());
        let found = self.store.transact(move |tx| {
            let Some((root, parts)) = find(tx, &named)? else { return Ok(None) };
            arrive(tx, &holder, &parts)?;
            Ok::<_, Failure>(Some(root))
        });
        let wanted = match architecture {
            Architecture::X86_64 => oci::Architecture::X86_64,
            Architecture::Arm64 => oci::Architecture::Arm64,
        };
        let root = match found.await? {
            Some(root) => root,
            None => self.pull(cx, uri, &reference, wanted, Parts::of(&arrival)).await?,
        };
        let (cache, parts) = (self.code.clone(), Parts::of(&arrival));
        let made = tokio::task::spawn_blocking(move || {
            let image = oci::Image::find(&parts, digest(root), wanted).map_err(refused)?;
            let id = blob_id(image.manifest);
            cache.make(id, |tree| oci::unpack(&parts, &image, tree).map(drop).map_err(refused))?;
            Ok(image)
        });
        let image = match made.await.map_err(|panic| Refused::Write(io::Error::other(panic)))? {
            Err(Refused::Unreadable(reason)) => return Err(not_valid(&reason).into()),
            done => done?,
        };
        let code = ImageCode {
            uri: uri.to_owned(),
            resolved_uri: reference.resolved(image.manifest),
            manifest: blob_id(image.manifest),
            parts: image.parts.into_iter().map(blob_id).collect(),
            env: image.settings.env,
            entry_point: image.settings.entrypoint,
            command: image.settings.command,
            directory: image.settings.directory,
        };
        Ok((code, arrival))
    }

    /// An image's tree, unpacked again if the cache lost it.
    pub(crate) async fn image_tree(&self, image: &ImageCode) -> Result<Arc<CodeTree>, Failure> {
        if let Some(tree) = self.code.find(image.manifest) {
            return Ok(tree);
        }
        // As with zips: or its parts could be collected meanwhile, and the tree would stay.
        let _no_collection = self.collection.read().await;
        let parts = Parts { lambda: self.clone(), arrival: None, runtime: Handle::current() };
        let (cache, manifest) = (self.code.clone(), image.manifest);
        // A manifest names its own layers, whatever platform was asked for when it was chosen.
        let made = tokio::task::spawn_blocking(move || {
            let both = [oci::Architecture::X86_64, oci::Architecture::Arm64];
            let found = both.into_iter().find_map(|one| oci::Image::find(&parts, digest(manifest), one).ok());
            let image = found.ok_or_else(|| Refused::Write(io::Error::other("the image's manifest is lost")))?;
            cache.make(manifest, |tree| oci::unpack(&parts, &image, tree).map(drop).map_err(refused))
        });
        let made = made.await.map_err(|panic| Refused::Write(io::Error::other(panic)))?;
        // It was unpacked before: whatever is wrong with it now is not the caller's fault.
        Ok(made.map_err(|error| Refused::Write(io::Error::other(error)))?)
    }

    /// The images that were loaded, by name.
    pub async fn images(&self) -> Result<Vec<LoadedImage>, LoadError> {
        let images = self.store.scan(IMAGES, Scan::all()).await.map_err(Failure::from)?;
        let named = images.into_iter().filter_map(|(key, image)| {
            let (repository, tag) = key.parts::<(String, String)>()?;
            Some(LoadedImage { name: format!("{repository}:{tag}"), digest: digest(image.root).to_string() })
        });
        Ok(named.collect())
    }

    /// Forgets the name of an image, unless a function has its content from that repository.
    ///
    /// # Errors
    /// [`LoadError::Refused`] if there is none, or it is in use.
    pub async fn forget_image(&self, name: &str) -> Result<(), LoadError> {
        let parsed = Reference::parse(name)?;
        let (Some(tag), None) = (parsed.tag, parsed.digest) else {
            return Err(LoadError::Refused(format!("{name}: images are known by tags")));
        };
        let (repository, shown) = (parsed.repository, format!("{name} is in use by the function"));
        let forgotten = self.store.transact(move |tx| {
            let key = Key::of((repository.as_str(), tag.as_str()));
            let Some(image) = tx.get(IMAGES, &key)? else { return Ok(Some("there is no such image".to_owned())) };
            if let Some(function) = user(tx, &repository, &image)? {
                return Ok(Some(format!("{shown} {function}")));
            }
            tx.delete(IMAGES, &key)?;
            hold(tx, Holder::Image(&format!("{repository}:{tag}")), &image.parts, &[])?;
            Ok::<_, Failure>(None)
        });
        match forgotten.await? {
            Some(reason) => Err(LoadError::Refused(reason)),
            None => {
                self.collect_later();
                Ok(())
            }
        }
    }

    /// Forgets all names of images.
    pub(crate) async fn reset_images(&self) -> Result<(), Failure> {
        for (key, image) in self.store.scan(IMAGES, Scan::all()).await? {
            let Some((repository, tag)) = key.parts::<(String, String)>() else { continue };
            let forgotten = self.store.transact(move |tx| {
                tx.delete(IMAGES, &key)?;
                hold(tx, Holder::Image(&format!("{repository}:{tag}")), &image.parts, &[])
            });
            forgotten.await?;
        }
        Ok(())
    }

    /// Gives up what was on its way in when an earlier process died.
    pub(crate) async fn forget_arrivals(&self) -> Result<(), Failure> {
        for (key, _) in self.store.scan(ARRIVALS, Scan::all()).await? {
            let Some((arrival, part)) = key.parts::<(String, String)>() else { continue };
            self.store.transact(move |tx| depart(tx, &arrival, &key, &part)).await?;
        }
        Ok(())
    }
}

/// Refers to an image's parts until something else does.
pub(crate) struct Arrival {
    lambda: Lambda,
    id: String,
}

impl Arrival {
    fn begin(lambda: &Lambda) -> Arc<Arrival> {
        Arc::new(Arrival { lambda: lambda.clone(), id: base::id::lower_hex(16) })
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let (lambda, id) = (self.lambda.clone(), std::mem::take(&mut self.id));
        tokio::spawn(async move {
            let departed = async {
                for (key, _) in lambda.store.scan(ARRIVALS, Scan::under(id.as_str())).await? {
                    let Some((arrival, part)) = key.parts::<(String, String)>() else { continue };
                    lambda.store.transact(move |tx| depart(tx, &arrival, &key, &part)).await?;
                }
                lambda.collect().await
            };
            if let Err(error) = departed.await {
                tracing::warn!(%error, "cannot give up an image that was on its way in; the next start will");
            }
        });
    }
}

fn arrive(tx: &mut Tx<'_>, arrival: &str, parts: &[BlobId]) -> Result<(), Failure> {
    for part in parts {
        tx.put(ARRIVALS, &Key::of((arrival, part.to_string())), &Mark {})?;
    }
    hold(tx, Holder::Arrival(arrival), &[], parts)
}

fn depart(tx: &mut Tx<'_>, arrival: &str, key: &Key, part: &str) -> Result<(), Failure> {
    tx.delete(ARRIVALS, key)?;
    let part: Option<BlobId> = part.parse().ok();
    hold(tx, Holder::Arrival(arrival), &Vec::from_iter(part), &[])
}

fn put(tx: &mut Tx<'_>, name: &Reference, image: &ImageRecord) -> Result<(), Failure> {
    let tag = name.tag.as_deref().unwrap_or_default();
    let key = Key::of((name.repository.as_str(), tag));
    let old = tx.get(IMAGES, &key)?.map(|old| old.parts).unwrap_or_default();
    hold(tx, Holder::Image(&format!("{}:{tag}", name.repository)), &old, &image.parts)?;
    tx.put(IMAGES, &key, image)?;
    Ok(())
}

/// What a name means: by its tag, or by its content under any tag of the repository.
fn find(tx: &Tx<'_>, name: &Reference) -> Result<Option<(BlobId, Vec<BlobId>)>, Failure> {
    if let Some(wanted) = name.digest.map(blob_id) {
        let images = tx.scan(IMAGES, Scan::under(name.repository.as_str()))?;
        let found = images.into_iter().find(|(_, image)| image.parts.contains(&wanted));
        return Ok(found.map(|(_, image)| (wanted, image.parts)));
    }
    let tag = name.tag.as_deref().unwrap_or("latest");
    let found = tx.get(IMAGES, &Key::of((name.repository.as_str(), tag)))?;
    Ok(found.map(|image| (image.root, image.parts)))
}

/// A function, of any account, one of whose versions has an image's content and was made from its repository.
fn user(tx: &Tx<'_>, repository: &str, image: &ImageRecord) -> Result<Option<String>, Failure> {
    let uses = |version: &VersionRecord| match &version.code {
        Code::Image(code) => {
            image.parts.contains(&code.manifest)
                && Reference::parse(&code.uri).is_ok_and(|uri| uri.repository == repository)
        }
        _ => false,
    };
    let latest = tx.scan(FUNCTIONS, Scan::all())?.into_iter().filter(|(_, function)| uses(&function.latest));
    let latest = latest.filter_map(|(key, _)| key.parts::<(String, String, String)>().map(|(_, _, name)| name));
    if let Some(name) = latest.into_iter().next() {
        return Ok(Some(name));
    }
    let published = tx.scan(VERSIONS, Scan::all())?.into_iter().find(|(_, version)| uses(version));
    let key = published.and_then(|(key, _)| key.parts::<(String, String, String, u64)>());
    Ok(key.map(|(_, _, name, number)| format!("{name}:{number}")))
}

/// Under which names an archive's images are to be known.
fn names(found: &[oci::Found], name: Option<String>) -> Result<Vec<(Reference, Digest)>, LoadError> {
    let parse = |name: &String| {
        let parsed = Reference::parse(name)?;
        match parsed.digest {
            Some(_) => Err(LoadError::Refused(format!("{name}: an image is loaded under a tag"))),
            None => Ok(parsed),
        }
    };
    match (name, found) {
        (Some(name), [one]) => Ok(vec![(parse(&name)?, one.root)]),
        (Some(_), _) => Err(LoadError::Refused(format!("the archive has {} images; one can be named", found.len()))),
        (None, found) => {
            let all = found.iter().flat_map(|one| one.names.iter().map(|name| (name, one.root)));
            // Some builders name the tag alone, which says nothing without a repository.
            let named: Vec<_> = all.filter(|(name, _)| name.contains([':', '/'])).collect();
            if named.is_empty() {
                return Err(LoadError::Refused(
                    "the archive gives its image no name: say one (--name NAME:TAG)".into(),
                ));
            }
            named.into_iter().map(|(name, root)| Ok((parse(name)?, root))).collect()
        }
    }
}

/// The parts of images among the store's blobs.
pub(super) struct Parts {
    lambda: Lambda,
    /// What refers to the parts that come in. It lasts as long as they may come, whoever has given up meanwhile.
    arrival: Option<Arc<Arrival>>,
    runtime: Handle,
}

impl Parts {
    fn of(arrival: &Arc<Arrival>) -> Parts {
        Parts { lambda: arrival.lambda.clone(), arrival: Some(arrival.clone()), runtime: Handle::current() }
    }

    /// Refers to a part, so that nobody collects it, and then does what is to be done with it.
    fn held<T>(&self, id: BlobId, then: impl Future<Output = Result<T, Failure>>) -> Result<T, oci::Error> {
        let arrival = self.arrival.as_ref().map(|arrival| arrival.id.clone()).unwrap_or_default();
        let done = async {
            // A collection under way may have looked for references already.
            let _no_collection = self.lambda.collection.read().await;
            self.lambda.store.transact(move |tx| arrive(tx, &arrival, &[id])).await?;
            then.await
        };
        self.runtime.block_on(done).map_err(|error| oci::Error::Io(io::Error::other(error.to_string())))
    }
}

impl Blobs for Parts {
    fn put(&self, content: &mut dyn Read, expected: Option<Digest>, bytes_max: u64) -> Result<Digest, oci::Error> {
        let failed = |error: store::Error| oci::Error::Io(io::Error::other(error));
        let mut writer = self.lambda.store.blobs().writer(bytes_max).map_err(failed)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match content.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => writer.append(&chunk[..count]).map_err(failed)?,
                // Cut off, or more than was promised: its sender's fault.
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
                    return Err(oci::Error::Refused(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let id = writer.id();
        if let Some(expected) = expected.filter(|expected| blob_id(*expected) != id) {
            return Err(oci::Error::Refused(format!("the content of {expected} is another")));
        }
        Ok(digest(self.held(id, async { Ok(writer.finish().await?) })?))
    }

    fn has(&self, wanted: Digest) -> Result<bool, oci::Error> {
        let id = blob_id(wanted);
        self.held(id, async { Ok(self.lambda.store.blobs().exists(id)?) })
    }

    fn open(&self, wanted: Digest) -> Result<Box<dyn Read + Send>, oci::Error> {
        let path = self.lambda.store.blobs().path(blob_id(wanted)).map_err(|_| oci::Error::Missing(wanted))?;
        Ok(Box::new(std::fs::File::open(path)?))
    }
}

fn refused(error: oci::Error) -> Refused {
    match error {
        oci::Error::Io(error) => Refused::Write(error),
        other => Refused::Unreadable(other.to_string()),
    }
}

pub(super) fn blob_id(digest: Digest) -> BlobId {
    BlobId::from(digest.0)
}

fn digest(id: BlobId) -> Digest {
    Digest(*id.as_bytes())
}

impl ImageOverrides {
    /// As a caller sets them; empty is as if it were not there.
    pub(crate) fn of(config: &ImageConfig) -> ImageOverrides {
        ImageOverrides {
            entry_point: config.entry_point.clone().filter(|words| !words.is_empty()),
            command: config.command.clone().filter(|words| !words.is_empty()),
            directory: config.working_directory.clone().filter(|directory| !directory.is_empty()),
        }
    }
}

impl ImageCode {
    /// How it is run, with what its user wants otherwise. `own_path`: the function's variable PATH.
    pub(crate) fn process(&self, overrides: &ImageOverrides, root: &Path, own_path: Option<&String>) -> ImageProcess {
        let entry_point = overrides.entry_point.as_ref().unwrap_or(&self.entry_point);
        let command = overrides.command.as_ref().unwrap_or(&self.command);
        let directory = overrides.directory.as_ref().unwrap_or(&self.directory).clone();
        let mut argv: Vec<String> = entry_point.iter().chain(command).cloned().collect();
        let of_image = self.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
        let search = own_path.or(of_image).map_or(PATH, String::as_str);
        let program = argv.first().and_then(|program| oci::resolve_program(root, program, search, &directory));
        // One that is not there stays as it is written, for the kernel to refuse by its name.
        if let Some(program) = program {
            argv[0] = program;
        }
        ImageProcess { argv, env: self.env.clone(), directory }
    }
}
