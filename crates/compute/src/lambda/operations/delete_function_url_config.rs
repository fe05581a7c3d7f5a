//! DeleteFunctionUrlConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::function::load;
use crate::lambda::name::Target;
use crate::lambda::records::FUNCTIONS;
use crate::lambda::url::{self, FunctionUrlFunctionName, FunctionUrlQualifier, URL_IDS};

/// Takes a function's URL away for good: a new one gets another address.
#[derive(Shape)]
#[shape(name = "DeleteFunctionUrlConfigRequest")]
pub struct DeleteFunctionUrlConfig {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionUrlFunctionName,
    /// The alias, if it is not the function itself.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<FunctionUrlQualifier>,
}

impl Operation<Lambda> for DeleteFunctionUrlConfig {
    const META: Meta =
        Meta::write("DeleteFunctionUrlConfig").http("DELETE", "/2021-10-31/functions/{FunctionName}/url").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = url::target(cx, &self.function_name, self.qualifier.as_ref())?;
        let owner = target.clone();
        let deleted = lambda.store.transact(move |tx| delete(tx, &owner)).await;
        lambda.forget(&target);
        Ok(deleted?)
    }
}

fn delete(tx: &mut Tx<'_>, target: &Target) -> Result<(), Failure> {
    let mut function = load(tx, target).map_err(|_| url::no_url())?;
    let record = function.urls.remove(&url::alias_of(target)).ok_or_else(url::no_url)?;
    tx.delete(URL_IDS, &url::id_key(&record.id))?;
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(())
}
