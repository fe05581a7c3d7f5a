//! CreateFunctionUrlConfig.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, conflict};
use crate::lambda::name::Target;
use crate::lambda::records::FUNCTIONS;
use crate::lambda::url::cors::Cors;
use crate::lambda::url::{
    self, FunctionUrlAuthType, FunctionUrlConfig, FunctionUrlFunctionName, FunctionUrlQualifier, InvokeMode, UrlRecord,
};

/// Gives a function, or one of its aliases, an address of its own.
#[derive(Shape)]
#[shape(name = "CreateFunctionUrlConfigRequest")]
pub struct CreateFunctionUrlConfig {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionUrlFunctionName,
    /// The alias, if it is not the function itself.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<FunctionUrlQualifier>,
    /// Who may come in.
    pub auth_type: FunctionUrlAuthType,
    /// What browsers are told.
    pub cors: Option<Cors>,
    /// How answers leave; buffered, if nothing is said.
    pub invoke_mode: Option<InvokeMode>,
}

/// The new URL.
#[derive(Shape, Debug, Default)]
pub struct CreateFunctionUrlConfigResponse {
    /// Where it is.
    pub function_url: Option<String>,
    /// The function's ARN, with the alias if it is one's.
    pub function_arn: Option<String>,
    /// Who may come in.
    pub auth_type: Option<FunctionUrlAuthType>,
    /// What browsers are told.
    pub cors: Option<Cors>,
    /// Now.
    pub creation_time: Option<String>,
    /// How answers leave, if that was given.
    pub invoke_mode: Option<InvokeMode>,
}

impl Operation<Lambda> for CreateFunctionUrlConfig {
    const META: Meta =
        Meta::write("CreateFunctionUrlConfig").http("POST", "/2021-10-31/functions/{FunctionName}/url").status(201);
    type Output = CreateFunctionUrlConfigResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<CreateFunctionUrlConfigResponse, Error> {
        let target = url::target(cx, &self.function_name, self.qualifier.as_ref())?;
        let record = UrlRecord {
            id: url::random_id(),
            auth_type: self.auth_type,
            cors: self.cors.map(Cors::kept),
            invoke_mode: self.invoke_mode,
            created: cx.now(),
            modified: cx.now(),
        };
        let owner = target.clone();
        let created = lambda.store.transact(move |tx| create(tx, &owner, &record)).await;
        lambda.forget(&target);
        let shown = FunctionUrlConfig::of(cx, &target, &created?);
        Ok(CreateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}

fn create(tx: &mut Tx<'_>, target: &Target, record: &UrlRecord) -> Result<UrlRecord, Failure> {
    let mut function = url::load_owner(tx, target)?;
    let alias = url::alias_of(target);
    if function.urls.contains_key(&alias) {
        let arn = target.arn();
        return Err(conflict(format!(
            "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists \
             for this Lambda function"
        ))
        .into());
    }
    let record = UrlRecord { id: url::id_for(&function, &alias, &record.id), ..record.clone() };
    url::claim_id(tx, target, &record.id)?;
    function.urls.insert(alias, record.clone());
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(record)
}
