//! Integrations whose requests and answers are mapped: `MOCK`, `HTTP`, `AWS`.

use std::borrow::Cow;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Visit;
use super::integrate::{self, Outgoing};
use super::live::{LiveAnswer, LiveIntegration, LiveMethod, Place};
use super::media::essence;
use super::proxied::Answered;
use super::refusal::Refusal;
use super::template::Template;
use crate::edge::integration::Failure;
use crate::edge::integration::aws::{ServiceCall, ServiceUri};
use crate::edge::integration::lambda::INVOCATION_TYPE;
use crate::rest::mapping::{Overrides, Rendered};
use crate::rest::records::{ContentHandlingStrategy, GatewayResponseType as Case, IntegrationType};

/// The type that bodies have unless somebody says otherwise.
const JSON: &str = "application/json";

pub(super) async fn integrate(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
) -> Result<Answered, Refusal> {
    let (body, overrides) = request_body(visit, integration)?;
    let (answer, selected_by) = match integration.declared.r#type {
        IntegrationType::Mock => {
            let status = mock_status(&body).ok_or_else(|| {
                let words =
                    "Unable to parse statusCode. It should be an integer and it should be defined in request template.";
                visit.log.error(|| format!("Execution failed due to configuration error: {words}"));
                Refusal::configuration()
            })?;
            let answer = Answered { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
            (answer, status.to_string())
        }
        IntegrationType::Aws if integration.function.is_some() && !is_event(visit, integration) => {
            function(visit, method, integration, body).await?
        }
        IntegrationType::Aws => {
            let outgoing = outgoing(visit, integration, body, overrides);
            let answer = service(visit, integration, outgoing).await?;
            let status = answer.status.as_str().to_owned();
            (answer, status)
        }
        _ => {
            let outgoing = outgoing(visit, integration, body, overrides);
            let answer = integrate::call_server(visit, integration, outgoing).await?;
            let status = answer.status.as_str().to_owned();
            (answer, status)
        }
    };
    answer_of(visit, integration, answer, &selected_by)
}

/// The request to an HTTP server or a service: nothing of the client's but what is mapped.
fn outgoing(visit: &Visit<'_>, integration: &LiveIntegration, body: Bytes, overrides: Overrides) -> Outgoing {
    let mut outgoing = Outgoing { body, ..Outgoing::default() };
    outgoing.set_header(ACCEPT, JSON);
    if !outgoing.body.is_empty() {
        outgoing.set_header(CONTENT_TYPE, JSON);
    }
    outgoing.map(visit, integration);
    outgoing.override_with(overrides);
    outgoing
}

/// Whether a function gets its event without anybody waiting for its answer.
fn is_event(visit: &Visit<'_>, integration: &LiveIntegration) -> bool {
    let variables = visit.serving.variables.as_ref();
    integration.mapped.iter().any(|(place, source)| {
        *place == Place::Header(HeaderName::from_static(INVOCATION_TYPE))
            && source.value(&visit.asked, &visit.context, variables, None).as_deref() == Some("Event")
    })
}

/// Asks a service of the house.
async fn service(
    visit: &mut Visit<'_>,
    integration: &LiveIntegration,
    outgoing: Outgoing,
) -> Result<Answered, Refusal> {
    let uri = integration.uri.fill(|name| outgoing.at(&visit.asked, name));
    visit.log.request(|| uri.clone(), &outgoing.headers, &outgoing.body);
    let begun = Instant::now();
    let answer = match (ServiceUri::parse(&uri), visit.desk) {
        (Some(uri), Some(desk)) => {
            let call = ServiceCall {
                uri: &uri,
                method: integrate::method(&visit.asked, integration),
                headers: outgoing.headers,
                query: &outgoing.query,
                body: outgoing.body,
                role: integration.role.as_deref(),
                timeout: integration.timeout,
            };
            visit.gateway.call_service(desk, &visit.cx, call).await
        }
        (Some(_), None) => Err(Failure::Configuration("services cannot be called in a test yet".to_owned())),
        (None, _) => Err(Failure::Configuration("Invalid URI".to_owned())),
    };
    visit.integration_latency = Some(begun.elapsed());
    let answer = answer.map_err(|failure| integrate::server_failed(visit, &failure))?;
    integrate::note_answer(visit, answer.status().as_u16(), begun);
    let (head, body) = answer.into_parts();
    Ok(Answered { status: head.status, headers: head.headers, body })
}

