//! From a request to the event a function gets: payload format 2.0, field by field as AWS has it. What a request has not
//! is not in its event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base::{Caller, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderName, TRANSFER_ENCODING, USER_AGENT};
use http::request::Parts;
use serde::Serialize;
use wire::route::percent;

/// All that an event is made of.
pub struct Source<'a> {
    /// The request.
    pub head: &'a Parts,
    /// Its body.
    pub body: &'a [u8],
    /// The path as the event has it.
    pub path: &'a str,
    /// What the path's variables stand for.
    pub path_parameters: &'a [(&'a str, Cow<'a, str>)],
    /// The query string, as it came.
    pub query: &'a str,
    /// The API's route: `GET /pets`, `$default`.
    pub route_key: &'a str,
    /// The API's stage.
    pub stage: &'a str,
    /// The stage's variables.
    pub stage_variables: Option<&'a BTreeMap<String, String>>,
    /// Whose it is; `anonymous` where a function's URL is for everybody.
    pub account_id: &'a str,
    /// The id of the API, or of the function's URL.
    pub api_id: &'a str,
    /// The `Host` that was asked.
    pub host: &'a str,
    /// The first label of the host's name, or what would be it.
    pub host_prefix: &'a str,
    /// Who asked.
    pub source_ip: &'a str,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who let it in, where that is asked for.
    pub authorizer: Option<Authorizer<'a>>,
    /// Whether the function sees `Authorization`: a URL's signature is nothing to it.
    pub shows_authorization: bool,
    /// The request's id.
    pub request_id: &'a str,
    /// Its trace header.
    pub trace_id: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What the one who let a request in says of it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authorizer<'a> {
    /// IAM: who signed.
    #[serde(serialize_with = "iam")]
    Iam(&'a Caller),
    /// A token.
    Jwt {
        /// What it claims, each as text.
        claims: &'a BTreeMap<String, String>,
        /// Those of its scopes that the route asks for; none if it asks for none.
        scopes: Option<&'a [String]>,
    },
    /// A function's own words.
    Lambda(Option<&'a serde_json::Map<String, serde_json::Value>>),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<Pairs<'a>>,
    is_base64_encoded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a BTreeMap<String, String>>,
}

/// Names and values as a JSON object.
pub struct Pairs<'a>(pub &'a [(&'a str, Cow<'a, str>)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What an event says of its request besides the request itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Authorizer<'a>>,
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
pub fn event(source: &Source<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = body(source.body, text(source.head, &CONTENT_TYPE));
    let event = Event {
        version: "2.0",
        route_key: source.route_key,
        raw_path: source.path,
        raw_query_string: source.query,
        cookies: cookies(&source.head.headers),
        headers: headers(source),
        query_string_parameters: parameters(source.query),
        request_context: RequestContext::of(source),
        body,
        path_parameters: (!source.path_parameters.is_empty()).then_some(Pairs(source.path_parameters)),
        is_base64_encoded,
        stage_variables: source.stage_variables.filter(|variables| !variables.is_empty()),
    };
    let mut json = Vec::with_capacity(2048 + source.body.len() * if is_base64_encoded { 2 } else { 1 });
    _ = serde_json::to_writer(&mut json, &event);
    json
}

impl<'a> RequestContext<'a> {
    /// What is said of this request.
    pub fn of(source: &'a Source<'a>) -> RequestContext<'a> {
        RequestContext {
            account_id: source.account_id,
            api_id: source.api_id,
            authorizer: source.authorizer.as_ref(),
            domain_name: source.host,
            domain_prefix: source.host_prefix,
            http: Http {
                method: source.head.method.as_str(),
                path: source.path,
                protocol: protocol(source.head),
                source_ip: source.source_ip,
                user_agent: text(source.head, &USER_AGENT),
            },
            request_id: source.request_id,
            route_key: source.route_key,
            stage: source.stage,
            time: source.now.to_common_log(),
            time_epoch: source.now.millis(),
        }
    }
}

/// The request's protocol, as requests' contexts have it.
pub fn protocol(head: &Parts) -> &'static str {
    if head.version == http::Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" }
}

fn text<'a>(head: &'a Parts, name: &HeaderName) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn iam<S: serde::Serializer>(caller: &&Caller, serializer: S) -> Result<S::Ok, S::Error> {
    let iam = Iam {
        access_key: caller.access_key_id.as_deref(),
        account_id: caller.account.as_str(),
        caller_id: &caller.user_id,
        cognito_identity: None,
        principal_org_id: None,
        user_arn: &caller.arn,
        user_id: &caller.user_id,
    };
    iam.serialize(serializer)
}

