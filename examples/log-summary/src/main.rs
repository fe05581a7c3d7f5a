//! Summarises a web server's access log: the function's face to Lambda. What a line means is in `access_log`, what is
//! made of all lines in `summary`.
//!
//! Event: `{"log": "<lines>"}`. Answer: [`summary::Summary`].

mod access_log;
mod summary;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use summary::Summary;

#[derive(Deserialize)]
struct Request {
    /// Lines in the combined format, each ending with the time of the request in seconds.
    log: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(summarise)).await
}

async fn summarise(event: LambdaEvent<Request>) -> Result<Summary, Error> {
    let summary = Summary::of(&event.payload.log).ok_or("the log has no line that is understood")?;
    println!(
        "{} requests, {} lines not understood, {}",
        summary.requests, summary.lines_not_understood, event.context.request_id
    );
    Ok(summary)
}
