//! Integrations: what AWS refuses of them, and its defaults.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use base::{AccountId, Arn, Error};
use store::Tx;

use super::error::bad;
use super::records::{
    Api, ConnectionType, Integration, IntegrationResponse, IntegrationType, Method, ResponseTransferMode, Templates,
};
use super::{expression, vpc_link};
use crate::Failure;
use crate::edge::integration::CALLERS_OWN;
use crate::edge::integration::lambda::STREAMING;

/// AWS's default, in milliseconds. Regional and private APIs may have longer ones since 2024, on request.
const TIMEOUT_MS: i32 = 29_000;
/// AWS's bounds, in milliseconds, and those of answers that stream: 15 minutes.
const TIMEOUTS_MS: RangeInclusive<i32> = 50..=29_000;
const STREAM_TIMEOUTS_MS: RangeInclusive<i32> = 50..=900_000;

/// Templates as they are kept: an empty one is null.
pub(crate) fn templates(given: Option<Templates>) -> Option<Templates> {
    let given = given.filter(|templates| !templates.is_empty())?;
    Some(given.into_iter().map(|(key, text)| (key, text.filter(|text| !text.is_empty()))).collect())
}

/// Refuses an integration that cannot be, and fills in AWS's defaults. `parameters` are those of its method's requests.
pub(crate) fn check(
    tx: &Tx<'_>,
    at: &Api,
    integration: &mut Integration,
    parameters: Option<&BTreeMap<String, bool>>,
) -> Result<(), Failure> {
    if integration.r#type == IntegrationType::Mock {
        integration.uri = None;
        integration.http_method = None;
    } else {
        check_target(integration, at.home.account)?;
    }
    let behavior = integration.passthrough_behavior.get_or_insert_with(|| "WHEN_NO_MATCH".to_owned());
    if !matches!(behavior.as_str(), "WHEN_NO_MATCH" | "WHEN_NO_TEMPLATES" | "NEVER") {
        let words = "Invalid PassthroughBehavior specified. Valid options are WHEN_NO_MATCH,WHEN_NO_TEMPLATES,NEVER";
        return Err(bad(words).into());
    }
    check_built(integration)?;
    check_transfer(integration)?;
    let timeout_ms = *integration.timeout_in_millis.get_or_insert(TIMEOUT_MS);
    let bounds = if streams(integration) { STREAM_TIMEOUTS_MS } else { TIMEOUTS_MS };
    if !bounds.contains(&timeout_ms) {
        let words = format!("Timeout should be between {} ms and {} ms", bounds.start(), bounds.end());
        return Err(bad(words).into());
    }
    for (name, expression) in integration.request_parameters.iter().flatten() {
        expression::check_target(name)?;
        expression::check_source(expression)?;
        expression::check_known(expression, parameters)?;
    }
    check_content_types(integration.request_templates.as_ref())?;
    vpc_link::check(tx, &at.home, integration)
}

/// Refuses what AWS acts on and nobody here does.
fn check_built(integration: &Integration) -> Result<(), Error> {
    let uri = integration.uri.as_deref().unwrap_or_default();
    let service = Arn::parse(uri).map(|arn| arn.account).unwrap_or_default();
    let to_firehose = integration.r#type == IntegrationType::AwsProxy && service.ends_with("firehose");
    // Its answer would have to be taken out of the events in which Lambda sends it.
    let streams_mapped = integration.r#type == IntegrationType::Aws && uri.ends_with(STREAMING);
    let missing = [
        (streams_mapped, "an integration of type AWS with a function that streams"),
        (integration.integration_target.is_some(), "the integration target of a VPC link"),
        (integration.credentials.as_deref() == Some(CALLERS_OWN), "calling a service as the API's caller"),
        (to_firehose, "an integration of type AWS_PROXY with Firehose"),
    ];
    match missing.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(Error::not_implemented(what)),
        None => Ok(()),
    }
}

fn streams(integration: &Integration) -> bool {
    integration.response_transfer_mode == Some(ResponseTransferMode::Stream)
}

