//! GetAlias.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::alias::AliasConfiguration;
use crate::lambda::name::{AliasName, FunctionName, Target};

/// Returns an alias.
#[derive(Shape, Default)]
#[shape(name = "GetAliasRequest")]
pub struct GetAlias {
    /// Of which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which.
    #[shape(label)]
    pub name: AliasName,
}

impl Operation<Lambda> for GetAlias {
    const META: Meta = Meta::read("GetAlias").http("GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}");
    type Output = AliasConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<AliasConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        lambda.function(&target).await?;
        let alias = lambda.alias(&target, &self.name.0).await?;
        Ok(AliasConfiguration::of(&target, &self.name.0, &alias))
    }
}
