//! GetLayerVersion, and how a layer version is shown.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::configuration::Architecture;
use crate::lambda::layer::{LayerName, LayerTarget, check_number};
use crate::lambda::records::LayerVersionRecord;

/// Returns a layer version with a link to its content.
#[derive(Shape, Default)]
#[shape(name = "GetLayerVersionRequest")]
pub struct GetLayerVersion {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Which version.
    #[shape(label)]
    pub version_number: i64,
}

/// A layer version. (AWS has the same members in PublishLayerVersionResponse.)
#[derive(Shape, Debug, Default)]
pub struct GetLayerVersionResponse {
    /// Its content.
    pub content: Option<LayerVersionContentOutput>,
    /// The layer.
    pub layer_arn: Option<String>,
    /// The version.
    pub layer_version_arn: Option<String>,
    /// The description, `""` if there is none.
    pub description: Option<String>,
    /// When it was published, `2026-11-22T16:00:00.123+0000`.
    pub created_date: Option<String>,
    /// The number.
    pub version: Option<i64>,
    /// What its binaries were built for, if it was said.
    pub compatible_architectures: Option<Vec<Architecture>>,
    /// For which runtimes it is meant, if it was said.
    pub compatible_runtimes: Option<Vec<String>>,
    /// Its licence.
    pub license_info: Option<String>,
}

/// The content of a layer version.
#[derive(Shape, Debug, Default)]
pub struct LayerVersionContentOutput {
    /// A link that is good for ten minutes and needs no credentials.
    pub location: Option<String>,
    /// SHA-256 of the zip, base64.
    pub code_sha256: Option<String>,
    /// Size of the zip in bytes.
    pub code_size: Option<i64>,
}

impl Operation<Lambda> for GetLayerVersion {
    const META: Meta =
        Meta::read("GetLayerVersion").http("GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}");
    type Output = GetLayerVersionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        LayerTarget::need(cx, need, &self.layer_name, self.version_number);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetLayerVersionResponse, Error> {
        check_number(self.version_number)?;
        let target = LayerTarget::of(cx, &self.layer_name)?;
        let version = lambda.layer_version(&target, self.version_number).await?;
        Ok(GetLayerVersionResponse::of(lambda, cx, &target, version))
    }
}

impl GetLayerVersionResponse {
    pub(crate) fn of(lambda: &Lambda, cx: &Cx, target: &LayerTarget, version: LayerVersionRecord) -> Self {
        let number = version.number as i64;
        GetLayerVersionResponse {
            content: Some(LayerVersionContentOutput {
                location: version.code.id().map(|id| lambda.code_link(cx, id)),
                code_sha256: Some(version.code.sha256()),
                code_size: Some(version.code.bytes() as i64),
            }),
            layer_arn: Some(target.arn().to_string()),
            layer_version_arn: Some(target.version_arn(number).to_string()),
            description: Some(version.description.unwrap_or_default()),
            created_date: Some(version.created.to_lambda()),
            version: Some(number),
            compatible_architectures: version.architectures,
            compatible_runtimes: version.runtimes,
            license_info: version.license,
        }
    }
}
