//! Test calls of methods and authorizers as they are now, without a deployment.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use shape::Shape;
use wire::client::Identity;

use crate::edge::execution_log::shown_name;
use crate::edge::integration::lambda::function_of;
use crate::rest::ApiGateway;
use crate::rest::error::{bad, missing, no_method, no_resource};
use crate::rest::plane::TestCall;
use crate::rest::records::{Api, CLIENT_CERTIFICATES, Home, Integration, IntegrationType, Texts};
use crate::rest::snapshot::Snapshot;
use crate::{Failure, Gateway};

impl Gateway {
    /// An API as it is now.
    async fn rest_now(&self, at: &Api) -> Result<Option<Snapshot>, Error> {
        let at = at.clone();
        Ok(self.store.rehearse(move |tx| Ok::<_, Failure>(Snapshot::of(tx, &at)?)).await?)
    }

    /// The client certificate that a test names.
    async fn identity(&self, home: &Home, certificate_id: Option<String>) -> Result<Option<Identity>, Error> {
        let Some(id) = certificate_id else { return Ok(None) };
        let refused = || bad("Invalid client certificate identifier specified");
        self.found(CLIENT_CERTIFICATES, home.below(&id), refused).await.map(|found| Some(found.identity()))
    }
}

/// The headers of a test.
fn headers(single: Option<Texts>, several: Option<BTreeMap<String, Vec<String>>>) -> Result<HeaderMap, Error> {
    let mut made = HeaderMap::new();
    let single = single.into_iter().flatten().map(|(name, value)| (name, vec![value]));
    for (name, values) in single.chain(several.into_iter().flatten()) {
        let refused = || bad(format!("Invalid header specified: {name}"));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        made.remove(&parsed);
        for value in values {
            made.append(&parsed, HeaderValue::from_str(&value).map_err(|_| refused())?);
        }
    }
    Ok(made)
}

/// Whether a service of the house is behind a method, other than a function: it would have to be asked through the front desk.
fn is_service(integration: &Integration) -> bool {
    let uri = integration.uri.as_deref().unwrap_or_default();
    integration.r#type == IntegrationType::Aws && function_of(uri).is_none()
}

/// What came of the test of a method.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct TestInvokeMethodResponse {
    /// The status.
    pub status: i32,
    /// The body.
    pub body: Option<String>,
    /// Headers, each with its last value.
    pub headers: Option<Texts>,
    /// Headers with all their values.
    pub multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// The execution log.
    pub log: String,
    /// How long it took, in milliseconds.
    pub latency: i64,
}

/// Runs a method as it is now.
#[derive(Shape)]
#[shape(name = "TestInvokeMethodRequest", rename_all = "camelCase")]
pub struct TestInvokeMethod {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// The path with its query string.
    pub path_with_query_string: Option<String>,
    /// The document.
    pub body: Option<String>,
    /// Headers.
    pub headers: Option<Texts>,
    /// Headers with several values.
    pub multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// The certificate.
    pub client_certificate_id: Option<String>,
    /// The stage's variables.
    pub stage_variables: Option<Texts>,
}

