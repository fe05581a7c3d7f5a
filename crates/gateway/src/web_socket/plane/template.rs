//! Templates of integrations that are no proxies: what a message becomes before a backend gets it, and its answer before the
//! client does.

use std::borrow::Cow;

use http::HeaderMap;

use super::integration::Reply;
use super::selection::Expression;
use super::stage::Backend;
use super::turn::{Refused, Turn};
use crate::http_api::records::{IntegrationResponse, PassthroughBehavior, Texts};

/// The key of what is for everything else.
const DEFAULT: &str = "$default";

impl Turn<'_> {
    /// What a backend that is no proxy gets: what the template makes of the message, or the message itself.
    pub(super) fn request_body(&self, backend: &Backend) -> Result<Cow<'_, str>, Refused> {
        let integration = &backend.integration;
        let selection = integration.template_selection_expression.as_deref();
        match self.template(integration.request_templates.as_ref(), selection) {
            Some(template) => self.render(template, self.body()).map(Cow::Owned),
            None => {
                let has_templates = integration.request_templates.as_ref().is_some_and(|all| !all.is_empty());
                match integration.passthrough_behavior {
                    Some(PassthroughBehavior::Never) => Err(unsupported()),
                    Some(PassthroughBehavior::WhenNoTemplates) if has_templates => Err(unsupported()),
                    _ => Ok(Cow::Borrowed(self.body())),
                }
            }
        }
    }

    /// The template that a message finds.
    fn template<'t>(&self, templates: Option<&'t Texts>, selection: Option<&str>) -> Option<&'t str> {
        let templates = templates?;
        let expression = Expression::parse(selection.unwrap_or(r"\$default"));
        let key = expression.value(|name| self.look_up(name));
        key.and_then(|key| templates.get(&*key)).or_else(|| templates.get(DEFAULT)).map(String::as_str)
    }

    /// What becomes of a backend's answer: the integration response that it finds says so, if there is one.
    pub(super) fn respond(
        &self,
        backend: &Backend,
        status: u16,
        headers: HeaderMap,
        bytes: &[u8],
    ) -> Result<Reply, Refused> {
        let body = String::from_utf8_lossy(bytes);
        let Some(response) = self.response(backend, status, &headers, &body) else {
            return Ok(Reply { status, headers, body: body.into_owned() });
        };
        let selection = response.template_selection_expression.as_deref();
        let body = match self.template(response.response_templates.as_ref(), selection) {
            Some(template) => self.render(template, &body)?,
            None => body.into_owned(),
        };
        Ok(Reply { status, headers, body })
    }

    /// The integration response that an answer finds: by its key, by a key between slashes that is an expression, or the
    /// one for all.
    fn response<'b>(
        &self,
        backend: &'b Backend,
        status: u16,
        headers: &HeaderMap,
        body: &str,
    ) -> Option<&'b IntegrationResponse> {
        let look_up = |name: &str| match name.strip_prefix("integration.response.") {
            None => self.look_up(name),
            Some("statuscode") => Some(Cow::Owned(status.to_string())),
            Some(name) => match name.split_once('.').unwrap_or((name, "")) {
                ("header", name) => headers.get(name)?.to_str().ok().map(|value| Cow::Owned(value.to_owned())),
                ("body", path) => {
                    let body = serde_json::from_str(body).ok()?;
                    super::selection::below(&body, path).map(|text| Cow::Owned(text.into_owned()))
                }
                _ => None,
            },
        };
        let key = backend.response_selection.value(look_up).unwrap_or_default();
        let matches = |of: &str| match of.strip_prefix('/').and_then(|of| of.strip_suffix('/')) {
            Some(pattern) => regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(&key)),
            None => of == key,
        };
        let find = |is_it: &dyn Fn(&str) -> bool| {
            backend.responses.iter().find(|response| is_it(&response.integration_response_key))
        };
        find(&matches).or_else(|| find(&|of| of == DEFAULT))
    }

    /// A backend that is nobody: the request template says which status it would have answered with, the response template
    /// what.
    pub(super) fn mock(&self, backend: &Backend) -> Result<Reply, Refused> {
        let said = self.request_body(backend)?;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let status = said.get("statusCode").and_then(serde_json::Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        let reply = self.respond(backend, status, HeaderMap::new(), b"")?;
        Ok(reply)
    }

    fn render(&self, template: &str, body: &str) -> Result<String, Refused> {
        let _ = body;
        // Templates without references are what they say.
        match template.contains(['$', '#']) {
            false => Ok(template.to_owned()),
            true => Err(Refused::execution(500, "templates are not rendered yet")),
        }
    }
}

fn unsupported() -> Refused {
    Refused::client(415, "Unsupported Media Type")
}
