//! Publishing versions.

use compute::lambda::operations::{
    CreateFunction, DeleteFunction, GetFunction, ListVersionsByFunction, PublishVersion, UpdateFunctionCode,
    UpdateFunctionConfiguration,
};

use crate::cloud_in_memory::{World, app, python, refused};

fn publish() -> PublishVersion {
    PublishVersion { function_name: "f".into(), ..PublishVersion::default() }
}

async fn versions(world: &World) -> Vec<String> {
    let list = ListVersionsByFunction { function_name: "f".into(), ..ListVersionsByFunction::default() };
    let versions = world.call(list).await.unwrap().versions.unwrap();
    versions.into_iter().map(|version| version.version.unwrap()).collect()
}

async fn change(world: &World, text: &str) {
    let update =
        UpdateFunctionCode { function_name: "f".into(), zip_file: Some(app(text)), ..UpdateFunctionCode::default() };
    world.call(update).await.unwrap();
    world.settled("f").await;
}

#[tokio::test]
async fn a_version_is_an_immutable_copy() {
    let world = World::new().await;
    world.create("f").await;
    let one = world.call(PublishVersion { description: Some("first".to_owned()), ..publish() }).await.unwrap();
    assert_eq!(one.version.as_deref(), Some("1"));
    assert_eq!(one.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:1"));
    assert_eq!(one.description.as_deref(), Some("first"));
    change(&world, "2").await;
    let get = GetFunction { function_name: "f:1".into(), qualifier: None };
    let kept = world.call(get).await.unwrap().configuration.unwrap();
    assert_eq!(kept.code_sha256, one.code_sha256);
    assert_ne!(world.configuration("f").await.code_sha256, one.code_sha256);
    assert_eq!(world.configuration("f").await.description.as_deref(), Some(""), "the description is the version's own");
    assert_eq!(world.trees().len(), 2, "both trees are in use");
}

#[tokio::test]
async fn publishing_without_a_change_returns_the_last_version() {
    let world = World::new().await;
    world.create("f").await;
    for _ in 0..2 {
        assert_eq!(world.call(publish()).await.unwrap().version.as_deref(), Some("1"));
    }
    let same = UpdateFunctionConfiguration {
        function_name: "f".into(),
        timeout: Some(3),
        ..UpdateFunctionConfiguration::default()
    };
    world.call(same).await.unwrap();
    world.settled("f").await;
    assert_eq!(world.call(publish()).await.unwrap().version.as_deref(), Some("1"), "nothing really changed");
    change(&world, "2").await;
    assert_eq!(world.call(publish()).await.unwrap().version.as_deref(), Some("2"));
    assert_eq!(versions(&world).await, ["$LATEST", "1", "2"]);
}

#[tokio::test]
async fn numbers_are_never_given_twice() {
    let world = World::new().await;
    world.create("f").await;
    world.call(publish()).await.unwrap();
    let delete = || DeleteFunction { function_name: "f".into(), qualifier: Some("1".into()) };
    world.call(delete()).await.unwrap();
    world.call(delete()).await.expect("a version that is not there is deleted already");
    assert_eq!(world.call(publish()).await.unwrap().version.as_deref(), Some("2"));
    assert_eq!(versions(&world).await, ["$LATEST", "2"]);
}

#[tokio::test]
async fn create_and_update_can_publish() {
    let world = World::new().await;
    let created = world.call(CreateFunction { publish: Some(true), ..python("f") }).await.unwrap();
    assert_eq!(created.version.as_deref(), Some("1"));
    assert_eq!(created.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f"));
    world.settled("f").await;
    let update = UpdateFunctionCode {
        function_name: "f".into(),
        zip_file: Some(app("2")),
        publish: Some(true),
        ..UpdateFunctionCode::default()
    };
    let updated = world.call(update).await.unwrap();
    assert_eq!(updated.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:2"));
    world.settled("f").await;
    world.settled("f:2").await;
    assert_eq!(versions(&world).await, ["$LATEST", "1", "2"]);
}

#[tokio::test]
async fn publishing_checks_code_revision_and_state() {
    let world = World::new().await;
    let active = world.create("f").await;
    let other = PublishVersion { code_sha256: Some("other".to_owned()), ..publish() };
    let sha = active.code_sha256.unwrap();
    let words = format!("CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({sha}). Please try again");
    refused(world.call(other).await, 400, "InvalidParameterValueException", &words);
    let stale = PublishVersion { revision_id: Some("old".to_owned()), ..publish() };
    refused(world.call(stale).await, 412, "PreconditionFailedException", "The Revision Id provided");
    let right = PublishVersion { code_sha256: Some(sha), revision_id: active.revision_id, ..publish() };
    world.call(right).await.unwrap();

    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    let words =
        "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    refused(world.call(publish()).await, 409, "ResourceConflictException", words);
    let missing = ListVersionsByFunction { function_name: "g".into(), ..ListVersionsByFunction::default() };
    refused(world.call(missing).await, 404, "ResourceNotFoundException", "Function not found: ");
}

#[tokio::test]
async fn versions_come_in_pages() {
    let world = World::new().await;
    world.create("f").await;
    for text in ["a", "b", "c"] {
        change(&world, text).await;
        world.call(publish()).await.unwrap();
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let list = ListVersionsByFunction { function_name: "f".into(), marker, max_items: Some(1) };
        let page = world.call(list).await.unwrap();
        seen.extend(page.versions.unwrap().into_iter().map(|version| version.version.unwrap()));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["$LATEST", "1", "2", "3"]);
}
