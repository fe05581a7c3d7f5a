//! Layers: what becomes of their packages, and what no client can make in reasonable time.

use std::time::Duration;

use base::{AccountId, Cx, Region};
use bytes::Bytes;
use cloud::Service;
use compute::lambda::layer::LayerVersionArn;
use compute::lambda::operations::{
    AddLayerVersionPermission, CreateFunction, DeleteFunction, DeleteLayerVersion, GetAccountSettings,
    GetLayerVersionResponse, LayerVersionContentInput, PublishLayerVersion, PublishVersion,
    UpdateFunctionConfiguration,
};

use crate::cloud_in_memory::{World, app, python, refused, zip};
use crate::zips::{Entry, archive, deflated_zeros, zip_of};

const INVALID: &str = "InvalidParameterValueException";

fn publication(name: &str, zip_file: Bytes) -> PublishLayerVersion {
    PublishLayerVersion {
        layer_name: name.into(),
        content: LayerVersionContentInput { zip_file: Some(zip_file), ..LayerVersionContentInput::default() },
        ..PublishLayerVersion::default()
    }
}

async fn publish(world: &World, name: &str, text: &str) -> GetLayerVersionResponse {
    let zip = zip_of(&[("python/shared.py", text.as_bytes())]);
    world.call(publication(name, zip)).await.expect("the layer is published")
}

fn with_layers(name: &str, layers: &[&str]) -> CreateFunction {
    let layers = layers.iter().map(|arn| LayerVersionArn((*arn).to_owned())).collect();
    CreateFunction { layers: Some(layers), ..python(name) }
}

fn arn(number: u32) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:layer:l:{number}")
}

fn deletion(number: i64) -> DeleteLayerVersion {
    DeleteLayerVersion { layer_name: "l".into(), version_number: number }
}

/// Zeros that are this large unpacked.
fn large(bytes: usize) -> Bytes {
    let mut crc = flate2::Crc::new();
    let chunk = vec![0; 1 << 20];
    (0..bytes >> 20).for_each(|_| crc.update(&chunk));
    let entry = Entry {
        data: deflated_zeros(bytes),
        deflated: true,
        declared_bytes: bytes as u32,
        crc: crc.sum(),
        ..Entry::new("zeros", b"", 0o100_644)
    };
    archive(&[entry])
}

#[tokio::test]
async fn a_deleted_layer_lives_on_in_its_functions_and_goes_with_the_last() {
    let world = World::new().await;
    publish(&world, "l", "one").await;
    world.call(with_layers("f", &[&arn(1)])).await.unwrap();
    world.settled("f").await;
    world.call(PublishVersion { function_name: "f".into(), ..PublishVersion::default() }).await.unwrap();
    world.call(deletion(1)).await.unwrap();
    world.call(deletion(1)).await.unwrap();
    refused(world.call(with_layers("g", &[&arn(1)])).await, 400, INVALID, "Layer version arn:aws:lambda:us-east-1:");
    // $LATEST gives it up; version 1 keeps it.
    let none = UpdateFunctionConfiguration { function_name: "f".into(), layers: Some(vec![]), ..Default::default() };
    world.call(none).await.unwrap();
    let shown = world.settled("f").await;
    assert!(shown.layers.is_none(), "absent is not empty");
    let world = world.restart().await;
    world.with_trees(2).await;
    assert_eq!(world.store.blobs().list().await.unwrap().len(), 2);
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    world.without_code().await;
}

#[tokio::test]
async fn a_zip_that_is_code_and_layer_is_kept_until_both_are_gone() {
    let world = World::new().await;
    world.call(publication("l", app("1"))).await.unwrap();
    world.call(CreateFunction { code: zip(app("1")), ..with_layers("f", &[&arn(1)]) }).await.unwrap();
    world.settled("f").await;
    world.call(deletion(1)).await.unwrap();
    let none = UpdateFunctionConfiguration { function_name: "f".into(), layers: Some(vec![]), ..Default::default() };
    world.call(none).await.unwrap();
    world.settled("f").await;
    let world = world.restart().await;
    assert_eq!(world.trees().len(), 1, "the code is still there");
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    world.without_code().await;
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let world = World::new().await;
    for (bytes, words) in [
        (Bytes::from_static(b"no zip"), "Could not unzip uploaded file."),
        (archive(&[Entry::new("../out", b"x", 0o100_644)]), "Could not unzip uploaded file."),
        (archive(&[Entry::new("link", b"/etc/passwd", 0o120_777)]), "Could not unzip uploaded file."),
        (archive(&[Entry::new("device", b"", 0o020_666)]), "Could not unzip uploaded file."),
        (Bytes::new(), "Uploaded file must be a non-empty zip"),
        (large(262_144_000), "Unzipped size must be smaller than 262144000 bytes"),
    ] {
        refused(world.call(publication("l", bytes)).await, 400, INVALID, words);
    }
    let from_s3 = PublishLayerVersion {
        content: LayerVersionContentInput {
            s3_bucket: Some("bucket".to_owned()),
            s3_key: Some("key".to_owned()),
            ..LayerVersionContentInput::default()
        },
        ..publication("l", Bytes::new())
    };
    refused(world.call(from_s3).await, 501, "NotImplemented", "lambda's setting Content.S3Bucket");
    world.without_code().await;
    let first = publish(&world, "l", "one").await;
    assert_eq!(first.version, Some(1), "what was refused has no number");
}

