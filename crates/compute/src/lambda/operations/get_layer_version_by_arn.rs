//! GetLayerVersionByArn.

use base::{Arn, Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::layer::{LayerName, LayerTarget, LayerVersionArn, missing_resource};

use super::get_layer_version::GetLayerVersionResponse;

/// As GetLayerVersion, by the layer version's ARN.
#[derive(Shape, Default)]
#[shape(name = "GetLayerVersionByArnRequest")]
pub struct GetLayerVersionByArn {
    /// Which.
    #[shape(query = "Arn")]
    pub arn: LayerVersionArn,
}

impl Operation<Lambda> for GetLayerVersionByArn {
    const META: Meta = Meta::read("GetLayerVersionByArn")
        .http("GET", "/2018-10-31/layers?find=LayerVersion")
        .action("GetLayerVersion");
    type Output = GetLayerVersionResponse;

    fn authorize(&self, _cx: &Cx, need: &mut Authz) {
        if let Some(arn) = Arn::parse(&self.arn.0) {
            need.on(arn);
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetLayerVersionResponse, Error> {
        let parsed = Arn::parse(&self.arn.0).and_then(|arn| LayerTarget::of_arn(&arn));
        let Some((target, Some(number))) = parsed else {
            return Err(Error::not_implemented(format!("the layer {} of AWS's own", self.arn.0)));
        };
        // The same refusal of another region as by name.
        let target = LayerTarget::of(cx, &LayerName(target.arn().to_string()))?;
        let number = i64::try_from(number).map_err(|_| missing_resource())?;
        let version = lambda.layer_version(&target, number).await?;
        Ok(GetLayerVersionResponse::of(lambda, cx, &target, version))
    }
}
