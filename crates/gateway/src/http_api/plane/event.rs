//! The event that a function behind an HTTP API gets in payload format 1.0, field by field as AWS has it. It differs from REST
//! APIs': the path is decoded and has the stage in it, the resource's id is the route's key. (Format 2.0 is `cloud::proxy::event`.)

use std::borrow::Cow;
use std::collections::BTreeMap;

use base::Caller;
use cloud::proxy::event::{self, Pairs, Source};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING, USER_AGENT};
use serde::Serialize;
use serde_json::{Map, Value};
use wire::route::percent;

use crate::http_api::records::Texts;

/// What format 1.0 has besides what 2.0 is made of.
pub(super) struct More<'a> {
    /// The route's path, or `$default`.
    pub(super) resource: &'a str,
    /// What the authorizer says.
    pub(super) authorizer: Option<&'a Map<String, Value>>,
    /// Who signed.
    pub(super) signer: Option<&'a Caller>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    #[serde(flatten)]
    parameters: Parameters<'a>,
    request_context: RequestContext<'a>,
    path_parameters: Option<Pairs<'a>>,
    stage_variables: Option<&'a Texts>,
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

/// An authorizer's event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    identity_source: Option<String>,
    authorization_token: Option<String>,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    #[serde(flatten)]
    parameters: Parameters<'a>,
    path_parameters: Option<Pairs<'a>>,
    stage_variables: Option<&'a Texts>,
    request_context: RequestContext<'a>,
}

/// Headers and query parameters: the last value of a header, the first of a parameter (as AWS's example has them), and all.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    query_string_parameters: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    multi_value_query_string_parameters: Option<BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    extended_request_id: &'a str,
    http_method: &'a str,
    identity: Identity<'a>,
    path: &'a str,
    protocol: &'a str,
    request_id: &'a str,
    request_time: String,
    request_time_epoch: i64,
    resource_id: &'a str,
    resource_path: &'a str,
    stage: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    access_key: Option<&'a str>,
    account_id: Option<&'a str>,
    caller: Option<&'a str>,
    cognito_amr: Option<&'a str>,
    cognito_authentication_provider: Option<&'a str>,
    cognito_authentication_type: Option<&'a str>,
    cognito_identity_id: Option<&'a str>,
    cognito_identity_pool_id: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    source_ip: &'a str,
    user: Option<&'a str>,
    user_agent: Option<&'a str>,
    user_arn: Option<&'a str>,
}

/// A request's event, JSON.
pub(super) fn request(source: &Source<'_>, more: &More<'_>) -> Vec<u8> {
    let media_type = source.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (body, is_base64_encoded) = event::body(source.body, media_type.unwrap_or_default());
    let event = Event {
        version: "1.0",
        resource: more.resource,
        path: source.path,
        http_method: source.head.method.as_str(),
        parameters: Parameters::of(source),
        request_context: RequestContext::of(source, more),
        path_parameters: path_parameters(source),
        stage_variables: variables(source),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

/// An authorizer's event, JSON; `identity` is what its sources have.
pub(super) fn authorizer(source: &Source<'_>, more: &More<'_>, method_arn: &str, identity: &[String]) -> Vec<u8> {
    let identity = (!identity.is_empty()).then(|| identity.join(","));
    let event = AuthorizerEvent {
        version: "1.0",
        kind: "REQUEST",
        method_arn,
        authorization_token: identity.clone(),
        identity_source: identity,
        resource: more.resource,
        path: source.path,
        http_method: source.head.method.as_str(),
        parameters: Parameters::of(source),
        path_parameters: path_parameters(source),
        stage_variables: variables(source),
        request_context: RequestContext::of(source, more),
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

fn path_parameters<'a>(source: &Source<'a>) -> Option<Pairs<'a>> {
    (!source.path_parameters.is_empty()).then_some(Pairs(source.path_parameters))
}

fn variables<'a>(source: &Source<'a>) -> Option<&'a Texts> {
    source.stage_variables.filter(|variables| !variables.is_empty())
}

