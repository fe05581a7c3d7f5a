//! From a function's answer to an HTTP response: the explicit form with its `statusCode`, any other JSON as it is, and the
//! prelude that streamed answers may begin with.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, SET_COOKIE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// The media type by which a handler says that its answer begins with a prelude.
pub const PRELUDE_MEDIA_TYPE: &str = "application/vnd.awslambda.http-integration-response";

/// What ends a prelude.
const PRELUDE_END: [u8; 8] = [0; 8];

/// The longest prelude of an answer to a function's URL, in bytes. AWS names no number; its gateways take 10 KB of headers.
const PRELUDE_BYTES_MAX: usize = 64 * 1024;

/// The longest prelude of an answer to a REST API: AWS looks for its end in the first 16 KB.
const VERSION_1_PRELUDE_BYTES_MAX: usize = 16 * 1024;

/// A response but for what AWS adds.
#[derive(Debug, PartialEq)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, a `Content-Type` among them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// The function's answer is no response: AWS's 502.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Number(u16),
    Text(String),
}

/// What a function may say of its response. Members that AWS does not know are let pass.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Explicit {
    status_code: Option<Status>,
    headers: Option<BTreeMap<String, Value>>,
    /// Format 1.0 only.
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    /// Format 2.0 only.
    cookies: Option<Vec<String>>,
    body: Option<Value>,
    is_base64_encoded: Option<bool>,
}

/// The response that an answer in format 2.0 makes; `default_type` is that of a body of which the function does not say any.
pub fn whole(payload: &Bytes, default_type: &'static str) -> Result<Response, Malformed> {
    match serde_json::from_slice::<Value>(payload).map_err(|_| Malformed)? {
        Value::Object(members) if members.contains_key("statusCode") => {
            explicit(serde_json::from_value(Value::Object(members)).map_err(|_| Malformed)?, default_type)
        }
        // A text stands for itself, not for its JSON.
        Value::String(text) => Ok(inferred(text.into())),
        _ => Ok(inferred(compact(payload).into())),
    }
}

/// The response that an answer in format 1.0 makes: an object with its status, whose body is text.
pub fn version_1(payload: &[u8], default_type: &'static str) -> Result<Response, Malformed> {
    let mut said: Explicit = serde_json::from_slice(payload).map_err(|_| Malformed)?;
    let is_text = matches!(said.body, None | Some(Value::Null | Value::String(_)));
    if said.status_code.is_none() || !is_text {
        return Err(Malformed);
    }
    said.cookies = None;
    let many = said.multi_value_headers.take().unwrap_or_default();
    let mut response = explicit(said, default_type)?;
    put_many(&mut response.headers, many)?;
    Ok(response)
}

/// Puts headers of many values in the places of those with one.
fn put_many(headers: &mut HeaderMap, many: BTreeMap<String, Vec<Value>>) -> Result<(), Malformed> {
    for (name, values) in many {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Malformed)?;
        if is_of_connection(&name) {
            continue;
        }
        headers.remove(&name);
        for value in values {
            headers.append(&name, header_value(&value)?.ok_or(Malformed)?);
        }
    }
    Ok(())
}

fn inferred(body: Bytes) -> Response {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Response { status: StatusCode::OK, headers, body }
}

fn explicit(mut said: Explicit, default_type: &'static str) -> Result<Response, Malformed> {
    let body = match (said.body.take(), said.is_base64_encoded.unwrap_or(false)) {
        (None | Some(Value::Null), _) => Bytes::new(),
        (Some(Value::String(text)), true) => STANDARD.decode(text).map_err(|_| Malformed)?.into(),
        (Some(Value::String(text)), false) => text.into(),
        (Some(other), _) => other.to_string().into(),
    };
    let (status, mut headers) = head(said)?;
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(default_type));
    Ok(Response { status, headers, body })
}

fn head(said: Explicit) -> Result<(StatusCode, HeaderMap), Malformed> {
    let status = match said.status_code {
        None => 200,
        Some(Status::Number(number)) => number,
        Some(Status::Text(text)) => text.parse().map_err(|_| Malformed)?,
    };
    let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status)).ok_or(Malformed)?;
    let mut headers = HeaderMap::new();
    for (name, value) in said.headers.unwrap_or_default() {
        let Some(value) = header_value(&value)? else { continue };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Malformed)?;
        if !is_of_connection(&name) {
            headers.insert(name, value);
        }
    }
    for cookie in said.cookies.unwrap_or_default() {
        headers.append(SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).map_err(|_| Malformed)?);
    }
    Ok((status, headers))
}

/// How the body travels is the server's business.
fn is_of_connection(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
}

