//! Layers: how they are named, found, and attached to functions.
//!
//! A layer version never changes. What a function needs of it (its package, its sizes) is copied into the function's
//! settings when it is attached, so that a deleted layer version lives on in the functions that use it, as on AWS.

use base::{AccountId, Arn, Cx, Error, Region};
use cloud::Authz;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::{BlobId, Key, Scan, Tx};

use super::Lambda;
use super::code::UNZIPPED_BYTES_MAX;
use super::code_storage;
use super::code_uses::{Holder, hold};
use super::error::{Failure, invalid, not_found};
use super::name::Target;
use super::records::{Code, LAYER_VERSIONS, LAYERS, LayerVersionRecord, VersionRecord};

/// AWS's limit of layers of one function.
const LAYERS_MAX: usize = 5;

/// A layer by name or by ARN.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    name = "LayerNameOrArn",
    length(1..=2048),
    pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})"
)]
pub struct LayerName(pub String);

/// The ARN of a layer version.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=2048),
    pattern = r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))"
)]
pub struct LayerVersionArn(pub String);

impl From<&str> for LayerName {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&str> for LayerVersionArn {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A layer, fully named. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTarget {
    /// The account it is in.
    pub account: AccountId,
    /// The region it is in.
    pub region: Region,
    /// The layer's own name.
    pub name: String,
}

/// What a function keeps of a layer version that it uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttachedLayer {
    /// The layer version's ARN.
    pub(crate) arn: String,
    /// Its package.
    pub(crate) id: BlobId,
    /// Size of the package in bytes.
    pub(crate) bytes: u64,
    /// Size of its files in bytes.
    pub(crate) unzipped_bytes: u64,
}

impl LayerTarget {
    /// Reads a name that passed its shape's pattern. Layers of other accounts may be read, if their policies allow.
    pub(crate) fn of(cx: &Cx, layer: &LayerName) -> Result<LayerTarget, Error> {
        if !layer.0.starts_with("arn:") {
            return Ok(LayerTarget { account: cx.account, region: cx.region.clone(), name: layer.0.clone() });
        }
        let target = Arn::parse(&layer.0).and_then(|arn| LayerTarget::of_arn(&arn));
        let (target, _) = target.ok_or_else(missing_resource)?;
        if target.region != cx.region {
            let (there, here) = (&target.region, &cx.region);
            return Err(not_found(format!("Layers from '{there}' are not reachable in this region ('{here}')")));
        }
        Ok(target)
    }

    /// As [`LayerTarget::of`], in the caller's own account: for all that changes a layer.
    pub(crate) fn own(cx: &Cx, layer: &LayerName) -> Result<LayerTarget, Error> {
        let target = LayerTarget::of(cx, layer)?;
        if target.account == cx.account {
            return Ok(target);
        }
        let (who, what) = (&cx.caller.arn, target.arn());
        Err(Error::access_denied(format!("User: {who} is not authorized to access the resource {what}")))
    }

    /// The layer, and the version if there is one, that an ARN names.
    pub(crate) fn of_arn(arn: &Arn) -> Option<(LayerTarget, Option<u64>)> {
        let (account, region) = (AccountId::parse(&arn.account)?, Region::parse(&arn.region)?);
        let mut words = arn.resource.strip_prefix("layer:")?.splitn(2, ':');
        let name = words.next()?.to_owned();
        let number = words.next().map(str::parse).transpose().ok()?;
        Some((LayerTarget { account, region, name }, number))
    }

    /// The layer's ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("layer:{}", self.name))
    }

    /// The ARN of one version.
    pub(crate) fn version_arn(&self, number: i64) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("layer:{}:{number}", self.name))
    }

    /// States that the caller needs the operation's permission on this layer version. A name that cannot be read states
    /// nothing: running the operation says what is wrong with it.
    pub(crate) fn need(cx: &Cx, need: &mut Authz, layer: &LayerName, number: i64) {
        if let Ok(target) = LayerTarget::of(cx, layer) {
            need.on(target.version_arn(number));
        }
    }

    /// States that the caller must be allowed to read the layers that a function is to have.
    pub(crate) fn need_all(need: &mut Authz, layers: Option<&[LayerVersionArn]>) {
        for arn in layers.unwrap_or_default().iter().filter_map(|layer| Arn::parse(&layer.0)) {
            need.also("GetLayerVersion", arn);
        }
    }

    /// The layer's key in the store.
    pub(crate) fn key(&self) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.name.as_str()))
    }

    /// A version's key in the store.
    pub(crate) fn version_key(&self, number: u64) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.name.as_str(), number))
    }

    /// All keys of its versions.
    pub(crate) fn versions(&self) -> Scan {
        Scan::under((self.account.as_str(), self.region.as_str(), self.name.as_str()))
    }
}

/// The number that a caller wrote, which AWS checks before anything else.
pub(crate) fn check_number(number: i64) -> Result<u64, Error> {
    u64::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid("Layer Version Cannot be less than 1"))
}

/// AWS's 404 of what has no name of its own in the message.
pub(crate) fn missing_resource() -> Error {
    not_found("The resource you requested does not exist.")
}

