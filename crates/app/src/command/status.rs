//! `updraft status`: what a running node says of itself.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use comfy_table::{Table, presets};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{Failure, tokio_runtime};

/// A node that has not answered by then is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct Status {
    /// The node to ask
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://localhost:4566", value_name = "URL")]
    endpoint: String,
    /// Print the whole document as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let answer = tokio_runtime(1)?.block_on(ask(&self.endpoint, "/_updraft/status"))?;
        if self.json {
            println!("{}", String::from_utf8_lossy(&answer));
            return Ok(());
        }
        print(&serde_json::from_slice(&answer)?);
        Ok(())
    }
}

/// What a node answers at one of its own paths.
pub(super) async fn ask(endpoint: &str, path: &str) -> Result<Bytes, Failure> {
    let uri: http::Uri = format!("{}{path}", endpoint.trim_end_matches('/')).parse()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let advice =
        || format!("no node answers at {endpoint}; start one with `updraft serve`, or name it with --endpoint");
    let response = tokio::time::timeout(TIMEOUT, client.get(uri)).await.map_err(|_| advice())?.map_err(|_| advice())?;
    if !response.status().is_success() {
        return Err(format!("{endpoint} answered {}: is it an updraft of this version?", response.status()).into());
    }
    Ok(response.into_body().collect().await?.to_bytes())
}

fn print(status: &node::status::Status) {
    let (version, uptime) = (&status.version, status.uptime_secs);
    println!("updraft {version}, up {uptime} s, listening on {}", status.listen.join(", "));
    println!("state in {}, IAM {}\n", status.data_dir, status.iam);
    let mut layers = table(&["isolation layer", "state", "what to do"]);
    for layer in &status.layers {
        let state = layer.degraded.as_ref().map_or_else(|| "present".to_owned(), |why| format!("DEGRADED: {why}"));
        layers.add_row([layer.name.clone(), state, layer.fix.clone()]);
    }
    println!("{layers}\n");
    let mut pools = table(&["pool", "ready", "of", "launched parked", "by zygote", "by exec"]);
    for pool in &status.pools {
        let [parked, zygote, exec] = pool.launches;
        let numbers = [pool.ready as u64, pool.target as u64, parked, zygote, exec];
        pools.add_row(std::iter::once(pool.name.clone()).chain(numbers.map(|n| n.to_string())));
    }
    println!("{pools}\n");
    let mut services = table(&["service", "operations", "not yet"]);
    for service in &status.services {
        services.add_row([service.name.clone(), service.operations.to_string(), service.not_yet.to_string()]);
    }
    println!("{services}");
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}
