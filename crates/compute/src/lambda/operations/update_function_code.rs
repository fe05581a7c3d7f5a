//! UpdateFunctionCode.

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing;
use crate::lambda::configuration::{Architecture, FunctionConfiguration, PackageType};
use crate::lambda::deployment::Source;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::function::{Stamp, begin_update, check_revision, check_settled, load, publish, replace_version};
use crate::lambda::layer;
use crate::lambda::name::{FunctionName, Qualifier, Target};
use crate::lambda::records::{Code, FUNCTIONS, FunctionRecord, VersionRecord};

use super::create_function::S3ObjectStorageMode;

/// Gives `$LATEST` new code.
#[derive(Shape, Default)]
#[shape(name = "UpdateFunctionCodeRequest")]
pub struct UpdateFunctionCode {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
    /// A zip of at most 50 MB.
    #[shape(sensitive)]
    pub zip_file: Option<Bytes>,
    /// A bucket: only `hot-reload` so far.
    #[shape(length(3..=63), pattern = r"[0-9A-Za-z\.\-_]*")]
    pub s3_bucket: Option<String>,
    /// A key in it.
    #[shape(length(1..=1024))]
    pub s3_key: Option<String>,
    /// A version of it.
    #[shape(length(1..=1024))]
    pub s3_object_version: Option<String>,
    /// Whether the package stays where it is; not built yet, since code from S3 is not.
    pub s3_object_storage_mode: Option<S3ObjectStorageMode>,
    /// The name of a container image that was loaded into this node, or that a registry has.
    pub image_uri: Option<String>,
    /// Publishes a version as well.
    pub publish: Option<bool>,
    /// Checks everything and changes nothing.
    pub dry_run: Option<bool>,
    /// The revision that the caller has seen.
    pub revision_id: Option<String>,
    /// A new instruction set.
    #[shape(length(1..=1))]
    pub architectures: Option<Vec<Architecture>>,
    /// Not built yet.
    #[shape(name = "SourceKMSKeyArn")]
    pub source_kms_key_arn: Option<String>,
    /// Not built yet.
    pub publish_to: Option<String>,
}

impl Operation<Lambda> for UpdateFunctionCode {
    const META: Meta = Meta::write("UpdateFunctionCode").http("PUT", "/2015-03-31/functions/{FunctionName}/code");
    type Output = FunctionConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        if self.publish_to.is_some() {
            return Err(Error::not_implemented("lambda's setting PublishTo"));
        }
        // Before the zip is unpacked, since that costs; the transaction looks again.
        let present = lambda.function(&target).await?.latest;
        check_revision(&present, self.revision_id.as_deref())?;
        check_settled(&target, &present)?;
        self.check_package_type(present.package_type())?;
        let staged = lambda.stage(cx, &self.source(&present), "UpdateFunctionCode").await;
        let staged = staged.inspect_err(|_| lambda.collect_later())?;
        let update = CodeUpdate {
            target: target.clone(),
            code: staged.code.clone(),
            looks_signed: staged.looks_signed,
            architecture: self.architecture(),
            revision_id: self.revision_id.clone(),
            publish: self.publish == Some(true),
            stamp: Stamp::new(cx),
        };
        if self.dry_run == Some(true) {
            let shown = update.applied(present);
            let rehearsed = lambda.store.rehearse(move |tx| update.write(tx)).await;
            drop(staged);
            lambda.collect_later();
            rehearsed?;
            return Ok(FunctionConfiguration::of(&target, None, &shown));
        }
        let updated = lambda.store.transact(move |tx| update.write(tx)).await;
        drop(staged);
        lambda.forget(&target);
        lambda.collect_later();
        let (latest, published) = updated?;
        lambda.settle_later(&target, 0);
        let Some(version) = published else {
            return Ok(FunctionConfiguration::of(&target, None, &latest));
        };
        lambda.settle_later(&target, version.number);
        Ok(FunctionConfiguration::of(&target, Some(&Qualifier::Version(version.number)), &version))
    }
}

impl UpdateFunctionCode {
    fn architecture(&self) -> Option<Architecture> {
        self.architectures.as_ref().and_then(|list| list.first().copied())
    }

    /// A function stays what it was created as.
    fn check_package_type(&self, package_type: PackageType) -> Result<(), Error> {
        let words = match (package_type, self.image_uri.is_some()) {
            (PackageType::Image, false) => "Please provide ImageUri when updating a function with packageType Image.",
            (PackageType::Zip, true) => "Please don't provide ImageUri when updating a function with packageType Zip.",
            _ => return Ok(()),
        };
        Err(invalid(words))
    }

    fn source(&self, present: &VersionRecord) -> Source<'_> {
        Source {
            zip_file: self.zip_file.as_ref(),
            s3_bucket: self.s3_bucket.as_deref(),
            s3_key: self.s3_key.as_deref(),
            s3_object_version: self.s3_object_version.as_deref(),
            s3_object_storage_mode: self.s3_object_storage_mode,
            image_uri: self.image_uri.as_deref(),
            source_kms_key_arn: self.source_kms_key_arn.as_deref(),
            architecture: self.architecture().or(Some(present.settings.architecture)),
        }
    }
}

struct CodeUpdate {
    target: Target,
    code: Code,
    looks_signed: bool,
    architecture: Option<Architecture>,
    revision_id: Option<String>,
    publish: bool,
    stamp: Stamp,
}

impl CodeUpdate {
    fn write(&self, tx: &mut Tx<'_>) -> Result<(VersionRecord, Option<VersionRecord>), Failure> {
        let FunctionRecord { latest, .. } = load(tx, &self.target)?;
        let mut function = load(tx, &self.target)?;
        check_revision(&latest, self.revision_id.as_deref())?;
        check_settled(&self.target, &latest)?;
        let new = self.applied(latest.clone());
        layer::check_sizes(&new)?;
        code_signing::admit(tx, &self.target, &function, self.looks_signed)?;
        replace_version(tx, &self.target, Some(&latest), Some(&new))?;
        // For AWS the same code sent again is a change, too.
        function.changes += 1;
        function.latest = new;
        begin_update(tx, &self.target, &mut function, &self.stamp)?;
        let published =
            self.publish.then(|| publish(tx, &self.target, &mut function, None, &self.stamp)).transpose()?;
        tx.put(FUNCTIONS, &self.target.key(), &function)?;
        Ok((function.latest, published))
    }

    fn applied(&self, mut latest: VersionRecord) -> VersionRecord {
        latest.code = self.code.clone();
        latest.settings.architecture = self.architecture.unwrap_or(latest.settings.architecture);
        latest
    }
}
