//! The integration's part of a request's way: what it is asked, who answers, what becomes of the answer. Proxies (`AWS_PROXY`,
//! `HTTP_PROXY`) get the request and give the answer as they are; all others have both mapped (`mapped`).

use std::borrow::Cow;
use std::time::Instant;

use base::Arn;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::Value;
use shape::Body;
use wire::client::Tls;

use super::asked::Asked;
use super::live::{LiveIntegration, LiveMethod, Place};
use super::proxied::{self, Answered};
use super::refusal::Refusal;
use super::{Visit, event, headers, mapped};
use crate::edge::execution_log;
use crate::edge::integration::Failure;
use crate::edge::integration::lambda::FunctionCall;
use crate::rest::records::IntegrationType;

/// Asks the method's integration.
pub(super) async fn integrate(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
) -> Result<Answered, Refusal> {
    let begun = Instant::now();
    visit.context.set("integration.responseTransferMode", "BUFFERED");
    let answered = match integration.declared.r#type {
        IntegrationType::AwsProxy => function(visit, method, integration).await,
        IntegrationType::HttpProxy => server(visit, integration).await,
        IntegrationType::Mock | IntegrationType::Http | IntegrationType::Aws => {
            mapped::integrate(visit, method, integration).await
        }
    };
    if integration.declared.r#type != IntegrationType::Mock && visit.integration_latency.is_none() {
        visit.integration_latency = Some(begun.elapsed());
    }
    let mut answered = answered?;
    trace(visit, integration, &mut answered.headers);
    visit.log.data("Method response body after transformations", &answered.body);
    visit.log.map("Method response headers", || execution_log::pairs(&answered.headers));
    visit.log.info(|| "Successfully completed execution".to_owned());
    Ok(answered)
}

/// Refuses what is asked of an integration that has headers mapped which it cannot have.
pub(super) fn check_mapped(visit: &mut Visit<'_>, integration: &LiveIntegration) -> Result<(), Refusal> {
    let kind = integration.declared.r#type;
    let wrong = integration.mapped.iter().find_map(|(place, _)| match place {
        Place::Header(name) if !headers::can_be_mapped(name, kind) => Some(name),
        _ => None,
    });
    let Some(name) = wrong else { return Ok(()) };
    visit.log.error(|| format!("Execution failed due to configuration error: {name} cannot be mapped"));
    Err(Refusal::integration(500))
}

/// Tells the caller the trace that its request belongs to. A mock has none; a server's answer has its own, or none.
pub(super) fn trace(visit: &Visit<'_>, integration: &LiveIntegration, headers: &mut HeaderMap) {
    let is_ours = !matches!(integration.declared.r#type, IntegrationType::Mock | IntegrationType::HttpProxy);
    if let Some(value) = HeaderValue::from_str(&visit.trace_id).ok().filter(|_| is_ours) {
        headers.insert(HeaderName::from_static("x-amzn-trace-id"), value);
    }
}

/// `AWS_PROXY`: a function gets the request as an event.
async fn function(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
) -> Result<Answered, Refusal> {
    let (function, event) = event_for(visit, integration)?;
    let answer = call_function(visit, method, integration, function, event).await?;
    if answer.failed {
        return Err(customer_error(visit, &answer.payload, &answer.request_id));
    }
    let takes_bytes = visit.serving.binary_types.accepted(visit.asked.text(ACCEPT));
    proxied::answer(&answer.payload, takes_bytes).map_err(|_| malformed(visit))
}

/// The function of a proxy, and the event that it gets.
pub(super) fn event_for<'i>(
    visit: &mut Visit<'_>,
    integration: &'i LiveIntegration,
) -> Result<(&'i Arn, Bytes), Refusal> {
    let Some(function) = &integration.function else {
        visit
            .log
            .error(|| "Execution failed due to configuration error: Invalid function ARN or invalid URI".to_owned());
        return Err(Refusal::integration(500));
    };
    // AWS asks functions by POST, and fails if it is told otherwise.
    if integration.declared.http_method.as_deref() != Some("POST") {
        visit.log.error(|| "Execution failed due to configuration error: Invalid integration HTTP method".to_owned());
        return Err(Refusal::integration(500));
    }
    let content_type = visit.asked.text(http::header::CONTENT_TYPE);
    let is_binary = visit.serving.binary_types.has(content_type);
    let event = event::event(&visit.asked, &visit.context, visit.serving.variables.as_ref(), is_binary);
    visit.log.request(|| integration.uri.fill(|_| None), &HeaderMap::new(), &event);
    Ok((function, event.into()))
}

