//! CreateFunction.

use std::collections::BTreeMap;

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{self, CodeSigningConfigArn};
use crate::lambda::configuration::{
    Architecture, DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig, FunctionConfiguration,
    ImageConfig, LoggingConfig, PackageType, SnapStart, TracingConfig, VpcConfig,
};
use crate::lambda::debugging;
use crate::lambda::deployment::Source;
use crate::lambda::error::{Failure, conflict, invalid};
use crate::lambda::function::{Stamp, publish, replace_version};
use crate::lambda::layer::{self, LayerTarget, LayerVersionArn};
use crate::lambda::lineage::RecursiveLoop;
use crate::lambda::name::{FunctionName, Target};
use crate::lambda::records::{
    Code, FUNCTIONS, FunctionRecord, Mark, RuntimeManagement, SETTLING, Settings, State, Update, VersionRecord,
};
use crate::lambda::settings::{Change, NotBuilt, check_package_type};

use super::tag_resource::check_tags;

/// Creates a function: Pending at first, Active a moment later.
#[derive(Shape, Default)]
#[shape(name = "CreateFunctionRequest")]
pub struct CreateFunction {
    /// Its name, at most 64 characters, or an ARN that contains it.
    pub function_name: FunctionName,
    /// AWS's name of a runtime.
    pub runtime: Option<String>,
    /// The execution role.
    #[shape(pattern = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")]
    pub role: String,
    /// The entry point.
    #[shape(length(0..=128), pattern = r"[^\s]+")]
    pub handler: Option<String>,
    /// The code.
    pub code: FunctionCode,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// Seconds, 3 by default.
    #[shape(range(1..=900))]
    pub timeout: Option<i32>,
    /// MB, 128 by default.
    #[shape(range(128..=10_240))]
    pub memory_size: Option<i32>,
    /// Publishes version 1 as well.
    pub publish: Option<bool>,
    /// Not built yet.
    pub vpc_config: Option<VpcConfig>,
    /// Zip by default.
    pub package_type: Option<PackageType>,
    /// Where asynchronous events go that failed.
    pub dead_letter_config: Option<DeadLetterConfig>,
    /// Variables for the function.
    pub environment: Option<Environment>,
    /// Not built yet.
    #[shape(name = "KMSKeyArn", pattern = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")]
    pub kms_key_arn: Option<String>,
    /// Whether requests are sampled for tracing.
    pub tracing_config: Option<TracingConfig>,
    /// Tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Layers, at most five; a later one's files win.
    pub layers: Option<Vec<LayerVersionArn>>,
    /// Not built yet.
    #[shape(length(0..=1))]
    pub file_system_configs: Option<Vec<FileSystemConfig>>,
    /// What a container image is to do otherwise.
    pub image_config: Option<ImageConfig>,
    /// Whose signatures its packages must bear.
    pub code_signing_config_arn: Option<CodeSigningConfigArn>,
    /// One instruction set, x86_64 by default.
    #[shape(length(1..=1))]
    pub architectures: Option<Vec<Architecture>>,
    /// Size of `/tmp`, 512 MB by default.
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// Whether published versions are restored from snapshots.
    pub snap_start: Option<SnapStart>,
    /// Where logs go and how they look.
    pub logging_config: Option<LoggingConfig>,
    /// Not built yet; refused whole, so its members are not declared.
    pub capacity_provider_config: Option<serde_json::Value>,
    /// Not built yet.
    pub publish_to: Option<String>,
    /// Not built yet; refused whole.
    pub durable_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub tenancy_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub accelerator_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub runtime_config: Option<serde_json::Value>,
}

/// The code of a new function.
#[derive(Shape, Default)]
pub struct FunctionCode {
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
    /// Not built yet.
    #[shape(name = "SourceKMSKeyArn")]
    pub source_kms_key_arn: Option<String>,
}

/// Where a package that came from S3 is kept.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3ObjectStorageMode {
    /// With Lambda.
    #[shape(value = "COPY")]
    Copy,
    /// In its bucket.
    #[shape(value = "REFERENCE")]
    Reference,
}

