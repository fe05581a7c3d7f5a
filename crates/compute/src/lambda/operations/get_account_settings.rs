//! GetAccountSettings.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::code::{UNZIPPED_BYTES_MAX, ZIPPED_BYTES_MAX};
use crate::lambda::concurrency::Limit;
use crate::lambda::error::Failure;
use crate::lambda::records::{CONCURRENCY, FUNCTIONS};

/// Returns the account's limits and what it uses of them in this region.
#[derive(Shape, Default)]
#[shape(name = "GetAccountSettingsRequest")]
pub struct GetAccountSettings {}

/// Limits and usage.
#[derive(Shape, Debug, Default)]
pub struct GetAccountSettingsResponse {
    /// Limits.
    pub account_limit: Option<AccountLimit>,
    /// Usage.
    pub account_usage: Option<AccountUsage>,
}

/// What an account may use.
#[derive(Shape, Debug, Default)]
pub struct AccountLimit {
    /// All code, zipped, in bytes.
    pub total_code_size: Option<i64>,
    /// One function's code, unzipped, in bytes.
    pub code_size_unzipped: Option<i64>,
    /// One function's code, zipped, in bytes.
    pub code_size_zipped: Option<i64>,
    /// Executions at a time.
    pub concurrent_executions: Option<i32>,
    /// Those of them that no function has reserved.
    pub unreserved_concurrent_executions: Option<i32>,
}

/// What an account uses.
#[derive(Shape, Debug, Default)]
pub struct AccountUsage {
    /// All code, zipped, in bytes; every version of functions and layers counts.
    pub total_code_size: Option<i64>,
    /// Functions.
    pub function_count: Option<i64>,
}

impl Operation<Lambda> for GetAccountSettings {
    const META: Meta = Meta::read("GetAccountSettings").http("GET", "/2016-08-19/account-settings");
    type Output = GetAccountSettingsResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetAccountSettingsResponse, Error> {
        let snapshot = lambda.store.snapshot().map_err(Failure::from)?;
        let scan = || Scan::under((cx.account.as_str(), cx.region.as_str()));
        let functions = snapshot.scan(FUNCTIONS, scan()).await.map_err(Failure::from)?;
        let aside = snapshot.scan(CONCURRENCY, scan()).await.map_err(Failure::from)?;
        let set_aside: u32 = aside.iter().map(|(_, record)| record.set_aside().total()).sum();
        let Limit(limit) = lambda.limit();
        let bytes = lambda.stored_code(cx.account, &cx.region).await?;
        Ok(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(lambda.config.code_storage_bytes_max as i64),
                code_size_unzipped: Some(UNZIPPED_BYTES_MAX as i64),
                code_size_zipped: Some(ZIPPED_BYTES_MAX as i64),
                concurrent_executions: Some(limit as i32),
                unreserved_concurrent_executions: Some(limit.saturating_sub(set_aside) as i32),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(bytes as i64),
                function_count: Some(functions.len() as i64),
            }),
        })
    }
}