/// Refuses answers that are streamed where none can be, and functions that are asked in one way and answered in another.
fn check_transfer(integration: &Integration) -> Result<(), Error> {
    let streams = streams(integration);
    let words = match integration.r#type {
        IntegrationType::AwsProxy => {
            let asks_for_stream = integration.uri.as_deref().is_some_and(|uri| uri.ends_with(STREAMING));
            let (mode, invoked_by) = match (streams, asks_for_stream) {
                (true, false) => ("STREAM", "Invoke"),
                (false, true) => ("BUFFERED", "InvokeWithResponseStream"),
                _ => return Ok(()),
            };
            format!(
                "Cannot use ResponseTransferMode {mode} for Lambda functions invoked by {invoked_by} for AWS_PROXY \
                 integrations."
            )
        }
        IntegrationType::Http | IntegrationType::Mock | IntegrationType::Aws if streams => {
            "ResponseTransferMode STREAM is only supported for HTTP_PROXY and AWS_PROXY integrations.".to_owned()
        }
        _ => return Ok(()),
    };
    Err(bad(format!("Invalid ResponseTransferMode. {words}")))
}

fn check_target(integration: &Integration, account: AccountId) -> Result<(), Error> {
    let Some(http_method) = integration.http_method.as_deref() else {
        return Err(bad("Enumeration value for HttpMethod must be non-empty"));
    };
    super::method::check_name(http_method)?;
    let is_aws = matches!(integration.r#type, IntegrationType::Aws | IntegrationType::AwsProxy);
    let uri = integration.uri.as_deref().unwrap_or_default();
    if is_aws { check_aws(integration, uri, account) } else { check_http(integration, uri) }
}

fn check_aws(integration: &Integration, uri: &str, account: AccountId) -> Result<(), Error> {
    let arn = Arn::parse(uri)
        .filter(|arn| arn.service == "apigateway")
        .ok_or_else(|| bad("Invalid ARN specified in the request"))?;
    let (service, rest) = (arn.account.as_str(), arn.resource.as_str());
    let target = rest.strip_prefix("path/").or_else(|| rest.strip_prefix("action/"));
    let Some(target) = target.filter(|target| !target.is_empty() && !service.is_empty()) else {
        return Err(bad("AWS ARN for integration must contain path or action"));
    };
    if integration.r#type == IntegrationType::AwsProxy {
        let is_function = service == "lambda" && target.contains("/functions/");
        let firehose = service == "firehose" || service.ends_with(".firehose");
        if !is_function && !firehose {
            let words = "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream \
                         invocations.";
            return Err(bad(words));
        }
    }
    let role = integration.credentials.as_deref();
    if role.is_none() && service != "lambda" {
        return Err(bad("Role ARN must be specified for AWS integrations"));
    }
    check_role(role, account)
}

/// Roles of other accounts cannot be passed on.
fn check_role(role: Option<&str>, account: AccountId) -> Result<(), Error> {
    let Some(role) = role else { return Ok(()) };
    if role.contains("${stageVariables.") || role == CALLERS_OWN {
        return Ok(());
    }
    let arn = Arn::parse(role)
        .filter(|arn| arn.service == "iam")
        .ok_or_else(|| bad("Invalid ARN specified in the request"))?;
    if arn.account != account.as_str() {
        return Err(Error::new(403, "AccessDeniedException", "Cross-account pass role is not allowed."));
    }
    Ok(())
}

fn check_http(integration: &Integration, uri: &str) -> Result<(), Error> {
    let link = integration.connection_type == Some(ConnectionType::VpcLink);
    if link && integration.connection_id.as_deref().unwrap_or_default().is_empty() {
        return Err(bad("Invalid connectionId specified. VPC_LINK integrations require a VPC link"));
    }
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ if uri.starts_with("${stageVariables.") => Ok(()),
        _ => Err(bad("Invalid HTTP endpoint specified for URI")),
    }
}

/// Refuses a response that cannot be: its method must know the status.
pub(crate) fn check_response(method: &Method, response: &IntegrationResponse) -> Result<(), Error> {
    for (name, expression) in response.response_parameters.iter().flatten() {
        expression::check_target(name)?;
        expression::check_source(expression)?;
        let known = method.method_responses.as_ref().and_then(|all| all.get(&response.status_code.0));
        let known = known.and_then(|known| known.response_parameters.as_ref());
        if !known.is_some_and(|names| names.contains_key(name)) {
            return Err(expression::no_parameter(name));
        }
    }
    check_content_types(response.response_templates.as_ref())
}

fn check_content_types(templates: Option<&Templates>) -> Result<(), Error> {
    for content_type in templates.into_iter().flatten().map(|(content_type, _)| content_type) {
        let known = content_type == "$default"
            || content_type.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        if !known {
            return Err(bad(format!(
                "Validation Result: warnings : [], errors : [Invalid content type specified: {content_type}]"
            )));
        }
    }
    Ok(())
}
