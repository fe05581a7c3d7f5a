//! Resource policies.

use base::Arn;
use cloud::Service;
use compute::lambda::operations::{AddPermission, GetPolicy, PublishVersion, RemovePermission};

use crate::cloud_in_memory::{World, refused};

const MISSING: &str = "ResourceNotFoundException";

fn add(id: &str) -> AddPermission {
    AddPermission {
        function_name: "f".into(),
        statement_id: id.to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "s3.amazonaws.com".to_owned(),
        ..AddPermission::default()
    }
}

fn policy(qualifier: Option<&str>) -> GetPolicy {
    GetPolicy { function_name: "f".into(), qualifier: qualifier.map(Into::into) }
}

fn remove(id: &str) -> RemovePermission {
    RemovePermission { function_name: "f".into(), statement_id: id.to_owned(), ..RemovePermission::default() }
}

#[tokio::test]
async fn a_permission_is_added_shown_and_removed() {
    let world = World::new().await;
    let before = world.create("f").await;
    let permission = AddPermission {
        source_arn: Some("arn:aws:s3:::bucket".to_owned()),
        source_account: Some("111111111111".to_owned()),
        ..add("s3")
    };
    let statement = world.call(permission).await.unwrap().statement.unwrap();
    let expected = r#"{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"},"StringEquals":{"AWS:SourceAccount":"111111111111"}}}"#;
    assert_eq!(statement, expected);
    let shown = world.call(policy(None)).await.unwrap();
    assert_eq!(shown.policy.unwrap(), format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{expected}]}}"#));
    let after = world.configuration("f").await;
    assert_ne!(after.revision_id, before.revision_id, "a policy is part of the revision");
    assert_eq!(shown.revision_id, after.revision_id);
    let arn = Arn::parse("arn:aws:lambda:us-east-1:000000000000:function:f").unwrap();
    assert!(world.lambda.resource_policy(&world.cx(), &arn).await.unwrap().contains("s3.amazonaws.com"));
    world.call(remove("s3")).await.unwrap();
    refused(world.call(policy(None)).await, 404, MISSING, "The resource you requested does not exist.");
    assert!(world.lambda.resource_policy(&world.cx(), &arn).await.is_none());
}

#[tokio::test]
async fn a_version_has_a_policy_of_its_own() {
    let world = World::new().await;
    world.create("f").await;
    world.call(PublishVersion { function_name: "f".into(), ..PublishVersion::default() }).await.unwrap();
    let statement = world.call(AddPermission { qualifier: Some("1".into()), ..add("one") }).await.unwrap().statement;
    assert!(statement.unwrap().contains(r#""Resource":"arn:aws:lambda:us-east-1:000000000000:function:f:1""#));
    refused(world.call(policy(None)).await, 404, MISSING, "The resource you requested does not exist.");
    world.call(policy(Some("1"))).await.unwrap();
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:9";
    refused(world.call(AddPermission { qualifier: Some("9".into()), ..add("x") }).await, 404, MISSING, words);
    let latest = AddPermission { qualifier: Some("$LATEST".into()), ..add("x") };
    let words = "We currently do not support adding policies for $LATEST.";
    refused(world.call(latest).await, 400, "InvalidParameterValueException", words);
}

#[tokio::test]
async fn principals_are_services_accounts_roles_or_everybody() {
    let world = World::new().await;
    world.create("f").await;
    for (id, principal, shown) in [
        ("a", "111111111111", r#""Principal":{"AWS":"arn:aws:iam::111111111111:root"}"#),
        ("b", "arn:aws:iam::111111111111:role/r", r#""Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}"#),
        ("c", "*", r#""Principal":"*""#),
        ("d", "alexa-appkit.amazon.com", r#""Principal":{"Service":"alexa-appkit.amazon.com"}"#),
    ] {
        let statement = world.call(AddPermission { principal: principal.to_owned(), ..add(id) }).await.unwrap();
        assert!(statement.statement.unwrap().contains(shown), "{principal}");
    }
    let nobody = AddPermission { principal: "nobody".to_owned(), ..add("e") };
    let words = "The provided principal was invalid. Please check the principal and try again.";
    refused(world.call(nobody).await, 400, "InvalidParameterValueException", words);
}

#[tokio::test]
async fn wrong_statements_are_refused() {
    let world = World::new().await;
    let words = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f";
    refused(world.call(add("s3")).await, 404, MISSING, words);
    world.create("f").await;
    refused(world.call(remove("s3")).await, 404, MISSING, "No policy is associated with the given resource.");
    world.call(add("s3")).await.unwrap();
    let words = "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing \
                 statement.";
    refused(world.call(add("s3")).await, 409, "ResourceConflictException", words);
    refused(world.call(remove("sns")).await, 404, MISSING, "Statement sns is not found in resource policy.");
    let stale = AddPermission { revision_id: Some("old".to_owned()), ..add("x") };
    let words = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API";
    refused(world.call(stale).await, 412, "PreconditionFailedException", words);
    let words = "1 validation error detected: Value 'not an id' at 'statementId' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
    refused(world.call(add("not an id")).await, 400, "ValidationException", words);
    let action = AddPermission { action: "s3:GetObject".to_owned(), ..add("x") };
    refused(
        world.call(action).await,
        400,
        "ValidationException",
        "1 validation error detected: Value 's3:GetObject' at 'action'",
    );
}

#[tokio::test]
async fn a_policy_may_have_20_kilobytes() {
    let world = World::new().await;
    world.create("f").await;
    let mut count = 0;
    let error = loop {
        let long = AddPermission {
            source_arn: Some(format!("arn:aws:s3:::{}", "b".repeat(900))),
            ..add(&format!("s{count}"))
        };
        match world.call(long).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 30, "the limit is never reached");
    };
    assert_eq!(error.code, "PolicyLengthExceededException");
    assert!(error.message.ends_with("is bigger than the limit (20480)."), "{}", error.message);
}
