//! What Lambda keeps in the store, and under which keys.
//!
//! One record per function holds `$LATEST` and all that its versions share; each published version and each alias has its
//! own, since there may be thousands. Three small tables make the rest crash-safe: which versions refer to which zip, which zips
//! may be garbage, and which versions are between two states.

use std::collections::BTreeMap;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::{BlobId, Key, Record, Table};

use super::configuration::{Architecture, LogFormat, LogLevel, PackageType, SystemLogLevel};
use super::layer::AttachedLayer;
use super::lineage::RecursiveLoop;
use super::policy::Policy;
use super::url::UrlRecord;

/// Functions by (account, region, name).
pub(crate) const FUNCTIONS: Table<FunctionRecord> = Table::new("lambda.functions");
/// Published versions by (account, region, name, number).
pub(crate) const VERSIONS: Table<VersionRecord> = Table::new("lambda.versions");
/// Aliases by (account, region, name, alias).
pub(crate) const ALIASES: Table<AliasRecord> = Table::new("lambda.aliases");
/// Concurrency set aside, by (account, region, name); functions without any have no record.
pub(crate) const CONCURRENCY: Table<ConcurrencyRecord> = Table::new("lambda.concurrency");
/// (zip, account, region, name, number), number 0 being `$LATEST`: who refers to which zip.
pub(crate) const CODE_USES: Table<Mark> = Table::new("lambda.code-uses");
/// (zip): stored or given up, and perhaps referred to by nobody. Looked at after each change and on start.
pub(crate) const CODE_LOOSE: Table<Mark> = Table::new("lambda.code-loose");
/// How much code there is, by (account, region).
pub(crate) const CODE_STORAGE: Table<CodeStorageRecord> = Table::new("lambda.code-storage");
/// (account, region, name, number): between two states; finished on start if the process died meanwhile.
pub(crate) const SETTLING: Table<Mark> = Table::new("lambda.settling");
/// Layers by (account, region, name).
pub(crate) const LAYERS: Table<LayerRecord> = Table::new("lambda.layers");
/// Layer versions by (account, region, name, number).
pub(crate) const LAYER_VERSIONS: Table<LayerVersionRecord> = Table::new("lambda.layer-versions");
/// How versions and aliases are invoked asynchronously, by (account, region, name, qualifier).
pub(crate) const EVENT_INVOKE_CONFIGS: Table<EventInvokeConfigRecord> = Table::new("lambda.event-invoke-configs");
/// (account, region, name): there is something in the function's queue of asynchronous events.
pub(crate) const EVENT_QUEUES: Table<Mark> = Table::new("lambda.event-queues");
/// Container images by (repository, tag): those that were loaded, for all accounts.
pub(crate) const IMAGES: Table<ImageRecord> = Table::new("lambda.images");
/// (arrival, part): what is on its way in; a start gives it up.
pub(crate) const ARRIVALS: Table<Mark> = Table::new("lambda.image-arrivals");
/// Keys of our own by purpose.
pub(crate) const SECRETS: Table<Secret> = Table::new("lambda.secrets");

/// A function: `$LATEST` and what all versions share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FunctionRecord {
    pub(crate) latest: VersionRecord,
    /// Counts changes of `$LATEST` (any code that is sent, settings that differ), so that publishing without one can be
    /// told.
    pub(crate) changes: u64,
    /// The last publication, if there was one.
    pub(crate) published: Option<Publication>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Resource policies by qualifier; `""` is the function's own.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// Function URLs by alias; `""` is the function's own.
    #[serde(default)]
    pub(crate) urls: BTreeMap<String, UrlRecord>,
    /// What happens to events that go in a circle.
    #[serde(default)]
    pub(crate) recursive_loop: RecursiveLoop,
    /// The ARN of its code signing configuration.
    #[serde(default)]
    pub(crate) code_signing: Option<String>,
}

/// Which version was published last, and from which state of `$LATEST`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Publication {
    pub(crate) version: u64,
    pub(crate) changes: u64,
}

