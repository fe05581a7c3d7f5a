//! Archives of images, and what images say of themselves.

use oci::{Architecture, Digest, Image, reachable, read_archive};

use crate::made::{Built, Memory, gzip, manifest};

/// An OCI layout with these parts, in a tar.
fn layout(source: &Memory, parts: &[Digest], index: &str) -> Vec<u8> {
    use oci::Blobs;
    let mut tar = Built::default().file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#).directory("blobs/", 0o755);
    for digest in parts {
        let mut bytes = Vec::new();
        source.open(*digest).unwrap().read_to_end(&mut bytes).unwrap();
        tar = tar.entry(b'0', &format!("blobs/sha256/{}", digest.hex()), 0o644, &bytes, "");
    }
    tar.file("index.json", index).done()
}

fn index(entries: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
}

fn entry(digest: Digest, architecture: &str, name: &str) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1,"platform":{{"architecture":"{architecture}","os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
    )
}

#[test]
fn an_oci_layout_is_read() {
    let source = Memory::default();
    let layer = gzip(&Built::default().file("hello", "x").done());
    let digest = manifest(&source, "amd64", &[layer]);
    let parts = reachable(&source, digest).unwrap();
    assert_eq!(parts.len(), 3);
    let blobs = Memory::default();
    let found = read_archive(&*layout(&source, &parts, &index(&[entry(digest, "amd64", "hello:1")])), &blobs).unwrap();
    assert_eq!((found[0].root, found[0].names.as_slice()), (digest, &["hello:1".to_owned()][..]));
    let image = Image::find(&blobs, digest, Architecture::X86_64).unwrap();
    assert_eq!(image.settings.env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x=y".to_owned())]);
    assert_eq!(
        (image.settings.entrypoint.as_slice(), image.settings.directory.as_str()),
        (&["/run.sh".to_owned()][..], "/work")
    );
    let other = Image::find(&blobs, digest, Architecture::Arm64).unwrap_err().to_string();
    assert!(other.contains("was built for amd64, and the function is for arm64"), "{other}");
}

#[test]
fn an_index_is_searched_by_platform() {
    let blobs = Memory::default();
    let of = |architecture: &str| manifest(&blobs, architecture, &[Built::default().file(architecture, "x").done()]);
    let (intel, arm, attestation) = (of("amd64"), of("arm64"), of("unknown"));
    let entries = [entry(attestation, "unknown", ""), entry(arm, "arm64", ""), entry(intel, "amd64", "")];
    let root = blobs.add(index(&entries).as_bytes());
    assert_eq!(Image::find(&blobs, root, Architecture::X86_64).unwrap().manifest, intel);
    assert_eq!(Image::find(&blobs, root, Architecture::Arm64).unwrap().manifest, arm);
    assert!(!reachable(&blobs, root).unwrap().contains(&attestation));
    let only_arm = blobs.add(index(&entries[1..2]).as_bytes());
    let error = Image::find(&blobs, only_arm, Architecture::X86_64).unwrap_err().to_string();
    assert!(error.contains("nothing for linux/amd64"), "{error}");
    let mut nested = root;
    for _ in 0..5 {
        nested = blobs.add(index(&[entry(nested, "amd64", "")]).as_bytes());
    }
    let error = Image::find(&blobs, nested, Architecture::X86_64).unwrap_err().to_string();
    assert!(error.contains("too many indexes"), "{error}");
}

#[test]
fn what_docker_saved_before_oci_is_read() {
    let config = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["/hello"]}}"#;
    let layer = Built::default().file("hello", "x").done();
    let tar = Built::default()
        .file("c0ffee.json", config)
        .directory("aaa/", 0o755)
        .entry(b'0', "aaa/layer.tar", 0o644, &layer, "")
        .directory("bbb/", 0o755)
        .link("bbb/layer.tar", "../aaa/layer.tar")
        .file(
            "manifest.json",
            r#"[{"Config":"c0ffee.json","RepoTags":["hello:old"],"Layers":["aaa/layer.tar","bbb/layer.tar"]}]"#,
        )
        .done();
    let blobs = Memory::default();
    let found = read_archive(&*tar, &blobs).unwrap();
    assert_eq!(found[0].names, ["hello:old"]);
    let image = Image::find(&blobs, found[0].root, Architecture::X86_64).unwrap();
    assert_eq!(image.layers, [Digest::of(&layer), Digest::of(&layer)]);
    assert_eq!(image.settings.command, ["/hello"]);
}

#[test]
fn parts_that_are_not_what_they_are_called_are_refused() {
    let source = Memory::default();
    let digest = manifest(&source, "amd64", &[Built::default().file("hello", "x").done()]);
    let lie = Built::default()
        .file(&format!("blobs/sha256/{}", digest.hex()), "something else")
        .file("index.json", "{}")
        .done();
    let refused = |tar: Vec<u8>, words: &str| {
        let error = read_archive(&*tar, &Memory::default()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(lie, "not the promised content");
    refused(Built::default().file("blobs/sha256/xyz", "x").done(), "not a sha256 digest");
    refused(Built::default().file("something", "x").done(), "neither an OCI layout");
    refused(Built::default().file("index.json", "no json").done(), "broken");
    refused(layout(&source, &[], &index(&[entry(digest, "amd64", "x")])), "is missing");
    refused(b"no tar at all, but long enough to be taken for the header of one".repeat(20), "tar header");
    let blobs = Memory::default();
    let layout = layout(&source, &[digest], &index(&[entry(digest, "amd64", "x")]));
    let found = read_archive(&*layout, &blobs).unwrap();
    assert!(reachable(&blobs, found[0].root).unwrap_err().to_string().contains("is missing"));
}
