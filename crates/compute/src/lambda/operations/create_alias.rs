//! CreateAlias.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::alias::{AliasConfiguration, AliasRoutingConfiguration, check_versions, version_number};
use crate::lambda::error::{Failure, conflict};
use crate::lambda::name::{AliasName, FunctionName, Qualifier, Target, VersionText};
use crate::lambda::records::{ALIASES, AliasRecord};

/// Gives a version a name that can be given to another later.
#[derive(Shape, Default)]
#[shape(name = "CreateAliasRequest")]
pub struct CreateAlias {
    /// Which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// The alias.
    pub name: AliasName,
    /// The version it points at.
    pub function_version: VersionText,
    /// Free text.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// A second version, and its share of the requests.
    pub routing_config: Option<AliasRoutingConfiguration>,
}

impl Operation<Lambda> for CreateAlias {
    const META: Meta =
        Meta::write("CreateAlias").http("POST", "/2015-03-31/functions/{FunctionName}/aliases").status(201);
    type Output = AliasConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<AliasConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let (AliasName(name), VersionText(version)) = (self.name, self.function_version);
        let alias = AliasRecord {
            version: version_number(&version)?,
            additional: self.routing_config.unwrap_or_default().additional()?,
            description: self.description.unwrap_or_default(),
            revision_id: base::id::uuid(),
        };
        let (function, new, named) = (target.clone(), alias.clone(), name.clone());
        let created = lambda.store.transact(move |tx| create(tx, &function, &named, &new)).await;
        lambda.forget(&target);
        created?;
        Ok(AliasConfiguration::of(&target, &name, &alias))
    }
}

fn create(tx: &mut Tx<'_>, target: &Target, name: &str, alias: &AliasRecord) -> Result<(), Failure> {
    check_versions(tx, target, alias)?;
    let key = target.alias_key(name);
    if tx.exists(ALIASES, &key)? {
        let arn = target.qualified_arn(&Qualifier::Alias(name.to_owned()));
        return Err(conflict(format!("Alias already exists: {arn}")).into());
    }
    Ok(tx.put(ALIASES, &key, alias)?)
}