impl Operation<ApiGateway> for TestInvokeMethod {
    const META: Meta = Meta::write("TestInvokeMethod")
        .http("POST", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}");
    type Output = TestInvokeMethodResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<TestInvokeMethodResponse, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let snapshot = gateway.rest_now(&at).await?.ok_or_else(no_resource)?;
        let resource = snapshot.resources.iter().find(|one| one.id == self.resource_id).ok_or_else(no_resource)?;
        let method = resource.method(&self.http_method).ok_or_else(no_method)?;
        if method.method_integration.as_ref().is_some_and(is_service) {
            return Err(Error::not_implemented("a test of a method with a service behind it"));
        }
        let call = TestCall {
            http_method: self.http_method,
            path_with_query: self.path_with_query_string,
            body: self.body.unwrap_or_default(),
            headers: headers(self.headers, self.multi_value_headers)?,
            variables: self.stage_variables,
            identity: gateway.identity(&at.home, self.client_certificate_id).await?,
        };
        let tested = gateway.test_method(cx, &at, snapshot, &self.resource_id, call).await.ok_or_else(no_method)?;
        let mut several: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &tested.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            several.entry(shown_name(name)).or_default().push(value);
        }
        let last = |values: &Vec<String>| values.last().cloned().unwrap_or_default();
        Ok(TestInvokeMethodResponse {
            status: i32::from(tested.status),
            body: Some(String::from_utf8_lossy(&tested.body).into_owned()),
            headers: Some(several.iter().map(|(name, values)| (name.clone(), last(values))).collect()),
            multi_value_headers: Some(several),
            log: tested.log,
            latency: tested.latency_ms,
        })
    }
}

/// What an authorizer said to a test.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct TestInvokeAuthorizerResponse {
    /// What a caller would get: 200 if it may go on.
    pub client_status: i32,
    /// The execution log.
    pub log: String,
    /// How long it took, in milliseconds.
    pub latency: i64,
    /// Who the caller is.
    pub principal_id: Option<String>,
    /// What the caller may do.
    pub policy: Option<String>,
    /// What the function put into the context.
    pub authorization: Option<BTreeMap<String, Vec<String>>>,
    /// What a token claims.
    pub claims: Option<Texts>,
}

/// A value as text: texts as they are, others as JSON.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Asks an authorizer as it is now.
#[derive(Shape)]
#[shape(name = "TestInvokeAuthorizerRequest", rename_all = "camelCase")]
pub struct TestInvokeAuthorizer {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The authorizer.
    #[shape(label, name = "authorizer_id")]
    pub authorizer_id: String,
    /// Headers.
    pub headers: Option<Texts>,
    /// Headers with several values.
    pub multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// The path with its query string.
    pub path_with_query_string: Option<String>,
    /// The document.
    pub body: Option<String>,
    /// The stage's variables.
    pub stage_variables: Option<Texts>,
    /// More of `$context`.
    pub additional_context: Option<Texts>,
}

impl Operation<ApiGateway> for TestInvokeAuthorizer {
    const META: Meta =
        Meta::write("TestInvokeAuthorizer").http("POST", "/restapis/{restapi_id}/authorizers/{authorizer_id}");
    type Output = TestInvokeAuthorizerResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<TestInvokeAuthorizerResponse, Error> {
        if self.additional_context.is_some_and(|context| !context.is_empty()) {
            return Err(Error::not_implemented("additional context in tests of authorizers"));
        }
        let no_authorizer = || missing("Invalid Authorizer identifier specified");
        let at = Home::of(cx).api(self.rest_api_id);
        let snapshot = gateway.rest_now(&at).await?.ok_or_else(no_authorizer)?;
        let call = TestCall {
            http_method: "GET".to_owned(),
            path_with_query: self.path_with_query_string,
            body: self.body.unwrap_or_default(),
            headers: headers(self.headers, self.multi_value_headers)?,
            variables: self.stage_variables,
            identity: None,
        };
        let tested = gateway.test_authorizer(cx, &at, snapshot, &self.authorizer_id, call).await;
        let tested = tested.ok_or_else(no_authorizer)?;
        let context = tested.context.iter().map(|(name, value)| (name.clone(), vec![text(value)]));
        let context: BTreeMap<String, Vec<String>> = context.collect();
        let claims =
            tested.claims.map(|claims| claims.iter().map(|(name, value)| (name.clone(), text(value))).collect());
        Ok(TestInvokeAuthorizerResponse {
            client_status: i32::from(tested.client_status),
            log: tested.log,
            latency: tested.latency_ms,
            principal_id: tested.principal_id,
            policy: tested.policy,
            authorization: Some(context).filter(|context| !context.is_empty()),
            claims,
        })
    }
}
