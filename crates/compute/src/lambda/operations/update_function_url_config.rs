//! UpdateFunctionUrlConfig.

use base::{Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::name::Target;
use crate::lambda::records::FUNCTIONS;
use crate::lambda::url::cors::Cors;
use crate::lambda::url::{
    self, FunctionUrlAuthType, FunctionUrlConfig, FunctionUrlFunctionName, FunctionUrlQualifier, InvokeMode, UrlRecord,
};

/// Changes a function's URL. What is not given stays; its settings for browsers change as a whole.
#[derive(Shape)]
#[shape(name = "UpdateFunctionUrlConfigRequest")]
pub struct UpdateFunctionUrlConfig {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionUrlFunctionName,
    /// The alias, if it is not the function itself.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<FunctionUrlQualifier>,
    /// Who may come in.
    pub auth_type: Option<FunctionUrlAuthType>,
    /// What browsers are told.
    pub cors: Option<Cors>,
    /// How answers leave.
    pub invoke_mode: Option<InvokeMode>,
}

impl Operation<Lambda> for UpdateFunctionUrlConfig {
    const META: Meta = Meta::write("UpdateFunctionUrlConfig").http("PUT", "/2021-10-31/functions/{FunctionName}/url");
    type Output = FunctionUrlConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionUrlConfig, Error> {
        let target = url::target(cx, &self.function_name, self.qualifier.as_ref())?;
        let (owner, now) = (target.clone(), cx.now());
        let updated = lambda.store.transact(move |tx| update(tx, &owner, &self, now)).await;
        lambda.forget(&target);
        Ok(FunctionUrlConfig::of(cx, &target, &updated?))
    }
}

fn update(
    tx: &mut Tx<'_>,
    target: &Target,
    change: &UpdateFunctionUrlConfig,
    now: Timestamp,
) -> Result<UrlRecord, Failure> {
    let mut function = url::load_owner(tx, target)?;
    let record = function.urls.get_mut(&url::alias_of(target)).ok_or_else(url::no_url)?;
    record.auth_type = change.auth_type.unwrap_or(record.auth_type);
    record.invoke_mode = change.invoke_mode.or(record.invoke_mode);
    record.cors = change.cors.clone().map(Cors::kept).or(record.cors.take());
    record.modified = now;
    let record = record.clone();
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(record)
}
