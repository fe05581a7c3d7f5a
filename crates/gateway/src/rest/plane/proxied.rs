//! From a function's answer to a method's: the object with `statusCode`, `headers`, `multiValueHeaders`, `body`,
//! `isBase64Encoded` and nothing else. What is no such object is malformed, which AWS answers with 502.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::headers;

/// The function's answer is none that a method could give.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rest) struct Malformed;

/// A method's answer, but for what API Gateway adds.
#[derive(Clone, Debug)]
pub(in crate::rest) struct Answered {
    pub(in crate::rest) status: StatusCode,
    pub(in crate::rest) headers: HeaderMap,
    pub(in crate::rest) body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Option<Vec<Value>>>>,
    body: Option<Value>,
    is_base64_encoded: Option<Value>,
}

/// The answer that a function's makes. `takes_bytes` says that the caller gets bytes where the function says that it has some; all
/// others get them as the function wrote them.
pub(in crate::rest) fn answer(payload: &[u8], takes_bytes: bool) -> Result<Answered, Malformed> {
    let said: Said = serde_json::from_slice(payload).map_err(|_| Malformed)?;
    let status = match said.status_code {
        None | Some(Value::Null) => 200,
        Some(status) => text(&status)?.trim().parse::<u16>().map_err(|_| Malformed)?,
    };
    let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() < 600).ok_or(Malformed)?;
    let body = match said.body {
        None | Some(Value::Null) => String::new(),
        Some(body) => text(&body)?,
    };
    let is_base64 = matches!(said.is_base64_encoded, Some(Value::Bool(true)))
        || said.is_base64_encoded.as_ref().and_then(Value::as_str).is_some_and(|text| text == "true");
    let body = match is_base64 && takes_bytes {
        true => STANDARD.decode(body.as_bytes()).map_err(|_| Malformed)?.into(),
        false => Bytes::from(body),
    };
    let headers = merged(said.headers.unwrap_or_default(), said.multi_value_headers.unwrap_or_default())?;
    Ok(Answered { status, headers, body })
}

/// Both kinds of headers. Where both have a name, those with many values hold.
fn merged(single: BTreeMap<String, Value>, many: BTreeMap<String, Option<Vec<Value>>>) -> Result<HeaderMap, Malformed> {
    let mut merged = HeaderMap::with_capacity(single.len() + many.len() + 4);
    for (name, value) in &single {
        if !value.is_null() {
            let name = headers::of_answer(name).ok_or(Malformed)?;
            merged.insert(name, header(value)?);
        }
    }
    for (name, values) in &many {
        let Some(values) = values else { continue };
        let name: HeaderName = headers::of_answer(name).ok_or(Malformed)?;
        merged.remove(&name);
        for value in values {
            merged.append(name.clone(), header(value)?);
        }
    }
    merged.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(merged)
}

fn header(value: &Value) -> Result<HeaderValue, Malformed> {
    HeaderValue::from_str(&text(value)?).map_err(|_| Malformed)
}

/// Texts, and what AWS reads as one: numbers and truth values.
fn text(value: &Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(payload: &str) -> Option<(u16, String, String)> {
        let Answered { status, headers, body } = answer(payload.as_bytes(), false).ok()?;
        let headers = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        Some((status.as_u16(), headers.collect::<Vec<_>>().join(", "), String::from_utf8(body.to_vec()).unwrap()))
    }

    #[test]
    fn answers_as_functions_write_them() {
        let json = "content-type: application/json";
        for (payload, status, headers, body) in [
            ("{}", 200, json, ""),
            (r#"{"statusCode": 201, "body": "x"}"#, 201, json, "x"),
            (r#"{"statusCode": "404", "body": null, "headers": null}"#, 404, json, ""),
            (r#"{"statusCode": 200, "body": 5}"#, 200, json, "5"),
            (r#"{"headers": {"Content-Type": "text/plain", "x-n": 1}}"#, 200, "content-type: text/plain, x-n: 1", ""),
            (
                r#"{"headers": {"x-a": "0", "x-b": "b"}, "multiValueHeaders": {"X-A": ["1", "2"]}}"#,
                200,
                "x-b: b, x-a: 1, x-a: 2, content-type: application/json",
                "",
            ),
            (
                r#"{"headers": {"Content-Length": "7", "Date": "today"}}"#,
                200,
                "x-amzn-remapped-content-length: 7, x-amzn-remapped-date: today, content-type: application/json",
                "",
            ),
            (r#"{"body": "YQ==", "isBase64Encoded": true}"#, 200, json, "YQ=="),
        ] {
            assert_eq!(parts(payload), Some((status, headers.to_owned(), body.to_owned())), "{payload}");
        }
        let bytes = answer(br#"{"body": "YQ==", "isBase64Encoded": true}"#, true).unwrap();
        assert_eq!(&bytes.body[..], b"a");
    }

    #[test]
    fn all_else_is_malformed() {
        for payload in [
            "",
            "null",
            "\"x\"",
            "[]",
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
            r#"{"statusCode": 200, "body": []}"#,
            r#"{"statusCode": "many"}"#,
            r#"{"statusCode": 2000}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": {}}"#,
            r#"{"statusCode": 200, "message": "x"}"#,
            r#"{"headers": {"a b": "c"}}"#,
            r#"{"headers": {"a": "b\nc"}}"#,
            r#"{"headers": {"a": ["b"]}}"#,
            r#"{"headers": []}"#,
            r#"{"multiValueHeaders": {"a": "b"}}"#,
        ] {
            assert_eq!(answer(payload.as_bytes(), false).err(), Some(Malformed), "{payload}");
        }
        assert!(answer(br#"{"body": "%", "isBase64Encoded": true}"#, true).is_err());
        assert!(answer(br#"{"body": "%", "isBase64Encoded": true}"#, false).is_ok());
    }
}