/// A function's answer, and what chooses its response: its error's message, if it has one.
async fn function(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
    body: Bytes,
) -> Result<(Answered, String), Refusal> {
    let Some(function) = &integration.function else { return Err(Refusal::configuration()) };
    visit.log.request(|| integration.uri.fill(|_| None), &HeaderMap::new(), &body);
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let answered = integrate::call_function(visit, method, integration, function, payload).await?;
    let error = integrate::error_message(&answered.payload);
    let selected_by = if error.is_empty() { "200".to_owned() } else { error };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]);
    Ok((Answered { status: StatusCode::OK, headers, body: answered.payload }, selected_by))
}

/// The body that the integration gets: what the template for the request's type makes of it, or the request's own.
fn request_body(visit: &mut Visit<'_>, integration: &LiveIntegration) -> Result<(Bytes, Overrides), Refusal> {
    let content_type = visit.asked.text(CONTENT_TYPE).unwrap_or(JSON);
    let wanted = essence(content_type);
    let template = integration.request_templates.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(wanted));
    let is_binary = visit.serving.binary_types.has(Some(content_type));
    let body = convert(&visit.asked.body, is_binary, integration.declared.content_handling).ok_or_else(|| {
        visit.log.error(|| "Execution failed due to configuration error: Unable to decode the request body".to_owned());
        Refusal::integration(500)
    })?;
    let Some((_, template)) = template else {
        let passes = match integration.declared.passthrough_behavior.as_deref() {
            Some("NEVER") => false,
            Some("WHEN_NO_TEMPLATES") => integration.request_templates.is_empty(),
            _ => true,
        };
        if passes {
            return Ok((body, Overrides::default()));
        }
        visit.log.error(|| "Execution failed due to unsupported media type".to_owned());
        return Err(Refusal::new(Case::UnsupportedMediaType, "Unsupported Media Type"));
    };
    let Rendered { body, overrides } = render(visit, template, &body)?;
    Ok((body.into(), overrides))
}

fn render(visit: &mut Visit<'_>, template: &Template, body: &Bytes) -> Result<Rendered, Refusal> {
    let rendered = template.render(&visit.asked, body, &visit.context, visit.serving.variables.as_ref());
    rendered.map_err(|words| {
        visit
            .log
            .error(|| format!("Execution failed due to configuration error: Unable to transform request: {words}"));
        Refusal::integration(500)
    })
}

/// A body as bytes or text. None if it cannot be converted.
fn convert(body: &Bytes, is_binary: bool, handling: Option<ContentHandlingStrategy>) -> Option<Bytes> {
    match handling {
        Some(ContentHandlingStrategy::ConvertToText) if is_binary => Some(STANDARD.encode(body).into()),
        Some(ContentHandlingStrategy::ConvertToBinary) if !is_binary => STANDARD.decode(body).ok().map(Bytes::from),
        _ => Some(body.clone()),
    }
}

/// The status that a mock's template says: `{"statusCode": 200}`. AWS takes names and numbers with and without quotes.
fn mock_status(body: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, after) = text.split_once("statusCode")?;
    let after = after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
    let after = after.trim_start().trim_start_matches(['"', '\'']);
    let digits = after.find(|c: char| !c.is_ascii_digit()).map_or(after, |end| &after[..end]);
    digits.parse().ok().filter(|status| (100..600).contains(status))
}

