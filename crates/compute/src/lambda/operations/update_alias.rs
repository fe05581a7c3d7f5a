//! UpdateAlias.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::alias::{AliasConfiguration, AliasRoutingConfiguration, check_versions, load_alias, version_number};
use crate::lambda::error::{Failure, stale_revision};
use crate::lambda::function::load;
use crate::lambda::name::{AliasName, FunctionName, Target, VersionText};
use crate::lambda::records::{ALIASES, AdditionalVersion, AliasRecord};

/// Changes an alias; what is absent stays. The very next request goes where it points now.
#[derive(Shape, Default)]
#[shape(name = "UpdateAliasRequest")]
pub struct UpdateAlias {
    /// Of which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which.
    #[shape(label)]
    pub name: AliasName,
    /// The version it is to point at.
    pub function_version: Option<VersionText>,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// A second version and its share of the requests; an empty one means none.
    pub routing_config: Option<AliasRoutingConfiguration>,
    /// The revision that the caller has seen.
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for UpdateAlias {
    const META: Meta = Meta::write("UpdateAlias").http("PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}");
    type Output = AliasConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<AliasConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let change = Change {
            version: self.function_version.map(|version| version_number(&version.0)).transpose()?,
            additional: self.routing_config.map(|routing| routing.additional()).transpose()?,
            description: self.description,
            expected: self.revision_id,
            revision_id: base::id::uuid(),
        };
        let (function, AliasName(name)) = (target.clone(), self.name);
        let named = name.clone();
        let updated = lambda.store.transact(move |tx| change.write(tx, &function, &named)).await;
        lambda.forget(&target);
        let alias = updated?;
        // Provisioned concurrency follows.
        lambda.apply_concurrency(&target).await;
        Ok(AliasConfiguration::of(&target, &name, &alias))
    }
}

struct Change {
    version: Option<u64>,
    additional: Option<Option<AdditionalVersion>>,
    description: Option<String>,
    expected: Option<String>,
    revision_id: String,
}

impl Change {
    fn write(&self, tx: &mut Tx<'_>, target: &Target, name: &str) -> Result<AliasRecord, Failure> {
        load(tx, target)?;
        let present = load_alias(tx, target, name)?;
        if self.expected.as_ref().is_some_and(|expected| *expected != present.revision_id) {
            return Err(stale_revision("GetFunction/GetAlias").into());
        }
        let alias = AliasRecord {
            version: self.version.unwrap_or(present.version),
            additional: self.additional.unwrap_or(present.additional),
            description: self.description.clone().unwrap_or(present.description),
            revision_id: self.revision_id.clone(),
        };
        check_versions(tx, target, &alias)?;
        tx.put(ALIASES, &target.alias_key(name), &alias)?;
        Ok(alias)
    }
}
