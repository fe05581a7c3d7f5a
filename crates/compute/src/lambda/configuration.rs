//! The configuration of a function as the API shows it, and the shapes that setting it shares with showing it.
//!
//! Absent is not empty: what AWS leaves out is `None` here. Members of features that are not built yet (VPC, file systems, …) are declared where
//! they come in, so that they can be refused, and left out where they would go out.

use std::collections::BTreeMap;

use base::Region;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shape::Shape;

use super::layer::AttachedLayer;
use super::name::{Qualifier, Target};
use super::records::{Code, ImageOverrides, Logging, State, Update, VersionRecord};
use super::snapstart::INIT_FAILED;

/// A function version's settings and state.
#[derive(Shape, Clone, Debug, Default)]
pub struct FunctionConfiguration {
    /// The name.
    pub function_name: Option<String>,
    /// The ARN, with the version if a version was asked for.
    pub function_arn: Option<String>,
    /// AWS's name of the runtime.
    pub runtime: Option<String>,
    /// The execution role's ARN.
    pub role: Option<String>,
    /// The entry point.
    pub handler: Option<String>,
    /// Size of the zip in bytes.
    pub code_size: Option<i64>,
    /// The description, `""` if there is none.
    pub description: Option<String>,
    /// Seconds an invocation may take.
    pub timeout: Option<i32>,
    /// Memory in MB.
    pub memory_size: Option<i32>,
    /// When it was last changed, `2026-11-22T16:00:00.123+0000`.
    pub last_modified: Option<String>,
    /// SHA-256 of the zip, base64.
    pub code_sha256: Option<String>,
    /// `$LATEST` or a number.
    pub version: Option<String>,
    /// Environment variables, if they were ever set.
    pub environment: Option<EnvironmentResponse>,
    /// Whether requests are sampled for tracing.
    pub tracing_config: Option<TracingConfig>,
    /// Changes whenever anything about the version does.
    pub revision_id: Option<String>,
    /// Whether it can be invoked.
    pub state: Option<String>,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// The same as a code.
    pub state_reason_code: Option<String>,
    /// What became of the last update.
    pub last_update_status: Option<String>,
    /// Why.
    pub last_update_status_reason: Option<String>,
    /// The same as a code.
    pub last_update_status_reason_code: Option<String>,
    /// The layers, if there are any.
    pub layers: Option<Vec<Layer>>,
    /// `Zip` or `Image`.
    pub package_type: Option<PackageType>,
    /// What an image is to do otherwise, if anything.
    pub image_config_response: Option<ImageConfigResponse>,
    /// The one instruction set.
    pub architectures: Option<Vec<Architecture>>,
    /// Size of `/tmp`.
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// Whether it is restored from a snapshot.
    pub snap_start: Option<SnapStartResponse>,
    /// Which build of the runtime is used.
    pub runtime_version_config: Option<RuntimeVersionConfig>,
    /// Where logs go.
    pub logging_config: Option<LoggingConfig>,
    /// Where asynchronous events go that could not be run; left out if there is none.
    pub dead_letter_config: Option<DeadLetterConfig>,
}

/// A layer version that a function uses.
#[derive(Shape, Clone, Debug)]
pub struct Layer {
    /// The layer version.
    pub arn: Option<String>,
    /// Size of its package in bytes.
    pub code_size: Option<i64>,
}

impl From<&AttachedLayer> for Layer {
    fn from(layer: &AttachedLayer) -> Layer {
        Layer { arn: Some(layer.arn.clone()), code_size: Some(layer.bytes as i64) }
    }
}

/// `Zip` or `Image`.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageType {
    /// A zip.
    Zip,
    /// A container image.
    Image,
}

/// The instruction set code was built for.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[shape(value = "x86_64")]
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[shape(value = "arm64")]
    #[serde(rename = "arm64")]
    Arm64,
}

