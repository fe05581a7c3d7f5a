//! `updraft usage`: what functions used, and what it would have cost on AWS.

use clap::Args;
use node::usage::{FunctionUsage, Report, Totals};

use super::status::{ask, table};
use super::{Failure, tokio_runtime};

#[derive(Args)]
pub(super) struct Usage {
    /// The node to ask
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://localhost:4566", value_name = "URL")]
    endpoint: String,
    /// A month of UTC, like 2026-11 [default: the present one]
    #[arg(long, value_name = "MONTH", conflicts_with = "day")]
    month: Option<String>,
    /// A day of UTC, like 2026-11-22
    #[arg(long, value_name = "DAY")]
    day: Option<String>,
    /// Print the whole document as JSON
    #[arg(long)]
    json: bool,
}

impl Usage {
    pub(super) fn run(self) -> Result<(), Failure> {
        let query = match (&self.month, &self.day) {
            (_, Some(day)) => format!("?day={day}"),
            (Some(month), None) => format!("?month={month}"),
            (None, None) => String::new(),
        };
        let answer = tokio_runtime(1)?.block_on(ask(&self.endpoint, &format!("/_updraft/usage{query}")))?;
        if self.json {
            println!("{}", String::from_utf8_lossy(&answer));
            return Ok(());
        }
        print(&serde_json::from_slice(&answer)?);
        Ok(())
    }
}

fn print(report: &Report) {
    println!("{} (UTC), at AWS's prices without a free tier\n", report.period);
    let mut functions =
        table(&["function", "architecture", "requests", "GB-seconds", "provisioned", "/tmp", &report.currency]);
    let row = |name: String, architecture: String, used: &Totals| {
        let amount = |gb_seconds: f64| format!("{gb_seconds:.3}");
        let amounts = [used.gb_seconds, used.provisioned_gb_seconds, used.storage_gb_seconds].map(amount);
        let before = [name, architecture, used.requests.to_string()];
        before.into_iter().chain(amounts).chain([format!("{:.6}", used.cost)]).collect::<Vec<_>>()
    };
    for FunctionUsage { account, region, function, architecture, used } in &report.functions {
        functions.add_row(row(format!("{account} {region} {function}"), architecture.clone(), used));
    }
    functions.add_row(row("all".to_owned(), String::new(), &report.total));
    println!("{functions}");
}
