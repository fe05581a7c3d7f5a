//! Mapping templates as methods use them: parsed when the stage is compiled, rendered for each request.

use http::StatusCode;

use super::asked::Asked;
use crate::edge::context::Context;
use crate::rest::records::Texts;

/// A template.
#[derive(Clone, Debug)]
pub(in crate::rest) struct Template {
    text: String,
}

/// What a template made.
#[derive(Debug, Default)]
pub(in crate::rest) struct Rendered {
    pub(in crate::rest) text: String,
    pub(in crate::rest) overrides: Overrides,
}

/// What a template said of the message around its text.
#[derive(Debug, Default)]
pub(in crate::rest) struct Overrides {
    pub(in crate::rest) request_headers: Vec<(String, String)>,
    pub(in crate::rest) request_query: Vec<(String, String)>,
    pub(in crate::rest) request_path: Vec<(String, String)>,
    pub(in crate::rest) response_headers: Vec<(String, String)>,
    pub(in crate::rest) response_status: Option<StatusCode>,
}

impl Template {
    pub(in crate::rest) fn new(text: &str) -> Template {
        Template { text: text.to_owned() }
    }

    pub(in crate::rest) fn render(
        &self,
        _asked: &Asked,
        _body: &[u8],
        _context: &Context,
        _variables: Option<&Texts>,
    ) -> Result<Rendered, String> {
        if self.text.contains(['$', '#']) {
            return Err("templates are not implemented by Updraft yet".to_owned());
        }
        Ok(Rendered { text: self.text.clone(), overrides: Overrides::default() })
    }
}