/// Environment variables, as set.
#[derive(Shape, Clone, Debug, Default)]
pub struct Environment {
    /// By name.
    #[shape(sensitive)]
    pub variables: Option<BTreeMap<String, String>>,
}

/// Environment variables, as shown.
#[derive(Shape, Clone, Debug, Default)]
pub struct EnvironmentResponse {
    /// By name.
    #[shape(sensitive)]
    pub variables: Option<BTreeMap<String, String>>,
}

/// Size of `/tmp`.
#[derive(Shape, Clone, Debug)]
pub struct EphemeralStorage {
    /// In MB.
    #[shape(range(512..=10_240))]
    pub size: i32,
}

/// X-Ray tracing.
#[derive(Shape, Clone, Debug, Default)]
pub struct TracingConfig {
    /// `PassThrough` is the default.
    pub mode: Option<TracingMode>,
}

/// Whether Lambda itself traces.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracingMode {
    /// It samples requests whose callers have not decided.
    Active,
    /// It traces what its callers have decided to.
    PassThrough,
}

/// Snapshots of initialised environments, as set.
#[derive(Shape, Clone, Debug, Default)]
pub struct SnapStart {
    /// `None` is the default.
    pub apply_on: Option<SnapStartApplyOn>,
}

/// Snapshots of initialised environments, as shown.
#[derive(Shape, Clone, Debug)]
pub struct SnapStartResponse {
    /// As set.
    pub apply_on: Option<SnapStartApplyOn>,
    /// `On` for published versions of such functions, else `Off`.
    pub optimization_status: Option<String>,
}

/// What SnapStart applies to.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapStartApplyOn {
    /// Published versions.
    PublishedVersions,
    /// Nothing.
    None,
}

/// Which build of the runtime is used.
#[derive(Shape, Clone, Debug)]
pub struct RuntimeVersionConfig {
    /// `arn:aws:lambda:us-east-1::runtime:…`.
    pub runtime_version_arn: Option<String>,
}

/// Where and how logs are written.
#[derive(Shape, Clone, Debug, Default)]
pub struct LoggingConfig {
    /// Text by default.
    pub log_format: Option<LogFormat>,
    /// Least level of the function's own lines, with JSON.
    pub application_log_level: Option<LogLevel>,
    /// Least level of Lambda's lines, with JSON.
    pub system_log_level: Option<SystemLogLevel>,
    /// `/aws/lambda/<function>` by default.
    #[shape(length(1..=512), pattern = r"[\.\-_/#A-Za-z0-9]+")]
    pub log_group: Option<String>,
}

/// How log lines look.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// One JSON document a line.
    #[shape(value = "JSON")]
    #[serde(rename = "JSON")]
    Json,
    /// As the function writes them.
    Text,
}

/// Levels of the function's own lines.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Finest.
    #[shape(value = "TRACE")]
    Trace,
    /// For developers.
    #[shape(value = "DEBUG")]
    Debug,
    /// The default.
    #[shape(value = "INFO")]
    Info,
    /// Something is odd.
    #[shape(value = "WARN")]
    Warn,
    /// Something failed.
    #[shape(value = "ERROR")]
    Error,
    /// All failed.
    #[shape(value = "FATAL")]
    Fatal,
}

impl LogLevel {
    /// As the environment variable `AWS_LAMBDA_LOG_LEVEL` has it.
    pub fn name(&self) -> &'static str {
        match self {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
            LogLevel::Fatal => "FATAL",
        }
    }
}

/// Levels of Lambda's lines.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SystemLogLevel {
    /// Everything.
    #[shape(value = "DEBUG")]
    Debug,
    /// The default: start, report, end.
    #[shape(value = "INFO")]
    Info,
    /// Only trouble.
    #[shape(value = "WARN")]
    Warn,
}

