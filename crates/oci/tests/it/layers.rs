//! Layers over layers.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::made::{Built, gzip, unpack};

#[test]
fn later_layers_lie_over_earlier_ones() {
    let below = Built::default()
        .directory("./", 0o755)
        .directory("usr/", 0o755)
        .directory("usr/lib/", 0o755)
        .link("lib", "usr/lib")
        .file("usr/lib/kept", "below")
        .file("usr/lib/changed", "below")
        .file("was-file", "below")
        .directory("was-directory/", 0o755)
        .file("was-directory/inside", "below")
        .done();
    // Through the link of the layer below, as packages of merged-usr systems do.
    let above =
        Built::default().file("lib/changed", "above").file("lib/new", "above").file("was-file/inside", "above").done();
    let replaced = Built::default().directory("was-file/", 0o755).file("was-file/inside", "above").done();
    let unpacked = unpack(&[below.clone(), above]);
    unpacked.refused("one entry lies within another that is no directory");
    let above =
        Built::default().file("lib/changed", "above").file("lib/new", "above").file("was-directory", "above").done();
    let unpacked = unpack(&[gzip(&below), gzip(&above), replaced]);
    unpacked.result.as_ref().unwrap();
    for (path, content) in [
        ("usr/lib/kept", "below"),
        ("usr/lib/changed", "above"),
        ("usr/lib/new", "above"),
        ("lib/new", "above"),
        ("was-file/inside", "above"),
        ("was-directory", "above"),
    ] {
        assert_eq!(unpacked.read(path).as_deref(), Some(content), "{path}");
    }
    unpacked.untouched();
}

#[test]
fn whiteouts_hide_what_is_below_and_not_what_is_beside() {
    let below = Built::default()
        .file("a/gone", "below")
        .file("a/kept", "below")
        .file("b/gone", "below")
        .file("b/deep/gone", "below")
        .file("b/deep/again", "below")
        .file("c/tree/of/files", "below")
        .done();
    let above = Built::default()
        .file("a/.wh.gone", "")
        .file("b/new", "above")
        .file("b/deep/again", "above")
        .file("b/.wh..wh..opq", "")
        .file("b/later", "above")
        .file("c/.wh.tree", "")
        .file("d/.wh..wh.plnk", "")
        .file("d/.wh.never-there", "")
        .done();
    let unpacked = unpack(&[below, above]);
    unpacked.result.as_ref().unwrap();
    for gone in ["a/gone", "b/gone", "b/deep/gone", "c/tree/of/files", "a/.wh.gone", "b/.wh..wh..opq", "d/.wh..wh.plnk"]
    {
        assert_eq!(unpacked.read(gone), None, "{gone}");
    }
    for (path, content) in [("a/kept", "below"), ("b/new", "above"), ("b/deep/again", "above"), ("b/later", "above")] {
        assert_eq!(unpacked.read(path).as_deref(), Some(content), "{path}");
    }
    assert!(unpacked.root.join("c").is_dir() && !unpacked.root.join("c/tree").exists());
}

#[test]
fn links_stay_links_and_files_keep_their_names() {
    let long = "directory/".repeat(20) + "file";
    let layer = Built::default()
        .file("bin/program", "code")
        .hard_link("bin/other", "bin/program")
        .hard_link("bin/absolute", "/bin/program")
        .link("bin/link", "/bin/program")
        .hard_link("bin/link-again", "bin/link")
        .entry(b'L', "././@LongLink", 0o644, format!("{long}\0").as_bytes(), "")
        .file("cut", "long")
        .entry(b'x', "pax", 0o644, b"22 path=pax/by/record\n", "")
        .file("cut", "pax")
        .done();
    let unpacked = unpack(&[layer]);
    unpacked.result.as_ref().unwrap();
    let inode = |path: &str| std::fs::symlink_metadata(unpacked.root.join(path)).unwrap().ino();
    assert_eq!(inode("bin/program"), inode("bin/other"));
    assert_eq!(inode("bin/program"), inode("bin/absolute"));
    for link in ["bin/link", "bin/link-again"] {
        assert_eq!(std::fs::read_link(unpacked.root.join(link)).unwrap().to_str(), Some("/bin/program"));
    }
    assert_eq!(unpacked.read(&long).as_deref(), Some("long"));
    assert_eq!(unpacked.read("pax/by/record").as_deref(), Some("pax"));
}

#[test]
fn modes_are_kept_but_for_what_gives_power() {
    let layer = Built::default()
        .directory("closed/", 0o700)
        .file("closed/inside", "x")
        .directory("sticky/", 0o1777)
        .entry(b'0', "setuid", 0o6755, b"x", "")
        .entry(b'0', "secret", 0o600, b"x", "")
        .entry(b'3', "device", 0o666, b"", "")
        .entry(b'6', "pipe", 0o666, b"", "")
        .done();
    let unpacked = unpack(&[layer]);
    unpacked.result.as_ref().unwrap();
    let mode = |path: &str| std::fs::metadata(unpacked.root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("closed"), mode("sticky"), mode("setuid"), mode("secret")), (0o700, 0o777, 0o755, 0o600));
    assert!(!unpacked.root.join("device").exists() && !unpacked.root.join("pipe").exists());
    for made in ["proc", "dev", "tmp", "run/updraft"] {
        assert!(unpacked.root.join(made).is_dir(), "{made}");
    }
}

#[test]
fn a_program_is_found_on_the_images_path() {
    let layer = Built::default()
        .file("usr/bin/python3.11", "x")
        .link("usr/bin/python3", "python3.11")
        .link("bin", "usr/bin")
        .link("usr/local/bin", "/nowhere")
        .link("etc/alternatives/python", "/usr/bin/python3")
        .link("usr/bin/python", "/etc/alternatives/python")
        .link("usr/bin/round", "round")
        .file("shop/run.sh", "x")
        .done();
    let unpacked = unpack(&[layer]);
    unpacked.result.as_ref().unwrap();
    let find =
        |program: &str| oci::resolve_program(&unpacked.root, program, "/usr/local/bin:/usr/bin:relative", "/shop");
    assert_eq!(find("python").as_deref(), Some("/usr/bin/python"));
    assert_eq!(find("/bin/python3").as_deref(), Some("/bin/python3"));
    assert_eq!(find("./run.sh").as_deref(), Some("/shop/./run.sh"));
    for none in ["", "node", "/usr/bin", "/usr/bin/round", "run.sh", "../../outside/secret"] {
        assert_eq!(find(none), None, "{none}");
    }
}
