//! Figures of the engine's, the store's and the templates' own benchmarks, which are examples of their crates.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const fn at_most_ms(ms: f64) -> Goal {
    Goal::AtMost(Figure::Milliseconds(ms))
}

/// Beginning of a line, name in the table, goal.
const ENGINE: &[(&str, &str, Goal)] = &[
    ("cold custom exec: first answer", "engine: cold custom runtime, p50", at_most_ms(0.5)),
    ("cold python parked: first answer", "engine: cold Python, parked, p50", at_most_ms(1.0)),
    ("cold python zygote: first answer", "engine: cold Python, zygote, p50", at_most_ms(5.0)),
    ("cold node parked: first answer", "engine: cold Node.js, parked, p50", at_most_ms(2.0)),
    ("cold java parked: first answer", "engine: cold Java, parked, p50", at_most_ms(5.0)),
    ("create+run+destroy custom", "create + run + destroy, custom runtime", Goal::AtLeast(Figure::PerSecond(2000.0))),
    ("create+run+destroy python", "create + run + destroy, Python", Goal::AtLeast(Figure::PerSecond(350.0))),
];

const STORE: &[(&str, &str, Goal)] =
    &[("durable, 32 clients:", "store: durable transactions, 32 clients", Goal::AtLeast(Figure::PerSecond(20_000.0)))];

const TEMPLATES: &[(&str, &str, Goal)] =
    &[("template rendered:", "a mapping template of 1 KB: rendered, p50", at_most_ms(0.05))];

/// Mapping templates of APIs.
pub(crate) fn templates(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    report(&run(&bench.build.join("examples/render"), [])?, TEMPLATES, table);
    Ok(())
}

/// Cold starts without HTTP, and environments made and ended per second.
pub(crate) fn engine(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let packs = bench.packs.as_ref().map(|packs| format!("packs={}", packs.display()));
    let arguments = ["quick".to_owned()].into_iter().chain(packs);
    report(&run(&bench.build.join("examples/sandbox_bench"), arguments)?, ENGINE, table);
    Ok(())
}

/// Durable transactions per second.
pub(crate) fn store(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    report(&run(&bench.build.join("examples/store_bench"), ["2".to_owned()])?, STORE, table);
    Ok(())
}

fn run(program: &Path, arguments: impl IntoIterator<Item = String>) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(String::from_utf8(output.stdout)?)
}

fn report(lines: &str, wanted: &[(&str, &str, Goal)], table: &mut Table) {
    for (start, what, goal) in wanted {
        let figure = lines.lines().find_map(|line| figure(line.strip_prefix(start)?));
        match figure {
            Some(figure) => table.add(Row::new(*what, figure).goal(*goal)),
            None => eprintln!("bench: {what}: not measured"),
        }
    }
}

/// `… p50 569 us …`, `… p50 1.20 ms …`, `4200 /s`, `42300 transactions/s …`.
fn figure(rest: &str) -> Option<Figure> {
    let mut words = rest.split_whitespace();
    if rest.contains("p50") && !rest.contains("/s") {
        let value: f64 = words.by_ref().skip_while(|word| *word != "p50").nth(1)?.parse().ok()?;
        return Some(Figure::Milliseconds(if words.next()? == "us" { value / 1000.0 } else { value }));
    }
    Some(Figure::PerSecond(words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Figure, figure};

    #[test]
    fn lines_of_the_examples_are_understood() {
        assert_eq!(figure("   min    435 us  p50    569 us  p99  1.20 ms  n 20"), Some(Figure::Milliseconds(0.569)));
        assert_eq!(figure("   min   1.00 ms  p50   1.25 ms  p99  1.40 ms  n 20"), Some(Figure::Milliseconds(1.25)));
        assert_eq!(figure("      4200 /s"), Some(Figure::PerSecond(4200.0)));
        assert_eq!(figure(" 42300 transactions/s, p50 700 µs"), Some(Figure::PerSecond(42300.0)));
    }
}