/// A VPC to run in: not built yet, so only an empty one is taken.
#[derive(Shape, Clone, Debug, Default)]
pub struct VpcConfig {
    /// Subnets.
    #[shape(length(0..=16))]
    pub subnet_ids: Option<Vec<String>>,
    /// Security groups.
    #[shape(length(0..=5))]
    pub security_group_ids: Option<Vec<String>>,
    /// IPv6 egress.
    pub ipv6_allowed_for_dual_stack: Option<bool>,
}

/// Where asynchronous events go that could not be run.
#[derive(Shape, Clone, Debug, Default)]
pub struct DeadLetterConfig {
    /// A queue or topic.
    #[shape(pattern = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")]
    pub target_arn: Option<String>,
}

/// A file system to mount: not built yet.
#[derive(Shape, Clone, Debug)]
pub struct FileSystemConfig {
    /// An access point.
    #[shape(length(0..=256))]
    pub arn: String,
    /// Where.
    #[shape(length(0..=160), pattern = r"/mnt/[a-zA-Z0-9-_.]+")]
    pub local_mount_path: String,
}

/// What a container image is to do otherwise than it says itself.
#[derive(Shape, Clone, Debug, Default)]
pub struct ImageConfig {
    /// The program.
    #[shape(length(0..=1500))]
    pub entry_point: Option<Vec<String>>,
    /// Its arguments.
    #[shape(length(0..=1500))]
    pub command: Option<Vec<String>>,
    /// Where it runs.
    #[shape(length(0..=1000))]
    pub working_directory: Option<String>,
}

/// The same as shown.
#[derive(Shape, Clone, Debug, Default)]
pub struct ImageConfigResponse {
    /// As set.
    pub image_config: Option<ImageConfig>,
}

impl ImageConfigResponse {
    fn of(image: &ImageOverrides) -> Option<ImageConfigResponse> {
        let ImageOverrides { entry_point, command, directory } = image.clone();
        let shown = ImageConfig { entry_point, command, working_directory: directory };
        (*image != ImageOverrides::default()).then_some(ImageConfigResponse { image_config: Some(shown) })
    }
}

/// AWS says this of functions and of updates alike.
const CREATING: &str = "The function is being created.";

impl FunctionConfiguration {
    /// A version as GetFunction, CreateFunction and the updates show it. `qualifier` goes into the ARN.
    pub(crate) fn of(target: &Target, qualifier: Option<&Qualifier>, record: &VersionRecord) -> FunctionConfiguration {
        let is_image = matches!(record.code, Code::Image(_));
        let settings = &record.settings;
        let arn = qualifier.map_or_else(|| target.function_arn(), |qualifier| target.qualified_arn(qualifier));
        let shown = FunctionConfiguration {
            function_name: Some(target.name.clone()),
            function_arn: Some(arn.to_string()),
            runtime: Some(settings.runtime.clone()).filter(|runtime| !runtime.is_empty()),
            role: Some(settings.role.clone()),
            handler: Some(settings.handler.clone()).filter(|handler| !handler.is_empty()),
            code_size: Some(record.code.bytes() as i64),
            description: Some(settings.description.clone()),
            timeout: Some(settings.timeout_secs as i32),
            memory_size: Some(settings.memory_mb as i32),
            last_modified: Some(record.modified.to_lambda()),
            code_sha256: Some(record.code.sha256()),
            version: Some(record.version()),
            environment: settings.environment.clone().map(|v| EnvironmentResponse { variables: Some(v) }),
            tracing_config: Some(TracingConfig {
                mode: Some(if settings.tracing_active { TracingMode::Active } else { TracingMode::PassThrough }),
            }),
            revision_id: Some(record.revision_id.clone()),
            layers: Some(settings.layers.iter().map(Layer::from).collect()).filter(|all: &Vec<Layer>| !all.is_empty()),
            package_type: Some(if is_image { PackageType::Image } else { PackageType::Zip }),
            image_config_response: ImageConfigResponse::of(&settings.image),
            architectures: Some(vec![settings.architecture]),
            ephemeral_storage: Some(EphemeralStorage { size: settings.ephemeral_storage_mb as i32 }),
            snap_start: Some(SnapStartResponse {
                apply_on: Some(match settings.snap_start {
                    true => SnapStartApplyOn::PublishedVersions,
                    false => SnapStartApplyOn::None,
                }),
                optimization_status: Some(if record.snap_starts() { "On" } else { "Off" }.to_owned()),
            }),
            runtime_version_config: (!is_image).then(|| RuntimeVersionConfig::of(&target.region, &settings.runtime)),
            logging_config: Some(settings.logging.shown()),
            dead_letter_config: settings
                .dead_letter_target
                .clone()
                .map(|target| DeadLetterConfig { target_arn: Some(target) }),
            ..FunctionConfiguration::default()
        };
        shown.with_state(&record.state).with_update(&record.update)
    }

