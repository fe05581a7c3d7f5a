//! What a crash interrupts is finished by the next start; resolving for invocations; the cache of unpacked code.

use std::time::Duration;

use compute::lambda::operations::{AddPermission, DeleteFunction, UpdateFunctionCode, UpdateFunctionConfiguration};

use crate::cloud_in_memory::{World, app, python, refused, zip};

#[tokio::test]
async fn pending_functions_are_finished_on_start() {
    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    let next = world.restart().await;
    let shown = next.configuration("f").await;
    assert_eq!(shown.state.as_deref(), Some("Active"), "before the start has returned");
    assert_eq!(shown.last_update_status.as_deref(), Some("Successful"));
}

#[tokio::test]
async fn a_lost_code_tree_is_unpacked_again() {
    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    let tree = world.directory.path().join("code").join(&world.trees()[0]);
    std::fs::rename(&tree, world.directory.path().join("away")).unwrap();
    let next = world.restart().await;
    assert_eq!(next.configuration("f").await.state.as_deref(), Some("Active"));
    assert!(tree.join("app.py").is_file());
    let resolved = next.lambda.resolve(&next.cx(), "f", None).await.unwrap();
    assert_eq!(resolved.code.path(), tree);
}

#[tokio::test]
async fn trees_of_an_earlier_boot_are_not_trusted() {
    let world = World::new().await;
    world.create("f").await;
    let code = world.directory.path().join("code");
    std::fs::write(code.join(".boot"), "another boot").unwrap();
    let next = world.restart().await;
    assert!(next.trees().is_empty());
    next.lambda.resolve(&next.cx(), "f", None).await.unwrap();
    assert_eq!(next.trees().len(), 1);
}

#[tokio::test]
async fn code_that_nobody_came_to_refer_to_is_removed_on_start() {
    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    let orphan = world.directory.path().join("code").join(".new-0123");
    std::fs::create_dir(&orphan).unwrap();
    let next = world.restart().await;
    assert_eq!(next.trees().len(), 1);
    next.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    next.without_code().await;
}

#[tokio::test]
async fn resolving_gives_what_an_invocation_needs() {
    let world = World::new().await;
    world.create("f").await;
    let resolved = world.lambda.resolve(&world.cx(), "f:$LATEST", None).await.unwrap();
    assert_eq!((resolved.runtime.as_str(), resolved.handler.as_str()), ("python3.12", "app.handler"));
    assert_eq!((resolved.version.as_str(), resolved.memory_mb, resolved.timeout_secs), ("$LATEST", 128, 3));
    assert_eq!(resolved.invoked_arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    assert_eq!(resolved.function_arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(resolved.log_group, "/aws/lambda/f");
    assert!(resolved.code.path().join("app.py").is_file());
    let again = world.lambda.resolve(&world.cx(), "f:$LATEST", None).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&resolved, &again), "from the cache");
    refused(
        world.lambda.resolve(&world.cx(), "g", None).await,
        404,
        "ResourceNotFoundException",
        "Function not found: ",
    );
    refused(
        world.lambda.resolve(&world.cx(), "f", Some(&"live".into())).await,
        404,
        "ResourceNotFoundException",
        "Function not found: ",
    );
}

#[tokio::test]
async fn a_pending_function_is_finished_by_its_first_invocation() {
    let world = World::slow().await;
    world.call(python("f")).await.unwrap();
    world.lambda.resolve(&world.cx(), "f", None).await.unwrap();
    assert_eq!(world.configuration("f").await.state.as_deref(), Some("Active"));
}

#[tokio::test]
async fn every_change_empties_the_cache() {
    let world = World::new().await;
    world.create("f").await;
    let resolve = async || world.lambda.resolve(&world.cx(), "f", None).await;
    assert_eq!(resolve().await.unwrap().timeout_secs, 3);
    let update = UpdateFunctionConfiguration { function_name: "f".into(), timeout: Some(7), ..Default::default() };
    world.call(update).await.unwrap();
    assert_eq!(resolve().await.unwrap().timeout_secs, 7);
    let settled = world.settled("f").await;
    assert_eq!(Some(&resolve().await.unwrap().revision_id), settled.revision_id.as_ref());
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    refused(resolve().await, 404, "ResourceNotFoundException", "Function not found: ");
}

#[tokio::test]
async fn permissions_leave_environments_alone() {
    let world = World::new().await;
    world.create("f").await;
    let resolve = async || world.lambda.resolve(&world.cx(), "f", None).await.unwrap();
    let before = resolve().await;
    let permission = AddPermission {
        function_name: "f".into(),
        statement_id: "s".to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "*".to_owned(),
        ..AddPermission::default()
    };
    world.call(permission).await.unwrap();
    let after = resolve().await;
    assert_ne!(after.revision_id, before.revision_id);
    assert_eq!(after.deployment_id, before.deployment_id);
    let update = UpdateFunctionConfiguration { function_name: "f".into(), ..Default::default() };
    world.call(update).await.unwrap();
    let updated = resolve().await;
    assert_ne!(updated.deployment_id, before.deployment_id, "an update begins anew, even one that changes nothing");
    world.settled("f").await;
    assert_eq!(resolve().await.deployment_id, updated.deployment_id);
}

#[tokio::test]
async fn code_in_use_outlives_its_function() {
    let world = World::new().await;
    world.create("f").await;
    let running = world.lambda.resolve(&world.cx(), "f", None).await.unwrap();
    let update = UpdateFunctionCode { function_name: "f".into(), zip_file: Some(app("2")), ..Default::default() };
    world.call(update).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while world.store.blobs().list().await.unwrap().len() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the old zip goes");
    assert!(running.code.path().join("app.py").is_file(), "a running environment keeps its files");
    drop(running);
    world.with_trees(1).await; // then they go
}

#[tokio::test]
async fn equal_code_is_kept_once() {
    let world = World::new().await;
    world.create("f").await;
    let mut other = python("g");
    other.code = zip(app("1"));
    world.call(other).await.unwrap();
    assert_eq!(world.trees().len(), 1);
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    world.restart().await; // which removes what is unused
    assert_eq!(world.trees().len(), 1, "another function still has it");
    world.lambda.resolve(&world.cx(), "g", None).await.unwrap();
    world.call(DeleteFunction { function_name: "g".into(), qualifier: None }).await.unwrap();
    world.without_code().await;
}
