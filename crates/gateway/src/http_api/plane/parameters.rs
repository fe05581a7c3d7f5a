//! Parameter mapping: what an integration's settings change in requests on their way to it and in its answers on their way
//! back, read once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::template::{Known, Template};
use crate::http_api::records::Texts;

/// Changes, in AWS's order: by their keys.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

#[derive(Debug)]
struct Change {
    how: How,
    place: Place,
    value: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Append,
    Overwrite,
    Remove,
}

#[derive(Debug)]
enum Place {
    Header(HeaderName),
    Query(String),
    Path,
    Status,
}

/// What of a request can be changed.
pub(super) struct Request<'a> {
    pub(super) headers: &'a mut HeaderMap,
    /// Names and values, decoded.
    pub(super) query: &'a mut Vec<(String, String)>,
    pub(super) path: &'a mut Option<String>,
}

impl Changes {
    /// Reads settings like `{"append:header.h": "$context.requestId"}`. What AWS has no such key for is passed over: it is
    /// refused when it is set.
    pub(super) fn parse(settings: Option<&Texts>, variables: Option<&BTreeMap<String, String>>) -> Changes {
        let change = |(key, value): (&String, &String)| {
            let (how, place) = key.split_once(':')?;
            let how = match how {
                "append" => How::Append,
                "overwrite" => How::Overwrite,
                "remove" => How::Remove,
                _ => return None,
            };
            let place = match place.split_once('.') {
                Some(("header", name)) => Place::Header(HeaderName::from_bytes(name.as_bytes()).ok()?),
                Some(("querystring", name)) => Place::Query(name.to_owned()),
                None if place == "path" => Place::Path,
                None if place == "statuscode" => Place::Status,
                _ => return None,
            };
            Some(Change { how, place, value: Template::parse(value, variables) })
        };
        Changes(settings.into_iter().flatten().filter_map(change).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the body must be known for them.
    pub(super) fn read_body(&self) -> bool {
        self.0.iter().any(|change| change.value.reads_body())
    }

    /// Changes a request.
    pub(super) fn apply(&self, known: &impl Known, request: &mut Request<'_>) {
        for Change { how, place, value } in &self.0 {
            let value = if *how == How::Remove { None } else { value.text(known) };
            match place {
                Place::Header(name) => header(request.headers, *how, name, value),
                Place::Query(name) => query(request.query, *how, name, value),
                Place::Path => *request.path = value.map(Cow::into_owned).or_else(|| request.path.take()),
                Place::Status => {}
            }
        }
    }

    /// Changes an answer.
    pub(super) fn apply_to_answer(&self, known: &impl Known, status: &mut StatusCode, headers: &mut HeaderMap) {
        for Change { how, place, value } in &self.0 {
            let value = if *how == How::Remove { None } else { value.text(known) };
            match place {
                Place::Header(name) => header(headers, *how, name, value),
                Place::Status => {
                    let said = value.and_then(|text| StatusCode::from_bytes(text.trim().as_bytes()).ok());
                    *status = said.filter(|status| (200..600).contains(&status.as_u16())).unwrap_or(*status);
                }
                Place::Query(_) | Place::Path => {}
            }
        }
    }
}

/// Values that no header can carry are left out.
fn header(headers: &mut HeaderMap, how: How, name: &HeaderName, value: Option<Cow<'_, str>>) {
    let value = value.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
    match (how, value) {
        (How::Remove, _) => _ = headers.remove(name),
        (How::Append, Some(value)) => _ = headers.append(name, value),
        (How::Overwrite, Some(value)) => _ = headers.insert(name, value),
        (How::Append | How::Overwrite, None) => {}
    }
}

fn query(query: &mut Vec<(String, String)>, how: How, name: &str, value: Option<Cow<'_, str>>) {
    if how == How::Remove || how == How::Overwrite && value.is_some() {
        query.retain(|(known, _)| known != name);
    }
    query.extend(value.map(|value| (name.to_owned(), value.into_owned())));
}

#[cfg(test)]
mod tests {
    use super::super::template::tests::One;
    use super::*;

    fn changes(pairs: &[(&str, &str)]) -> Changes {
        let settings = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Changes::parse(Some(&settings), None)
    }

    #[test]
    fn requests_are_changed_by_keys() {
        let changes = changes(&[
            ("append:header.x-a", "$context.requestId"),
            ("overwrite:header.x-b", "new"),
            ("overwrite:header.x-kept", "$context.none"),
            ("remove:header.x-c", "''"),
            ("append:querystring.q", "2"),
            ("overwrite:querystring.o", "$request.path.id"),
            ("remove:querystring.r", "''"),
            ("overwrite:path", "/v2$request.path"),
            ("delete:header.x-a", "unknown"),
        ]);
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "old"), ("x-b", "old"), ("x-b", "older"), ("x-c", "old"), ("x-kept", "old")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut query: Vec<_> = [("q", "1"), ("o", "0"), ("r", "x")].map(pair).into();
        let mut path = None;
        let mut request = Request { headers: &mut headers, query: &mut query, path: &mut path };
        changes.apply(&One(""), &mut request);
        let all =
            |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(",");
        assert_eq!([all("x-a"), all("x-b"), all("x-c"), all("x-kept")], ["old,rid", "new", "", "old"]);
        assert_eq!(query, [("q", "1"), ("q", "2"), ("o", "1")].map(pair));
        assert_eq!(path.as_deref(), Some("/v2/pets/1"));
        assert!(!changes.read_body() && !changes.is_empty());
    }

    #[test]
    fn answers_have_a_status_too() {
        let of = |settings: &[(&str, &str)]| {
            let (mut status, mut headers) = (StatusCode::OK, HeaderMap::new());
            changes(settings).apply_to_answer(&One(r#"{"code": 403}"#), &mut status, &mut headers);
            (status.as_u16(), headers.len())
        };
        assert_eq!(of(&[("overwrite:statuscode", "403"), ("append:header.x", "$request.path.id")]), (403, 1));
        assert_eq!(of(&[("overwrite:statuscode", "$response.body.code")]), (403, 0));
        assert_eq!(of(&[("overwrite:statuscode", "many")]), (200, 0));
        assert_eq!(of(&[("overwrite:statuscode", "99")]), (200, 0));
        assert_eq!(of(&[("append:header.x", "a\nb")]), (200, 0));
        assert!(changes(&[("append:header.x", "$response.body.code")]).read_body());
    }
}
