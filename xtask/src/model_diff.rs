//! `model-diff`: what AWS's model has and our declarations have not, on the terminal and as a page. `--check` makes it a
//! test: the committed page says what is so.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::botocore::Model;
use crate::diff::{Coverage, compare};
use crate::{Arguments, Failure, declared};

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let services = declared::load(root, arguments.value("schemas"))?;
    let wanted = |name: &str| arguments.words.is_empty() || arguments.words.iter().any(|w| w == name);
    if let Some(unknown) = arguments.words.iter().find(|w| !services.iter().any(|s| s.service == **w)) {
        return Err(format!("we declare no service {unknown}").into());
    }
    let folder = root.join("docs/coverage");
    let mut stale = Vec::new();
    for service in services.iter().filter(|s| wanted(&s.service)) {
        let coverage = compare(service, &Model::load(&service.service)?);
        print!("{}", terminal(&service.service, &coverage));
        let file = folder.join(format!("{}.md", service.service));
        let page = page(&service.service, &coverage);
        if arguments.has("write") {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&file, &page)?;
        }
        if !coverage.unlisted.is_empty() || std::fs::read_to_string(&file).unwrap_or_default() != page {
            stale.push(service.service.as_str());
        }
    }
    if arguments.has("check") && !stale.is_empty() {
        let stale = stale.join(" ");
        return Err(format!("docs/coverage is not true of {stale}: `cargo xtask model-diff {stale} --write`").into());
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(coverage: &Coverage) -> String {
    let Coverage { answered, not_yet, unlisted, gaps } = coverage;
    let all = answered.len() + not_yet.len() + unlisted.len();
    format!(
        "{} of {all} operations answered, {} not yet, {} unlisted, {} gaps in what is answered",
        answered.len(),
        not_yet.len(),
        unlisted.len(),
        gaps.len()
    )
}

fn terminal(service: &str, coverage: &Coverage) -> String {
    let mut text = format!("{service}: {}\n", summary(coverage));
    for name in &coverage.unlisted {
        let _ = writeln!(text, "  {name}: neither answered nor listed as not yet");
    }
    for gap in &coverage.gaps {
        let _ = writeln!(text, "  {}: {}", gap.place, gap.what);
    }
    text
}

/// The page of gaps, the same for the same input, so that its diff shows what moved.
fn page(service: &str, coverage: &Coverage) -> String {
    let mut text = format!(
        "# Coverage of {service}\n\nWritten by `cargo xtask model-diff {service} --write` against AWS's public model; \
         do not edit.\n\n{}.\n",
        summary(coverage)
    );
    section(&mut text, "Answered", coverage.answered.iter().map(|n| format!("`{n}`")));
    section(&mut text, "Not yet (501 `NotImplemented`)", coverage.not_yet.iter().map(|n| format!("`{n}`")));
    section(&mut text, "Unlisted", coverage.unlisted.iter().map(|n| format!("`{n}`")));
    section(&mut text, "Gaps in what is answered", coverage.gaps.iter().map(|g| format!("{}: {}", g.place, g.what)));
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.map(|line| format!("- {line}\n")).collect();
    if !lines.is_empty() {
        let _ = write!(text, "\n## {title}\n\n{}", lines.concat());
    }
}

#[cfg(test)]
mod tests {
    use super::{page, terminal};
    use crate::botocore::Model;
    use crate::declared::Service;
    use crate::diff::compare;

    fn sample() -> crate::diff::Coverage {
        let service: Service = serde_json::from_str(include_str!("../tests/declared.json")).unwrap();
        let model: Model = serde_json::from_str(include_str!("../tests/model.json")).unwrap();
        compare(&service, &model)
    }

    #[test]
    fn every_kind_of_gap_is_seen_once() {
        let expected = "\
sample: 2 of 4 operations answered, 1 not yet, 1 unlisted, 12 gaps in what is answered
  Forgotten: neither answered nor listed as not yet
  Colour: values are missing: blue
  GetThing: bound to `GET /thing/{Name} → 200`, AWS to `GET /things/{Name} → 202`
  GetThing input: `Qualifier` travels in header Qualifier, AWS's in querystring Qualifier
  GetThing input: `Extra` is required, AWS's is not
  GetThing input: `Must` is not required, AWS's is
  GetThing output: `Size` is missing
  GetThing output: AWS has no `Sise`
  GetThing output: `Count` is a string, AWS's a integer
  GetThing output: `Names[]` is a integer, AWS's a string
  Invented: AWS has no such operation
  Part: `Weight` is missing
  Part: AWS has no `Wait`
";
        assert_eq!(terminal("sample", &sample()), expected);
    }

    #[test]
    fn the_page_lists_all() {
        let page = page("sample", &sample());
        for line in
            ["## Answered\n\n- `GetThing`\n- `PutThing`\n", "- `Later`", "- `Forgotten`", "- Part: `Weight` is missing"]
        {
            assert!(page.contains(line), "{page}");
        }
    }
}