/// The function has failed, with an error document.
pub(super) fn customer_error(visit: &mut Visit<'_>, document: &[u8], request_id: &str) -> Refusal {
    let error = error_message(document);
    visit.log.error(|| {
        format!(
            "Lambda execution failed with status 200 due to customer function error: {error}. Lambda request id: {request_id}"
        )
    });
    Refusal::integration(502)
}

/// What the function says is no answer.
pub(super) fn malformed(visit: &mut Visit<'_>) -> Refusal {
    visit.log.error(|| "Execution failed due to configuration error: Malformed Lambda proxy response".to_owned());
    Refusal::integration(502)
}

/// Runs the integration's function, within its time.
pub(super) async fn call_function(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
    function: &Arn,
    payload: Bytes,
) -> Result<cloud::ports::Answered, Refusal> {
    let source_arn = source_arn(visit, method);
    let begun = Instant::now();
    let call = function_call(visit, integration, function, &source_arn, payload);
    let answer = visit.gateway.call_function(visit.desk, &visit.cx, call).await;
    visit.integration_latency = Some(begun.elapsed());
    note_run(visit, answer.as_ref().map(|answer| &*answer.request_id), begun);
    if let Ok(answer) = &answer {
        visit.log.data("Endpoint response body before transformations", &answer.payload);
    }
    answer.map_err(|failure| function_failed(visit, &failure))
}

/// Who asks the function, as its policy sees it: the method.
pub(super) fn source_arn(visit: &Visit<'_>, method: &LiveMethod) -> String {
    let resource_path = visit.context.get("resourcePath").unwrap_or_default();
    let http_method = match method.declared.http_method.as_str() {
        "ANY" => "*",
        name => name,
    };
    visit.stage.arn(http_method, &source_path(&resource_path))
}

pub(super) fn function_call<'c>(
    visit: &Visit<'_>,
    integration: &'c LiveIntegration,
    function: &'c Arn,
    source_arn: &'c str,
    payload: Bytes,
) -> FunctionCall<'c> {
    FunctionCall {
        function,
        source_arn,
        role: integration.role.as_deref(),
        payload,
        trace_id: Some(visit.trace_id.clone()),
        timeout: integration.timeout,
    }
}

/// Notes that Lambda has run the function, or has not.
pub(super) fn note_run(visit: &mut Visit<'_>, ran: Result<&str, &Failure>, begun: Instant) {
    let status = match ran {
        Ok(request_id) => {
            visit.context.set("integration.requestId", request_id.to_owned());
            200
        }
        Err(failure) => status_of(failure),
    };
    note_answer(visit, status, begun);
}

