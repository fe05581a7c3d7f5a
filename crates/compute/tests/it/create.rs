//! Creating, reading, listing and deleting functions.

use std::collections::BTreeMap;

use base::{AccountId, Cx, Region};
use compute::lambda::configuration::{
    DeadLetterConfig, Environment, EphemeralStorage, LogFormat, LogLevel, LoggingConfig, SnapStart, SnapStartApplyOn,
    SystemLogLevel, TracingConfig, TracingMode, VpcConfig,
};
use compute::lambda::operations::{
    CreateFunction, DeleteFunction, FunctionVersion, GetAccountSettings, GetFunction, GetFunctionConfiguration,
    ListFunctions,
};

use crate::cloud_in_memory::{World, python, refused};

const INVALID: &str = "InvalidParameterValueException";

fn get(name: &str, qualifier: Option<&str>) -> GetFunction {
    GetFunction { function_name: name.into(), qualifier: qualifier.map(Into::into) }
}

fn variables(pairs: &[(&str, &str)]) -> Option<Environment> {
    let map: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Some(Environment { variables: Some(map) })
}

#[tokio::test]
async fn a_new_function_is_pending_and_shows_awss_defaults() {
    let world = World::slow().await;
    let shown = world.call(python("f")).await.unwrap();
    assert_eq!(shown.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f"));
    assert_eq!(shown.state.as_deref(), Some("Pending"));
    assert_eq!(shown.state_reason.as_deref(), Some("The function is being created."));
    assert_eq!(shown.state_reason_code.as_deref(), Some("Creating"));
    assert_eq!(shown.last_update_status, None, "AWS leaves it out of CreateFunction's answer");
    assert_eq!((shown.timeout, shown.memory_size), (Some(3), Some(128)));
    assert_eq!(shown.description.as_deref(), Some(""));
    assert!(shown.environment.is_none(), "absent is not empty");
    assert_eq!(shown.version.as_deref(), Some("$LATEST"));
    assert_eq!(shown.last_modified.as_deref(), Some("2026-11-22T16:00:00.000+0000"));
    assert_eq!(shown.code_sha256.as_ref().map(String::len), Some(44));
    assert_eq!(shown.logging_config.unwrap().log_group.as_deref(), Some("/aws/lambda/f"));
    assert!(
        shown
            .runtime_version_config
            .unwrap()
            .runtime_version_arn
            .unwrap()
            .starts_with("arn:aws:lambda:us-east-1::runtime:")
    );
}

#[tokio::test]
async fn it_becomes_active_with_a_new_revision() {
    let world = World::new().await;
    let created = world.call(python("f")).await.unwrap();
    let active = world.settled("f").await;
    assert_eq!(active.state.as_deref(), Some("Active"));
    assert_eq!((active.state_reason, active.state_reason_code), (None, None));
    assert_eq!(active.last_update_status.as_deref(), Some("Successful"));
    assert_ne!(active.revision_id, created.revision_id);
}

#[tokio::test]
async fn settings_are_stored_and_shown() {
    let world = World::new().await;
    let logging = LoggingConfig {
        log_format: Some(LogFormat::Json),
        log_group: Some("/mine".to_owned()),
        ..LoggingConfig::default()
    };
    let create = CreateFunction {
        description: Some("it counts".to_owned()),
        timeout: Some(900),
        memory_size: Some(10_240),
        environment: variables(&[("GREETING", "hello")]),
        ephemeral_storage: Some(EphemeralStorage { size: 1024 }),
        logging_config: Some(logging),
        ..python("f")
    };
    world.call(create).await.unwrap();
    let shown = world.settled("f").await;
    assert_eq!((shown.timeout, shown.memory_size), (Some(900), Some(10_240)));
    assert_eq!(shown.environment.unwrap().variables.unwrap()["GREETING"], "hello");
    let logging = shown.logging_config.unwrap();
    assert_eq!(logging.application_log_level, Some(LogLevel::Info), "JSON brings levels along");
    assert_eq!(logging.system_log_level, Some(SystemLogLevel::Info));
    assert_eq!(logging.log_group.as_deref(), Some("/mine"));
}

#[tokio::test]
async fn a_second_function_of_the_name_is_refused() {
    let world = World::new().await;
    world.create("f").await;
    refused(world.call(python("f")).await, 409, "ResourceConflictException", "Function already exist: f");
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let world = World::new().await;
    world.create("f").await;
    let elsewhere = Cx::internal(AccountId::DEFAULT, Region::parse("eu-west-1").unwrap(), world.clock.clone());
    let arn = "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:f";
    refused(world.call_as(&elsewhere, get("f", None)).await, 404, "ResourceNotFoundException", arn);
    let stranger = Cx::internal(AccountId::parse("111111111111").unwrap(), Region::default(), world.clock.clone());
    refused(world.call_as(&stranger, get("f", None)).await, 404, "ResourceNotFoundException", "Function not found");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call_as(&stranger, get(arn, None)).await, 403, "AccessDeniedException", "User: ");
}

