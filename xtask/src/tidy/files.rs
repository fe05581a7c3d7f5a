//! Rules about single files.

use std::path::Path;
use std::process::Command;

use super::Finding;
use super::floors::Package;
use crate::Failure;

/// Past this, look for the second idea hiding in a file.
const LINES_WARN: usize = 600;
/// Past this it fails, unless the file is one of [`TABLES`].
const LINES_MAX: usize = 900;
/// Files that are long because they are tables, not logic.
const TABLES: &[&str] = &[];

/// Words that would tie the repository to one machine, with the reason. Written in halves, or this file would hold them.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/tmp/", "helpers"), "a path of one machine"),
    (concat!("/var/tmp/", "updraft/target"), "a path of one machine"),
    (concat!("/ro", "ot/."), "a path of one machine"),
    (concat!("<<<<", "<<< "), "a conflict left unresolved"),
    (concat!("#[", "ignore"), "a test that is skipped is a test that rots: fix it or delete it"),
];

pub(super) fn check(root: &Path, packages: &[Package]) -> Result<Vec<Finding>, Failure> {
    let mut findings = check_crates(root, packages)?;
    for path in listed(root)? {
        // Listed but deleted, binary, or a link: nothing to read.
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else {
            continue;
        };
        findings.extend(check_words(&path, &text));
        if path.ends_with(".rs") {
            findings.extend(check_rust(&path, &text));
        }
    }
    Ok(findings)
}

/// Everything that is or would be committed.
fn listed(root: &Path) -> Result<Vec<String>, Failure> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output()?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let mut paths: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    paths.dedup();
    Ok(paths)
}

fn check_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (word, reason) in FORBIDDEN {
            if line.contains(word) {
                findings.push(Finding::error(format!("{path}:{}", at + 1), format!("`{word}`: {reason}")));
            }
        }
    }
    findings
}

fn check_rust(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        let what = "start with a `//!` paragraph: what lives here, what does not, and why";
        findings.push(Finding::error(path, what));
    }
    let lines = text.lines().count();
    let table = TABLES.contains(&path);
    if lines > LINES_MAX && !table {
        findings.push(Finding::error(path, format!("{lines} lines: split it (at most {LINES_MAX})")));
    } else if lines > LINES_WARN && !table {
        findings.push(Finding::warning(path, format!("{lines} lines: look for the second idea hiding in it")));
    }
    findings
}

/// Every crate inherits the lints, and stands on the map.
fn check_crates(root: &Path, packages: &[Package]) -> Result<Vec<Finding>, Failure> {
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let mut findings = Vec::new();
    for package in packages {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        if !inherits_lints(&manifest) {
            let place = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
            findings.push(Finding::error(place.display().to_string(), "add `[lints]` with `workspace = true`"));
        }
        if !map.contains(&format!("`{}`", package.name)) {
            findings.push(Finding::error("ARCHITECTURE.md", format!("put `{}` on the map", package.name)));
        }
    }
    Ok(findings)
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.next() == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, LINES_WARN, check_rust, check_words, inherits_lints};

    #[test]
    fn each_rule_bites_and_spares() {
        assert!(check_words("a", "see /workshop/ and /tmp/x").is_empty());
        assert_eq!(check_words("a", &format!("x\n{}", super::FORBIDDEN[0].0))[0].place, "a:2");
        assert!(check_rust("a.rs", "//! Words.\n").is_empty());
        assert!(check_rust("a.rs", "use x;\n")[0].fails);
        let long = |lines: usize| format!("//!\n{}", "\n".repeat(lines));
        assert!(!check_rust("a.rs", &long(LINES_WARN))[0].fails);
        assert!(check_rust("a.rs", &long(LINES_MAX))[0].fails);
        assert!(inherits_lints("[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nworkspace = true\n"));
    }
}
