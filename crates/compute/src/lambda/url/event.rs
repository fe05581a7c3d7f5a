//! From a request to the event a function gets: payload format 2.0, field by field as AWS has it. What a request has not
//! is not in its event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base::{Caller, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::request::Parts;
use serde::Serialize;
use wire::route::percent;

/// All that an event is made of.
pub(super) struct Source<'a> {
    pub(super) head: &'a Parts,
    pub(super) body: &'a [u8],
    /// The path below the URL.
    pub(super) path: &'a str,
    pub(super) url_id: &'a str,
    pub(super) host: &'a str,
    pub(super) source_ip: &'a str,
    pub(super) tls: bool,
    /// Who signed, where that is asked for.
    pub(super) signer: Option<&'a Caller>,
    pub(super) request_id: &'a str,
    pub(super) trace_id: &'a str,
    pub(super) now: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'a str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<Cow<'a, str>, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    source_ip: &'a str,
    user_agent: &'a str,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: Iam<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: Option<&'a str>,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

/// The event, JSON.
pub(super) fn event(source: &Source<'_>) -> Vec<u8> {
    let Source { head, path, signer, .. } = source;
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) = body(source.body, text(CONTENT_TYPE));
    let event = Event {
        version: "2.0",
        route_key: "$default",
        raw_path: path,
        raw_query_string: query,
        cookies: cookies(&head.headers),
        headers: headers(source),
        query_string_parameters: parameters(query),
        request_context: RequestContext {
            account_id: signer.map_or("anonymous", |caller| caller.account.as_str()),
            api_id: source.url_id,
            authorizer: signer.map(|caller| Authorizer { iam: iam(caller) }),
            domain_name: source.host,
            domain_prefix: source.url_id,
            http: Http {
                method: head.method.as_str(),
                path,
                protocol: if head.version == http::Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" },
                source_ip: source.source_ip,
                user_agent: text(USER_AGENT),
            },
            request_id: source.request_id,
            route_key: "$default",
            stage: "$default",
            time: time(source.now),
            time_epoch: source.now.millis(),
        },
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

fn iam(caller: &Caller) -> Iam<'_> {
    Iam {
        access_key: caller.access_key_id.as_deref(),
        account_id: caller.account.as_str(),
        caller_id: &caller.user_id,
        cognito_identity: None,
        principal_org_id: None,
        user_arn: &caller.arn,
        user_id: &caller.user_id,
    }
}

/// Headers by lower-case name, several of one name joined by commas; cookies have a place of their own. What a proxy
/// adds, AWS adds.
fn headers<'a>(source: &'a Source<'_>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut headers: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in &source.head.headers {
        let is_signature = *name == AUTHORIZATION && source.signer.is_some();
        if [CONNECTION, TRANSFER_ENCODING, COOKIE].contains(name) || is_signature {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.get_mut(name.as_str()) {
            Some(before) => before.to_mut().extend([",", &*value]),
            None => _ = headers.insert(name.as_str(), value),
        }
    }
    let forwarded = match headers.get("x-forwarded-for") {
        Some(before) => format!("{before}, {}", source.source_ip),
        None => source.source_ip.to_owned(),
    };
    let port =
        source.host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    headers.insert(HOST.as_str(), source.host.into());
    headers.insert("x-forwarded-for", forwarded.into());
    headers.insert("x-forwarded-port", port.unwrap_or(if source.tls { "443" } else { "80" }).into());
    headers.insert("x-forwarded-proto", if source.tls { "https" } else { "http" }.into());
    headers.insert("x-amzn-trace-id", source.trace_id.into());
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

fn parameters(query: &str) -> BTreeMap<Cow<'_, str>, String> {
    let mut parameters: BTreeMap<Cow<'_, str>, String> = BTreeMap::new();
    for (name, value) in percent::pairs(query) {
        match parameters.get_mut(&name) {
            Some(before) => before.extend([",", &*value]),
            None => _ = parameters.insert(name, value.into_owned()),
        }
    }
    parameters
}

