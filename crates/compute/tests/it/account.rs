//! What an account may have: code storage and concurrency, and what is set aside of it.

use compute::lambda::operations::{
    CreateFunction, DeleteFunction, GetAccountSettings, GetAccountSettingsResponse, GetFunctionConcurrency,
    GetRuntimeManagementConfig, PublishVersion, PutFunctionConcurrency, PutProvisionedConcurrencyConfig,
    PutRuntimeManagementConfig, UpdateFunctionCode, UpdateRuntimeOn,
};

use crate::cloud_in_memory::{World, app, python, refused, zip};

const INVALID: &str = "InvalidParameterValueException";

async fn settings(world: &World) -> GetAccountSettingsResponse {
    world.call(GetAccountSettings::default()).await.expect("settings are shown")
}

async fn stored(world: &World) -> i64 {
    settings(world).await.account_usage.unwrap().total_code_size.unwrap()
}

fn publish(name: &str) -> PublishVersion {
    PublishVersion { function_name: name.into(), ..PublishVersion::default() }
}

fn delete(name: &str, version: Option<&str>) -> DeleteFunction {
    DeleteFunction { function_name: name.into(), qualifier: version.map(Into::into) }
}

/// A new function whose package has content of its own.
fn function(name: &str, content: &str) -> CreateFunction {
    CreateFunction { code: zip(app(content)), ..python(name) }
}

async fn update(world: &World, name: &str, content: &str) -> Result<(), base::Error> {
    let code = Some(app(content));
    let update = UpdateFunctionCode { function_name: name.into(), zip_file: code, ..UpdateFunctionCode::default() };
    world.call(update).await?;
    world.settled(name).await;
    Ok(())
}

#[tokio::test]
async fn every_version_counts_in_code_storage() {
    let world = World::new().await;
    let (small, large) = (app("1").len() as i64, app(&"'x'".repeat(4_000)).len() as i64);
    assert_eq!(stored(&world).await, 0);
    world.call(function("f", "1")).await.unwrap();
    world.settled("f").await;
    assert_eq!(stored(&world).await, small);
    world.call(publish("f")).await.unwrap();
    assert_eq!(stored(&world).await, 2 * small, "also where the package is the same");
    update(&world, "f", &"'x'".repeat(4_000)).await.unwrap();
    assert_eq!(stored(&world).await, small + large);
    world.call(publish("f")).await.unwrap();
    world.call(function("g", "1")).await.unwrap();
    assert_eq!(stored(&world).await, 2 * small + 2 * large);
    world.call(delete("f", Some("1"))).await.unwrap();
    assert_eq!(stored(&world).await, small + 2 * large);
    let world = world.restart().await;
    assert_eq!(stored(&world).await, small + 2 * large);
    world.call(delete("f", None)).await.unwrap();
    world.call(delete("g", None)).await.unwrap();
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test]
async fn code_beyond_the_quota_is_refused_and_changes_nothing() {
    let world = World::new().await;
    world.create("f").await;
    let bytes = app("1").len() as u64;
    let world = world.restart_configured(|config| config.code_storage_bytes_max = 2 * bytes + bytes / 2).await;
    let shown = settings(&world).await.account_limit.unwrap();
    assert_eq!(shown.total_code_size, Some((2 * bytes + bytes / 2) as i64));
    world.call(publish("f")).await.expect("there is room for a second");
    let (code, words) = ("CodeStorageExceededException", "Code storage limit exceeded.");
    refused(world.call(python("g")).await, 400, code, words);
    refused(update(&world, "f", "2").await, 400, code, words);
    refused(world.call(publish("f")).await, 400, code, words);
    assert_eq!(stored(&world).await, 2 * bytes as i64);
    world.call(delete("f", Some("1"))).await.unwrap();
    world.call(python("g")).await.expect("who deletes makes room");
}