/// A resource's path in ARNs: `*` for each name, as permissions for `{proxy+}` have it.
fn source_path(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Lambda's status for a failure that is none of the function.
fn status_of(failure: &Failure) -> u16 {
    match failure {
        Failure::Request(_) => 400,
        Failure::Forbidden(_) => 403,
        Failure::Configuration(_) => 404,
        Failure::TooLarge(_) => 413,
        Failure::Throttled(_) => 429,
        Failure::Timeout(_) => 504,
        Failure::Unreachable(_) | Failure::Internal(_) => 500,
    }
}

pub(super) fn function_failed(visit: &mut Visit<'_>, failure: &Failure) -> Refusal {
    visit.context.set("integration.error", failure.to_string());
    let (line, refusal) = match failure {
        Failure::Timeout(_) => ("Execution failed due to a timeout error".to_owned(), Refusal::timeout()),
        Failure::Forbidden(_) => (
            "Execution failed due to configuration error: Invalid permissions on Lambda function".to_owned(),
            Refusal::integration(500),
        ),
        Failure::TooLarge(_) => ("Execution failed due to a too large request".to_owned(), Refusal::too_large()),
        Failure::Throttled(_) => {
            ("Execution failed due to configuration error: Rate Exceeded.".to_owned(), Refusal::integration(500))
        }
        Failure::Configuration(words)
        | Failure::Unreachable(words)
        | Failure::Request(words)
        | Failure::Internal(words) => {
            (format!("Execution failed due to configuration error: {words}"), Refusal::integration(500))
        }
    };
    visit.log.error(|| line);
    refusal
}

/// Notes that the integration has answered, or has not.
pub(super) fn note_answer(visit: &mut Visit<'_>, status: u16, begun: Instant) {
    let latency = begun.elapsed();
    visit.context.set("integration.status", status);
    visit.context.set("integrationStatus", status);
    visit.log.info(|| format!("Received response. Status: {status}, Integration latency: {} ms", latency.as_millis()));
}

/// What a function's error document says.
pub(super) fn error_message(payload: &[u8]) -> String {
    let document: Option<Value> = serde_json::from_slice(payload).ok();
    let message = document.as_ref().and_then(|document| document.get("errorMessage")).and_then(Value::as_str);
    message.unwrap_or_default().to_owned()
}

/// `HTTP_PROXY`: a server gets the request, with what is mapped into it.
async fn server(visit: &mut Visit<'_>, integration: &LiveIntegration) -> Result<Answered, Refusal> {
    let outgoing = passed_request(visit, integration);
    let answered = call_server(visit, integration, outgoing).await?;
    visit.log.data("Endpoint response body before transformations", &answered.body);
    Ok(Answered { headers: headers::answer(&answered.headers), ..answered })
}

/// The client's request, with what is mapped into it.
pub(super) fn passed_request(visit: &Visit<'_>, integration: &LiveIntegration) -> Outgoing {
    let mut outgoing = Outgoing {
        headers: passed_on(&visit.asked),
        query: visit.asked.query.clone(),
        path: Vec::new(),
        body: visit.asked.body.clone(),
    };
    outgoing.map(visit, integration);
    outgoing
}

/// The client's headers, but for those that end here.
fn passed_on(asked: &Asked) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(asked.headers.len() + 4);
    asked.headers.iter().filter(|(name, _)| !headers::ends_here(name)).for_each(|(name, value)| {
        passed.append(name.clone(), value.clone());
    });
    if asked.body.is_empty() {
        passed.remove(CONTENT_ENCODING);
    }
    passed
}

/// A request to an integration, as it is being made.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    /// The query string, encoded.
    pub(super) query: String,
    /// What stands at the names in the address.
    pub(super) path: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Outgoing {
    /// Puts what the integration's request parameters say.
    pub(super) fn map(&mut self, visit: &Visit<'_>, integration: &LiveIntegration) {
        let variables = visit.serving.variables.as_ref();
        for (place, source) in &integration.mapped {
            let Some(value) = source.value(&visit.asked, &visit.context, variables, None) else { continue };
            match place {
                Place::Header(name) if headers::is_mapped_in_vain(name) => {}
                Place::Header(name) => self.set_header(name.clone(), &value),
                Place::Query(name) => match source.all(&visit.asked) {
                    Some(values) => values.iter().for_each(|value| self.add_query(name, value)),
                    None => self.set_query(name, &value),
                },
                Place::Path(name) => self.path.push((name.clone(), value.into_owned())),
            }
        }
    }

    pub(super) fn set_header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Puts a query parameter in the place of all of that name.
    pub(super) fn set_query(&mut self, name: &str, value: &str) {
        let is_other =
            |pair: &&str| wire::route::percent::decode(pair.split('=').next().unwrap_or_default(), true) != name;
        self.query =
            self.query.split('&').filter(|pair| !pair.is_empty()).filter(is_other).collect::<Vec<_>>().join("&");
        self.add_query(name, value);
    }

    fn add_query(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode(&mut self.query, name);
        self.query.push('=');
        encode(&mut self.query, value);
    }

    /// What stands at a name in the address: what is mapped there, or what the client has at the same name.
    pub(super) fn at<'a>(&'a self, asked: &'a Asked, name: &str) -> Option<Cow<'a, str>> {
        let mapped = self.path.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str());
        mapped.or_else(|| asked.path_parameter(name)).map(Cow::Borrowed)
    }
}

/// Writes a text so that it stands for itself in a query string.
pub(super) fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Sends a request to the integration's server and waits for its answer.
pub(super) async fn call_server(
    visit: &mut Visit<'_>,
    integration: &LiveIntegration,
    outgoing: Outgoing,
) -> Result<Answered, Refusal> {
    let request = server_request(visit, integration, outgoing)?;
    let tls = tls(visit, integration);
    let begun = Instant::now();
    let answer = visit.gateway.call_http(request, integration.timeout, visit.hops, tls).await;
    let answered = match answer {
        Ok(answer) => {
            let (head, content) = answer.into_parts();
            let whole = content.collect().await.map_err(Failure::from);
            whole.map(|body| Answered { status: head.status, headers: head.headers, body })
        }
        Err(failure) => Err(failure),
    };
    visit.integration_latency = Some(begun.elapsed());
    match answered {
        Ok(answered) => {
            note_answer(visit, answered.status.as_u16(), begun);
            visit.log.map("Endpoint response headers", || execution_log::pairs(&answered.headers));
            Ok(answered)
        }
        Err(failure) => Err(server_failed(visit, &failure)),
    }
}