#[tokio::test]
async fn code_and_layers_have_one_limit() {
    let world = World::new().await;
    let half = large(126 << 20);
    world.call(publication("l", half.clone())).await.unwrap();
    world.call(publication("m", half.clone())).await.unwrap();
    let (l, m) = (arn(1), arn(1).replace(":l:", ":m:"));
    let too_much = with_layers("f", &[&l, &m]);
    refused(world.call(too_much).await, 400, INVALID, "Layers consume more than the available size of 262144000 bytes");
    let with_code = CreateFunction { code: zip(half.clone()), ..with_layers("f", &[&l]) };
    let words = format!(
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is {} \
         bytes.",
        2 * (126_u64 << 20)
    );
    refused(world.call(with_code).await, 400, INVALID, &words);
    world.call(with_layers("f", &[&l])).await.unwrap();
    world.settled("f").await;
    let update = compute::lambda::operations::UpdateFunctionCode {
        function_name: "f".into(),
        zip_file: Some(half.clone()),
        ..Default::default()
    };
    refused(world.call(update).await, 400, INVALID, &words);
    let dry = compute::lambda::operations::UpdateFunctionCode {
        function_name: "f".into(),
        zip_file: Some(half),
        dry_run: Some(true),
        ..Default::default()
    };
    refused(world.call(dry).await, 400, INVALID, &words);
}

#[tokio::test]
async fn layers_count_as_stored_code() {
    let world = World::new().await;
    let published = publish(&world, "l", "one").await;
    let usage = world.call(GetAccountSettings {}).await.unwrap().account_usage.unwrap();
    assert_eq!(usage.total_code_size, published.content.unwrap().code_size);
}

#[tokio::test]
async fn a_layer_of_another_account_needs_its_policy() {
    let world = World::new().await;
    publish(&world, "l", "one").await;
    let resource = base::Arn::parse(&arn(1)).unwrap();
    assert!(world.lambda.resource_policy(&world.cx(), &resource).await.is_none());
    let permission = AddLayerVersionPermission {
        layer_name: "l".into(),
        version_number: 1,
        statement_id: "all".to_owned(),
        action: "lambda:GetLayerVersion".to_owned(),
        principal: "111111111111".to_owned(),
        ..AddLayerVersionPermission::default()
    };
    world.call(permission).await.unwrap();
    let policy = world.lambda.resource_policy(&world.cx(), &resource).await.unwrap();
    assert!(policy.contains("arn:aws:iam::111111111111:root"), "{policy}");
    // The front desk evaluates that; what is not there is refused as if it were not allowed.
    let other = Cx::internal(AccountId::parse("111111111111").unwrap(), Region::default(), world.clock.clone());
    let create = CreateFunction { role: "arn:aws:iam::111111111111:role/r".to_owned(), ..with_layers("f", &[&arn(1)]) };
    let shown = world.call_as(&other, create).await.unwrap();
    assert_eq!(shown.layers.unwrap()[0].arn.as_deref(), Some(arn(1).as_str()));
    let missing = with_layers("g", &[&arn(2)]);
    let words = "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetLayerVersion";
    refused(world.call_as(&other, missing).await, 403, "AccessDeniedException", words);
}

#[tokio::test]
async fn a_reset_forgets_layers() {
    let world = World::new().await;
    publish(&world, "l", "one").await;
    world.call(with_layers("f", &[&arn(1)])).await.unwrap();
    world.lambda.reset(None).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), world.without_code()).await.expect("all of it goes");
    assert_eq!(publish(&world, "l", "two").await.version, Some(1));
}
