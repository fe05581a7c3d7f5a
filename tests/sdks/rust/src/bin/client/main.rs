//! What a Rust developer does with a function, through aws-sdk-rust.

mod whole;

use std::error::Error;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, LogType, Runtime, State};

const NAME: &str = "from-rust";
const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

fn expect(ok: bool, what: &str, seen: impl std::fmt::Debug) -> Result<(), String> {
    if !ok {
        return Err(format!("{what}: {seen:?}"));
    }
    println!("ok: {what}");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("usage: client ZIP RUNTIME HANDLER");
    let (zip, runtime, handler) = (std::fs::read(next()?)?, Runtime::from(next()?.as_str()), next()?);
    let client = Client::new(&aws_config::load_from_env().await);

    let create = || {
        let code = FunctionCode::builder().zip_file(Blob::new(zip.clone())).build();
        let create = client.create_function().function_name(NAME).role(ROLE).handler(&handler);
        create.runtime(runtime.clone()).code(code).memory_size(512).timeout(20).send()
    };
    let created = create().await?;
    expect(created.state() == Some(&State::Pending), "a new function is pending", &created)?;
    let waiting = client.wait_until_function_active_v2().function_name(NAME);
    waiting.wait(Duration::from_secs(60)).await?;

    let event = Blob::new(r#"{"n": 20}"#);
    let answer = client.invoke().function_name(NAME).payload(event).log_type(LogType::Tail).send().await?;
    let payload = answer.payload().map(|p| p.as_ref().to_vec()).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(&payload)?;
    expect(answer.function_error().is_none() && value["n"] == 21, "a function answers", &value)?;
    expect(answer.log_result().is_some(), "the tail of its log comes along", answer.log_result())?;

    let event = Blob::new(r#"{"fail": "out of order"}"#);
    let failed = client.invoke().function_name(NAME).payload(event).send().await?;
    let payload = String::from_utf8(failed.payload().map(|p| p.as_ref().to_vec()).unwrap_or_default())?;
    let is_answer = failed.function_error() == Some("Unhandled") && payload.contains("out of order");
    expect(is_answer, "a failure is an answer", &payload)?;

    let missing = client.get_function().function_name("nowhere").send().await;
    let missing = missing.map_err(|error| error.into_service_error()).err().ok_or("nowhere is found")?;
    let message = missing.message().unwrap_or_default();
    let has_type = missing.is_resource_not_found_exception() && message.starts_with("Function not found: arn:aws:lambda:");
    expect(has_type, "a missing function has its type", &missing)?;
    let conflict = create().await.map_err(|error| error.into_service_error()).err().ok_or("created twice")?;
    expect(conflict.is_resource_conflict_exception(), "a second one conflicts", &conflict)?;
    let wrong = client.get_function().function_name("not a name").send().await;
    let wrong = wrong.map_err(|error| error.into_service_error()).err().ok_or("not a name is found")?;
    expect(wrong.code() == Some("ValidationException"), "a wrong name is a validation error", &wrong)?;

    whole::run(&client).await?;
    client.delete_function().function_name(NAME).send().await?;
    Ok(())
}