#[tokio::test]
async fn every_form_of_the_name_finds_it() {
    let world = World::new().await;
    world.create("f").await;
    for name in [
        "f",
        "f:$LATEST",
        "function:f",
        "000000000000:function:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    ] {
        let found = world.call(get(name, None)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let arn = found.configuration.unwrap().function_arn.unwrap();
        assert_eq!(arn.ends_with(":f:$LATEST"), name.contains("$LATEST"), "{name} gave {arn}");
    }
}

#[tokio::test]
async fn what_is_no_name_is_refused_in_awss_words() {
    let world = World::new().await;
    world.create("f").await;
    let answer = world.call(get("not a name", None)).await;
    refused(
        answer,
        400,
        "ValidationException",
        "1 validation error detected: Value 'not a name' at 'functionName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?",
    );
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:f";
    let words = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')";
    refused(world.call(get(arn, None)).await, 404, "ResourceNotFoundException", words);
    let words = "The derived qualifier from the function name does not match the specified qualifier.";
    refused(world.call(get("f:1", Some("2"))).await, 400, INVALID, words);
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7";
    refused(world.call(get("f", Some("7"))).await, 404, "ResourceNotFoundException", words);
    let missing = GetFunctionConfiguration { function_name: "g".into(), qualifier: Some("live".into()) };
    let error = world.call(missing).await.unwrap_err();
    assert_eq!(error.message, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g:live");
    assert_eq!(error.members, [("Type", "User".to_owned())]);
}

#[tokio::test]
async fn a_new_name_may_have_64_characters() {
    let world = World::new().await;
    world.create(&"f".repeat(64)).await;
    let long = "f".repeat(65);
    let words = format!(
        "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have \
         length less than or equal to 64"
    );
    refused(world.call(python(&long)).await, 400, INVALID, &words);
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused_together() {
    let world = World::new().await;
    let create = CreateFunction { timeout: Some(901), memory_size: Some(127), ..python("f") };
    refused(
        world.call(create).await,
        400,
        "ValidationException",
        "2 validation errors detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less \
         than or equal to 900; Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater \
         than or equal to 128",
    );
    let create = CreateFunction { role: "role/lambda".to_owned(), ..python("f") };
    refused(
        world.call(create).await,
        400,
        "ValidationException",
        "1 validation error detected: Value 'role/lambda' at 'role'",
    );
    let create = CreateFunction { handler: Some("app handler".to_owned()), ..python("f") };
    refused(
        world.call(create).await,
        400,
        "ValidationException",
        "1 validation error detected: Value 'app handler' at 'handler'",
    );
    let create = CreateFunction { ephemeral_storage: Some(EphemeralStorage { size: 511 }), ..python("f") };
    let words = "1 validation error detected: Value '511' at 'ephemeralStorage.size'";
    refused(world.call(create).await, 400, "ValidationException", words);
    assert!(world.trees().is_empty(), "a refusal leaves nothing");
}

#[tokio::test]
async fn runtimes_are_awss() {
    let world = World::new().await;
    let with = |runtime: Option<&str>| CreateFunction { runtime: runtime.map(str::to_owned), ..python("f") };
    let words = "Value python9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [";
    refused(world.call(with(Some("python9"))).await, 400, INVALID, words);
    let words = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
    refused(world.call(with(None)).await, 400, INVALID, words);
    let words = "the runtime ruby3.4 is not implemented by Updraft yet";
    refused(world.call(with(Some("ruby3.4"))).await, 501, "NotImplemented", words);
    world.call(with(Some("python3.7"))).await.expect("deprecated runtimes can be created");
}

#[tokio::test]
async fn environment_variables_are_checked() {
    let world = World::new().await;
    let with = |environment| CreateFunction { environment, ..python("f") };
    let words = "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
                 this request: _HANDLER, AWS_REGION";
    refused(world.call(with(variables(&[("AWS_REGION", "x"), ("_HANDLER", "y")]))).await, 400, INVALID, words);
    let words = "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided exceeded the 4KB limit. String measured: {\"LONG\":\"";
    refused(world.call(with(variables(&[("LONG", &"x".repeat(4096))]))).await, 400, INVALID, words);
    let words = "1 validation error detected: Value '{1ST=***}' at 'environment.variables' failed to satisfy constraint: \
                 Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                 [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]";
    refused(world.call(with(variables(&[("1ST", "secret")]))).await, 400, "ValidationException", words);
    world.call(with(variables(&[]))).await.unwrap();
    let shown = world.settled("f").await;
    assert_eq!(shown.environment.unwrap().variables.map(|map| map.len()), Some(0), "empty is not absent");
}

#[tokio::test]
async fn what_is_not_built_is_refused_by_name() {
    let world = World::new().await;
    let vpc = VpcConfig { subnet_ids: Some(vec!["subnet-1".to_owned()]), ..VpcConfig::default() };
    let cases = [
        ("VpcConfig", CreateFunction { vpc_config: Some(vpc), ..python("f") }),
        ("KMSKeyArn", CreateFunction { kms_key_arn: Some("arn:aws:kms:us-east-1:0:key/k".to_owned()), ..python("f") }),
        ("DurableConfig", CreateFunction { durable_config: Some(serde_json::json!({})), ..python("f") }),
    ];
    for (setting, create) in cases {
        let words = format!("lambda's setting {setting} is not implemented by Updraft yet");
        refused(world.call(create).await, 501, "NotImplemented", &words);
    }
    let asks_for_nothing = CreateFunction {
        vpc_config: Some(VpcConfig { subnet_ids: Some(vec![]), ..VpcConfig::default() }),
        dead_letter_config: Some(DeadLetterConfig::default()),
        tracing_config: Some(TracingConfig { mode: Some(TracingMode::PassThrough) }),
        snap_start: Some(SnapStart { apply_on: Some(SnapStartApplyOn::None) }),
        layers: Some(vec![]),
        ..python("f")
    };
    world.call(asks_for_nothing).await.unwrap();
}

#[tokio::test]
async fn levels_belong_to_json_logs() {
    let world = World::new().await;
    let logging = LoggingConfig { application_log_level: Some(LogLevel::Debug), ..LoggingConfig::default() };
    let create = CreateFunction { logging_config: Some(logging), ..python("f") };
    refused(world.call(create).await, 400, INVALID, "ApplicationLogLevel and SystemLogLevel");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.create(name).await;
    }
    let mut create = python("d");
    create.publish = Some(true);
    world.call(create).await.unwrap();
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = ListFunctions { max_items: Some(2), marker: marker.clone(), ..ListFunctions::default() };
        let page = world.call(page).await.unwrap();
        seen.extend(page.functions.unwrap().into_iter().map(|f| {
            assert!(f.state.is_none(), "AWS leaves states out of lists");
            f.function_name.unwrap()
        }));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = ListFunctions {
            function_version: Some(FunctionVersion::All),
            max_items: Some(2),
            marker: marker.clone(),
            ..ListFunctions::default()
        };
        let page = world.call(page).await.unwrap();
        seen.extend(page.functions.unwrap().into_iter().map(|f| f.function_arn.unwrap()));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    let qualified: Vec<&str> = seen.iter().filter_map(|arn| arn.split("function:").nth(1)).collect();
    assert_eq!(qualified, ["a:$LATEST", "b:$LATEST", "c:$LATEST", "d:$LATEST", "d:1"]);
    let bad = ListFunctions { marker: Some("nonsense".to_owned()), ..ListFunctions::default() };
    refused(world.call(bad).await, 400, INVALID, "Invalid pagination token");
    let bad = ListFunctions { max_items: Some(0), ..ListFunctions::default() };
    refused(world.call(bad).await, 400, "ValidationException", "1 validation error detected: Value '0' at 'maxItems'");
}

#[tokio::test]
async fn there_are_no_replicas_at_the_edge_to_list() {
    let world = World::new().await;
    world.create("f").await;
    let of_region = |region: &str, all: Option<FunctionVersion>| ListFunctions {
        master_region: Some(region.to_owned()),
        function_version: all,
        ..ListFunctions::default()
    };
    let replicas = world.call(of_region("us-east-1", Some(FunctionVersion::All))).await.unwrap();
    assert!(replicas.functions.unwrap().is_empty(), "nothing is at the edge");
    let all = world.call(of_region("ALL", Some(FunctionVersion::All))).await.unwrap();
    assert!(!all.functions.unwrap().is_empty());
    let words = "FunctionVersion must be ALL if MasterRegion is set.";
    refused(world.call(of_region("ALL", None)).await, 400, INVALID, words);
}

#[tokio::test]
async fn deleting_takes_everything_along() {
    let world = World::new().await;
    world.create("f").await;
    let usage = world.call(GetAccountSettings {}).await.unwrap().account_usage.unwrap();
    assert_eq!(usage.function_count, Some(1));
    assert!(usage.total_code_size.unwrap() > 0);
    let delete =
        |qualifier: Option<&str>| DeleteFunction { function_name: "f".into(), qualifier: qualifier.map(Into::into) };
    let words = "$LATEST version cannot be deleted without deleting the function.";
    refused(world.call(delete(Some("$LATEST"))).await, 400, INVALID, words);
    assert_eq!(world.call(delete(None)).await.unwrap().status_code, Some(204));
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call(delete(None)).await, 404, "ResourceNotFoundException", words);
    refused(world.call(get("f", None)).await, 404, "ResourceNotFoundException", words);
    world.without_code().await;
    let usage = world.call(GetAccountSettings {}).await.unwrap().account_usage.unwrap();
    assert_eq!((usage.function_count, usage.total_code_size), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_reset_forgets_one_account_or_all() {
    use cloud::Service;
    let world = World::new().await;
    world.create("f").await;
    let other = AccountId::parse("111111111111").unwrap();
    let stranger = Cx::internal(other, Region::default(), world.clock.clone());
    world.call_as(&stranger, python("g")).await.unwrap();
    world.lambda.reset(Some(other)).await.unwrap();
    refused(world.call_as(&stranger, get("g", None)).await, 404, "ResourceNotFoundException", "");
    world.call(get("f", None)).await.unwrap();
    world.lambda.reset(None).await.unwrap();
    refused(world.call(get("f", None)).await, 404, "ResourceNotFoundException", "");
    world.without_code().await;
}
