//! A function on AWS's runtime client for Rust.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    n: i64,
    fail: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    n: i64,
    request_id: String,
}

async fn handle(event: LambdaEvent<Event>) -> Result<Answer, Error> {
    if let Some(words) = event.payload.fail {
        return Err(words.into());
    }
    println!("counted {}", event.payload.n);
    Ok(Answer { n: event.payload.n + 1, request_id: event.context.request_id })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