/// Headers by lower-case name, several of one name joined by commas; cookies have a place of their own. What a proxy
/// adds, AWS adds.
pub fn headers<'a>(source: &'a Source<'_>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut headers: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in &source.head.headers {
        let is_hidden = *name == AUTHORIZATION && !source.shows_authorization;
        if [CONNECTION, TRANSFER_ENCODING, COOKIE].contains(name) || is_hidden {
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
    headers.insert(HOST.as_str(), source.host.into());
    headers.insert("x-forwarded-for", forwarded.into());
    headers.insert("x-forwarded-port", port(source.host, source.tls).into());
    headers.insert("x-forwarded-proto", if source.tls { "https" } else { "http" }.into());
    headers.insert("x-amzn-trace-id", source.trace_id.into());
    headers
}

/// The port that was asked: the host's, or the scheme's own.
pub fn port(host: &str, tls: bool) -> &str {
    let said = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    said.unwrap_or(if tls { "443" } else { "80" })
}

/// The cookies, one by one.
pub fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

/// The query's parameters by name, several of one name joined by commas.
pub fn parameters(query: &str) -> BTreeMap<Cow<'_, str>, String> {
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
pub fn body<'a>(bytes: &'a [u8], content_type: &str) -> (Option<Cow<'a, str>>, bool) {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event_of(request: http::request::Builder, body: &[u8], signer: Option<&Caller>) -> Value {
        let head = request.body(()).unwrap().into_parts().0;
        let mut source = source(&head, body);
        if let Some(signer) = signer {
            source.account_id = signer.account.as_str();
            source.authorizer = Some(Authorizer::Iam(signer));
            source.shows_authorization = false;
        }
        serde_json::from_slice(&event(&source)).unwrap()
    }

    fn source<'a>(head: &'a Parts, body: &'a [u8]) -> Source<'a> {
        Source {
            head,
            body,
            path: head.uri.path(),
            path_parameters: &[],
            query: head.uri.query().unwrap_or_default(),
            route_key: "$default",
            stage: "$default",
            stage_variables: None,
            account_id: "anonymous",
            api_id: "abc",
            host: "abc.lambda-url.us-east-1.on.aws:4566",
            host_prefix: "abc",
            source_ip: "127.0.0.1",
            tls: false,
            authorizer: None,
            shows_authorization: true,
            request_id: "id",
            trace_id: "Root=1-2",
            now: Timestamp::from_millis(1_583_348_638_390),
        }
    }

    #[test]
    fn what_only_an_api_has() {
        let head = http::Request::builder().uri("/dev/pets/a%20b").body(()).unwrap().into_parts().0;
        let variables = BTreeMap::from([("table".to_owned(), "pets".to_owned())]);
        let claims = BTreeMap::from([("sub".to_owned(), "me".to_owned())]);
        let parameters = [("pet", Cow::from("a b"))];
        let of = |authorizer| {
            let source = Source {
                path: "/dev/pets/a b",
                path_parameters: &parameters,
                route_key: "GET /pets/{pet}",
                stage: "dev",
                stage_variables: Some(&variables),
                authorizer: Some(authorizer),
                ..source(&head, b"")
            };
            serde_json::from_slice::<Value>(&event(&source)).unwrap()
        };
        let event = of(Authorizer::Jwt { claims: &claims, scopes: None });
        assert_eq!(event["rawPath"], "/dev/pets/a b");
        assert_eq!(event["requestContext"]["http"]["path"], "/dev/pets/a b");
        assert_eq!((&event["routeKey"], &event["requestContext"]["stage"]), (&json!("GET /pets/{pet}"), &json!("dev")));
        assert_eq!(event["pathParameters"], json!({"pet": "a b"}));
        assert_eq!(event["stageVariables"], json!({"table": "pets"}));
        let jwt = json!({"claims": {"sub": "me"}, "scopes": null});
        assert_eq!(event["requestContext"]["authorizer"], json!({"jwt": jwt}));
        let said = json!({"key": [1]});
        let event = of(Authorizer::Lambda(said.as_object()));
        assert_eq!(event["requestContext"]["authorizer"], json!({"lambda": {"key": [1]}}));
        assert_eq!(of(Authorizer::Lambda(None))["requestContext"]["authorizer"], json!({"lambda": null}));
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
