//! Tags.

use std::collections::BTreeMap;

use compute::lambda::operations::{CreateFunction, GetFunction, ListTags, TagResource, UntagResource};

use crate::cloud_in_memory::{World, python, refused};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const INVALID: &str = "InvalidParameterValueException";

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn listed(world: &World) -> BTreeMap<String, String> {
    world.call(ListTags { resource: ARN.into() }).await.unwrap().tags.unwrap()
}

#[tokio::test]
async fn tags_come_and_go() {
    let world = World::new().await;
    world
        .call(CreateFunction { tags: Some(tags(&[("team", "blue"), ("_custom_id_", "f1")])), ..python("f") })
        .await
        .unwrap();
    world.call(TagResource { resource: ARN.into(), tags: tags(&[("team", "red"), ("env", "dev")]) }).await.unwrap();
    assert_eq!(listed(&world).await, tags(&[("_custom_id_", "f1"), ("env", "dev"), ("team", "red")]));
    let keys = vec!["env".to_owned(), "_custom_id_".to_owned(), "unknown".to_owned()];
    world.call(UntagResource { resource: ARN.into(), tag_keys: keys }).await.unwrap();
    assert_eq!(listed(&world).await, tags(&[("team", "red")]));
    let get = || GetFunction { function_name: "f".into(), qualifier: None };
    assert_eq!(world.call(get()).await.unwrap().tags, Some(tags(&[("team", "red")])));
    world.call(UntagResource { resource: ARN.into(), tag_keys: vec!["team".to_owned()] }).await.unwrap();
    assert!(world.call(get()).await.unwrap().tags.is_none(), "absent, not empty, in GetFunction");
    assert!(listed(&world).await.is_empty(), "empty, not absent, in ListTags");
}

#[tokio::test]
async fn wrong_tags_and_targets_are_refused() {
    let world = World::new().await;
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call(ListTags { resource: ARN.into() }).await, 404, "ResourceNotFoundException", words);
    world.create("f").await;
    let versioned = TagResource { resource: format!("{ARN}:1").as_str().into(), tags: tags(&[("a", "b")]) };
    let words = "Tags on function aliases and versions are not supported. Please specify a function ARN.";
    refused(world.call(versioned).await, 400, INVALID, words);
    refused(
        world.call(ListTags { resource: "f".into() }).await,
        400,
        "ValidationException",
        "1 validation error detected: Value 'f' at 'resource'",
    );
    let many: BTreeMap<String, String> = (0..51).map(|n| (format!("k{n}"), String::new())).collect();
    let words = "Number of tags exceeds resource tag limit.";
    refused(world.call(TagResource { resource: ARN.into(), tags: many.clone() }).await, 400, INVALID, words);
    refused(world.call(CreateFunction { tags: Some(many), ..python("g") }).await, 400, INVALID, words);
    let system = TagResource { resource: ARN.into(), tags: tags(&[("aws:mine", "x")]) };
    refused(world.call(system).await, 400, INVALID, "System tags cannot");
    let provider = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p";
    refused(world.call(ListTags { resource: provider.into() }).await, 501, "NotImplemented", "tagging of ");
    assert!(listed(&world).await.is_empty());
}
