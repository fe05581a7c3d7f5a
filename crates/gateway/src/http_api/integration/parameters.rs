//! Parameter mappings: what they may change, and to what. Source: "Transforming API requests and responses for HTTP APIs" and
//! "WebSocket API data mapping reference" in API Gateway's developer guide.

use std::collections::BTreeMap;

use crate::Failure;
use crate::http_api::error::bad;
use crate::http_api::records::Texts;

/// Headers that a mapping must leave alone.
const RESTRICTED: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Beginnings of headers that a mapping must leave alone.
const RESTRICTED_BEGINNINGS: &[&str] = &["access-control-", "apigw-", "x-amz-", "x-amzn-"];

/// What a mapping does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Adds a value beside those that are there.
    Append,
    /// Puts a value in the place of those that are there.
    Overwrite,
    /// Takes away what is there.
    Remove,
}

impl Action {
    /// Splits `append:header.x`.
    pub(crate) fn split(key: &str) -> Option<(Action, &str)> {
        let (action, place) = key.split_once(':')?;
        let action = match action {
            "append" => Action::Append,
            "overwrite" => Action::Overwrite,
            "remove" => Action::Remove,
            _ => return None,
        };
        Some((action, place))
    }
}

/// Checks what an HTTP API's integration changes in requests.
pub(super) fn check_request(parameters: Option<&Texts>) -> Result<(), Failure> {
    for (key, value) in parameters.into_iter().flatten() {
        let (action, place) = Action::split(key).ok_or_else(|| invalid(key))?;
        match place.split_once('.') {
            Some(("header", name)) if !name.is_empty() => check_header(name)?,
            Some(("querystring", name)) if !name.is_empty() => {}
            None if place == "path" && action == Action::Overwrite => {}
            _ => return Err(invalid(key)),
        }
        check_value(action, value, "request")?;
    }
    Ok(())
}

/// Checks what an HTTP API's integration changes in responses.
pub(super) fn check_responses(parameters: Option<&BTreeMap<String, Texts>>) -> Result<(), Failure> {
    for (status, changes) in parameters.into_iter().flatten() {
        if !status.parse::<u16>().is_ok_and(|status| (200..=599).contains(&status)) {
            return Err(bad(format!("Invalid status code specified: {status}")).into());
        }
        for (key, value) in changes {
            let (action, place) = Action::split(key).ok_or_else(|| invalid(key))?;
            match place.split_once('.') {
                Some(("header", name)) if !name.is_empty() => check_header(name)?,
                None if place.eq_ignore_ascii_case("statuscode") && action == Action::Overwrite => {}
                _ => return Err(invalid(key)),
            }
            check_value(action, value, "response")?;
        }
    }
    Ok(())
}

/// Checks what a WebSocket API's integration puts into requests.
pub(super) fn check_web_socket_request(parameters: Option<&Texts>) -> Result<(), Failure> {
    const PLACES: &[&str] =
        &["integration.request.header.", "integration.request.querystring.", "integration.request.path."];
    const SOURCES: &[&str] = &["route.request.", "context.", "stageVariables.", "'"];
    for (key, value) in parameters.into_iter().flatten() {
        if !PLACES.iter().any(|place| key.strip_prefix(place).is_some_and(|name| !name.is_empty())) {
            return Err(invalid(key));
        }
        if !SOURCES.iter().any(|source| value.starts_with(source)) {
            return Err(invalid(value));
        }
    }
    Ok(())
}

fn check_header(name: &str) -> Result<(), Failure> {
    let lower = name.to_ascii_lowercase();
    let is_restricted = RESTRICTED.contains(&lower.as_str())
        || RESTRICTED_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning));
    match is_restricted {
        true => Err(bad(format!("Operations on header {name} are restricted")).into()),
        false => Ok(()),
    }
}

/// A value is text with variables in it: `$request.header.x`, `${request.path.id}`.
fn check_value(action: Action, value: &str, from: &str) -> Result<(), Failure> {
    if action == Action::Remove {
        return match value.trim_matches('\'').is_empty() {
            true => Ok(()),
            false => Err(bad("A value cannot be given for a parameter that is removed").into()),
        };
    }
    if let Some(variable) = value.strip_prefix('$') {
        let variable = variable.trim_start_matches('{');
        let is_known = ["context.", "stageVariables."].iter().any(|root| variable.starts_with(root))
            || variable.strip_prefix(from).is_some_and(|rest| rest.starts_with('.'));
        if !is_known {
            return Err(invalid(value));
        }
    }
    Ok(())
}

fn invalid(expression: &str) -> Failure {
    bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression \
         parameter specified: {expression}]"
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[(&str, &str)]) -> Texts {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn requests_are_changed_in_headers_query_and_path() {
        let good = texts(&[
            ("append:header.x-id", "$context.requestId"),
            ("overwrite:querystring.a", "$request.header.a"),
            ("overwrite:path", "/x/${request.path.id}"),
            ("remove:querystring.b", "''"),
            ("append:querystring.c", "fixed"),
        ]);
        assert!(check_request(Some(&good)).is_ok());
        for (key, value) in [
            ("header.x", "y"),
            ("append:path", "/x"),
            ("append:cookie.x", "y"),
            ("append:header.", "y"),
            ("overwrite:header.Authorization", "y"),
            ("append:header.X-Amz-Date", "y"),
            ("append:header.x", "$response.header.y"),
            ("append:header.x", "$nothing"),
            ("remove:header.x", "y"),
        ] {
            assert!(check_request(Some(&texts(&[(key, value)]))).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn responses_are_changed_in_headers_and_status() {
        let of = |status: &str, key: &str, value: &str| {
            check_responses(Some(&BTreeMap::from([(status.to_owned(), texts(&[(key, value)]))])))
        };
        assert!(of("200", "overwrite:statuscode", "204").is_ok());
        assert!(of("500", "append:header.x", "$response.body.reason").is_ok());
        for (status, key, value) in [
            ("99", "append:header.x", "y"),
            ("ok", "append:header.x", "y"),
            ("200", "append:statuscode", "204"),
            ("200", "append:querystring.x", "y"),
            ("200", "append:header.x", "$request.header.x"),
        ] {
            assert!(of(status, key, value).is_err(), "{status} {key}={value}");
        }
    }
}
