//! From a request to the event that a function gets: payload format 1.0, field by field as AWS has it. What a request has not is
//! null in its event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::asked::Asked;
use crate::edge::context::Context;
use crate::rest::records::Texts;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(flatten)]
    request: Described<'a>,
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    r#type: &'static str,
    method_arn: &'a str,
    #[serde(flatten)]
    request: Described<'a>,
}

/// What a function's event and an authorizer's share: all but the body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    resource: Option<Cow<'a, str>>,
    path: &'a str,
    http_method: &'a str,
    headers: Option<BTreeMap<&'a str, &'a Cow<'a, str>>>,
    multi_value_headers: Option<&'a BTreeMap<&'a str, Vec<Cow<'a, str>>>>,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<&'a BTreeMap<&'a str, Vec<&'a str>>>,
    path_parameters: Option<BTreeMap<&'a str, &'a str>>,
    stage_variables: Option<&'a Texts>,
    request_context: RequestContext<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    resource_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    resource_path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<Cow<'a, str>>,
    http_method: Option<Cow<'a, str>>,
    extended_request_id: Option<Cow<'a, str>>,
    request_time: String,
    path: Option<Cow<'a, str>>,
    account_id: Option<Cow<'a, str>>,
    protocol: Option<Cow<'a, str>>,
    stage: Option<Cow<'a, str>>,
    domain_prefix: Option<Cow<'a, str>>,
    request_time_epoch: i64,
    request_id: Option<Cow<'a, str>>,
    identity: Identity<'a>,
    domain_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<Cow<'a, str>>,
    api_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_canary_request: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    cognito_identity_pool_id: Option<Cow<'a, str>>,
    cognito_identity_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<Cow<'a, str>>,
    principal_org_id: Option<Cow<'a, str>>,
    cognito_authentication_type: Option<Cow<'a, str>>,
    user_arn: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    account_id: Option<Cow<'a, str>>,
    caller: Option<Cow<'a, str>>,
    source_ip: Option<Cow<'a, str>>,
    access_key: Option<Cow<'a, str>>,
    cognito_authentication_provider: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
}

impl<'a> RequestContext<'a> {
    fn of(context: &'a Context) -> RequestContext<'a> {
        let get = |name| context.get(name);
        RequestContext {
            resource_id: get("resourceId"),
            authorizer: context.authorizer().map(|said| &**said),
            resource_path: get("resourcePath"),
            operation_name: get("operationName"),
            http_method: get("httpMethod"),
            extended_request_id: get("extendedRequestId"),
            request_time: context.request_time(),
            path: get("path"),
            account_id: get("accountId"),
            protocol: get("protocol"),
            stage: get("stage"),
            domain_prefix: get("domainPrefix"),
            request_time_epoch: context.at().millis(),
            request_id: get("requestId"),
            identity: Identity {
                cognito_identity_pool_id: get("identity.cognitoIdentityPoolId"),
                cognito_identity_id: get("identity.cognitoIdentityId"),
                api_key: get("identity.apiKey"),
                principal_org_id: get("identity.principalOrgId"),
                cognito_authentication_type: get("identity.cognitoAuthenticationType"),
                user_arn: get("identity.userArn"),
                api_key_id: get("identity.apiKeyId"),
                user_agent: get("identity.userAgent"),
                account_id: get("identity.accountId"),
                caller: get("identity.caller"),
                source_ip: get("identity.sourceIp"),
                access_key: get("identity.accessKey"),
                cognito_authentication_provider: get("identity.cognitoAuthenticationProvider"),
                user: get("identity.user"),
            },
            domain_name: get("domainName"),
            deployment_id: get("deploymentId"),
            api_id: get("apiId"),
            is_canary_request: get("isCanaryRequest").map(|is_one| is_one == "true"),
        }
    }
}

/// A request for a function, JSON. `is_binary` says that its body is bytes.
pub(in crate::rest) fn event(asked: &Asked, context: &Context, variables: Option<&Texts>, is_binary: bool) -> Vec<u8> {
    let body = match std::str::from_utf8(&asked.body) {
        _ if asked.body.is_empty() => None,
        Ok(text) if !is_binary => Some(Cow::Borrowed(text)),
        Err(_) if !is_binary => Some(String::from_utf8_lossy(&asked.body)),
        _ => Some(STANDARD.encode(&asked.body).into()),
    };
    described(asked, context, variables, |request| {
        let is_base64_encoded = is_binary && body.is_some();
        serde_json::to_vec(&Event { request, body, is_base64_encoded })
    })
}

/// A request for an authorizer's function, JSON.
pub(in crate::rest) fn authorizer_event(
    asked: &Asked,
    context: &Context,
    variables: Option<&Texts>,
    method_arn: &str,
) -> Vec<u8> {
    described(asked, context, variables, |request| {
        serde_json::to_vec(&AuthorizerEvent { r#type: "REQUEST", method_arn, request })
    })
}

fn described(
    asked: &Asked,
    context: &Context,
    variables: Option<&Texts>,
    write: impl FnOnce(Described<'_>) -> serde_json::Result<Vec<u8>>,
) -> Vec<u8> {
    let whole_path = context.get("path").unwrap_or_default();
    let headers = asked.shown_headers();
    let pairs = asked.query_pairs();
    let mut queries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &pairs {
        queries.entry(name).or_default().push(value);
    }
    let path_parameters = asked.path_parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let written = write(Described {
        resource: context.get("resourcePath"),
        // Below a custom domain name functions see the base path, too.
        path: match context.get("customDomain.basePathMatched") {
            Some(_) => &whole_path,
            None => &asked.path,
        },
        http_method: asked.method.as_str(),
        headers: present(headers.iter().filter_map(|(name, values)| Some((*name, values.last()?)))),
        multi_value_headers: (!headers.is_empty()).then_some(&headers),
        query_string_parameters: present(queries.iter().filter_map(|(name, values)| Some((*name, *values.last()?)))),
        multi_value_query_string_parameters: (!queries.is_empty()).then_some(&queries),
        path_parameters: present(path_parameters),
        stage_variables: variables.filter(|variables| !variables.is_empty()),
        request_context: RequestContext::of(context),
    });
    written.unwrap_or_default()
}

/// A map; null for one with nothing in it.
fn present<'a, V>(pairs: impl Iterator<Item = (&'a str, V)>) -> Option<BTreeMap<&'a str, V>> {
    let map: BTreeMap<&str, V> = pairs.collect();
    (!map.is_empty()).then_some(map)
}
