//! Which crate may use which: only downwards, and services never each other.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Finding;
use crate::Failure;

/// Where a crate stands. New crates get a line here.
const FLOORS: &[(&str, Floor)] = &[
    ("base", Floor::Ground),
    ("shape", Floor::Ground),
    ("shape-derive", Floor::Ground),
    ("wire", Floor::Engine),
    ("store", Floor::Engine),
    ("oci", Floor::Engine),
    ("sandbox", Floor::Engine),
    ("lang", Floor::Engine),
    ("policy", Floor::Engine),
    ("lang", Floor::Engine),
    ("cloud", Floor::Platform),
    ("fabric", Floor::Platform),
    ("compute", Floor::Service),
    ("gateway", Floor::Service),
    ("messaging", Floor::Service),
    ("objects", Floor::Service),
    ("tables", Floor::Service),
    ("identity", Floor::Service),
    ("observe", Floor::Service),
    ("secrets", Floor::Service),
    ("deploy", Floor::Service),
    ("network", Floor::Service),
    ("node", Floor::Top),
    ("console", Floor::Top),
    ("updraft", Floor::Top),
    ("xtask", Floor::Aside),
    ("bench", Floor::Aside),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Ground,
    Engine,
    Platform,
    Service,
    Top,
    /// Tests and chores: may use anything, and only tests may use them.
    Aside,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of the workspace, as `cargo metadata` tells.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or none for a normal one.
    kind: Option<String>,
    /// Only crates of the workspace have one.
    path: Option<PathBuf>,
}

pub(super) fn packages(root: &Path) -> Result<Vec<Package>, Failure> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice::<Metadata>(&output.stdout)?.packages)
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some(floor) = floor_of(&package.name) else {
        return vec![Finding::error("xtask/src/tidy/floors.rs", format!("give the crate `{}` a floor", package.name))];
    };
    let place = package.manifest_path.display().to_string();
    let ours = package.dependencies.iter().filter(|d| d.path.is_some());
    ours.filter_map(|dependency| {
        let below = floor_of(&dependency.name)?;
        let for_tests = dependency.kind.as_deref() == Some("dev");
        let what = refusal(floor, below, for_tests)?;
        Some(Finding::error(&place, format!("`{}` may not use `{}`: {what}", package.name, dependency.name)))
    })
    .collect()
}

fn floor_of(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(n, _)| *n == name).map(|(_, floor)| *floor)
}

/// Why a crate on `floor` may not use one on `used`.
fn refusal(floor: Floor, used: Floor, for_tests: bool) -> Option<&'static str> {
    match (floor, used) {
        (Floor::Aside, _) => None,
        (_, Floor::Aside) if for_tests => None,
        (_, Floor::Aside) => Some("it is for tests and chores"),
        (Floor::Service, Floor::Service) => {
            Some("services never import each other; go through a port in `cloud`, or by name")
        }
        (Floor::Engine, Floor::Engine) => Some("engines stand alone; join them one floor up"),
        (floor, used) if used > floor => Some("it stands on a higher floor"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Floor, refusal};

    #[test]
    fn only_downwards() {
        for (floor, used) in [
            (Floor::Engine, Floor::Ground),
            (Floor::Service, Floor::Platform),
            (Floor::Service, Floor::Engine),
            (Floor::Top, Floor::Service),
            (Floor::Top, Floor::Top),
            (Floor::Ground, Floor::Ground),
            (Floor::Aside, Floor::Top),
        ] {
            assert_eq!(refusal(floor, used, false), None, "{floor:?} {used:?}");
        }
        for (floor, used) in [
            (Floor::Service, Floor::Service),
            (Floor::Engine, Floor::Engine),
            (Floor::Engine, Floor::Platform),
            (Floor::Ground, Floor::Engine),
            (Floor::Platform, Floor::Service),
            (Floor::Service, Floor::Aside),
        ] {
            assert!(refusal(floor, used, false).is_some(), "{floor:?} {used:?}");
        }
        assert_eq!(refusal(Floor::Service, Floor::Aside, true), None);
        assert!(refusal(Floor::Service, Floor::Service, true).is_some());
    }
}