/// A header's value; none for null.
fn header_value(value: &Value) -> Result<Option<HeaderValue>, Malformed> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(Malformed),
    };
    HeaderValue::from_bytes(text.as_bytes()).map(Some).map_err(|_| Malformed)
}

/// The beginning of a streamed answer, until its prelude is whole.
pub struct Prelude {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Headers of many values are format 1.0's.
    is_version_1: bool,
}

impl Default for Prelude {
    /// As answers to functions' URLs have it.
    fn default() -> Prelude {
        Prelude { bytes: Vec::new(), bytes_max: PRELUDE_BYTES_MAX, is_version_1: false }
    }
}

/// Why a streamed answer has no head.
#[derive(Debug, PartialEq, Eq)]
pub enum Headless<E> {
    /// What comes is no prelude.
    Malformed,
    /// Nothing comes any more.
    Failed(E),
}

impl Prelude {
    /// As answers to REST APIs have it.
    pub fn version_1() -> Prelude {
        Prelude { bytes: Vec::new(), bytes_max: VERSION_1_PRELUDE_BYTES_MAX, is_version_1: true }
    }

    /// Reads pieces until the response's head is there; with the first bytes of its body.
    pub async fn read<E>(
        mut self,
        pieces: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<Response, Headless<E>> {
        while let Some(piece) = pieces.next().await {
            match self.take(&piece.map_err(Headless::Failed)?) {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => {}
                Err(Malformed) => break,
            }
        }
        Err(Headless::Malformed)
    }

    fn take(&mut self, piece: &[u8]) -> Result<Option<Response>, Malformed> {
        let looked_at = self.bytes.len().saturating_sub(PRELUDE_END.len() - 1);
        self.bytes.extend_from_slice(piece);
        let end = self.bytes[looked_at..].windows(PRELUDE_END.len()).position(|window| window == PRELUDE_END);
        let end = end.map(|end| looked_at + end);
        if end.unwrap_or(self.bytes.len()) > self.bytes_max {
            return Err(Malformed);
        }
        let Some(end) = end else { return Ok(None) };
        let mut said: Explicit = serde_json::from_slice(&self.bytes[..end]).map_err(|_| Malformed)?;
        let many = said.multi_value_headers.take().filter(|_| self.is_version_1);
        let (status, mut headers) = head(said)?;
        put_many(&mut headers, many.unwrap_or_default())?;
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
        let body = Bytes::copy_from_slice(&self.bytes[end + PRELUDE_END.len()..]);
        Ok(Some(Response { status, headers, body }))
    }
}

/// JSON without the space between its parts, as AWS sends it on.
fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        if !in_text && byte.is_ascii_whitespace() {
            continue;
        }
        out.push(*byte);
        in_text = (*byte == b'"' && !escaped) != in_text;
        escaped = in_text && *byte == b'\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: &'static str) -> Result<(u16, String, String), Malformed> {
        let Response { status, headers, body } = whole(&Bytes::from_static(payload.as_bytes()), "application/json")?;
        let content_type = headers[CONTENT_TYPE].to_str().unwrap().to_owned();
        Ok((status.as_u16(), content_type, String::from_utf8_lossy(&body).into_owned()))
    }

    #[test]
    fn json_without_a_status_is_the_body() {
        for (payload, body) in [
            (r#"{"hello": "world"}"#, r#"{"hello":"world"}"#),
            (r#"["hello", 3, true]"#, r#"["hello",3,true]"#),
            (r#"{"a b": "c \" d\\", "e": 1.50}"#, r#"{"a b":"c \" d\\","e":1.50}"#),
            (r#""hello""#, "hello"),
            ("3.1", "3.1"),
            ("null", "null"),
            (r#"{"body": "x", "headers": {"a": 1}}"#, r#"{"body":"x","headers":{"a":1}}"#),
        ] {
            assert_eq!(of(payload), Ok((200, "application/json".to_owned(), body.to_owned())), "{payload}");
        }
        assert_eq!(of("no json"), Err(Malformed));
    }

    #[test]
    fn an_explicit_response() {
        let payload = r#"{"statusCode": 201, "headers": {"Content-Type": "text/x", "X-Number": 5, "x-none": null,
            "content-length": "99"}, "cookies": ["a=1; Secure", "b=2"], "body": "aGk=", "isBase64Encoded": true}"#;
        let response = whole(&Bytes::from_static(payload.as_bytes()), "application/json").unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (201, &b"hi"[..]));
        assert_eq!(response.headers[CONTENT_TYPE], "text/x");
        assert_eq!(response.headers["x-number"], "5");
        assert_eq!(response.headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1; Secure", "b=2"]);
        assert!(!response.headers.contains_key(CONTENT_LENGTH) && !response.headers.contains_key("x-none"));
        let plain = |body: &str| Ok((418, "application/json".to_owned(), body.to_owned()));
        assert_eq!(of(r#"{"statusCode": "418", "body": "i'm a teapot"}"#), plain("i'm a teapot"));
        assert_eq!(of(r#"{"statusCode": 418}"#), plain(""));
        assert_eq!(of(r#"{"statusCode": 418, "body": {"a": 1}}"#), plain(r#"{"a":1}"#));
    }

    #[test]
    fn what_is_no_response_is_malformed() {
        for payload in [
            r#"{"statusCode": "many"}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 600}"#,
            r#"{"statusCode": null, "headers": []}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "headers": {"a": ["b"]}}"#,
            r#"{"statusCode": 200, "headers": {"a": "b\nc"}}"#,
            r#"{"statusCode": 200, "cookies": "a=1"}"#,
            r#"{"statusCode": 200, "body": "%", "isBase64Encoded": true}"#,
        ] {
            assert_eq!(of(payload), Err(Malformed), "{payload}");
        }
    }

    #[test]
    fn format_1_has_headers_of_many_values_and_needs_a_status() {
        let payload =
            br#"{"statusCode": 200, "headers": {"x-a": "1", "x-b": "b"}, "multiValueHeaders": {"X-A": ["2", 3]},
            "cookies": ["c=1"], "body": "x"}"#;
        let response = version_1(payload, "text/plain").unwrap();
        assert_eq!(response.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(
            (&response.headers["x-b"], &response.headers[CONTENT_TYPE]),
            (&"b".parse().unwrap(), &"text/plain".parse().unwrap())
        );
        assert!(!response.headers.contains_key(SET_COOKIE));
        for payload in [r#"{"body": "x"}"#, r#""x""#, "null", r#"{"statusCode": 200, "body": {"a": 1}}"#] {
            assert_eq!(version_1(payload.as_bytes(), "text/plain"), Err(Malformed), "{payload}");
        }
    }

    #[test]
    fn a_prelude_arrives_in_pieces() {
        let all =
            [&br#"{"statusCode":201,"headers":{"x-a":"b"},"cookies":["c=1"]}"#[..], &PRELUDE_END, b"body"].concat();
        for step in 1..all.len() {
            let (mut prelude, mut body, mut found) = (Prelude::default(), Vec::new(), None);
            for piece in all.chunks(step) {
                match found {
                    Some(_) => body.extend_from_slice(piece),
                    None => found = prelude.take(piece).unwrap(),
                }
            }
            let response: Response = found.unwrap();
            assert_eq!([&response.body[..], &body].concat(), b"body", "{step}");
            assert_eq!((response.status.as_u16(), &response.headers["x-a"]), (201, &HeaderValue::from_static("b")));
            assert_eq!(response.headers[SET_COOKIE], "c=1");
        }
        assert_eq!(Prelude::default().take(&[b"{", &PRELUDE_END[..]].concat()), Err(Malformed));
        assert_eq!(Prelude::default().take(&[b'x'; PRELUDE_BYTES_MAX + 1]), Err(Malformed));
    }

    #[test]
    fn a_rest_apis_prelude_has_headers_of_many_values_and_ends_soon() {
        let many = [&br#"{"headers":{"x-a":"0"},"multiValueHeaders":{"X-A":["1","2"]}}"#[..], &PRELUDE_END].concat();
        let values = |mut prelude: Prelude| {
            let response = prelude.take(&many).unwrap().unwrap();
            response.headers.get_all("x-a").iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (values(Prelude::version_1()), values(Prelude::default())),
            (vec!["1".into(), "2".into()], vec!["0".into()])
        );
        let long = |bytes: usize| [&b"{}"[..], &vec![b' '; bytes - 2], &PRELUDE_END].concat();
        assert!(Prelude::version_1().take(&long(VERSION_1_PRELUDE_BYTES_MAX)).unwrap().is_some());
        assert_eq!(Prelude::version_1().take(&long(VERSION_1_PRELUDE_BYTES_MAX + 1)), Err(Malformed));
    }

    #[tokio::test]
    async fn what_ends_before_its_prelude_has_no_head() {
        use futures_util::stream;
        let piece = |text: &'static [u8]| Ok::<_, &str>(Bytes::from_static(text));
        let read = |pieces: Vec<Result<Bytes, &'static str>>| async {
            Prelude::version_1().read(&mut stream::iter(pieces)).await.map(|response| response.body)
        };
        assert_eq!(read(vec![piece(b"{}\0\0\0\0"), piece(b"\0\0\0\0body")]).await, Ok(Bytes::from_static(b"body")));
        assert_eq!(read(vec![piece(b"{}")]).await, Err(Headless::Malformed));
        assert_eq!(read(vec![piece(b"{}"), Err("gone")]).await, Err(Headless::Failed("gone")));
    }
}
