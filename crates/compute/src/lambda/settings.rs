//! Setting a function's configuration: what CreateFunction and UpdateFunctionConfiguration have in common.
//!
//! What the shapes cannot say is checked here, in AWS's words. What AWS would act on and we cannot yet is refused, by name:
//! a setting that is taken and ignored would be a lie.

use std::collections::BTreeMap;

use base::Error;

use super::configuration::{
    Architecture, DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig, ImageConfig, LogFormat, LogLevel,
    LoggingConfig, PackageType, SnapStart, SnapStartApplyOn, SystemLogLevel, TracingConfig, TracingMode, VpcConfig,
};
use super::error::invalid;
use super::records::{ImageOverrides, Logging, Settings};
use super::{runtime, snapstart};

/// AWS's limit of all environment variables together, in bytes of their JSON.
const ENVIRONMENT_BYTES_MAX: usize = 4096;

/// AWS's defaults.
const TIMEOUT_SECS: u32 = 3;
const MEMORY_MB: u32 = 128;
const EPHEMERAL_STORAGE_MB: u32 = 512;

/// Variables that Lambda sets and nobody else may. From AWS's "Defined runtime environment variables", the reserved ones.
const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// What a caller wants set; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) runtime: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i32>,
    pub(crate) memory_size: Option<i32>,
    pub(crate) environment: Option<Environment>,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    pub(crate) logging_config: Option<LoggingConfig>,
    pub(crate) image_config: Option<ImageConfig>,
    pub(crate) snap_start: Option<SnapStart>,
    pub(crate) tracing_config: Option<TracingConfig>,
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
}

/// Settings of features that are not built: taken if they ask for nothing, refused if they ask for something.
#[derive(Debug, Default)]
pub(crate) struct NotBuilt<'a> {
    pub(crate) vpc_config: Option<&'a VpcConfig>,
    pub(crate) kms_key_arn: Option<&'a str>,
    pub(crate) file_system_configs: Option<&'a [FileSystemConfig]>,
    /// Further members by name that are refused whenever they are there.
    pub(crate) others: &'a [(&'static str, bool)],
}

impl NotBuilt<'_> {
    /// Refuses the first that asks for something.
    pub(crate) fn refuse(&self) -> Result<(), Error> {
        let text = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        let list = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let asked = [
            ("VpcConfig", self.vpc_config.is_some_and(|v| list(&v.subnet_ids) || list(&v.security_group_ids))),
            ("KMSKeyArn", text(self.kms_key_arn)),
            ("FileSystemConfigs", self.file_system_configs.is_some_and(|configs| !configs.is_empty())),
        ];
        match asked.iter().chain(self.others).find(|(_, asked)| *asked) {
            None => Ok(()),
            Some((name, _)) => Err(Error::not_implemented(format!("lambda's setting {name}"))),
        }
    }
}

