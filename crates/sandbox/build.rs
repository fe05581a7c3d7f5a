//! Packs into the program what sandboxes need of us, so that one binary is all there is: the boot files of the managed
//! runtimes (`boot/`), the zygotes' helper library (`helper/lib.rs`) and the first process of each sandbox (`helper/init.rs`),
//! which share source with the spawner and need no C compiler: `rustc` makes a shared object and a static program of
//! them, without a standard library.

// A build script gets everything through the environment.
#![allow(clippy::disallowed_methods)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    pack_boot_files();
    compile_helpers();
}

/// What a sandbox gets at each start, and (apart) what `updraft runtimes install` builds runtime packs from.
fn pack_boot_files() {
    println!("cargo::rerun-if-changed=boot");
    pack("boot_files.rs", &["python", "node"]);
    pack("pack_files.rs", &["java", "packs"]);
}

fn pack(list_name: &str, families: &[&str]) {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("boot");
    let mut files = Vec::new();
    for family in families {
        collect(&root.join(family), &mut files);
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).expect("collected below it").display().to_string();
        // By the crate's own place: clones that share a target directory share this list.
        let path = format!("/boot/{name}");
        list.push_str(&format!("    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),\n"));
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join(list_name), list).expect("the build directory is writable");
}

/// Regular files but caches, notes and tests.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let left_out = name.starts_with('.') || ["__pycache__", "tests", "node_modules"].contains(&name.as_str());
        if left_out || name.ends_with(".md") {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

fn compile_helpers() {
    println!("cargo::rerun-if-changed=helper");
    println!("cargo::rerun-if-changed=src/spawner/child");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let mut library = vec!["--crate-type", "cdylib", "--crate-name", "updraft_zygote"];
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl") {
        library.extend(["-C", "target-feature=-crt-static"]);
    }
    compile("helper/lib.rs", "libupdraft_zygote.so", &library);
    // At a fixed address: nobody would relocate it.
    let init = ["--crate-type", "bin", "--crate-name", "updraft_init", "-C", "relocation-model=static"];
    let link = ["-C", "link-arg=-static", "-C", "link-arg=-no-pie"];
    compile("helper/init.rs", "updraft_init", &[&init[..], &link[..]].concat());
}

fn compile(source: &str, name: &str, options: &[&str]) {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    let mut rustc = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"));
    rustc.args(["--edition", "2024", "--target", &target]).args(options);
    rustc.args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "strip=symbols", "-C", "link-arg=-nostdlib"]);
    rustc.args(["-C", "link-arg=-nostartfiles"]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut argument = std::ffi::OsString::from("linker=");
        argument.push(linker);
        rustc.arg("-C").arg(argument);
    }
    let status = rustc.arg("-o").arg(output).arg(source).status().expect("rustc runs");
    assert!(status.success(), "{source} does not compile");
}
