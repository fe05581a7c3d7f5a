//! Updating code and configuration of `$LATEST`.

use std::collections::BTreeMap;

use compute::lambda::configuration::{Architecture, Environment, LogFormat, LoggingConfig};
use compute::lambda::operations::{UpdateFunctionCode, UpdateFunctionConfiguration};

use crate::cloud_in_memory::{World, app, python, refused};

fn new_code(text: &str) -> UpdateFunctionCode {
    UpdateFunctionCode { function_name: "f".into(), zip_file: Some(app(text)), ..UpdateFunctionCode::default() }
}

fn settings() -> UpdateFunctionConfiguration {
    UpdateFunctionConfiguration { function_name: "f".into(), ..UpdateFunctionConfiguration::default() }
}

const CONFLICT: &str = "ResourceConflictException";
const STALE: &str = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
                     retrieve the latest Revision Id";

#[tokio::test]
async fn an_update_is_in_progress_then_successful() {
    let world = World::new().await;
    let before = world.create("f").await;
    world.clock.advance_ms(1_234);
    let updated = world.call(new_code("2")).await.unwrap();
    assert_eq!(updated.last_update_status.as_deref(), Some("InProgress"));
    assert_eq!(updated.last_update_status_reason.as_deref(), Some("The function is being created."));
    assert_eq!(updated.last_update_status_reason_code.as_deref(), Some("Creating"));
    assert_eq!(updated.state.as_deref(), Some("Active"), "it can be invoked meanwhile");
    assert_eq!(updated.last_modified.as_deref(), Some("2026-11-22T16:00:01.234+0000"));
    let after = world.settled("f").await;
    assert_eq!(after.last_update_status.as_deref(), Some("Successful"));
    assert_eq!(after.last_update_status_reason, None);
    assert_ne!(after.code_sha256, before.code_sha256);
    let revisions = [before.revision_id, updated.revision_id, after.revision_id];
    assert!(revisions[0] != revisions[1] && revisions[1] != revisions[2], "{revisions:?}");
    world.with_trees(1).await; // the old one goes when nothing refers to it
}

#[tokio::test]
async fn a_second_update_meanwhile_conflicts() {
    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    let words =
        "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    refused(world.call(new_code("2")).await, 409, CONFLICT, words);
    refused(world.call(settings()).await, 409, CONFLICT, words);
    world.restart().await; // which settles everything
    world.call(settings()).await.unwrap();
    let words = "The operation cannot be performed at this time. An update is in progress for resource: \
                 arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call(settings()).await, 409, CONFLICT, words);
    refused(world.call(new_code("2")).await, 409, CONFLICT, words);
}

#[tokio::test]
async fn only_the_latest_revision_is_taken() {
    let world = World::new().await;
    let created = world.call(python("f")).await.unwrap();
    let active = world.settled("f").await;
    let stale = UpdateFunctionCode { revision_id: created.revision_id.clone(), ..new_code("2") };
    refused(world.call(stale).await, 412, "PreconditionFailedException", STALE);
    let stale = UpdateFunctionConfiguration { revision_id: created.revision_id, timeout: Some(9), ..settings() };
    refused(world.call(stale).await, 412, "PreconditionFailedException", STALE);
    let unchanged = world.configuration("f").await;
    assert_eq!((unchanged.timeout, &unchanged.revision_id), (Some(3), &active.revision_id));
    let fresh = UpdateFunctionConfiguration { revision_id: active.revision_id, timeout: Some(9), ..settings() };
    assert_eq!(world.call(fresh).await.unwrap().timeout, Some(9));
}

