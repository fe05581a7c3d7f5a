//! DeleteAlias.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::concurrency::forget_qualifier;
use crate::lambda::error::Failure;
use crate::lambda::function::load;
use crate::lambda::name::{AliasName, FunctionName, Qualifier, Target};
use crate::lambda::records::{ALIASES, EVENT_INVOKE_CONFIGS, FUNCTIONS};

/// Deletes an alias with its policy and provisioned concurrency; the versions it pointed at stay. One that is not there is deleted already, as on AWS.
#[derive(Shape, Default)]
#[shape(name = "DeleteAliasRequest")]
pub struct DeleteAlias {
    /// Of which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Which.
    #[shape(label)]
    pub name: AliasName,
}

impl Operation<Lambda> for DeleteAlias {
    const META: Meta =
        Meta::write("DeleteAlias").http("DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let (function, AliasName(name)) = (target.clone(), self.name);
        let deleted = lambda.store.transact(move |tx| delete(tx, &function, &name)).await;
        lambda.forget(&target);
        deleted?;
        lambda.apply_concurrency(&target).await;
        Ok(())
    }
}

fn delete(tx: &mut Tx<'_>, target: &Target, name: &str) -> Result<(), Failure> {
    let mut function = load(tx, target)?;
    tx.delete(ALIASES, &target.alias_key(name))?;
    let qualified = target.qualified(Qualifier::Alias(name.to_owned()));
    tx.delete(EVENT_INVOKE_CONFIGS, &qualified.event_invoke_config_key())?;
    forget_qualifier(tx, target, name)?;
    if function.policies.remove(name).is_some() {
        tx.put(FUNCTIONS, &target.key(), &function)?;
    }
    Ok(())
}
