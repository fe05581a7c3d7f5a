//! Templates of integrations that are no proxies: what a message becomes before a backend gets it, and its answer before the
//! client does.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use lang::vtl;

use super::integration::Reply;
use super::selection::{Expression, below};
use super::stage::{Backend, Response};
use super::turn::{Kind, Refused, Turn};
use crate::http_api::records::{ContentHandlingStrategy, PassthroughBehavior, Texts};
use crate::rest::mapping::{self, Inputs};
use wire::route::percent;

/// The key of what is for everything else.
const DEFAULT: &str = "$default";

/// Templates, parsed once, and by what a message finds its own.
pub(super) struct Templates {
    selection: Expression,
    /// What is no template fails when it is used, as on AWS.
    by_key: HashMap<String, Result<vtl::Template, vtl::Error>>,
}

impl Templates {
    pub(super) fn new(templates: Option<&Texts>, selection: Option<&str>) -> Templates {
        let parsed = templates.into_iter().flatten().map(|(key, text)| (key.clone(), mapping::parse(text)));
        Templates { selection: Expression::parse(selection.unwrap_or(r"\$default")), by_key: parsed.collect() }
    }

    /// The template that a message finds by what references mean.
    fn find<'a>(
        &'a self,
        look_up: impl Fn(&str) -> Option<Cow<'a, str>>,
    ) -> Option<&'a Result<vtl::Template, vtl::Error>> {
        let key = self.selection.value(look_up);
        key.and_then(|key| self.by_key.get(&*key)).or_else(|| self.by_key.get(DEFAULT))
    }
}

impl Turn<'_> {
    /// What a backend that is no proxy gets: what the template makes of the message, or the message itself.
    pub(super) fn request_body(&self, backend: &Backend) -> Result<Bytes, Refused> {
        let body = match backend.integration.content_handling_strategy {
            Some(ContentHandlingStrategy::ConvertToBinary) => {
                let bytes = STANDARD.decode(self.body()).map_err(|_| Refused::client(400, "Bad Request"))?;
                Bytes::from(bytes)
            }
            _ => Bytes::copy_from_slice(self.body().as_bytes()),
        };
        let template = backend.templates.find(|name| self.look_up(name).map(|text| text.into_owned().into()));
        match (template, backend.integration.passthrough_behavior) {
            (Some(template), _) => self.render(template, &body).map(Bytes::from),
            (None, Some(PassthroughBehavior::Never)) => Err(unsupported()),
            (None, Some(PassthroughBehavior::WhenNoTemplates)) if !backend.templates.by_key.is_empty() => {
                Err(unsupported())
            }
            (None, _) => Ok(body),
        }
    }

    /// What becomes of a backend's answer: the integration response that it finds says so, if there is one.
    pub(super) fn respond(
        &self,
        backend: &Backend,
        status: u16,
        headers: HeaderMap,
        body: &Bytes,
    ) -> Result<Reply, Refused> {
        let text = String::from_utf8_lossy(body);
        let look_up = |name: &str| self.look_up_answer(name, status, &headers, &text);
        let Some(response) = response(backend, look_up) else {
            return Ok(Reply { status, body: text.into_owned(), headers });
        };
        let body = match response.content_handling {
            Some(ContentHandlingStrategy::ConvertToText) => Bytes::from(STANDARD.encode(body)),
            Some(ContentHandlingStrategy::ConvertToBinary) | None => body.clone(),
        };
        let body = match response.templates.find(|name| look_up(name).map(|text| text.into_owned().into())) {
            Some(template) => self.render(template, &body)?,
            None => String::from_utf8_lossy(&body).into_owned(),
        };
        Ok(Reply { status, body, headers })
    }

    /// What a reference to a backend's answer means, or one to the turn.
    fn look_up_answer(&self, name: &str, status: u16, headers: &HeaderMap, body: &str) -> Option<Cow<'static, str>> {
        let Some(name) = name.strip_prefix("integration.response.") else {
            return self.look_up(name).map(|text| text.into_owned().into());
        };
        match name.split_once('.').unwrap_or((name, "")) {
            ("statuscode", "") => Some(status.to_string().into()),
            ("header", name) => headers.get(name)?.to_str().ok().map(|value| value.to_owned().into()),
            ("body", path) => {
                let body = serde_json::from_str(body).ok()?;
                below(&body, path).map(|text| text.into_owned().into())
            }
            _ => None,
        }
    }

    /// A backend that is nobody: the request template says which status it would have answered with, the response template
    /// what.
    pub(super) fn mock(&self, backend: &Backend) -> Result<Reply, Refused> {
        let said = self.request_body(backend)?;
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        let status = said.get("statusCode").and_then(serde_json::Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        self.respond(backend, status, HeaderMap::new(), &Bytes::new())
    }

    fn render(&self, template: &Result<vtl::Template, vtl::Error>, body: &Bytes) -> Result<String, Refused> {
        let failed = |error: &vtl::Error| Refused::execution(500, format!("the template failed: {error}"));
        let template = template.as_ref().map_err(failed)?;
        let (header, querystring) = match &self.kind {
            Kind::Connect(head) => {
                let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
                let pairs = percent::pairs(head.uri.query().unwrap_or_default());
                let pairs = pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
                (headers.collect(), pairs.collect())
            }
            Kind::Message { .. } | Kind::Disconnect(_) => (Vec::new(), Vec::new()),
        };
        let inputs = Inputs {
            body,
            path: &[],
            querystring: &querystring,
            header: &header,
            context: &self.context,
            stage_variables: &self.stage.variables,
        };
        mapping::render(template, &inputs).map(|rendered| rendered.body).map_err(|error| failed(&error))
    }
}

/// The integration response that an answer finds: by its key, by a key between slashes that is a pattern, or the one for all.
fn response(backend: &Backend, look_up: impl Fn(&str) -> Option<Cow<'static, str>>) -> Option<&Response> {
    let key = backend.response_selection.value(|name| look_up(name).map(|text| text.into_owned().into()));
    let key = key.unwrap_or_default();
    let matches = |of: &str| match of.strip_prefix('/').and_then(|of| of.strip_suffix('/')) {
        Some(pattern) => regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(&key)),
        None => of == key,
    };
    let mut responses = backend.responses.iter();
    let found = responses.find(|response| matches(&response.key));
    found.or_else(|| backend.responses.iter().find(|response| response.key == DEFAULT))
}

fn unsupported() -> Refused {
    Refused::client(415, "Unsupported Media Type")
}
