//! Mapping templates as methods use them: read when the stage is compiled, rendered for each request.

use bytes::Bytes;

use super::asked::Asked;
use crate::edge::context::Context;
use crate::rest::mapping::{self, Inputs, Rendered};
use crate::rest::records::Texts;

/// A template, ready for requests.
#[derive(Clone, Debug)]
pub(in crate::rest) enum Template {
    /// One that says the same of every request.
    Fixed(String),
    /// One that looks at its request.
    Velocity(lang::vtl::Template),
    /// One that is none: every request fails, in these words.
    Broken(String),
}

impl Template {
    pub(in crate::rest) fn new(text: &str) -> Template {
        if !text.contains(['$', '#', '\\']) {
            return Template::Fixed(text.to_owned());
        }
        match mapping::parse(text) {
            Ok(template) => Template::Velocity(template),
            Err(error) => Template::Broken(error.to_string()),
        }
    }

    /// What it makes of a body: the caller's on its way in, the integration's on its way out.
    pub(in crate::rest) fn render(
        &self,
        asked: &Asked,
        body: &Bytes,
        context: &Context,
        variables: Option<&Texts>,
    ) -> Result<Rendered, String> {
        let template = match self {
            Template::Fixed(text) => return Ok(Rendered { body: text.clone(), ..Rendered::default() }),
            Template::Broken(words) => return Err(words.clone()),
            Template::Velocity(template) => template,
        };
        let none = Texts::new();
        let querystring: Vec<(String, String)> =
            asked.query_pairs().into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let header: Vec<(String, String)> = asked
            .shown_headers()
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.to_owned(), value.into_owned())))
            .collect();
        let inputs = Inputs {
            body,
            path: &asked.path_parameters,
            querystring: &querystring,
            header: &header,
            context,
            stage_variables: variables.unwrap_or(&none),
        };
        mapping::render(template, &inputs).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_templates_with_references_are_velocity() {
        assert!(matches!(Template::new("{\"statusCode\": 200}"), Template::Fixed(_)));
        assert!(matches!(Template::new("$input.body"), Template::Velocity(_)));
        assert!(matches!(Template::new("#if(true)"), Template::Broken(_)));
    }
}