#[tokio::test]
async fn what_is_absent_stays_and_what_is_given_replaces() {
    let world = World::new().await;
    world.create("f").await;
    let variables = |key: &str| Environment { variables: Some(BTreeMap::from([(key.to_owned(), "1".to_owned())])) };
    let update = UpdateFunctionConfiguration {
        description: Some("new".to_owned()),
        memory_size: Some(256),
        environment: Some(variables("ONE")),
        logging_config: Some(LoggingConfig { log_format: Some(LogFormat::Json), ..LoggingConfig::default() }),
        ..settings()
    };
    world.call(update).await.unwrap();
    world.settled("f").await;
    world.call(UpdateFunctionConfiguration { environment: Some(variables("TWO")), ..settings() }).await.unwrap();
    let shown = world.settled("f").await;
    assert_eq!((shown.description.as_deref(), shown.memory_size), (Some("new"), Some(256)));
    assert_eq!(shown.environment.unwrap().variables.unwrap().into_keys().collect::<Vec<_>>(), ["TWO"]);
    let text = LoggingConfig { log_format: Some(LogFormat::Text), ..LoggingConfig::default() };
    world.call(UpdateFunctionConfiguration { logging_config: Some(text), ..settings() }).await.unwrap();
    let logging = world.settled("f").await.logging_config.unwrap();
    assert_eq!((logging.application_log_level, logging.system_log_level), (None, None), "levels go with JSON");
    assert_eq!(logging.log_group.as_deref(), Some("/aws/lambda/f"));
}

#[tokio::test]
async fn bad_settings_change_nothing() {
    let world = World::new().await;
    let before = world.create("f").await;
    let reserved = Environment { variables: Some(BTreeMap::from([("AWS_REGION".to_owned(), "x".to_owned())])) };
    let update = UpdateFunctionConfiguration { timeout: Some(5), environment: Some(reserved), ..settings() };
    refused(world.call(update).await, 400, "InvalidParameterValueException", "Lambda was unable to configure");
    let layers = Some(vec!["arn:aws:lambda:us-east-1:000000000000:layer:l:1".into()]);
    let update = UpdateFunctionConfiguration { timeout: Some(5), layers, ..settings() };
    let words = "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.";
    refused(world.call(update).await, 400, "InvalidParameterValueException", words);
    let after = world.configuration("f").await;
    assert_eq!((after.timeout, after.revision_id), (before.timeout, before.revision_id));
}

#[tokio::test]
async fn a_dry_run_checks_and_changes_nothing() {
    let world = World::new().await;
    let before = world.create("f").await;
    let dry =
        UpdateFunctionCode { dry_run: Some(true), architectures: Some(vec![Architecture::Arm64]), ..new_code("2") };
    let shown = world.call(dry).await.unwrap();
    assert_ne!(shown.code_sha256, before.code_sha256);
    assert_eq!(shown.architectures, Some(vec![Architecture::Arm64]));
    let after = world.configuration("f").await;
    assert_eq!((after.code_sha256, after.revision_id), (before.code_sha256, before.revision_id));
    let bad = UpdateFunctionCode { dry_run: Some(true), zip_file: Some("no zip".into()), ..new_code("2") };
    refused(world.call(bad).await, 400, "InvalidParameterValueException", "Could not unzip uploaded file.");
}

#[tokio::test]
async fn updating_what_is_not_there_is_refused() {
    let world = World::new().await;
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call(new_code("2")).await, 404, "ResourceNotFoundException", words);
    refused(world.call(settings()).await, 404, "ResourceNotFoundException", words);
    world.without_code().await;
}

#[tokio::test]
async fn of_two_at_once_one_succeeds() {
    let world = World::slow().await;
    let (one, two) = tokio::join!(world.call(python("f")), world.call(python("f")));
    assert_eq!(one.is_ok(), two.is_err(), "one function is created");
    refused(one.and(two), 409, CONFLICT, "Function already exist: f");
    world.restart().await; // which settles everything
    let (one, two) = tokio::join!(world.call(new_code("2")), world.call(new_code("3")));
    assert_eq!(one.is_ok(), two.is_err(), "one update begins");
    refused(one.and(two), 409, CONFLICT, "The operation cannot be performed at this time. An update is in progress");
    world.restart().await;
    world.with_trees(1).await; // the refused one's code is gone as well
}
