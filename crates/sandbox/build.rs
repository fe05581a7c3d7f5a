//! Packs the boot files of the managed runtimes (`boot/`) into the program, so that one binary is all there is.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("boot");
    println!("cargo::rerun-if-changed=boot");
    let mut files = Vec::new();
    for family in ["python", "node", "java"] {
        collect(&root.join(family), &mut files);
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).expect("collected below it");
        list.push_str(&format!(
            "    ({:?}, include_bytes!({:?})),\n",
            name.display().to_string(),
            file.display().to_string()
        ));
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("boot_files.rs"), list).expect("the build directory is writable");
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
