//! Deployment packages on their way in: from a request to a blob and an unpacked tree, and out again when nobody uses them.
//!
//! A package is *loose* from before it is stored until a version refers to it, and again when the last one stopped; a
//! loose package is removed by whoever looks next, and on start. So a crash at any point leaves nothing for ever.

use std::path::Path;
use std::sync::Arc;

use base::{Cx, Error};
use bytes::Bytes;
use store::{BlobId, Scan};
use tokio::sync::OwnedRwLockReadGuard;

use super::Lambda;
use super::code::{Refused, ZIPPED_BYTES_MAX, unzip};
use super::code_uses::mark_loose;
use super::configuration::Architecture;
use super::error::{Failure, invalid, request_too_large};
use super::image::Arrival;
use super::operations::S3ObjectStorageMode;
use super::records::{CODE_LOOSE, CODE_USES, Code, code_key};

/// Buckets whose objects are directories of the host, to be used in place: LocalStack's convention and its older form.
const HOT_RELOAD_BUCKETS: [&str; 2] = ["hot-reload", "__local__"];

/// Where a request says the code is.
#[derive(Debug, Default)]
pub(crate) struct Source<'a> {
    pub(crate) zip_file: Option<&'a Bytes>,
    pub(crate) s3_bucket: Option<&'a str>,
    pub(crate) s3_key: Option<&'a str>,
    pub(crate) s3_object_version: Option<&'a str>,
    pub(crate) s3_object_storage_mode: Option<S3ObjectStorageMode>,
    pub(crate) image_uri: Option<&'a str>,
    pub(crate) source_kms_key_arn: Option<&'a str>,
    /// For which an image is chosen.
    pub(crate) architecture: Option<Architecture>,
}

/// Code that is in place. Until a version refers to it nobody may collect garbage: keep it until after the commit.
pub(crate) struct Staged {
    pub(crate) code: Code,
    /// The package has what seems to be a signature.
    pub(crate) looks_signed: bool,
    _keep: Keep,
}

/// What keeps the collector off.
#[expect(dead_code, reason = "they are held, and their end is what counts")]
enum Keep {
    NoCollection(OwnedRwLockReadGuard<()>),
    Arrival(Arc<Arrival>),
}

