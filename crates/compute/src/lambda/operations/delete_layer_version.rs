//! DeleteLayerVersion.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::layer::{LayerName, LayerTarget, check_number, delete};

/// Deletes a layer version. Functions that use it keep it; no other can have it any more.
#[derive(Shape, Default)]
#[shape(name = "DeleteLayerVersionRequest")]
pub struct DeleteLayerVersion {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Which version.
    #[shape(label)]
    pub version_number: i64,
}

impl Operation<Lambda> for DeleteLayerVersion {
    const META: Meta = Meta::write("DeleteLayerVersion")
        .http("DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        LayerTarget::need(cx, need, &self.layer_name, self.version_number);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let number = check_number(self.version_number)?;
        let target = LayerTarget::own(cx, &self.layer_name)?;
        // One that is not there is deleted already, as on AWS.
        lambda.store.transact(move |tx| delete(tx, &target, number)).await?;
        lambda.collect_later();
        Ok(())
    }
}