/// The request to the integration's server, as it leaves.
pub(super) fn server_request(
    visit: &mut Visit<'_>,
    integration: &LiveIntegration,
    mut outgoing: Outgoing,
) -> Result<Request<Body>, Refusal> {
    let mut url = integration.uri.fill(|name| outgoing.at(&visit.asked, name));
    if !outgoing.query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&outgoing.query);
    }
    let method = method(&visit.asked, integration);
    for (name, value) in [("x-amzn-trace-id", &*visit.trace_id), ("x-amzn-apigateway-api-id", &*visit.stage.api_id)] {
        outgoing.set_header(HeaderName::from_static(name), value);
    }
    if !outgoing.headers.contains_key(USER_AGENT) {
        outgoing.set_header(USER_AGENT, &format!("AmazonAPIGateway_{}", visit.stage.api_id));
    }
    visit.log.request(|| url.clone(), &outgoing.headers, &outgoing.body);
    let request = Request::builder().method(method).uri(&url).body(Body::from(outgoing.body));
    let Ok(mut request) = request else {
        visit.log.error(|| "Execution failed due to configuration error: Invalid endpoint address".to_owned());
        return Err(Refusal::integration(500));
    };
    *request.headers_mut() = outgoing.headers;
    Ok(request)
}

/// How far the server's certificate is believed, and what it is shown of the API's.
pub(super) fn tls(visit: &Visit<'_>, integration: &LiveIntegration) -> Tls {
    let skip_verification =
        integration.declared.tls_config.as_ref().and_then(|tls| tls.insecure_skip_verification).unwrap_or(false);
    Tls { skip_verification, identity: visit.stage.identity.clone(), ..Tls::default() }
}

/// The method with which the integration is asked.
pub(super) fn method(asked: &Asked, integration: &LiveIntegration) -> Method {
    match integration.declared.http_method.as_deref() {
        None | Some("ANY") => asked.method.clone(),
        Some(name) => Method::from_bytes(name.as_bytes()).unwrap_or(Method::POST),
    }
}

pub(super) fn server_failed(visit: &mut Visit<'_>, failure: &Failure) -> Refusal {
    visit.context.set("integration.error", failure.to_string());
    let (line, refusal) = match failure {
        Failure::Timeout(_) => ("Execution failed due to a timeout error".to_owned(), Refusal::timeout()),
        Failure::Configuration(words) => (
            format!("Execution failed due to configuration error: Invalid endpoint address: {words}"),
            Refusal::integration(500),
        ),
        Failure::Unreachable(words) => (
            format!(
                "Execution failed due to configuration error: There was an internal error while executing your request: {words}"
            ),
            Refusal::integration(504),
        ),
        other => (format!("Execution failed due to an internal error: {other}"), Refusal::integration(500)),
    };
    visit.log.error(|| line);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_put_and_encoded() {
        let mut outgoing = Outgoing { query: "a=1&b=2&%61=3".to_owned(), ..Outgoing::default() };
        outgoing.set_query("a", "x y&z");
        outgoing.add_query("a", "é");
        assert_eq!(outgoing.query, "b=2&a=x%20y%26z&a=%C3%A9");
    }

    #[test]
    fn names_in_a_path_are_any_in_its_arn() {
        assert_eq!(source_path("/pets/{id}/toys/{proxy+}"), "/pets/*/toys/*");
        assert_eq!(source_path("/"), "/");
    }

    #[test]
    fn clients_headers_go_on_but_for_those_between_neighbours() {
        let mut asked = Asked {
            method: Method::GET,
            version: http::Version::HTTP_11,
            path: "/".to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            path_parameters: Vec::new(),
        };
        for name in ["host", "connection", "x-own", "user-agent", "content-type", "content-length", "content-encoding"]
        {
            asked.headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let names = |asked: &Asked| {
            let mut names: Vec<_> = passed_on(asked).keys().map(ToString::to_string).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&asked), ["content-type", "user-agent", "x-own"]);
        asked.body = Bytes::from_static(b"encoded");
        assert_eq!(names(&asked), ["content-encoding", "content-type", "user-agent", "x-own"]);
    }
}