    /// As the listing operations show it: AWS leaves state and runtime version out there.
    pub(crate) fn listed(target: &Target, qualifier: Option<&Qualifier>, record: &VersionRecord) -> Self {
        FunctionConfiguration {
            state: None,
            state_reason: None,
            state_reason_code: None,
            last_update_status: None,
            last_update_status_reason: None,
            last_update_status_reason_code: None,
            runtime_version_config: None,
            ..FunctionConfiguration::of(target, qualifier, record)
        }
    }

    fn with_state(self, state: &State) -> Self {
        let (name, reason, code) = match state {
            State::Pending => ("Pending", Some(CREATING.to_owned()), Some("Creating")),
            State::Active => ("Active", None, None),
            State::Failed(reason) if reason == INIT_FAILED => ("Failed", Some(reason.clone()), Some("FunctionError")),
            State::Failed(reason) => ("Failed", Some(reason.clone()), Some("InternalError")),
        };
        let code = code.map(str::to_owned);
        FunctionConfiguration { state: Some(name.to_owned()), state_reason: reason, state_reason_code: code, ..self }
    }

    fn with_update(self, update: &Update) -> Self {
        let (name, reason, code) = match update {
            Update::None => (None, None, None),
            Update::InProgress => (Some("InProgress"), Some(CREATING.to_owned()), Some("Creating")),
            Update::Successful => (Some("Successful"), None, None),
            Update::Failed(reason) => (Some("Failed"), Some(reason.clone()), Some("InternalError")),
        };
        FunctionConfiguration {
            last_update_status: name.map(str::to_owned),
            last_update_status_reason: reason,
            last_update_status_reason_code: code.map(str::to_owned),
            ..self
        }
    }
}

impl RuntimeVersionConfig {
    /// AWS names each build of a runtime by a hash. Ours has one build of each: the host's.
    pub(crate) fn of(region: &Region, runtime: &str) -> RuntimeVersionConfig {
        let hash: String = Sha256::digest(runtime).iter().map(|byte| format!("{byte:02x}")).collect();
        let partition = region.partition();
        RuntimeVersionConfig { runtime_version_arn: Some(format!("arn:{partition}:lambda:{region}::runtime:{hash}")) }
    }
}

impl Logging {
    fn shown(&self) -> LoggingConfig {
        LoggingConfig {
            log_format: Some(self.format),
            application_log_level: self.application_level,
            system_log_level: self.system_level,
            log_group: Some(self.group.clone()),
        }
    }
}

impl Code {
    /// SHA-256 of the zip, base64; of an image the digest in hexadecimal, as on AWS. For a directory in use LocalStack's placeholder, which its tools know.
    pub(crate) fn sha256(&self) -> String {
        use base64::Engine as _;
        match self {
            Code::Zip { id, .. } => base64::engine::general_purpose::STANDARD.encode(id.as_bytes()),
            Code::Image(image) => image.manifest.to_string(),
            Code::HotReload { .. } => "hot-reloading-hash-not-available".to_owned(),
        }
    }
}