impl Operation<Lambda> for CreateFunction {
    const META: Meta = Meta::write("CreateFunction").http("POST", "/2015-03-31/functions").status(201);
    type Output = FunctionConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
        LayerTarget::need_all(need, self.layers.as_deref());
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionConfiguration, Error> {
        let target = Target::new_function(cx, &self.function_name)?;
        self.refuse_not_built()?;
        lambda.check_dead_letters(self.dead_letter_config.as_ref())?;
        debugging::check(cx, &lambda.config, self.environment.as_ref())?;
        let tags = self.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        let settings = self.settings(&target)?;
        // Before the zip is unpacked, since that costs; the transaction looks again.
        match lambda.function(&target).await {
            Ok(_) => return Err(exists(&target)),
            Err(Failure::Aws(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
        let staged = lambda.stage(cx, &self.source(), "CreateFunction").await;
        let staged = staged.inspect_err(|_| lambda.collect_later())?;
        let new = New {
            target: target.clone(),
            settings,
            layers: self.layers.clone().unwrap_or_default(),
            code: staged.code.clone(),
            looks_signed: staged.looks_signed,
            code_signing: self.code_signing_config_arn.as_ref().map(|arn| arn.0.clone()),
            tags,
            publish: self.publish == Some(true),
            stamp: Stamp::new(cx),
        };
        let created = lambda.store.transact(move |tx| new.write(tx)).await;
        drop(staged);
        lambda.forget(&target);
        let (latest, published) = created.inspect_err(|_| lambda.collect_later())?;
        lambda.settle_later(&target, 0);
        if let Some(version) = &published {
            lambda.settle_later(&target, version.number);
        }
        // AWS shows the published version here, and yet the ARN without it.
        Ok(FunctionConfiguration::of(&target, None, published.as_ref().unwrap_or(&latest)))
    }
}

impl CreateFunction {
    fn settings(&self, target: &Target) -> Result<Settings, Error> {
        let is_image = self.check_package()?;
        if !is_image && (self.runtime.is_none() || self.handler.is_none()) {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
        Settings::defaults(&target.name).with(Change {
            runtime: self.runtime.clone(),
            handler: self.handler.clone(),
            role: Some(self.role.clone()),
            description: self.description.clone(),
            timeout: self.timeout,
            memory_size: self.memory_size,
            environment: self.environment.clone(),
            architecture: self.architectures.as_ref().and_then(|list| list.first().copied()),
            ephemeral_storage: self.ephemeral_storage.clone(),
            logging_config: self.logging_config.clone(),
            image_config: self.image_config.clone(),
            snap_start: self.snap_start.clone(),
            tracing_config: self.tracing_config.clone(),
            dead_letter_config: self.dead_letter_config.clone(),
        })
    }

    /// Whether it is to be an image. Refuses what does not go with that, or with the contrary.
    fn check_package(&self) -> Result<bool, Error> {
        let package_type = self.package_type.unwrap_or(PackageType::Zip);
        let is_image = package_type == PackageType::Image;
        let has_layers = self.layers.as_ref().is_some_and(|layers| !layers.is_empty());
        let of_zips = [self.runtime.is_some(), self.handler.is_some(), has_layers];
        check_package_type(package_type, of_zips, self.image_config.as_ref())?;
        if is_image != self.code.image_uri.is_some() {
            let (does, kind) = if is_image { ("", "Image") } else { ("don't ", "Zip") };
            return Err(invalid(format!(
                "Please {does}provide ImageUri when creating a function with packageType {kind}."
            )));
        }
        if is_image && self.code_signing_config_arn.is_some() {
            return Err(invalid("Code signing is not supported for functions created with container images."));
        }
        Ok(is_image)
    }

    fn refuse_not_built(&self) -> Result<(), Error> {
        NotBuilt {
            vpc_config: self.vpc_config.as_ref(),
            kms_key_arn: self.kms_key_arn.as_deref(),
            file_system_configs: self.file_system_configs.as_deref(),
            others: &[
                ("CapacityProviderConfig", self.capacity_provider_config.is_some()),
                ("PublishTo", self.publish_to.is_some()),
                ("DurableConfig", self.durable_config.is_some()),
                ("TenancyConfig", self.tenancy_config.is_some()),
                ("AcceleratorConfig", self.accelerator_config.is_some()),
                ("RuntimeConfig", self.runtime_config.is_some()),
            ],
        }
        .refuse()
    }
}

impl CreateFunction {
    fn source(&self) -> Source<'_> {
        Source {
            zip_file: self.code.zip_file.as_ref(),
            s3_bucket: self.code.s3_bucket.as_deref(),
            s3_key: self.code.s3_key.as_deref(),
            s3_object_version: self.code.s3_object_version.as_deref(),
            s3_object_storage_mode: self.code.s3_object_storage_mode,
            image_uri: self.code.image_uri.as_deref(),
            source_kms_key_arn: self.code.source_kms_key_arn.as_deref(),
            architecture: self.architectures.as_ref().and_then(|list| list.first().copied()),
        }
    }
}

struct New {
    target: Target,
    settings: Settings,
    layers: Vec<LayerVersionArn>,
    code: Code,
    looks_signed: bool,
    code_signing: Option<String>,
    tags: BTreeMap<String, String>,
    publish: bool,
    stamp: Stamp,
}

impl New {
    fn write(&self, tx: &mut Tx<'_>) -> Result<(VersionRecord, Option<VersionRecord>), Failure> {
        let key = self.target.key();
        if tx.exists(FUNCTIONS, &key)? {
            return Err(exists(&self.target).into());
        }
        let mut latest = VersionRecord {
            number: 0,
            settings: self.settings.clone(),
            code: self.code.clone(),
            revision_id: self.stamp.revision_id(),
            deployment_id: self.stamp.revision_id(),
            modified: self.stamp.now(),
            state: State::Pending,
            update: Update::None,
            runtime_management: RuntimeManagement::default(),
        };
        latest.settings.layers = layer::attach(tx, &self.target, &self.layers)?;
        layer::check_sizes(&latest)?;
        replace_version(tx, &self.target, None, Some(&latest))?;
        let mut function = FunctionRecord {
            latest,
            changes: 1,
            published: None,
            tags: self.tags.clone(),
            policies: BTreeMap::new(),
            urls: BTreeMap::new(),
            recursive_loop: RecursiveLoop::default(),
            code_signing: None,
        };
        code_signing::assign(tx, &self.target, &mut function, self.code_signing.as_deref())?;
        code_signing::admit(tx, &self.target, &function, self.looks_signed)?;
        tx.put(SETTLING, &self.target.version_key(0), &Mark {})?;
        let publication =
            self.publish.then(|| publish(tx, &self.target, &mut function, None, &self.stamp)).transpose()?;
        tx.put(FUNCTIONS, &key, &function)?;
        Ok((function.latest, publication))
    }
}

fn exists(target: &Target) -> Error {
    conflict(format!("Function already exist: {}", target.name))
}