/// One version of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// 0 is `$LATEST`.
    pub(crate) number: u64,
    pub(crate) settings: Settings,
    pub(crate) code: Code,
    pub(crate) revision_id: String,
    /// The revision that brought the present code and settings. Unlike the revision it survives what does not concern
    /// running environments: new permissions, and settling.
    pub(crate) deployment_id: String,
    pub(crate) modified: Timestamp,
    pub(crate) state: State,
    pub(crate) update: Update,
    #[serde(default)]
    pub(crate) runtime_management: RuntimeManagement,
}

/// A name for a version that can be given to another; its own name is in its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    /// 0 is `$LATEST`.
    pub(crate) version: u64,
    /// A second version that gets some of the requests.
    pub(crate) additional: Option<AdditionalVersion>,
    pub(crate) description: String,
    pub(crate) revision_id: String,
}

/// The second version of an alias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AdditionalVersion {
    pub(crate) version: u64,
    /// Its share of the requests, from 0 to 1.
    pub(crate) weight: f64,
}

/// The concurrency that a function has set aside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ConcurrencyRecord {
    /// Its reservation, if it has one; 0 lets no request in.
    pub(crate) reserved: Option<u32>,
    /// Environments to be initialised ahead, by version or alias.
    pub(crate) provisioned: BTreeMap<String, ProvisionedRecord>,
}

/// How many environments of a version or alias are initialised ahead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProvisionedRecord {
    pub(crate) requested: u32,
    pub(crate) modified: Timestamp,
}

/// What the user configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) runtime: String,
    pub(crate) role: String,
    pub(crate) handler: String,
    pub(crate) description: String,
    pub(crate) timeout_secs: u32,
    pub(crate) memory_mb: u32,
    /// None if never given: AWS then leaves the member out, while an empty map is shown.
    pub(crate) environment: Option<BTreeMap<String, String>>,
    pub(crate) architecture: Architecture,
    pub(crate) ephemeral_storage_mb: u32,
    pub(crate) logging: Logging,
    /// In the order in which they are laid over each other.
    #[serde(default)]
    pub(crate) layers: Vec<AttachedLayer>,
    /// What a container image is to do otherwise.
    #[serde(default)]
    pub(crate) image: ImageOverrides,
    /// Published versions are to have snapshots.
    #[serde(default)]
    pub(crate) snap_start: bool,
    /// Requests without a decision of their caller's are sampled.
    #[serde(default)]
    pub(crate) tracing_active: bool,
    /// Where events go that could not be run: a queue or topic.
    #[serde(default)]
    pub(crate) dead_letter_target: Option<String>,
}

/// Where and how the function's logs are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Logging {
    pub(crate) format: LogFormat,
    pub(crate) application_level: Option<LogLevel>,
    pub(crate) system_level: Option<SystemLogLevel>,
    pub(crate) group: String,
}

/// What the code is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Code {
    /// A zip in the store's blobs.
    Zip {
        /// Its hash, which names it.
        id: BlobId,
        /// Its size, zipped.
        bytes: u64,
        /// The size of all its files; 0 in records from before it was kept.
        #[serde(default)]
        unzipped_bytes: u64,
    },
    /// A container image, its parts in the store's blobs.
    Image(ImageCode),
    /// A directory of the host, used in place.
    HotReload {
        /// Absolute.
        directory: String,
    },
}

/// A container image that is a function's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageCode {
    /// As the user named it.
    pub(crate) uri: String,
    /// The same by its content.
    pub(crate) resolved_uri: String,
    /// Its manifest, whose digest names it.
    pub(crate) manifest: BlobId,
    /// Manifest, configuration and layers.
    pub(crate) parts: Vec<BlobId>,
    /// How it wants to be run.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) entry_point: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) directory: String,
}

/// What the user wants otherwise than an image does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageOverrides {
    pub(crate) entry_point: Option<Vec<String>>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) directory: Option<String>,
}

/// A container image under a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// A manifest, or an index of several platforms' manifests.
    pub(crate) root: BlobId,
    /// All of them, itself among them.
    pub(crate) parts: Vec<BlobId>,
}

/// Whether a version can be invoked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    Pending,
    Active,
    /// It will not become active; why.
    Failed(String),
}

/// What became of the last change of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Update {
    /// Created and not yet active.
    None,
    InProgress,
    Successful,
    /// The change did not take; why.
    Failed(String),
}

/// A layer. It outlives its versions, since a number is never given twice.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The last number that was given.
    pub(crate) last_number: u64,
}

