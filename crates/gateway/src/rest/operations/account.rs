//! Settings of the whole account.

use base::{Arn, Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::Failure;
use crate::edge::throttle::ACCOUNT;
use crate::rest::ApiGateway;
use crate::rest::error::bad;
use crate::rest::patch::{self, Change, Op, PatchOperation, Paths};
use crate::rest::records::{ACCOUNTS, Account, Home, ThrottleSettings};

/// What every account has: nothing is stored before the first change.
fn default_account() -> Account {
    Account {
        cloudwatch_role_arn: None,
        throttle_settings: Some(ThrottleSettings {
            burst_limit: Some(ACCOUNT.burst as i32),
            rate_limit: Some(ACCOUNT.rate),
        }),
        features: Some(vec!["UsagePlans".to_owned()]),
        api_key_version: Some("4".to_owned()),
    }
}

/// Shows the account's settings.
#[derive(Shape)]
#[shape(name = "GetAccountRequest", rename_all = "camelCase")]
pub struct GetAccount {}

impl Operation<ApiGateway> for GetAccount {
    const META: Meta = Meta::read("GetAccount").http("GET", "/account");
    type Output = Account;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Account, Error> {
        let found = gateway.store.get(ACCOUNTS, &Home::of(cx).key()).await.map_err(Failure::from)?;
        Ok(found.unwrap_or_else(default_account))
    }
}

const PATHS: Paths = Paths { add: &["/features"], remove: &["/features"], replace: &["/cloudwatchRoleArn"] };

/// Changes the account's settings.
#[derive(Shape)]
#[shape(name = "UpdateAccountRequest", rename_all = "camelCase")]
pub struct UpdateAccount {
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateAccount {
    const META: Meta = Meta::write("UpdateAccount").http("PATCH", "/account");
    type Output = Account;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Account, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let key = Home::of(cx).key();
        gateway
            .change_home(move |tx| {
                let mut account = tx.get(ACCOUNTS, &key)?.unwrap_or_else(default_account);
                for change in &changes {
                    PATHS.check(change)?;
                    apply(&mut account, change)?;
                }
                tx.put(ACCOUNTS, &key, &account)?;
                Ok(account)
            })
            .await
    }
}

fn apply(account: &mut Account, change: &Change) -> Result<(), Error> {
    if change.path == "/cloudwatchRoleArn" {
        let role = change.text();
        let is_role = |text: &String| Arn::parse(text).is_some_and(|arn| arn.service == "iam");
        if role.as_ref().is_some_and(|role| !is_role(role)) {
            let words = "The role ARN does not have required permissions set to API Gateway";
            return Err(bad(words));
        }
        account.cloudwatch_role_arn = role;
        return Ok(());
    }
    let feature =
        change.text().filter(|feature| feature == "UsagePlans").ok_or_else(|| bad("Invalid feature specified"))?;
    let features = account.features.get_or_insert_default();
    if change.op == Op::Remove {
        return Err(bad("Usage Plans cannot be disabled once enabled"));
    }
    if !features.contains(&feature) {
        features.push(feature);
    }
    Ok(())
}
