//! What the machine nags about, so that people need not.
//!
//! Rules are few, each has its reason beside it, and each finding says what to do. Warnings never fail.

mod files;
mod floors;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use crate::Failure;

/// Something untidy.
#[derive(Debug)]
struct Finding {
    /// Path, perhaps with a line, from the root.
    place: String,
    what: String,
    fails: bool,
}

impl Finding {
    fn error(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { place: place.into(), what: what.into(), fails: true }
    }

    fn warning(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { place: place.into(), what: what.into(), fails: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fails { "error" } else { "warning" };
        write!(f, "{kind}: {}: {}", self.place, self.what)
    }
}

pub(crate) fn run(root: &Path) -> Result<ExitCode, Failure> {
    let findings = check(root)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    let errors = findings.iter().filter(|f| f.fails).count();
    println!("tidy: {errors} errors, {} warnings", findings.len() - errors);
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let packages = floors::packages(root)?;
    let mut findings = floors::check(&packages);
    findings.extend(files::check(root, &packages)?);
    findings.sort_by(|a, b| (b.fails, &a.place).cmp(&(a.fails, &b.place)));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings = super::check(&crate::root()).unwrap();
        let errors: Vec<String> = findings.iter().filter(|f| f.fails).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "\n{}\n(cargo xtask tidy says the same)", errors.join("\n"));
    }
}
