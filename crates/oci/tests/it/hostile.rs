//! Layers and archives that want out, or too much.

use crate::made::{Built, gzip, header, unpack};

#[test]
fn no_path_leads_out() {
    for path in ["../outside/new", "a/../../outside/new", "/../outside/new", ".."] {
        unpack(&[Built::default().file(path, "x").done()]).refused("'..' in the path");
    }
    let absolute = unpack(&[Built::default().file("/outside", "x").done()]);
    assert_eq!(absolute.read("outside").as_deref(), Some("x"), "the root is the root");
    absolute.untouched();
}

#[test]
fn no_link_leads_out() {
    for target in ["../outside", "/../../../outside", "../../../../outside"] {
        let link = Built::default().link("out", target).done();
        let through = Built::default().file("out/secret", "stolen").file("out/new", "x").done();
        let unpacked = unpack(&[link.clone(), through]);
        unpacked.result.as_ref().unwrap();
        assert_eq!(unpacked.read("outside/secret").as_deref(), Some("stolen"), "it lands within the root");
        unpacked.untouched();
        // The link itself may be replaced, and is never written through.
        let over = Built::default().file("out", "mine").done();
        unpack(&[Built::default().link("out", "../outside/secret").done(), over]).untouched();
        // Whiteouts do not follow it either.
        let hiding =
            Built::default().file("out/.wh.secret", "").file("out/.wh..wh..opq", "").file(".wh.out", "").done();
        unpack(&[link, hiding]).untouched();
    }
    let absolute = format!("{}", std::env::temp_dir().display());
    let unpacked = unpack(&[Built::default().link("t", &absolute).file("t/updraft-hostile", "x").done()]);
    unpacked.result.as_ref().unwrap();
    assert!(!std::env::temp_dir().join("updraft-hostile").exists());
}

#[test]
fn no_mode_is_set_through_a_link() {
    // A directory whose mode is to be set in the end, and whose parent then becomes a link to the outside.
    let first = Built::default().directory("a/", 0o755).directory("a/outside/", 0o777).done();
    let second = Built::default().link("a", "..").done();
    let unpacked = unpack(&[first, second]);
    unpacked.result.as_ref().unwrap();
    let mode = std::fs::metadata(unpacked.directory.path().join("outside")).unwrap();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o777);
    unpacked.untouched();
}

#[test]
fn no_hard_link_takes_what_is_outside() {
    for target in ["../outside/secret", "/etc/passwd", "etc", "missing"] {
        let unpacked = unpack(&[Built::default().directory("etc/", 0o755).hard_link("mine", target).done()]);
        assert!(unpacked.result.is_err(), "{target}");
        unpacked.untouched();
    }
    let through = Built::default().link("out", "../outside").hard_link("mine", "out/secret").done();
    let unpacked = unpack(&[through]);
    assert!(unpacked.result.is_err());
    unpacked.untouched();
}

#[test]
fn mount_points_are_no_links() {
    let layer = Built::default()
        .link("proc", "../outside")
        .link("tmp", "/usr")
        .link("run", "../outside")
        .link("etc/resolv.conf", "../../outside/secret")
        .link("etc/hosts", "/run/hosts")
        .done();
    let unpacked = unpack(&[layer]);
    unpacked.result.as_ref().unwrap();
    for name in ["proc", "tmp", "run", "run/updraft", "etc/resolv.conf", "etc/hosts"] {
        assert!(!std::fs::symlink_metadata(unpacked.root.join(name)).unwrap().is_symlink(), "{name}");
    }
    assert_eq!(unpacked.read("etc/resolv.conf").as_deref(), Some(""));
    unpacked.untouched();
    unpack(&[Built::default().link("etc", "../outside").done()]).refused("/etc is no directory");
    unpack(&[Built::default().file("run", "x").done()]).refused("/run is no directory");
}

#[test]
fn loops_end() {
    let layer = Built::default().link("a", "b").link("b", "a").file("a/x", "x").done();
    unpack(&[layer]).refused("links that lead to each other");
    let deep = "d/".repeat(400);
    unpack(&[Built::default().entry(b'x', "p", 0o644, &record("path", &format!("{deep}f")), "").file("x", "x").done()])
        .refused("too many directories");
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let body = format!(" {key}={value}\n");
    let length = (body.len()..).find(|length| length.to_string().len() + body.len() == *length).unwrap();
    format!("{length}{body}").into_bytes()
}

#[test]
fn lies_about_sizes_are_refused_before_they_cost() {
    let huge = Built::default().raw(&header(b'0', "huge", 0o644, 8 * 1024 * 1024 * 1024 - 1, "")).raw(b"only this");
    let unpacked = unpack(&[huge.done()]);
    assert!(unpacked.result.is_err());
    let eleven = record("size", &(11_u64 << 30).to_string());
    unpack(&[Built::default().entry(b'x', "p", 0o644, &eleven, "").file("x", "x").done()])
        .refused("unpacked it has more than");
    let name = Built::default().raw(&header(b'L', "././@LongLink", 0o644, 1 << 30, ""));
    unpack(&[name.done()]).refused("what extends a tar header");
    let records = Built::default().raw(&header(b'x', "pax", 0o644, 1 << 30, ""));
    unpack(&[records.done()]).refused("what extends a tar header");
    let overflow = record("size", "18446744073709551615");
    assert!(unpack(&[Built::default().entry(b'x', "p", 0o644, &overflow, "").file("x", "x").done()]).result.is_err());
}

#[test]
fn what_is_no_layer_is_refused() {
    let whole = Built::default().file("a", &"x".repeat(2000)).done();
    unpack(&[whole[..1024].to_vec()]).refused("cut off");
    unpack(&[gzip(&whole)[..40].to_vec()]).refused("cannot be read");
    unpack(&[b"neither tar nor gzip".repeat(100)]).refused("tar header");
    unpack(&[b"\x28\xb5\x2f\xfd".to_vec()]).refused("zstd");
    unpack(&[Built::default().entry(b'S', "sparse", 0o644, b"", "").done()]).refused("unknown kind");
    unpack(&[Built::default().entry(b'x', "p", 0o644, b"99 path=x\n", "").file("x", "x").done()])
        .refused("PAX records");
    unpack(&[Built::default().link("empty", "").done()]).refused("without a usable target");
}

/// Whatever a single wrong byte makes of a layer, it is unpacked within its root or refused; nothing panics.
#[test]
fn every_spoiled_header_byte_is_survived() {
    let whole = Built::default().directory("d/", 0o755).file("d/f", "x").link("l", "d/f").hard_link("h", "d/f").done();
    for at in (0..whole.len() - 1024).filter(|at| at % 512 < 265) {
        for flip in [[0x01], [0x80]][at % 2] {
            let mut spoiled = whole.clone();
            spoiled[at] ^= flip;
            // The checksum is made right, or nothing else would be reached.
            let block = at / 512 * 512;
            spoiled[block + 148..block + 156].fill(b' ');
            let sum: u32 = spoiled[block..block + 512].iter().map(|byte| u32::from(*byte)).sum();
            spoiled[block + 148..block + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            unpack(&[spoiled]).untouched();
        }
    }
}