enum Package<'a> {
    Image(&'a str),
    Zip(&'a Bytes),
    Directory(&'a str),
}

impl<'a> Source<'a> {
    fn package(&self, operation: &str) -> Result<Package<'a>, Error> {
        if let Some(uri) = self.image_uri {
            return match self.zip_file.is_some() || self.s3_bucket.is_some() {
                true => Err(invalid("Please do not provide other FunctionCode parameters when providing an ImageUri.")),
                false => Ok(Package::Image(uri)),
            };
        }
        if self.source_kms_key_arn.is_some_and(|arn| !arn.is_empty()) {
            return Err(Error::not_implemented("lambda's setting Code.SourceKMSKeyArn"));
        }
        if self.s3_object_storage_mode.is_some() && self.zip_file.is_none() {
            return Err(Error::not_implemented("lambda's setting Code.S3ObjectStorageMode"));
        }
        match (self.zip_file, self.s3_bucket) {
            (Some(_), None)
                if self.s3_key.is_some()
                    || self.s3_object_version.is_some()
                    || self.s3_object_storage_mode.is_some() =>
            {
                Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
            }
            (Some(_), Some(_)) => {
                Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
            }
            (Some(zip), None) if zip.len() > ZIPPED_BYTES_MAX => Err(request_too_large(operation)),
            (Some(zip), None) if zip.is_empty() => Err(Refused::Empty).map_err(|error| Failure::from(error).into()),
            (Some(zip), None) => Ok(Package::Zip(zip)),
            (None, Some(bucket)) if HOT_RELOAD_BUCKETS.contains(&bucket) => {
                Ok(Package::Directory(self.s3_key.unwrap_or_default()))
            }
            (None, Some(_)) => Err(Error::not_implemented("lambda's setting Code.S3Bucket (code from S3)")),
            (None, None) => Err(invalid("Please provide a source for function code.")),
        }
    }
}

impl Lambda {
    /// Brings code into place: the zip stored, the tree unpacked, or all of it refused with nothing left behind.
    pub(crate) async fn stage(&self, cx: &Cx, source: &Source<'_>, operation: &str) -> Result<Staged, Failure> {
        let package = source.package(operation)?;
        if let Package::Zip(zip) = &package {
            self.admit_code(cx.account, &cx.region, zip.len() as u64).await?;
        }
        if let Package::Image(uri) = package {
            let architecture = source.architecture.unwrap_or(Architecture::X86_64);
            let (image, arrival) = self.stage_image(cx, uri, architecture).await?;
            return Ok(Staged { code: Code::Image(image), looks_signed: false, _keep: Keep::Arrival(arrival) });
        }
        let no_collection = self.collection.clone().read_owned().await;
        let (code, looks_signed) = match package {
            Package::Directory(directory) => (self.hot_reload(cx, directory)?, false),
            Package::Zip(zip) => (self.stage_zip(zip).await?, unzip::looks_signed(zip)?),
            Package::Image(_) => unreachable!("answered above"),
        };
        Ok(Staged { code, looks_signed, _keep: Keep::NoCollection(no_collection) })
    }

    async fn stage_zip(&self, zip: &Bytes) -> Result<Code, Failure> {
        let hashed = zip.clone();
        let id = tokio::task::spawn_blocking(move || BlobId::of(&hashed)).await;
        let id = id.map_err(|panic| Refused::Write(std::io::Error::other(panic)))?;
        self.store.transact(move |tx| mark_loose(tx, id)).await?;
        self.code.unpack(id, zip.clone()).await?;
        let unzipped_bytes = unzip::unzipped_bytes(zip)?;
        self.store.blobs().put(zip.clone()).await?;
        Ok(Code::Zip { id, bytes: zip.len() as u64, unzipped_bytes })
    }

    fn hot_reload(&self, cx: &Cx, directory: &str) -> Result<Code, Error> {
        if cx.origin.from_sandbox {
            // A function must not get to see the host's files by making another function of them.
            return Err(Error::access_denied("The hot-reload bucket is for callers outside of functions."));
        }
        if !self.config.hot_reload {
            return Err(Error::access_denied("The hot-reload bucket is off: this server listens beyond loopback."));
        }
        if !Path::new(directory).is_absolute() || !Path::new(directory).is_dir() {
            return Err(invalid(format!(
                "S3Key of the bucket hot-reload must be the absolute path of a directory on this host: '{directory}'"
            )));
        }
        Ok(Code::HotReload { directory: directory.to_owned() })
    }

    /// Removes loose packages in the background.
    pub(crate) fn collect_later(&self) {
        let lambda = self.clone();
        tokio::spawn(async move {
            if let Err(error) = lambda.collect().await {
                tracing::warn!(%error, "cannot remove unused code; the next change or start will");
            }
        });
    }

    /// Removes loose packages.
    pub(crate) async fn collect(&self) -> Result<(), Failure> {
        if self.store.scan(CODE_LOOSE, Scan::all().limit(1)).await?.is_empty() {
            return Ok(());
        }
        let _nobody_stages = self.collection.write().await;
        for (key, _) in self.store.scan(CODE_LOOSE, Scan::all()).await? {
            let Some(id) = key.parts::<String>().and_then(|id| id.parse::<BlobId>().ok()) else {
                continue;
            };
            if self.store.scan(CODE_USES, Scan::under(id.to_string()).limit(1)).await?.is_empty() {
                self.code.retire(id).await;
                self.store.blobs().delete(id).await?;
            }
            self.store.transact(move |tx| tx.delete(CODE_LOOSE, &code_key(id)).map_err(Failure::from)).await?;
        }
        Ok(())
    }
}
