//! AddPermission.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::alias::missing_alias;
use crate::lambda::error::{Failure, invalid, no_function, stale_revision};
use crate::lambda::function::load;
use crate::lambda::name::{NamespacedFunctionName, Qualifier, QualifierText, Target};
use crate::lambda::policy::{Effect, Principal, Statement};
use crate::lambda::records::{ALIASES, FUNCTIONS, FunctionRecord, VERSIONS};
use crate::lambda::url::FunctionUrlAuthType;

/// Lets somebody else use a function, or one version or alias of it.
#[derive(Shape, Default)]
#[shape(name = "AddPermissionRequest")]
pub struct AddPermission {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// The new statement's id.
    #[shape(length(1..=100), pattern = r"([a-zA-Z0-9-_]+)")]
    pub statement_id: String,
    /// What is allowed.
    #[shape(pattern = r"(lambda:[*]|lambda:[a-zA-Z]+|[*])")]
    pub action: String,
    /// To whom.
    #[shape(pattern = r"[^\s]+")]
    pub principal: String,
    /// Only on behalf of this resource; may have wildcards.
    #[shape(pattern = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?:(\d{12})?:(.*)")]
    pub source_arn: Option<String>,
    /// Only on behalf of this account.
    #[shape(length(0..=12), pattern = r"\d{12}")]
    pub source_account: Option<String>,
    /// Only with this token (Alexa).
    #[shape(length(0..=256), pattern = r"[a-zA-Z0-9._\-]+")]
    pub event_source_token: Option<String>,
    /// The policy of this version or alias, not the function's.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// The revision that the caller has seen.
    pub revision_id: Option<String>,
    /// Only members of this organization.
    #[shape(name = "PrincipalOrgID", length(12..=34), pattern = r"o-[a-z0-9]{10,32}")]
    pub principal_org_id: Option<String>,
    /// Only by function URLs of this kind.
    pub function_url_auth_type: Option<FunctionUrlAuthType>,
    /// Only by function URLs.
    pub invoked_via_function_url: Option<bool>,
}

/// What was added.
#[derive(Shape, Debug, Default)]
pub struct AddPermissionResponse {
    /// The statement as JSON.
    pub statement: Option<String>,
}

impl Operation<Lambda> for AddPermission {
    const META: Meta =
        Meta::write("AddPermission").http("POST", "/2015-03-31/functions/{FunctionName}/policy").status(201);
    type Output = AddPermissionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<AddPermissionResponse, Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        if target.qualifier == Some(Qualifier::Latest) {
            return Err(invalid("We currently do not support adding policies for $LATEST."));
        }
        let statement = self.statement(&target)?;
        let (shown, function, revision_id) = (statement.document(), target.clone(), base::id::uuid());
        let added = lambda.store.transact(move |tx| {
            change_policy(tx, &function, self.revision_id.as_deref(), &revision_id, |record, qualifier| {
                Ok(record.policies.entry(qualifier).or_default().add(&statement)?)
            })
        });
        let added = added.await;
        lambda.forget(&target);
        added?;
        Ok(AddPermissionResponse { statement: Some(shown) })
    }
}

impl AddPermission {
    fn statement(&self, target: &Target) -> Result<Statement, Error> {
        if self.function_url_auth_type.is_some() && self.action != "lambda:InvokeFunctionUrl" {
            return Err(invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"));
        }
        let statement = Statement {
            sid: self.statement_id.clone(),
            effect: Effect::Allow,
            principal: Principal::parse(&self.principal, target.region.partition())?,
            action: self.action.clone(),
            resource: target.arn().to_string(),
            condition: Default::default(),
        };
        let auth_type = self.function_url_auth_type.map(FunctionUrlAuthType::name);
        Ok(statement
            .when("StringEquals", "lambda:FunctionUrlAuthType", auth_type)
            .when("StringEquals", "aws:PrincipalOrgID", self.principal_org_id.clone())
            .when("StringEquals", "AWS:SourceAccount", self.source_account.clone())
            .when("StringEquals", "lambda:EventSourceToken", self.event_source_token.clone())
            .when("ArnLike", "AWS:SourceArn", self.source_arn.clone())
            .when("Bool", "lambda:InvokedViaFunctionUrl", self.invoked_via_function_url.map(|via| via.to_string())))
    }
}

/// Changes the policy of a function, version or alias and gives what it is attached to a new revision, as AWS does.
pub(crate) fn change_policy(
    tx: &mut Tx<'_>,
    target: &Target,
    expected: Option<&str>,
    revision_id: &str,
    change: impl Fn(&mut FunctionRecord, String) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let missing = || Failure::from(no_function(&target.arn()));
    let check = |present: &str| match expected {
        Some(expected) if expected != present => Err(Failure::from(stale_revision("GetFunction/GetAlias"))),
        _ => Ok(()),
    };
    let mut function = load(tx, target).map_err(|_| missing())?;
    match &target.qualifier {
        None => {
            check(&function.latest.revision_id)?;
            function.latest.revision_id = revision_id.to_owned();
            change(&mut function, String::new())?;
        }
        Some(Qualifier::Version(number)) => {
            let key = target.version_key(*number);
            let mut version = tx.get(VERSIONS, &key)?.ok_or_else(missing)?;
            check(&version.revision_id)?;
            version.revision_id = revision_id.to_owned();
            change(&mut function, number.to_string())?;
            tx.put(VERSIONS, &key, &version)?;
        }
        Some(Qualifier::Alias(name)) => {
            let key = target.alias_key(name);
            // No alias can have a dollar in its name, so that AWS does not look for one.
            let gone = || if name.contains('$') { missing() } else { Failure::from(missing_alias(target, name)) };
            let mut alias = tx.get(ALIASES, &key)?.ok_or_else(gone)?;
            check(&alias.revision_id)?;
            alias.revision_id = revision_id.to_owned();
            change(&mut function, name.clone())?;
            tx.put(ALIASES, &key, &alias)?;
        }
        Some(Qualifier::Latest) => return Err(missing()),
    }
    tx.put(FUNCTIONS, &target.key(), &function)?;
    Ok(())
}