impl<'a> Parameters<'a> {
    fn of(source: &'a Source<'a>) -> Parameters<'a> {
        let mut headers: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
        for (name, value) in &source.head.headers {
            if ![CONNECTION, TRANSFER_ENCODING].contains(name) {
                let value = String::from_utf8_lossy(value.as_bytes());
                headers.entry(shown(name.as_str())).or_default().push(value);
            }
        }
        // What AWS adds or rewrites is as format 2.0 has it.
        let mut added = event::headers(source);
        for name in [HOST.as_str(), "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"] {
            if let Some(value) = added.remove(name) {
                headers.insert(shown(name), vec![value]);
            }
        }
        headers.entry("Content-Length").or_insert_with(|| vec![source.body.len().to_string().into()]);
        let mut query: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
        for (name, value) in percent::pairs(source.query) {
            query.entry(name).or_default().push(value);
        }
        let first = |(name, values): (&Cow<'a, str>, &Vec<Cow<'a, str>>)| Some((name.clone(), values.first()?.clone()));
        Parameters {
            headers: headers.iter().filter_map(|(name, values)| Some((*name, values.last()?.clone()))).collect(),
            multi_value_headers: headers,
            query_string_parameters: (!query.is_empty()).then(|| query.iter().filter_map(first).collect()),
            multi_value_query_string_parameters: (!query.is_empty()).then_some(query),
        }
    }
}

/// Headers' names are as clients wrote them, which is in small letters since h2; but for those that AWS itself writes.
fn shown(name: &str) -> &str {
    const WRITTEN_BY_AWS: [(&str, &str); 7] = [
        ("content-length", "Content-Length"),
        ("host", "Host"),
        ("user-agent", "User-Agent"),
        ("x-amzn-trace-id", "X-Amzn-Trace-Id"),
        ("x-forwarded-for", "X-Forwarded-For"),
        ("x-forwarded-port", "X-Forwarded-Port"),
        ("x-forwarded-proto", "X-Forwarded-Proto"),
    ];
    WRITTEN_BY_AWS.iter().find(|(known, _)| *known == name).map_or(name, |(_, written)| written)
}

