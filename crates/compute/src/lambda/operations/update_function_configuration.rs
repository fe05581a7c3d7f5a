//! UpdateFunctionConfiguration.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_signing;
use crate::lambda::configuration::{
    DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig, FunctionConfiguration, ImageConfig,
    LoggingConfig, SnapStart, TracingConfig, VpcConfig,
};
use crate::lambda::debugging;
use crate::lambda::error::Failure;
use crate::lambda::function::{Stamp, begin_update, check_revision, check_settled, load, replace_version};
use crate::lambda::layer::{self, LayerTarget, LayerVersionArn};
use crate::lambda::name::{FunctionName, Target};
use crate::lambda::records::{FUNCTIONS, VersionRecord};
use crate::lambda::settings::{Change, NotBuilt, check_package_type};

/// Changes the settings of `$LATEST`; what is absent stays.
#[derive(Shape, Default)]
#[shape(name = "UpdateFunctionConfigurationRequest")]
pub struct UpdateFunctionConfiguration {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
    /// The execution role.
    #[shape(pattern = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")]
    pub role: Option<String>,
    /// The entry point.
    #[shape(length(0..=128), pattern = r"[^\s]+")]
    pub handler: Option<String>,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// Seconds.
    #[shape(range(1..=900))]
    pub timeout: Option<i32>,
    /// MB.
    #[shape(range(128..=10_240))]
    pub memory_size: Option<i32>,
    /// Not built yet.
    pub vpc_config: Option<VpcConfig>,
    /// Variables for the function; they replace all earlier ones.
    pub environment: Option<Environment>,
    /// AWS's name of a runtime.
    pub runtime: Option<String>,
    /// Not built yet.
    pub dead_letter_config: Option<DeadLetterConfig>,
    /// Not built yet.
    #[shape(name = "KMSKeyArn", pattern = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")]
    pub kms_key_arn: Option<String>,
    /// Whether requests are sampled for tracing.
    pub tracing_config: Option<TracingConfig>,
    /// The revision that the caller has seen.
    pub revision_id: Option<String>,
    /// Layers; they replace all earlier ones.
    pub layers: Option<Vec<LayerVersionArn>>,
    /// Not built yet.
    #[shape(length(0..=1))]
    pub file_system_configs: Option<Vec<FileSystemConfig>>,
    /// What a container image is to do otherwise; it replaces all earlier overrides.
    pub image_config: Option<ImageConfig>,
    /// Size of `/tmp`.
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// Whether published versions are restored from snapshots.
    pub snap_start: Option<SnapStart>,
    /// Where logs go and how they look.
    pub logging_config: Option<LoggingConfig>,
    /// Not built yet; refused whole, so its members are not declared.
    pub capacity_provider_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub durable_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub accelerator_config: Option<serde_json::Value>,
    /// Not built yet; refused whole.
    pub runtime_config: Option<serde_json::Value>,
}

impl Operation<Lambda> for UpdateFunctionConfiguration {
    const META: Meta =
        Meta::write("UpdateFunctionConfiguration").http("PUT", "/2015-03-31/functions/{FunctionName}/configuration");
    type Output = FunctionConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
        LayerTarget::need_all(need, self.layers.as_deref());
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        self.refuse_not_built()?;
        lambda.check_dead_letters(self.dead_letter_config.as_ref())?;
        debugging::check(cx, &lambda.config, self.environment.as_ref())?;
        let (function, stamp) = (target.clone(), Stamp::new(cx));
        let (change, layers, revision_id) = (self.change(), self.layers, self.revision_id);
        let updated = lambda.store.transact(move |tx| {
            update(tx, &function, change.clone(), layers.as_deref(), revision_id.as_deref(), &stamp)
        });
        let updated = updated.await;
        lambda.forget(&target);
        lambda.collect_later();
        let latest = updated?;
        lambda.settle_later(&target, 0);
        Ok(FunctionConfiguration::of(&target, None, &latest))
    }
}

fn update(
    tx: &mut Tx<'_>,
    target: &Target,
    change: Change,
    layers: Option<&[LayerVersionArn]>,
    revision_id: Option<&str>,
    stamp: &Stamp,
) -> Result<VersionRecord, Failure> {
    let mut function = load(tx, target)?;
    check_revision(&function.latest, revision_id)?;
    check_settled(target, &function.latest)?;
    let of_zips = [change.runtime.is_some(), change.handler.is_some(), layers.is_some_and(|layers| !layers.is_empty())];
    check_package_type(function.latest.package_type(), of_zips, change.image_config.as_ref())?;
    let old = function.latest.clone();
    function.latest.settings = old.settings.clone().with(change)?;
    if let Some(layers) = layers {
        function.latest.settings.layers = layer::attach(tx, target, layers)?;
        layer::check_sizes(&function.latest)?;
        if !layers.is_empty() {
            code_signing::admit(tx, target, &function, false)?;
        }
        replace_version(tx, target, Some(&old), Some(&function.latest))?;
    }
    if function.latest.settings != old.settings {
        function.changes += 1;
    }
    begin_update(tx, target, &mut function, stamp)?;
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(function.latest)
}

impl UpdateFunctionConfiguration {
    fn change(&self) -> Change {
        Change {
            runtime: self.runtime.clone(),
            role: self.role.clone(),
            handler: self.handler.clone(),
            description: self.description.clone(),
            timeout: self.timeout,
            memory_size: self.memory_size,
            environment: self.environment.clone(),
            architecture: None,
            ephemeral_storage: self.ephemeral_storage.clone(),
            logging_config: self.logging_config.clone(),
            image_config: self.image_config.clone(),
            snap_start: self.snap_start.clone(),
            tracing_config: self.tracing_config.clone(),
            dead_letter_config: self.dead_letter_config.clone(),
        }
    }

    fn refuse_not_built(&self) -> Result<(), Error> {
        NotBuilt {
            vpc_config: self.vpc_config.as_ref(),
            kms_key_arn: self.kms_key_arn.as_deref(),
            file_system_configs: self.file_system_configs.as_deref(),
            others: &[
                ("CapacityProviderConfig", self.capacity_provider_config.is_some()),
                ("DurableConfig", self.durable_config.is_some()),
                ("AcceleratorConfig", self.accelerator_config.is_some()),
                ("RuntimeConfig", self.runtime_config.is_some()),
            ],
        }
        .refuse()
    }
}
