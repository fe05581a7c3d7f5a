//! Versions, aliases, concurrency, streams, layers, asynchronous invocation: the rest of the service.

use std::error::Error;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    FunctionUrlAuthType, InvokeWithResponseStreamResponseEvent, LayerVersionContentInput, ProvisionedConcurrencyStatusEnum,
    ThrottleReason,
};

use crate::{NAME, expect};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// A zip of one stored file, `words.txt`.
const LAYER: &[u8] = include_bytes!("layer.zip");

pub(crate) async fn run(client: &Client) -> Done {
    let version = aliases(client).await?;
    concurrency(client, &version).await?;
    stream(client).await?;
    layer(client).await?;
    let address = client.create_function_url_config().function_name(NAME).auth_type(FunctionUrlAuthType::None).send().await?;
    expect(address.function_url().starts_with("http"), "a function has an address", &address)?;
    client.delete_function_url_config().function_name(NAME).send().await?;
    let retries = client.put_function_event_invoke_config().function_name(NAME).maximum_retry_attempts(0);
    retries.maximum_event_age_in_seconds(60).send().await?;
    let events = client.list_function_event_invoke_configs().function_name(NAME).send().await?;
    let attempts = events.function_event_invoke_configs().iter().map(|config| config.maximum_retry_attempts());
    expect(attempts.eq([Some(0)]), "asynchronous invocation is configured", &events)?;
    Ok(())
}

async fn aliases(client: &Client) -> Done<String> {
    let published = client.publish_version().function_name(NAME).send().await?;
    let version = published.version().unwrap_or_default().to_owned();
    let waiting = client.wait_until_published_version_active().function_name(NAME).qualifier(&version);
    waiting.wait(Duration::from_secs(60)).await?;
    let alias = client.create_alias().function_name(NAME).name("live").function_version(&version).send().await?;
    let arn = alias.alias_arn().unwrap_or_default();
    let answer = client.invoke().function_name(arn).payload(Blob::new(r#"{"n": 1}"#)).send().await?;
    expect(answer.executed_version() == Some(&version), "an alias runs its version", &answer)?;
    let stale = client.update_alias().function_name(NAME).name("live").revision_id("an older one").send().await;
    let stale = stale.map_err(|error| error.into_service_error()).err().ok_or("an old revision is taken")?;
    expect(stale.is_precondition_failed_exception(), "an old revision is refused", &stale)?;
    Ok(version)
}

async fn concurrency(client: &Client, version: &str) -> Done {
    client.put_function_concurrency().function_name(NAME).reserved_concurrent_executions(0).send().await?;
    let throttled = client.invoke().function_name(NAME).payload(Blob::new(r#"{"n": 1}"#)).send().await;
    let throttled = throttled.map_err(|error| error.into_service_error()).err().ok_or("not throttled")?;
    let reason = match &throttled {
        aws_sdk_lambda::operation::invoke::InvokeError::TooManyRequestsException(error) => error.reason().cloned(),
        _ => None,
    };
    let wanted = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    expect(reason == Some(wanted), "a throttle has its reason", &throttled)?;
    client.delete_function_concurrency().function_name(NAME).send().await?;
    let put = client.put_provisioned_concurrency_config().function_name(NAME).qualifier(version);
    put.provisioned_concurrent_executions(1).send().await?;
    loop {
        let get = client.get_provisioned_concurrency_config().function_name(NAME).qualifier(version).send().await?;
        if get.status() != Some(&ProvisionedConcurrencyStatusEnum::InProgress) {
            let ready = get.status() == Some(&ProvisionedConcurrencyStatusEnum::Ready);
            expect(ready, "provisioned concurrency gets ready", &get)?;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.delete_provisioned_concurrency_config().function_name(NAME).qualifier(version).send().await?;
    Ok(())
}

async fn stream(client: &Client) -> Done {
    let event = Blob::new(r#"{"n": 20}"#);
    let mut streamed = client.invoke_with_response_stream().function_name(NAME).payload(event).send().await?;
    let (mut body, mut complete) = (Vec::new(), false);
    while let Some(event) = streamed.event_stream.recv().await? {
        match event {
            InvokeWithResponseStreamResponseEvent::PayloadChunk(chunk) => {
                body.extend_from_slice(chunk.payload().map(AsRef::as_ref).unwrap_or_default());
            }
            InvokeWithResponseStreamResponseEvent::InvokeComplete(end) => complete = end.error_code().is_none(),
            _ => {}
        }
    }
    expect(complete && String::from_utf8_lossy(&body).contains("21"), "an answer streams", &body)?;
    Ok(())
}

async fn layer(client: &Client) -> Done {
    let content = LayerVersionContentInput::builder().zip_file(Blob::new(LAYER)).build();
    let published = client.publish_layer_version().layer_name(NAME).content(content).send().await?;
    let arn = published.layer_version_arn().unwrap_or_default();
    let updated = client.update_function_configuration().function_name(NAME).layers(arn).send().await?;
    let sizes = updated.layers().iter().map(|layer| layer.code_size());
    expect(sizes.eq([LAYER.len() as i64]), "a layer is attached", &updated)?;
    client.delete_layer_version().layer_name(NAME).version_number(published.version()).send().await?;
    let waiting = client.wait_until_function_updated_v2().function_name(NAME);
    waiting.wait(Duration::from_secs(60)).await?;
    Ok(())
}
