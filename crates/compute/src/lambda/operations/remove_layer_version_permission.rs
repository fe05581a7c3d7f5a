//! RemoveLayerVersionPermission.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::layer::{LayerName, LayerTarget};

use super::add_layer_version_permission::LayerPolicyChange;

/// Takes a permission on a layer version back. Functions that use the layer already keep it.
#[derive(Shape, Default)]
#[shape(name = "RemoveLayerVersionPermissionRequest")]
pub struct RemoveLayerVersionPermission {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Which version.
    #[shape(label)]
    pub version_number: i64,
    /// The statement's id.
    #[shape(label, length(1..=100), pattern = r"([a-zA-Z0-9-_]+)")]
    pub statement_id: String,
    /// The policy's revision that the caller has seen.
    #[shape(query = "RevisionId")]
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for RemoveLayerVersionPermission {
    const META: Meta = Meta::write("RemoveLayerVersionPermission")
        .http("DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        LayerTarget::need(cx, need, &self.layer_name, self.version_number);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let change = LayerPolicyChange {
            target: LayerTarget::own(cx, &self.layer_name)?,
            number: self.version_number,
            expected: self.revision_id,
            revision_id: base::id::uuid(),
        };
        let statement_id = self.statement_id;
        Ok(lambda.store.transact(move |tx| change.write(tx, |version| version.policy.remove(&statement_id))).await?)
    }
}