/// AWS's 404 of a layer version, where it names it.
pub(crate) fn missing_version(target: &LayerTarget, number: i64) -> Error {
    not_found(format!("Layer version {} does not exist.", target.version_arn(number)))
}

impl Lambda {
    /// A layer version, or AWS's 404.
    pub(crate) async fn layer_version(&self, target: &LayerTarget, number: i64) -> Result<LayerVersionRecord, Failure> {
        let found = self.store.get(LAYER_VERSIONS, &target.version_key(check_number(number)?)).await?;
        found.ok_or_else(|| missing_resource().into())
    }

    /// Forgets all layers, or one account's.
    pub(crate) async fn reset_layers(&self, account: Option<AccountId>) -> Result<(), Failure> {
        let scan = || account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, version) in self.store.scan(LAYER_VERSIONS, scan()).await? {
            let Some((account, region, name, _)) = key.parts::<(String, String, String, u64)>() else { continue };
            let (Some(account), Some(region)) = (AccountId::parse(&account), Region::parse(&region)) else { continue };
            let layer = LayerTarget { account, region, name };
            self.store.transact(move |tx| delete(tx, &layer, version.number)).await?;
        }
        for (key, _) in self.store.scan(LAYERS, scan()).await? {
            self.store.transact(move |tx| tx.delete(LAYERS, &key).map_err(Failure::from)).await?;
        }
        Ok(())
    }
}

/// Removes a version, if it is there. Functions that use it keep their own references to its package.
pub(crate) fn delete(tx: &mut Tx<'_>, layer: &LayerTarget, number: u64) -> Result<(), Failure> {
    let key = layer.version_key(number);
    if let Some(version) = tx.get(LAYER_VERSIONS, &key)? {
        tx.delete(LAYER_VERSIONS, &key)?;
        hold(tx, Holder::Layer(layer, number), &Vec::from_iter(version.code.id()), &[])?;
        code_storage::count(tx, layer.account, &layer.region, version.code.bytes(), 0)?;
    }
    Ok(())
}

/// Finds the layers that a function is to have, in its owner's order, and checks what AWS checks of them as a list.
pub(crate) fn attach(
    tx: &Tx<'_>,
    function: &Target,
    layers: &[LayerVersionArn],
) -> Result<Vec<AttachedLayer>, Failure> {
    if layers.len() > LAYERS_MAX {
        return Err(invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")).into());
    }
    let mut seen: Vec<(LayerTarget, &str)> = Vec::new();
    let mut attached = Vec::new();
    for LayerVersionArn(arn) in layers {
        let parsed = Arn::parse(arn).and_then(|arn| LayerTarget::of_arn(&arn));
        let Some((target, Some(number))) = parsed else {
            return Err(Error::not_implemented(format!("the layer {arn} of AWS's own")).into());
        };
        attached.push(attach_one(tx, function, &target, number, arn)?);
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == target) {
            return Err(invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. \
                 {first} and {arn} are versions of the same layer."
            ))
            .into());
        }
        seen.push((target, arn));
    }
    Ok(attached)
}

fn attach_one(
    tx: &Tx<'_>,
    function: &Target,
    layer: &LayerTarget,
    number: u64,
    arn: &str,
) -> Result<AttachedLayer, Failure> {
    let own = layer.account == function.account;
    if own && layer.region != function.region {
        let region = &function.region;
        return Err(invalid(format!(
            "Layers are not in the same region as the function. Layers are expected to be in region {region}."
        ))
        .into());
    }
    let version = match layer.region == function.region {
        true => tx.get(LAYER_VERSIONS, &layer.version_key(number))?,
        false => None,
    };
    match version {
        Some(LayerVersionRecord { code: Code::Zip { id, bytes, unzipped_bytes }, .. }) => {
            Ok(AttachedLayer { arn: arn.to_owned(), id, bytes, unzipped_bytes })
        }
        _ if own => Err(invalid(format!("Layer version {arn} does not exist.")).into()),
        // Whether another account has such a layer is not told.
        _ => Err(Error::access_denied(format!(
            "User: arn:{}:iam::{}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because \
             no resource-based policy allows the lambda:GetLayerVersion action",
            function.region.partition(),
            function.account,
        ))
        .into()),
    }
}

/// AWS's limit of code and layers together. Code that was stored before sizes were kept counts as nothing.
pub(crate) fn check_sizes(version: &VersionRecord) -> Result<(), Error> {
    let of_layers: u64 = version.settings.layers.iter().map(|layer| layer.unzipped_bytes).sum();
    if of_layers >= UNZIPPED_BYTES_MAX {
        return Err(invalid(format!("Layers consume more than the available size of {UNZIPPED_BYTES_MAX} bytes")));
    }
    let all = of_layers + version.code.unzipped_bytes();
    if all > UNZIPPED_BYTES_MAX {
        return Err(invalid(format!(
            "Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES_MAX} bytes. The \
             actual size is {all} bytes."
        )));
    }
    Ok(())
}