/// The method's answer, out of the integration's: by the first response whose pattern is met, else by the one without.
fn answer_of(
    visit: &mut Visit<'_>,
    integration: &LiveIntegration,
    answer: Answered,
    selected_by: &str,
) -> Result<Answered, Refusal> {
    if integration.declared.r#type != IntegrationType::Mock {
        visit.log.data("Endpoint response body before transformations", &answer.body);
    }
    let Some(response) = choose(&integration.answers, selected_by) else {
        visit.log.error(|| {
            format!(
                "Execution failed due to configuration error: No match for output mapping and no default output \
                 mapping configured. Endpoint Response Status Code: {selected_by}"
            )
        });
        return Err(Refusal::configuration());
    };
    let answer_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_binary = visit.serving.binary_types.has(answer_type);
    let body = answer_body(visit, response, &answer.body, is_binary)?;
    let accept = visit.asked.text(ACCEPT).map(str::to_owned);
    let template = template_for(&response.templates, accept.as_deref());
    let (body, content_type, overrides) = match template {
        None => (body, answer_type.filter(|_| is_binary).unwrap_or(JSON).to_owned(), Overrides::default()),
        Some((kind, template)) => {
            let Rendered { body, overrides } = render(visit, template, &body)?;
            (Bytes::from(body), kind.clone(), overrides)
        }
    };
    let mut headers = HeaderMap::with_capacity(response.mapped.len() + 6);
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    let variables = visit.serving.variables.as_ref();
    for (name, source) in &response.mapped {
        let value = source.value(&visit.asked, &visit.context, variables, Some(&answer));
        put(&mut headers, name.clone(), value);
    }
    for (name, value) in &overrides.response.header {
        if let Ok(name) = name.parse() {
            put(&mut headers, name, Some(value.into()));
        }
    }
    let status = overrides.response.status.and_then(|status| StatusCode::from_u16(status).ok());
    Ok(Answered { status: status.unwrap_or(response.status), headers, body })
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<Cow<'_, str>>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(name, value);
    }
}

fn choose<'a>(answers: &'a [LiveAnswer], by: &str) -> Option<&'a LiveAnswer> {
    let matched = answers.iter().find(|answer| answer.pattern.as_ref().is_some_and(|pattern| pattern.is_match(by)));
    matched.or_else(|| answers.iter().find(|answer| answer.pattern.is_none()))
}

/// The template for a caller, by what it accepts: that of the type it names, JSON's, or the first.
fn template_for<'a>(templates: &'a [(String, Template)], accept: Option<&str>) -> Option<&'a (String, Template)> {
    let of = |wanted: &str| templates.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(wanted));
    let named = accept.and_then(|accept| accept.split(',').map(essence).find_map(of));
    named.or_else(|| of(JSON)).or_else(|| templates.first())
}

/// The integration's body as the method's caller can take it.
fn answer_body(visit: &mut Visit<'_>, response: &LiveAnswer, body: &Bytes, is_binary: bool) -> Result<Bytes, Refusal> {
    let takes_bytes = visit.serving.binary_types.accepted(visit.asked.text(ACCEPT));
    let handling = response.content_handling.or(match (is_binary, takes_bytes) {
        (true, false) => Some(ContentHandlingStrategy::ConvertToText),
        (false, true) => Some(ContentHandlingStrategy::ConvertToBinary),
        _ => None,
    });
    convert(body, is_binary, handling).ok_or_else(|| {
        visit
            .log
            .error(|| "Execution failed due to configuration error: Unable to decode the response body".to_owned());
        Refusal::integration(500)
    })
}

impl Outgoing {
    /// Puts what a template says in the places of what was mapped.
    fn override_with(&mut self, overrides: Overrides) {
        for (name, value) in overrides.request.header {
            if let Ok(name) = name.parse() {
                self.set_header(name, &value);
            }
        }
        overrides.request.querystring.iter().for_each(|(name, value)| self.set_query(name, value));
        self.path.extend(overrides.request.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mocks_status() {
        for (body, status) in [
            (r#"{"statusCode": 200}"#, Some(200)),
            (r#"{"statusCode":"404"}"#, Some(404)),
            ("{statusCode: 500}", Some(500)),
            ("{'statusCode' : 201, 'a': 'b'}", Some(201)),
            (r#"{"statusCode": 1}"#, None),
            (r#"{"statusCode": true}"#, None),
            (r#"{"status": 200}"#, None),
            ("", None),
        ] {
            assert_eq!(mock_status(body.as_bytes()), status, "{body}");
        }
    }

    #[test]
    fn bodies_are_converted() {
        use ContentHandlingStrategy::{ConvertToBinary, ConvertToText};
        for (body, is_binary, handling, converted) in [
            ("ab", true, Some(ConvertToText), Some("YWI=")),
            ("ab", false, Some(ConvertToText), Some("ab")),
            ("YWI=", false, Some(ConvertToBinary), Some("ab")),
            ("%", false, Some(ConvertToBinary), None),
            ("ab", true, Some(ConvertToBinary), Some("ab")),
            ("ab", true, None, Some("ab")),
        ] {
            let found = convert(&Bytes::from_static(body.as_bytes()), is_binary, handling);
            assert_eq!(found.as_deref(), converted.map(str::as_bytes), "{body} {handling:?}");
        }
    }
}