impl Settings {
    /// What a new function has where its creator says nothing.
    pub(crate) fn defaults(function_name: &str) -> Settings {
        Settings {
            runtime: String::new(),
            role: String::new(),
            handler: String::new(),
            description: String::new(),
            timeout_secs: TIMEOUT_SECS,
            memory_mb: MEMORY_MB,
            environment: None,
            architecture: Architecture::X86_64,
            ephemeral_storage_mb: EPHEMERAL_STORAGE_MB,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{function_name}"),
            },
            layers: Vec::new(),
            image: ImageOverrides::default(),
            snap_start: false,
            tracing_active: false,
            dead_letter_target: None,
        }
    }

    /// These settings with the changes made.
    pub(crate) fn with(mut self, change: Change) -> Result<Settings, Error> {
        if let Some(environment) = change.environment {
            let variables = environment.variables.unwrap_or_default();
            check_environment(&variables)?;
            self.environment = Some(variables);
        }
        if let Some(runtime) = change.runtime {
            runtime::check(&runtime)?;
            self.runtime = runtime;
        }
        if let Some(logging) = &change.logging_config {
            self.logging = self.logging.with(logging)?;
        }
        if let Some(image) = &change.image_config {
            self.image = ImageOverrides::of(image);
        }
        if let Some(dead_letters) = change.dead_letter_config {
            self.dead_letter_target = dead_letters.target_arn.filter(|arn| !arn.is_empty());
        }
        let positive = |number: i32| u32::try_from(number).unwrap_or_default();
        self.timeout_secs = change.timeout.map_or(self.timeout_secs, positive);
        self.memory_mb = change.memory_size.map_or(self.memory_mb, positive);
        self.ephemeral_storage_mb =
            change.ephemeral_storage.map_or(self.ephemeral_storage_mb, |storage| positive(storage.size));
        self.architecture = change.architecture.unwrap_or(self.architecture);
        self.role = change.role.unwrap_or(self.role);
        self.handler = change.handler.unwrap_or(self.handler);
        self.description = change.description.unwrap_or(self.description);
        if let Some(mode) = change.tracing_config.and_then(|tracing| tracing.mode) {
            self.tracing_active = mode == TracingMode::Active;
        }
        if let Some(apply_on) = change.snap_start.and_then(|snap_start| snap_start.apply_on) {
            self.snap_start = apply_on == SnapStartApplyOn::PublishedVersions;
        }
        snapstart::check(&self)?;
        Ok(self)
    }
}

impl Logging {
    /// AWS's rules: levels belong to JSON, appear with it as INFO, and go with it.
    fn with(&self, change: &LoggingConfig) -> Result<Logging, Error> {
        let format = change.log_format.unwrap_or(self.format);
        let group = change.log_group.clone().unwrap_or_else(|| self.group.clone());
        if format == LogFormat::Json {
            let application = change.application_log_level.or(self.application_level).unwrap_or(LogLevel::Info);
            let system = change.system_log_level.or(self.system_level).unwrap_or(SystemLogLevel::Info);
            return Ok(Logging { format, application_level: Some(application), system_level: Some(system), group });
        }
        if change.application_log_level.is_some() || change.system_log_level.is_some() {
            return Err(invalid("ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON."));
        }
        Ok(Logging { format, application_level: None, system_level: None, group })
    }
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    if let Some((name, _)) = variables.iter().find(|(name, _)| !is_variable_name(name)) {
        let constraint = "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                          [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]";
        // Values are secrets, so the message has the name alone.
        let violation = shape::validate::violation(&format!("{{{name}=***}}"), "environment.variables", constraint);
        // Reserved names may begin with an underscore; AWS names those as reserved instead.
        if !RESERVED_VARIABLES.contains(&name.as_str()) {
            return Err(Error::validation(shape::validate::sentence(&[violation])));
        }
    }
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
        return Err(invalid(format!("The environment variable {name} contains a NUL character.")));
    }
    let reserved: Vec<&str> = RESERVED_VARIABLES.iter().copied().filter(|name| variables.contains_key(*name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).unwrap_or_default();
    if measured.len() > ENVIRONMENT_BYTES_MAX {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}

/// Refuses what does not go with the kind of the package, in AWS's words. A member is named if it asks for something.
pub(crate) fn check_package_type(
    package_type: PackageType,
    of_zips: [bool; 3],
    image_config: Option<&ImageConfig>,
) -> Result<(), Error> {
    match package_type {
        PackageType::Image if of_zips.contains(&true) => Err(invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
        )),
        PackageType::Zip
            if image_config.is_some_and(|image| ImageOverrides::of(image) != ImageOverrides::default()) =>
        {
            Err(invalid("Please don't provide ImageConfig when the intended function PackageType is Zip."))
        }
        _ => Ok(()),
    }
}

/// AWS's `[a-zA-Z]([a-zA-Z0-9_])+`.
fn is_variable_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && name.len() > 1
        && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