impl<'a> RequestContext<'a> {
    fn of(source: &Source<'a>, more: &More<'a>) -> RequestContext<'a> {
        let signer = more.signer;
        let user_agent = source.head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        RequestContext {
            account_id: source.account_id,
            api_id: source.api_id,
            authorizer: more.authorizer,
            domain_name: source.host,
            domain_prefix: source.host_prefix,
            extended_request_id: source.request_id,
            http_method: source.head.method.as_str(),
            identity: Identity {
                access_key: signer.and_then(|caller| caller.access_key_id.as_deref()),
                account_id: signer.map(|caller| caller.account.as_str()),
                caller: signer.map(|caller| &*caller.user_id),
                cognito_amr: None,
                cognito_authentication_provider: None,
                cognito_authentication_type: None,
                cognito_identity_id: None,
                cognito_identity_pool_id: None,
                principal_org_id: None,
                source_ip: source.source_ip,
                user: signer.map(|caller| &*caller.user_id),
                user_agent: Some(user_agent.unwrap_or_default()),
                user_arn: signer.map(|caller| &*caller.arn),
            },
            path: source.path,
            protocol: event::protocol(source.head),
            request_id: source.request_id,
            request_time: source.now.to_common_log(),
            request_time_epoch: source.now.millis(),
            resource_id: source.route_key,
            resource_path: more.resource,
            stage: source.stage,
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use serde_json::json;

    use super::*;

    fn head() -> http::request::Parts {
        http::Request::builder()
            .method("POST")
            .uri("/default/pets/1?a=1&a=2&b=%20")
            .header("host", "abc.execute-api.us-east-1.amazonaws.com")
            .header("accept", "*/*")
            .header("x-many", "1")
            .header("x-many", "2")
            .header("cookie", "c=1")
            .header("content-type", "application/json")
            .header("content-length", "2")
            .header("user-agent", "curl/7.79.1")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    fn source<'a>(head: &'a http::request::Parts, parameters: &'a [(&'a str, Cow<'a, str>)]) -> Source<'a> {
        Source {
            head,
            body: b"{}",
            path: "/default/pets/1",
            path_parameters: parameters,
            query: head.uri.query().unwrap(),
            route_key: "ANY /pets/{id}",
            stage: "default",
            stage_variables: None,
            account_id: "123456789012",
            api_id: "abc",
            host: "abc.execute-api.us-east-1.amazonaws.com",
            host_prefix: "abc",
            source_ip: "10.0.0.1",
            tls: true,
            authorizer: None,
            shows_authorization: true,
            request_id: "Bdd2ngt5iGYEMIg=",
            trace_id: "Root=1-2",
            now: Timestamp::from_millis(1_678_276_240_455),
        }
    }

    #[test]
    fn a_request_as_aws_shows_it() {
        let (head, parameters) = (head(), [("id", Cow::from("1"))]);
        let source = source(&head, &parameters);
        let more = More { resource: "/pets/{id}", authorizer: None, signer: None };
        let event: Value = serde_json::from_slice(&request(&source, &more)).unwrap();
        let single = |many: &Value| -> Value {
            many.as_object()
                .unwrap()
                .iter()
                .map(|(name, all)| (name.clone(), json!([all])))
                .collect::<Map<_, _>>()
                .into()
        };
        let mut headers = json!({
            "Content-Length": "2", "Host": "abc.execute-api.us-east-1.amazonaws.com", "User-Agent": "curl/7.79.1",
            "X-Amzn-Trace-Id": "Root=1-2", "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https", "accept": "*/*", "content-type": "application/json", "cookie": "c=1",
            "x-many": "2",
        });
        assert_eq!(event["headers"], headers);
        headers = single(&headers);
        headers["x-many"] = json!(["1", "2"]);
        assert_eq!(event["multiValueHeaders"], headers);
        let mut rest = event.clone();
        for name in ["headers", "multiValueHeaders"] {
            rest.as_object_mut().unwrap().remove(name);
        }
        let expected = json!({
            "version": "1.0", "resource": "/pets/{id}", "path": "/default/pets/1", "httpMethod": "POST",
            "queryStringParameters": {"a": "1", "b": " "},
            "multiValueQueryStringParameters": {"a": ["1", "2"], "b": [" "]},
            "requestContext": {
                "accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "abc", "extendedRequestId": "Bdd2ngt5iGYEMIg=", "httpMethod": "POST",
                "identity": {
                    "accessKey": null, "accountId": null, "caller": null, "cognitoAmr": null,
                    "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null, "cognitoIdentityId": null,
                    "cognitoIdentityPoolId": null, "principalOrgId": null, "sourceIp": "10.0.0.1", "user": null,
                    "userAgent": "curl/7.79.1", "userArn": null,
                },
                "path": "/default/pets/1", "protocol": "HTTP/1.1", "requestId": "Bdd2ngt5iGYEMIg=",
                "requestTime": "08/Mar/2023:11:50:40 +0000", "requestTimeEpoch": 1_678_276_240_455_i64,
                "resourceId": "ANY /pets/{id}", "resourcePath": "/pets/{id}", "stage": "default",
            },
            "pathParameters": {"id": "1"}, "stageVariables": null, "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(rest, expected);
        let authorizer: Value =
            serde_json::from_slice(&authorizer(&source, &more, "arn", &["u".to_owned(), "1".to_owned()])).unwrap();
        assert_eq!((&authorizer["type"], &authorizer["methodArn"]), (&json!("REQUEST"), &json!("arn")));
        assert_eq!((&authorizer["identitySource"], &authorizer["authorizationToken"]), (&json!("u,1"), &json!("u,1")));
        assert!(authorizer.get("body").is_none());
    }

    /// AWS's own crate of events for Rust knows all of them.
    #[test]
    fn events_parse_in_aws_lambda_events() {
        use aws_lambda_events::apigw::{
            ApiGatewayProxyRequest, ApiGatewayV2CustomAuthorizerV1Request, ApiGatewayV2httpRequest,
        };
        let (head, parameters) = (head(), [("id", Cow::from("1"))]);
        let claims = BTreeMap::from([("sub".to_owned(), "me".to_owned())]);
        let jwt = event::Authorizer::Jwt { claims: &claims, scopes: None };
        let source = Source { authorizer: Some(jwt), ..source(&head, &parameters) };
        let parsed: ApiGatewayV2httpRequest = serde_json::from_slice(&event::event(&source)).unwrap();
        assert_eq!(parsed.raw_path.as_deref(), Some("/default/pets/1"));
        assert_eq!(parsed.request_context.http.method, http::Method::POST);
        assert_eq!(parsed.request_context.authorizer.unwrap().jwt.unwrap().claims["sub"], "me");
        assert_eq!(parsed.query_string_parameters.all("a"), Some(vec!["1", "2"]));
        let more = More { resource: "/pets/{id}", authorizer: None, signer: None };
        let parsed: ApiGatewayProxyRequest = serde_json::from_slice(&request(&source, &more)).unwrap();
        assert_eq!((parsed.resource.as_deref(), parsed.path_parameters["id"].as_str()), (Some("/pets/{id}"), "1"));
        assert_eq!(parsed.request_context.request_time_epoch, 1_678_276_240_455);
        let identity = ["u".to_owned()];
        let parsed: ApiGatewayV2CustomAuthorizerV1Request =
            serde_json::from_slice(&authorizer(&source, &more, "arn", &identity)).unwrap();
        assert_eq!((parsed.method_arn.as_deref(), parsed.authorization_token.as_deref()), (Some("arn"), Some("u")));
    }
}
