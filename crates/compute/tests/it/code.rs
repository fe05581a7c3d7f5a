//! Deployment packages: what is taken, what is refused, and that a refusal leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use compute::lambda::operations::{CreateFunction, FunctionCode, GetFunction};

use crate::cloud_in_memory::{World, app, python, refused, zip};
use crate::zips::{Entry, archive, deflated_zeros, zip_of};

const INVALID: &str = "InvalidParameterValueException";
const UNREADABLE: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

async fn refuse(package: Bytes, why: &str) {
    let world = World::new().await;
    let answer = world.call(CreateFunction { code: zip(package), ..python("f") }).await;
    let error = answer.err().unwrap_or_else(|| panic!("{why}: should have been refused"));
    assert_eq!((error.status, error.code.as_ref(), error.message.as_str()), (400, INVALID, UNREADABLE), "{why}");
    world.without_code().await;
}

#[tokio::test]
async fn a_tree_is_read_only_and_keeps_executables_and_links() {
    let world = World::new().await;
    let package = archive(&[
        Entry::new("bin/", b"", 0o040_755),
        Entry::new("bin/run", b"#!/bin/sh\n", 0o100_755),
        Entry::new("secret.txt", b"text", 0o100_600),
        Entry::new("from-windows.txt", b"text", 0),
        Entry::new("lib/libx.so", b"../bin/run", LINK),
        Entry::new("app.py", b"x = 1", FILE),
    ]);
    world.call(CreateFunction { code: zip(package), ..python("f") }).await.unwrap();
    let tree = world.directory.path().join("code").join(&world.trees()[0]);
    let mode = |path: &str| fs::symlink_metadata(tree.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin"), mode("bin/run"), mode("secret.txt")), (0o555, 0o555, 0o444));
    assert_eq!((mode("from-windows.txt"), mode("lib"), mode("")), (0o444, 0o555, 0o555));
    assert_eq!(fs::read(tree.join("lib/libx.so")).unwrap(), b"#!/bin/sh\n", "the link leads to the file");
}

#[tokio::test]
async fn broken_archives_are_refused() {
    refuse(Bytes::from_static(b"this is no zip"), "no zip").await;
    let whole = app("1");
    refuse(whole.slice(..whole.len() - 10), "truncated").await;
    refuse(whole.slice(..whole.len() / 2), "cut in half").await;
    let mut spoiled = whole.to_vec();
    spoiled[40] ^= 1;
    refuse(spoiled.into(), "wrong checksum").await;
}

#[tokio::test]
async fn paths_that_leave_the_tree_are_refused() {
    for name in ["../app.py", "/etc/passwd", "a/../../b", "a/..", "..", "//x", "a\0b"] {
        refuse(archive(&[Entry::new(name, b"x", FILE)]), name).await;
    }
    let long = format!("{}/{}", "d".repeat(300), "f");
    refuse(archive(&[Entry::new(&long, b"x", FILE)]), "a part of 300 bytes").await;
}

#[tokio::test]
async fn links_that_leave_the_tree_are_refused() {
    for target in ["/etc/passwd", "../x", "a/../../x", "..", "", "l"] {
        refuse(archive(&[Entry::new("app.py", b"x", FILE), Entry::new("l", target.as_bytes(), LINK)]), target).await;
    }
    // As text `d/e/p/../..` is `d`; but `p` leads to the root, and its grandparent is outside.
    let through = archive(&[
        Entry::new("d/e/f.py", b"x", FILE),
        Entry::new("d/e/p", b"../..", LINK),
        Entry::new("out", b"d/e/p/../..", LINK),
    ]);
    refuse(through, "a link through a link").await;
    let into = archive(&[Entry::new("d", b"e", LINK), Entry::new("e/x", b"x", FILE), Entry::new("d/y", b"x", FILE)]);
    refuse(into, "a file written through a link").await;
}

#[tokio::test]
async fn odd_entries_are_refused() {
    for (mode, kind) in
        [(0o020_666, "character device"), (0o060_666, "block device"), (0o010_666, "pipe"), (0o140_666, "socket")]
    {
        refuse(archive(&[Entry::new("app.py", b"x", FILE), Entry::new("odd", b"", mode)]), kind).await;
    }
    let twice = archive(&[Entry::new("app.py", b"x", FILE), Entry::new("app.py", b"y", FILE)]);
    refuse(twice, "one name twice").await;
    let twice = archive(&[Entry::new("a/app.py", b"x", FILE), Entry::new("a//app.py", b"y", FILE)]);
    refuse(twice, "one path under two names").await;
    let within = archive(&[Entry::new("app", b"x", FILE), Entry::new("app/x", b"y", FILE)]);
    refuse(within, "a file within a file").await;
}

#[tokio::test]
async fn entries_that_lie_about_their_size_are_refused() {
    let data = deflated_zeros(5_000_000);
    let liar = Entry { deflated: true, declared_bytes: 100, ..Entry::new("app.py", &data, FILE) };
    refuse(archive(&[liar]), "larger than it says").await;
    let liar = Entry { deflated: true, declared_bytes: 6_000_000, ..Entry::new("app.py", &data, FILE) };
    refuse(archive(&[liar]), "smaller than it says").await;
}

#[tokio::test]
async fn a_declared_bomb_is_refused_before_it_is_unpacked() {
    let world = World::new().await;
    let data = deflated_zeros(1000);
    let bomb = |name: &str| Entry { deflated: true, declared_bytes: 131_072_000, ..Entry::new(name, &data, FILE) };
    let package = archive(&[bomb("a"), bomb("b")]);
    let answer = world.call(CreateFunction { code: zip(package), ..python("f") }).await;
    refused(answer, 400, INVALID, "Unzipped size must be smaller than 262144000 bytes");
    world.without_code().await;
}

#[tokio::test]
async fn empty_and_missing_code_is_refused() {
    let world = World::new().await;
    let with = |code: FunctionCode| CreateFunction { code, ..python("f") };
    let words = "Uploaded file must be a non-empty zip";
    refused(world.call(with(zip(Bytes::new()))).await, 400, INVALID, words);
    refused(world.call(with(zip(zip_of(&[])))).await, 400, INVALID, words);
    let directories = archive(&[Entry::new("d/", b"", 0o040_755)]);
    refused(world.call(with(zip(directories))).await, 400, INVALID, words);
    refused(
        world.call(with(FunctionCode::default())).await,
        400,
        INVALID,
        "Please provide a source for function code.",
    );
    let both = FunctionCode { s3_bucket: Some("bucket".to_owned()), ..zip(app("1")) };
    let words = "Please do not provide other FunctionCode parameters when providing a ZipFile.";
    refused(world.call(with(both)).await, 400, INVALID, words);
    let s3 = FunctionCode {
        s3_bucket: Some("bucket".to_owned()),
        s3_key: Some("key".to_owned()),
        ..FunctionCode::default()
    };
    refused(world.call(with(s3)).await, 501, "NotImplemented", "lambda's setting Code.S3Bucket");
    world.without_code().await;
}

#[tokio::test]
async fn a_zip_over_50_megabytes_is_refused_unread() {
    let world = World::new().await;
    let huge = Bytes::from(vec![0; 52_428_801]);
    let words = "Request must be smaller than 70167211 bytes for the CreateFunction operation";
    let answer = world.call(CreateFunction { code: zip(huge), ..python("f") }).await;
    refused(answer, 413, "RequestEntityTooLargeException", words);
}

#[tokio::test]
async fn the_hot_reload_bucket_uses_a_directory_in_place() {
    let world = World::new().await;
    let directory = world.directory.path().join("source");
    fs::create_dir(&directory).unwrap();
    let with = |key: &str| {
        let code = FunctionCode {
            s3_bucket: Some("hot-reload".to_owned()),
            s3_key: Some(key.to_owned()),
            ..FunctionCode::default()
        };
        CreateFunction { code, ..python("f") }
    };
    refused(world.call(with("source")).await, 400, INVALID, "S3Key of the bucket hot-reload must be the absolute path");
    refused(world.call(with("/no/such/directory")).await, 400, INVALID, "S3Key of the bucket hot-reload");
    let shown = world.call(with(directory.to_str().unwrap())).await.unwrap();
    assert_eq!(shown.code_sha256.as_deref(), Some("hot-reloading-hash-not-available"));
    world.settled("f").await;
    let resolved = world.lambda.resolve(&world.cx(), "f", None).await.unwrap();
    assert!(resolved.hot_reload);
    fs::write(directory.join("app.py"), "saved").unwrap();
    let later = world.lambda.resolve(&world.cx(), "f", None).await.unwrap();
    assert_ne!(later.deployment_id, resolved.deployment_id, "a saved file makes another deployment");
    assert_eq!(resolved.code.path(), directory);
    assert!(world.trees().is_empty());
}

#[tokio::test]
async fn the_code_link_serves_the_zip_for_ten_minutes() {
    let world = World::new().await;
    world.create("f").await;
    let got = world.call(GetFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    let location = got.code.unwrap().location.unwrap();
    let rest = location.strip_prefix("http://localhost:4566").expect(&location);
    let (path, query) = rest.split_once('?').unwrap();
    assert_eq!(world.lambda.code_download(path, query).await, Some(app("1")));
    assert_eq!(world.restart().await.lambda.code_download(path, query).await, Some(app("1")), "after a restart too");
    let forged = query.replace("sig=", "sig=00");
    let later = query.replacen("expires=1", "expires=2", 1);
    for bad in ["", "expires=1", forged.as_str(), later.as_str()] {
        assert_eq!(world.lambda.code_download(path, bad).await, None, "{bad}");
    }
    assert_eq!(world.lambda.code_download("/_updraft/lambda/code/../x", query).await, None);
    world.clock.advance_ms(601_000);
    assert_eq!(world.lambda.code_download(path, query).await, None, "too late");
}