/// One version of a layer; never changed, but for its policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerVersionRecord {
    pub(crate) number: u64,
    pub(crate) code: Code,
    pub(crate) created: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) runtimes: Option<Vec<String>>,
    pub(crate) architectures: Option<Vec<Architecture>>,
    pub(crate) policy: Policy,
    /// Of the policy.
    pub(crate) policy_revision_id: String,
}

/// How a version or alias is invoked asynchronously. What is absent is AWS's default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EventInvokeConfigRecord {
    pub(crate) modified: Timestamp,
    pub(crate) maximum_retry_attempts: Option<u32>,
    pub(crate) maximum_event_age_secs: Option<u32>,
    /// ARNs of destinations.
    pub(crate) on_success: Option<String>,
    pub(crate) on_failure: Option<String>,
}

/// How much code an account has in a region.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CodeStorageRecord {
    /// All versions of functions and layers, zipped.
    pub(crate) bytes: u64,
}

/// Which builds of its runtime a version uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum RuntimeManagement {
    /// The newest. AWS's default.
    #[default]
    Auto,
    /// The newest at the function's last update.
    FunctionUpdate,
    /// This one, by its ARN.
    Manual(String),
}

/// A record whose key says it all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {}

/// A key of our own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) key: Vec<u8>,
}

impl Record for FunctionRecord {}
impl Record for VersionRecord {}
impl Record for ImageRecord {}
impl Record for LayerRecord {}
impl Record for LayerVersionRecord {}
impl Record for AliasRecord {}
impl Record for EventInvokeConfigRecord {}
impl Record for ConcurrencyRecord {}
impl Record for CodeStorageRecord {}
impl Record for Mark {}
impl Record for Secret {}

impl VersionRecord {
    /// `$LATEST` or the number.
    pub(crate) fn version(&self) -> String {
        version_text(self.number)
    }

    /// `Zip` or `Image`.
    pub(crate) fn package_type(&self) -> PackageType {
        match self.code {
            Code::Image(_) => PackageType::Image,
            Code::Zip { .. } | Code::HotReload { .. } => PackageType::Zip,
        }
    }

    /// The packages that it is made of.
    pub(crate) fn packages(&self) -> Vec<BlobId> {
        let of_code = match &self.code {
            Code::Image(image) => image.parts.clone(),
            code => code.id().into_iter().collect(),
        };
        of_code.into_iter().chain(self.settings.layers.iter().map(|layer| layer.id)).collect()
    }

    /// Whether its environments are restored from snapshots. Code that changes in place is no state to go back to.
    pub(crate) fn snap_starts(&self) -> bool {
        self.number > 0 && self.settings.snap_start && self.code.id().is_some()
    }

    /// True while it is between two states.
    pub(crate) fn is_settling(&self) -> bool {
        self.state == State::Pending || self.update == Update::InProgress
    }
}

impl AliasRecord {
    /// Whether some or all of its requests go to a version.
    pub(crate) fn points_at(&self, number: u64) -> bool {
        self.version == number || self.additional.is_some_and(|additional| additional.version == number)
    }
}

/// `$LATEST` for 0, or the number.
pub(crate) fn version_text(number: u64) -> String {
    if number == 0 { "$LATEST".to_owned() } else { number.to_string() }
}

impl Code {
    /// The id of the zip or of the image's manifest; a directory of the host has none.
    pub(crate) fn id(&self) -> Option<BlobId> {
        match self {
            Code::Zip { id, .. } => Some(*id),
            Code::Image(image) => Some(image.manifest),
            Code::HotReload { .. } => None,
        }
    }

    /// Size of the zip in bytes. AWS says 0 of images, which have a quota of their own elsewhere.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Code::Zip { bytes, .. } => *bytes,
            Code::Image(_) | Code::HotReload { .. } => 0,
        }
    }

    /// Size of its files in bytes, as far as it is limited.
    pub(crate) fn unzipped_bytes(&self) -> u64 {
        match self {
            Code::Zip { unzipped_bytes, .. } => *unzipped_bytes,
            Code::Image(_) | Code::HotReload { .. } => 0,
        }
    }
}

/// The key of a zip in [`CODE_LOOSE`].
pub(crate) fn code_key(id: BlobId) -> Key {
    Key::of(id.to_string())
}
