//! Names of parameters and the expressions that fill them, as far as AWS looks at them when they are given.

use std::collections::BTreeMap;

use base::Error;

use super::error::bad;

/// The name in `method.request.{querystring|multivaluequerystring|header|multivalueheader|path}.{name}`.
pub(crate) fn request_name(parameter: &str) -> Result<&str, Error> {
    let rest = parameter.strip_prefix("method.request.");
    let place_and_name = rest.and_then(|rest| rest.split_once('.'));
    match place_and_name {
        Some(("querystring" | "multivaluequerystring" | "header" | "multivalueheader" | "path", name))
            if !name.is_empty() =>
        {
            Ok(name)
        }
        _ => Err(no_parameter(parameter)),
    }
}

/// Refuses names of parameters of a method's request that are none.
pub(crate) fn check_request_name(parameter: &str) -> Result<(), Error> {
    request_name(parameter).map(drop)
}

/// Refuses names of headers of a method's response that are none.
pub(crate) fn check_response_name(parameter: &str) -> Result<(), Error> {
    let name = parameter.strip_prefix("method.response.header.");
    match name.or_else(|| parameter.strip_prefix("method.response.multivalueheader.")) {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err(no_parameter(parameter)),
    }
}

/// What fills a parameter of an integration's request, or of a method's response.
pub(crate) fn checked_mapping(name: &str, expression: Option<String>) -> Result<String, Error> {
    check_target(name)?;
    let expression = expression.ok_or_else(|| no_expression("null"))?;
    check_source(&expression)?;
    Ok(expression)
}

/// Refuses a place that no expression fills.
pub(crate) fn check_target(name: &str) -> Result<(), Error> {
    let places = [
        "integration.request.header.",
        "integration.request.multivalueheader.",
        "integration.request.querystring.",
        "integration.request.multivaluequerystring.",
        "integration.request.path.",
        "method.response.header.",
        "method.response.multivalueheader.",
    ];
    let fits = |place: &&str| name.strip_prefix(*place).is_some_and(|rest| !rest.is_empty());
    if places.iter().any(fits) { Ok(()) } else { Err(no_parameter(name)) }
}

/// Refuses what is no expression: a text in quotes, or what begins with a place that has values.
pub(crate) fn check_source(expression: &str) -> Result<(), Error> {
    let quoted = expression.len() >= 2 && expression.starts_with('\'') && expression.ends_with('\'');
    let begins =
        ["method.request.", "integration.response.", "context.", "stageVariables.", "$context.", "$stageVariables."];
    if quoted || begins.iter().any(|begin| expression.starts_with(begin)) {
        return Ok(());
    }
    Err(no_expression(expression))
}

/// Refuses an expression that names a parameter which its method does not have.
pub(crate) fn check_known(expression: &str, parameters: Option<&BTreeMap<String, bool>>) -> Result<(), Error> {
    let places = ["method.request.path.", "method.request.querystring.", "method.request.header."];
    let is_parameter = places.iter().any(|place| expression.starts_with(place));
    let known = parameters.is_some_and(|parameters| parameters.contains_key(expression));
    if is_parameter && !known { Err(no_expression(expression)) } else { Ok(()) }
}

pub(crate) fn no_parameter(name: &str) -> Error {
    bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping \
         expression parameter specified: {name}]"
    ))
}

fn no_expression(expression: &str) -> Error {
    bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression \
         specified: {expression}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_a_place_and_a_name() {
        assert_eq!(request_name("method.request.querystring.a.b").unwrap(), "a.b");
        for name in ["method.request.path.", "method.request.body", "method.request.cookie.a", "a"] {
            assert!(check_request_name(name).is_err(), "{name}");
        }
        assert!(check_response_name("method.response.header.Location").is_ok());
        assert!(check_response_name("method.response.body").is_err());
    }

    #[test]
    fn expressions_are_texts_or_places() {
        let mapped = |name: &str, value: &str| checked_mapping(name, Some(value.to_owned()));
        for value in ["'a'", "method.request.body", "integration.response.body.a", "context.stage", "stageVariables.a"]
        {
            assert!(mapped("integration.request.header.a", value).is_ok(), "{value}");
        }
        for value in ["true", "'", "", "request.header.a"] {
            assert!(mapped("integration.request.header.a", value).is_err(), "{value}");
        }
        assert!(mapped("integration.request.body", "'a'").is_err());
        assert_eq!(
            mapped("integration.request.path.a", "true").unwrap_err().message,
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression \
             specified: true]"
        );
    }
}
