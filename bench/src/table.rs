//! The one table: `what | measured | baseline | ratio | goal | met?`, printed and written as JSON.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    Milliseconds(f64),
    PerSecond(f64),
    Megabytes(f64),
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Figure::Milliseconds(value) | Figure::PerSecond(value) | Figure::Megabytes(value) => value,
        }
    }
}

impl From<Duration> for Figure {
    fn from(time: Duration) -> Figure {
        Figure::Milliseconds(time.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Milliseconds(ms) if *ms < 1.0 => write!(f, "{:.0} µs", ms * 1000.0),
            Figure::Milliseconds(ms) => write!(f, "{ms:.2} ms"),
            Figure::PerSecond(times) => write!(f, "{times:.0}/s"),
            Figure::Megabytes(megabytes) => write!(f, "{megabytes:.2} MB"),
        }
    }
}

/// What is aimed at.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(Figure),
    AtLeast(Figure),
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// At most so much more than the baseline.
    OverBaseline(Figure),
    /// At most so many times the baseline, and so much more.
    RatioAndMore(f64, Figure),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtMost(figure) => write!(f, "≤ {figure}"),
            Goal::AtLeast(figure) => write!(f, "≥ {figure}"),
            Goal::RatioAtMost(ratio) => write!(f, "≤ {ratio:.3}x"),
            Goal::RatioAtLeast(ratio) => write!(f, "≥ {ratio:.3}x"),
            Goal::OverBaseline(figure) => write!(f, "≤ baseline + {figure}"),
            Goal::RatioAndMore(ratio, figure) => write!(f, "≤ {ratio}x + {figure}"),
        }
    }
}

/// One line.
#[derive(Serialize)]
pub(crate) struct Row {
    what: String,
    measured: Figure,
    baseline: Option<Figure>,
    goal: Option<Goal>,
    met: Option<bool>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, measured: impl Into<Figure>) -> Row {
        Row { what: what.into(), measured: measured.into(), baseline: None, goal: None, met: None }
    }

    pub(crate) fn beside(self, baseline: impl Into<Figure>) -> Row {
        Row { baseline: Some(baseline.into()), ..self }
    }

    /// Sets the goal; a baseline it speaks of must be there already.
    pub(crate) fn goal(self, goal: Goal) -> Row {
        let (measured, baseline) = (self.measured.value(), self.baseline.map_or(0.0, Figure::value));
        let met = match goal {
            Goal::AtMost(figure) => measured <= figure.value(),
            Goal::AtLeast(figure) => measured >= figure.value(),
            Goal::RatioAtMost(ratio) => measured <= baseline * ratio,
            Goal::RatioAtLeast(ratio) => measured >= baseline * ratio,
            Goal::OverBaseline(figure) => measured - baseline <= figure.value(),
            Goal::RatioAndMore(ratio, figure) => measured <= baseline * ratio + figure.value(),
        };
        Row { goal: Some(goal), met: Some(met), ..self }
    }

    fn cells(&self) -> [String; 6] {
        let or_nothing = |text: Option<String>| text.unwrap_or_default();
        let ratio = self.baseline.map(|baseline| format!("{:.3}x", self.measured.value() / baseline.value()));
        [
            self.what.clone(),
            self.measured.to_string(),
            or_nothing(self.baseline.map(|b| b.to_string())),
            or_nothing(ratio),
            or_nothing(self.goal.map(|g| g.to_string())),
            self.met.map_or("", |met| if met { "yes" } else { "NO" }).to_owned(),
        ]
    }
}

/// All lines, and the load of the machine before.
#[derive(Serialize)]
pub(crate) struct Table {
    load_before: String,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new() -> Table {
        let load_before = std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned();
        Table { load_before, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("  {}", row.cells().join("  "));
        self.rows.push(row);
    }

    /// Writes `bench/results/latest.json` below the working directory, the repository's root.
    pub(crate) fn write(&self) -> std::io::Result<PathBuf> {
        let directory = Path::new("bench/results");
        std::fs::create_dir_all(directory)?;
        let path = directory.join("latest.json");
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["what", "measured", "baseline", "ratio", "goal", "met?"]);
        self.rows.iter().for_each(|row| _ = table.add_row(row.cells()));
        writeln!(f, "load before: {}\n\n{table}", self.load_before)
    }
}
