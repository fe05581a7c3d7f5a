//! PublishLayerVersion.

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use shape::validate::{sentence, violation};
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::code_storage;
use crate::lambda::code_uses::{Holder, hold};
use crate::lambda::configuration::Architecture;
use crate::lambda::deployment::Source;
use crate::lambda::error::Failure;
use crate::lambda::layer::{LayerName, LayerTarget};
use crate::lambda::policy::Policy;
use crate::lambda::records::{LAYER_VERSIONS, LAYERS, LayerRecord, LayerVersionRecord};
use crate::lambda::runtime;

use super::create_function::S3ObjectStorageMode;
use super::get_layer_version::GetLayerVersionResponse;

/// Makes the next version of a layer, and the layer itself if it is the first.
#[derive(Shape, Default)]
#[shape(name = "PublishLayerVersionRequest")]
pub struct PublishLayerVersion {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// What is in it.
    pub content: LayerVersionContentInput,
    /// What its binaries were built for; nothing is checked against it, as on AWS.
    #[shape(length(0..=2))]
    pub compatible_architectures: Option<Vec<String>>,
    /// For which runtimes it is meant; nothing is checked against it, as on AWS.
    #[shape(length(0..=15))]
    pub compatible_runtimes: Option<Vec<String>>,
    /// Its licence: an SPDX name, a link or a text.
    #[shape(length(0..=512))]
    pub license_info: Option<String>,
}

/// The files of a new layer version.
#[derive(Shape, Default)]
pub struct LayerVersionContentInput {
    /// Not built yet.
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
    /// A zip of at most 50 MB.
    #[shape(sensitive)]
    pub zip_file: Option<Bytes>,
}

impl Operation<Lambda> for PublishLayerVersion {
    const META: Meta =
        Meta::write("PublishLayerVersion").http("POST", "/2018-10-31/layers/{LayerName}/versions").status(201);
    type Output = GetLayerVersionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        if let Ok(target) = LayerTarget::of(cx, &self.layer_name) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetLayerVersionResponse, Error> {
        let target = LayerTarget::own(cx, &self.layer_name)?;
        let architectures = self.compatibility()?;
        if self.content.s3_bucket.is_some() {
            return Err(Error::not_implemented("lambda's setting Content.S3Bucket (layers from S3)"));
        }
        let source = Source {
            zip_file: self.content.zip_file.as_ref(),
            s3_key: self.content.s3_key.as_deref(),
            s3_object_version: self.content.s3_object_version.as_deref(),
            s3_object_storage_mode: self.content.s3_object_storage_mode,
            ..Source::default()
        };
        let staged = lambda.stage(cx, &source, "PublishLayerVersion").await;
        let staged = staged.inspect_err(|_| lambda.collect_later())?;
        let version = LayerVersionRecord {
            number: 0,
            code: staged.code.clone(),
            created: cx.now(),
            description: self.description,
            license: self.license_info,
            runtimes: self.compatible_runtimes,
            architectures,
            policy: Policy::default(),
            policy_revision_id: base::id::uuid(),
        };
        let layer = target.clone();
        let published = lambda.store.transact(move |tx| write(tx, &layer, &version)).await;
        drop(staged);
        let version = published.inspect_err(|_| lambda.collect_later())?;
        Ok(GetLayerVersionResponse::of(lambda, cx, &target, version))
    }
}

fn write(tx: &mut Tx<'_>, layer: &LayerTarget, version: &LayerVersionRecord) -> Result<LayerVersionRecord, Failure> {
    let last = tx.get(LAYERS, &layer.key())?.map_or(0, |layer| layer.last_number);
    let version = LayerVersionRecord { number: last + 1, ..version.clone() };
    tx.put(LAYERS, &layer.key(), &LayerRecord { last_number: version.number })?;
    tx.put(LAYER_VERSIONS, &layer.version_key(version.number), &version)?;
    hold(tx, Holder::Layer(layer, version.number), &[], &Vec::from_iter(version.code.id()))?;
    code_storage::count(tx, layer.account, &layer.region, 0, version.code.bytes())?;
    Ok(version)
}

impl PublishLayerVersion {
    /// Refuses names that AWS does not know: all of them in one message, each list whole. Names of runtimes that AWS has
    /// given up are accepted, but not told.
    fn compatibility(&self) -> Result<Option<Vec<Architecture>>, Error> {
        let mut violations = Vec::new();
        let runtimes = self.compatible_runtimes.as_deref().unwrap_or_default();
        if !runtimes.iter().all(|name| runtime::is_known(name)) {
            let constraint = format!("Member must satisfy enum value set: {}", runtime::current_names());
            violations.push(violation(&shown(runtimes), "compatibleRuntimes", &constraint));
        }
        let names = self.compatible_architectures.as_deref();
        let known = names.map(|names| names.iter().map(|name| architecture(name)).collect::<Option<Vec<_>>>());
        if known == Some(None) {
            let constraint = "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]";
            violations.push(violation(&shown(names.unwrap_or_default()), "compatibleArchitectures", constraint));
        }
        if violations.is_empty() { Ok(known.flatten()) } else { Err(Error::validation(sentence(&violations))) }
    }
}

fn architecture(name: &str) -> Option<Architecture> {
    match name {
        "x86_64" => Some(Architecture::X86_64),
        "arm64" => Some(Architecture::Arm64),
        _ => None,
    }
}

fn shown(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}