#[tokio::test]
async fn what_functions_reserve_is_taken_out_of_the_accounts_limit() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.create(name).await;
        world.call(publish(name)).await.unwrap();
    }
    let reserve = |name: &str, count| PutFunctionConcurrency {
        function_name: name.into(),
        reserved_concurrent_executions: count,
    };
    let provision = |name: &str, count| PutProvisionedConcurrencyConfig {
        function_name: name.into(),
        qualifier: "1".into(),
        provisioned_concurrent_executions: count,
    };
    world.call(reserve("f", 100)).await.unwrap();
    world.call(provision("f", 40)).await.unwrap();
    world.call(provision("g", 50)).await.unwrap();
    let unreserved =
        |shown: GetAccountSettingsResponse| shown.account_limit.unwrap().unreserved_concurrent_executions.unwrap();
    assert_eq!(unreserved(settings(&world).await), 850, "f's environments are within what it has reserved");
    let words = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
                 below its minimum value of [100].";
    refused(world.call(reserve("f", 851)).await, 400, INVALID, words);
    world.call(reserve("f", 850)).await.expect("100 are left");
    assert_eq!(unreserved(settings(&world).await), 100);
    let less =
        " ReservedConcurrentExecutions  39 should not be lower than function's total provisioned concurrency [40].";
    refused(world.call(reserve("f", 39)).await, 400, INVALID, less);
    let world = world.restart().await;
    assert_eq!(unreserved(settings(&world).await), 100);
    let get = GetFunctionConcurrency { function_name: "f".into() };
    assert_eq!(world.call(get).await.unwrap().reserved_concurrent_executions, Some(850));

    let small = world.restart_configured(|config| config.concurrent_executions_max = 10).await;
    let all = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
               below its minimum value of [10].";
    refused(small.call(reserve("g", 60)).await, 400, INVALID, all);
}

#[tokio::test]
async fn a_runtime_is_managed_as_one_says() {
    let world = World::new().await;
    let shown = world.create("f").await;
    world.call(publish("f")).await.unwrap();
    let put = |on, arn: Option<String>, qualifier: Option<&str>| PutRuntimeManagementConfig {
        function_name: "f".into(),
        qualifier: qualifier.map(Into::into),
        update_runtime_on: on,
        runtime_version_arn: arn,
    };
    let get = |qualifier: Option<&str>| GetRuntimeManagementConfig {
        function_name: "f".into(),
        qualifier: qualifier.map(Into::into),
    };
    let first = world.call(get(None)).await.unwrap();
    assert_eq!(first.update_runtime_on, Some(UpdateRuntimeOn::Auto));
    assert_eq!(first.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"));
    assert!(first.runtime_version_arn.is_none());

    let arn = shown.runtime_version_config.unwrap().runtime_version_arn;
    world.call(put(UpdateRuntimeOn::Manual, arn.clone(), Some("1"))).await.unwrap();
    let of_version = world.call(get(Some("1"))).await.unwrap();
    assert_eq!((of_version.update_runtime_on, of_version.runtime_version_arn), (Some(UpdateRuntimeOn::Manual), arn));
    assert_eq!(world.call(get(None)).await.unwrap().update_runtime_on, Some(UpdateRuntimeOn::Auto), "each its own");
    world.call(put(UpdateRuntimeOn::FunctionUpdate, None, None)).await.unwrap();
    assert_eq!(world.call(get(None)).await.unwrap().update_runtime_on, Some(UpdateRuntimeOn::FunctionUpdate));

    let no_such = Some("arn:aws:lambda:us-east-1::runtime:0123".to_owned());
    refused(world.call(put(UpdateRuntimeOn::Manual, no_such, None)).await, 400, INVALID, "Runtime version arn:aws:");
    let missing = "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.";
    refused(world.call(put(UpdateRuntimeOn::Manual, None, None)).await, 400, INVALID, missing);
    for qualifier in ["9", "live"] {
        let words = format!("Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:{qualifier}");
        let put = put(UpdateRuntimeOn::Auto, None, Some(qualifier));
        refused(world.call(put).await, 404, "ResourceNotFoundException", &words);
        refused(world.call(get(Some(qualifier))).await, 404, "ResourceNotFoundException", &words);
    }
}
