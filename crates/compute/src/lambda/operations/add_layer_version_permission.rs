//! AddLayerVersionPermission, and how the policies of layer versions are changed.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, stale_revision};
use crate::lambda::layer::{LayerName, LayerTarget, check_number, missing_version};
use crate::lambda::policy::{Effect, Principal, Statement};
use crate::lambda::records::{LAYER_VERSIONS, LayerVersionRecord};

/// Lets another account use a layer version.
#[derive(Shape, Default)]
#[shape(name = "AddLayerVersionPermissionRequest")]
pub struct AddLayerVersionPermission {
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Which version.
    #[shape(label)]
    pub version_number: i64,
    /// The new statement's id.
    #[shape(length(1..=100), pattern = r"([a-zA-Z0-9-_]+)")]
    pub statement_id: String,
    /// `lambda:GetLayerVersion`.
    #[shape(length(0..=22), pattern = "lambda:GetLayerVersion")]
    pub action: String,
    /// An account, or everybody.
    #[shape(pattern = r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root")]
    pub principal: String,
    /// Only members of this organization.
    #[shape(length(0..=34), pattern = r"o-[a-z0-9]{10,32}")]
    pub organization_id: Option<String>,
    /// The policy's revision that the caller has seen.
    #[shape(query = "RevisionId")]
    pub revision_id: Option<String>,
}

/// What was added.
#[derive(Shape, Debug, Default)]
pub struct AddLayerVersionPermissionResponse {
    /// The statement as JSON.
    pub statement: Option<String>,
    /// The policy's new revision.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for AddLayerVersionPermission {
    const META: Meta = Meta::write("AddLayerVersionPermission")
        .http("POST", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy")
        .status(201);
    type Output = AddLayerVersionPermissionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        LayerTarget::need(cx, need, &self.layer_name, self.version_number);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<AddLayerVersionPermissionResponse, Error> {
        let target = LayerTarget::own(cx, &self.layer_name)?;
        let statement = Statement {
            sid: self.statement_id.clone(),
            effect: Effect::Allow,
            principal: Principal::parse(&self.principal, target.region.partition())?,
            action: self.action.clone(),
            resource: target.version_arn(self.version_number).to_string(),
            condition: Default::default(),
        };
        let statement = statement.when("StringEquals", "aws:PrincipalOrgID", self.organization_id.clone());
        let (shown, revision_id) = (statement.document(), base::id::uuid());
        let change = LayerPolicyChange {
            target,
            number: self.version_number,
            expected: self.revision_id,
            revision_id: revision_id.clone(),
        };
        lambda.store.transact(move |tx| change.write(tx, |version| version.policy.add(&statement))).await?;
        Ok(AddLayerVersionPermissionResponse { statement: Some(shown), revision_id: Some(revision_id) })
    }
}

/// A change of the policy of a layer version.
pub(crate) struct LayerPolicyChange {
    pub(crate) target: LayerTarget,
    pub(crate) number: i64,
    /// The revision that the caller has seen.
    pub(crate) expected: Option<String>,
    /// The new one.
    pub(crate) revision_id: String,
}

impl LayerPolicyChange {
    pub(crate) fn write(
        &self,
        tx: &mut Tx<'_>,
        change: impl Fn(&mut LayerVersionRecord) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let key = self.target.version_key(check_number(self.number)?);
        let found = tx.get(LAYER_VERSIONS, &key)?;
        let mut version = found.ok_or_else(|| missing_version(&self.target, self.number))?;
        let stale = self.expected.as_ref().is_some_and(|expected| *expected != version.policy_revision_id);
        // An id that is there already is told first.
        change(&mut version)?;
        if stale {
            // That operation does not exist under this name; the message is AWS's.
            return Err(stale_revision("GetLayerPolicy").into());
        }
        version.policy_revision_id.clone_from(&self.revision_id);
        tx.put(LAYER_VERSIONS, &key, &version)?;
        Ok(())
    }
}