/// Text as it is, by its media type; anything else in base64. An empty body is none.
fn body<'a>(bytes: &'a [u8], content_type: &str) -> (Option<Cow<'a, str>>, bool) {
    if bytes.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text(content_type) => (Some(text.into()), false),
        _ => (Some(STANDARD.encode(bytes).into()), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_application = media_type.strip_prefix("application/").is_some_and(|kind| {
        ["json", "xml", "javascript"].contains(&kind) || kind.ends_with("+json") || kind.ends_with("+xml")
    });
    media_type.starts_with("text/") || is_application
}

/// `12/Mar/2020:19:03:58 +0000`
fn time(now: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let civil = now.civil();
    let month = MONTHS[civil.month as usize - 1];
    format!(
        "{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000",
        civil.day, civil.year, civil.hour, civil.minute, civil.second
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event_of(request: http::request::Builder, body: &[u8], signer: Option<&Caller>) -> Value {
        let head = request.body(()).unwrap().into_parts().0;
        let source = Source {
            head: &head,
            body,
            path: head.uri.path(),
            url_id: "abc",
            host: "abc.lambda-url.us-east-1.on.aws:4566",
            source_ip: "127.0.0.1",
            tls: false,
            signer,
            request_id: "id",
            trace_id: "Root=1-2",
            now: Timestamp::from_millis(1_583_348_638_390),
        };
        serde_json::from_slice(&event(&source)).unwrap()
    }

    #[test]
    fn a_plain_request() {
        let request = http::Request::builder().uri("/").header("user-agent", "me");
        let expected = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
            "headers": {
                "host": "abc.lambda-url.us-east-1.on.aws:4566", "user-agent": "me", "x-amzn-trace-id": "Root=1-2",
                "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "4566", "x-forwarded-proto": "http",
            },
            "requestContext": {
                "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.us-east-1.on.aws:4566",
                "domainPrefix": "abc",
                "http": {
                    "method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me",
                },
                "requestId": "id", "routeKey": "$default", "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
            },
            "isBase64Encoded": false,
        });
        assert_eq!(event_of(request, b"", None), expected);
    }

    #[test]
    fn everything_a_request_may_have() {
        let request = http::Request::builder()
            .method("POST")
            .uri("/a%20b/c?x=1&y=%2C+z&x=2&e")
            .header("X-Odd", "1")
            .header("x-odd", "2")
            .header("cookie", "a=1; b=2")
            .header("cookie", "c=3")
            .header("connection", "close")
            .header("authorization", "Bearer t")
            .header("x-forwarded-for", "10.0.0.1")
            .header("content-type", "application/vnd.api+json; charset=utf-8");
        let event = event_of(request, "{\"é\":1}".as_bytes(), None);
        assert_eq!(event["rawPath"], "/a%20b/c");
        assert_eq!(event["rawQueryString"], "x=1&y=%2C+z&x=2&e");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": ", z", "e": ""}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
        assert_eq!(event["headers"]["x-odd"], "1,2");
        assert_eq!(event["headers"]["authorization"], "Bearer t");
        assert_eq!(event["headers"]["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        assert!(event["headers"].get("cookie").is_none() && event["headers"].get("connection").is_none());
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{\"é\":1}"), &json!(false)));
    }

    #[test]
    fn bodies_are_text_by_their_type() {
        for (content_type, is_base64) in [
            ("text/plain", false),
            ("application/json", false),
            ("application/xml", false),
            ("application/javascript", false),
            ("application/octet-stream", true),
            ("application/x-www-form-urlencoded", true),
            ("multipart/form-data; boundary=text", true),
            ("image/png", true),
            ("", true),
        ] {
            let event = event_of(http::Request::builder().header("content-type", content_type), b"abc", None);
            let body = if is_base64 { "YWJj" } else { "abc" };
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!(body), &json!(is_base64)),
                "{content_type}"
            );
        }
        let event = event_of(http::Request::builder().header("content-type", "text/plain"), b"\xff", None);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    #[test]
    fn a_signer_is_told() {
        let account = base::AccountId::parse("123456789012").unwrap();
        let caller = Caller { access_key_id: Some("AKIA".into()), ..Caller::root(account) };
        let request = http::Request::builder().header("authorization", "AWS4-HMAC-SHA256 …");
        let event = event_of(request, b"", Some(&caller));
        let iam = json!({
            "accessKey": "AKIA", "accountId": "123456789012", "callerId": "123456789012", "cognitoIdentity": null,
            "principalOrgId": null, "userArn": "arn:aws:iam::123456789012:root", "userId": "123456789012",
        });
        assert_eq!(event["requestContext"]["authorizer"], json!({"iam": iam}));
        assert_eq!(event["requestContext"]["accountId"], "123456789012");
        assert!(event["headers"].get("authorization").is_none());
    }
}
