//! Integrations and their responses.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::error::{bad, no_integration, no_method, no_response};
use crate::rest::expression;
use crate::rest::integration;
use crate::rest::method::Place;
use crate::rest::patch::{self, Change, NO_PARAMETER, Op, PatchOperation};
use crate::rest::records::{
    ConnectionType, ContentHandlingStrategy, Home, Integration, IntegrationResponse, IntegrationType,
    ResponseTransferMode, StatusCode, Templates, Texts, TlsConfig, of_text,
};

/// Says what a method's requests reach, over what was said before.
#[derive(Shape)]
#[shape(name = "PutIntegrationRequest", rename_all = "camelCase")]
pub struct PutIntegration {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// Its kind.
    pub r#type: IntegrationType,
    /// The HTTP method of the request to it.
    #[shape(name = "httpMethod")]
    pub integration_http_method: Option<String>,
    /// Where it is.
    pub uri: Option<String>,
    /// Whether by the internet or a VPC link.
    pub connection_type: Option<ConnectionType>,
    /// The VPC link.
    pub connection_id: Option<String>,
    /// The role with which an AWS service is called.
    pub credentials: Option<String>,
    /// Parameters of requests.
    pub request_parameters: Option<Texts>,
    /// Mapping templates by content type.
    pub request_templates: Option<Templates>,
    /// What becomes of bodies for which there is no template.
    pub passthrough_behavior: Option<String>,
    /// Which answers share a cache.
    pub cache_namespace: Option<String>,
    /// What distinguishes answers in the cache.
    pub cache_key_parameters: Option<Vec<String>>,
    /// Whether bodies become text or bytes first.
    pub content_handling: Option<ContentHandlingStrategy>,
    /// How long to wait for it.
    pub timeout_in_millis: Option<i32>,
    /// How its certificate is checked.
    pub tls_config: Option<TlsConfig>,
    /// Whether answers are passed on as they come.
    pub response_transfer_mode: Option<ResponseTransferMode>,
    /// The load balancer behind a VPC link of version 2.
    pub integration_target: Option<String>,
}

impl Operation<ApiGateway> for PutIntegration {
    const META: Meta = Meta::write("PutIntegration")
        .http("PUT", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration")
        .status(201);
    type Output = Integration;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Integration, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id.clone(), self.http_method);
        let made = Integration {
            r#type: self.r#type,
            http_method: self.integration_http_method.filter(|method| !method.is_empty()),
            uri: self.uri.filter(|uri| !uri.is_empty()),
            connection_type: self.connection_type,
            connection_id: self.connection_id,
            credentials: self.credentials.filter(|role| !role.is_empty()),
            request_parameters: self.request_parameters.filter(|map| !map.is_empty()),
            request_templates: integration::templates(self.request_templates),
            passthrough_behavior: self.passthrough_behavior,
            content_handling: self.content_handling,
            timeout_in_millis: self.timeout_in_millis,
            cache_namespace: Some(self.cache_namespace.unwrap_or(self.resource_id)),
            cache_key_parameters: Some(self.cache_key_parameters.unwrap_or_default()),
            integration_responses: None,
            tls_config: self.tls_config,
            response_transfer_mode: self.response_transfer_mode,
            integration_target: self.integration_target,
        };
        gateway
            .change_rest(&at, move |tx, at| {
                let mut made = made.clone();
                place.change(tx, at, |tx, method| {
                    integration::check(tx, at, &mut made, method.request_parameters.as_ref())?;
                    method.method_integration = Some(made.clone());
                    Ok(made.clone())
                })
            })
            .await
    }
}

/// Shows what a method's requests reach.
#[derive(Shape)]
#[shape(name = "GetIntegrationRequest", rename_all = "camelCase")]
pub struct GetIntegration {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
}

impl Operation<ApiGateway> for GetIntegration {
    const META: Meta = Meta::read("GetIntegration")
        .http("GET", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration");
    type Output = Integration;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Integration, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let method = Place::new(self.resource_id, self.http_method).read(gateway, &at).await?;
        method.method_integration.ok_or_else(no_integration)
    }
}

/// Deletes a method's integration.
#[derive(Shape)]
#[shape(name = "DeleteIntegrationRequest", rename_all = "camelCase")]
pub struct DeleteIntegration {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
}

impl Operation<ApiGateway> for DeleteIntegration {
    const META: Meta = Meta::write("DeleteIntegration")
        .http("DELETE", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration")
        .status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        gateway
            .change_rest(&at, move |tx, at| {
                place.change(tx, at, |_, method| {
                    method.method_integration.take().map(drop).ok_or_else(|| no_integration().into())
                })
            })
            .await
    }
}

/// Changes a method's integration.
#[derive(Shape)]
#[shape(name = "UpdateIntegrationRequest", rename_all = "camelCase")]
pub struct UpdateIntegration {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateIntegration {
    const META: Meta = Meta::write("UpdateIntegration")
        .http("PATCH", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration");
    type Output = Integration;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Integration, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        gateway
            .change_rest(&at, move |tx, at| {
                let changes = &changes;
                place.change(tx, at, |tx, method| {
                    let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                    for change in changes {
                        apply(integration, change)?;
                    }
                    integration::check(tx, at, integration, method.request_parameters.as_ref())?;
                    Ok(integration.clone())
                })
            })
            .await
    }
}

/// One change of an integration. Whether the whole is good is checked after all.
fn apply(integration: &mut Integration, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["requestParameters", name] => {
            let value = change.text();
            let checked = || expression::checked_mapping(name, value);
            change.entry(&mut integration.request_parameters, name, NO_PARAMETER, checked)
        }
        ["requestTemplates", content_type] => change.template(&mut integration.request_templates, content_type),
        ["cacheKeyParameters", rest @ ..] => {
            change_cache_keys(integration, change, rest.first().copied());
            Ok(())
        }
        ["tlsConfig", "insecureSkipVerification"] => {
            integration.tls_config.get_or_insert_default().insecure_skip_verification = Some(change.flag());
            Ok(())
        }
        [name] => apply_to_setting(integration, change, name),
        _ => Err(change.unknown()),
    }
}

fn apply_to_setting(integration: &mut Integration, change: &Change, name: &str) -> Result<(), Error> {
    match name {
        "uri" => change.set(&mut integration.uri),
        "httpMethod" => change.set(&mut integration.http_method),
        "credentials" => change.set(&mut integration.credentials),
        "passthroughBehavior" => change.set(&mut integration.passthrough_behavior),
        "connectionId" => change.set(&mut integration.connection_id),
        "cacheNamespace" => change.set(&mut integration.cache_namespace),
        "integrationTarget" => change.set(&mut integration.integration_target),
        "contentHandling" => integration.content_handling = content_handling(change)?,
        "connectionType" => {
            let words = "Invalid ConnectionType specified. Valid options are INTERNET,VPC_LINK";
            integration.connection_type = one_of::<ConnectionType>(change, words)?;
        }
        "responseTransferMode" => {
            let words = "Invalid ResponseTransferMode specified. Valid options are BUFFERED,STREAM";
            integration.response_transfer_mode = one_of::<ResponseTransferMode>(change, words)?;
        }
        "type" => {
            let words = "Invalid IntegrationType specified. Valid options are HTTP,AWS,MOCK,HTTP_PROXY,AWS_PROXY";
            integration.r#type = one_of::<IntegrationType>(change, words)?.ok_or_else(|| bad(words))?;
        }
        "timeoutInMillis" => integration.timeout_in_millis = Some(change.number()?),
        _ => return Err(change.unknown()),
    }
    Ok(())
}

/// One of a set, or nothing where the value is empty.
fn one_of<T: Shape>(change: &Change, words: &str) -> Result<Option<T>, Error> {
    if change.op == Op::Remove {
        return Ok(None);
    }
    change.text().map(|text| of_text(&text).ok_or_else(|| bad(words))).transpose()
}

fn content_handling(change: &Change) -> Result<Option<ContentHandlingStrategy>, Error> {
    one_of(change, "Invalid ContentHandlingStrategy specified. Valid options are CONVERT_TO_BINARY,CONVERT_TO_TEXT")
}

/// A parameter is in the path or in the value.
fn change_cache_keys(integration: &mut Integration, change: &Change, named: Option<&str>) {
    let Some(name) = named.map(str::to_owned).or_else(|| change.text()) else { return };
    let names = integration.cache_key_parameters.get_or_insert_default();
    names.retain(|one| *one != name);
    match change.op {
        Op::Remove => {}
        Op::Replace => names.push(change.text().unwrap_or(name)),
        _ => names.push(name),
    }
}

/// Says how some answers of an integration are made into the method's.
#[derive(Shape)]
#[shape(name = "PutIntegrationResponseRequest", rename_all = "camelCase")]
pub struct PutIntegrationResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// The status.
    #[shape(label, name = "status_code")]
    pub status_code: StatusCode,
    /// Which answers.
    pub selection_pattern: Option<String>,
    /// Headers of answers.
    pub response_parameters: Option<Texts>,
    /// Templates of bodies by content type.
    pub response_templates: Option<Templates>,
    /// Whether bodies become text or bytes first.
    pub content_handling: Option<ContentHandlingStrategy>,
}

impl Operation<ApiGateway> for PutIntegrationResponse {
    const META: Meta = Meta::write("PutIntegrationResponse")
        .http(
            "PUT",
            "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code}",
        )
        .status(201);
    type Output = IntegrationResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<IntegrationResponse, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        let made = IntegrationResponse {
            status_code: self.status_code,
            selection_pattern: self.selection_pattern,
            response_parameters: self.response_parameters.filter(|map| !map.is_empty()),
            response_templates: integration::templates(self.response_templates),
            content_handling: self.content_handling,
        };
        gateway
            .change_rest(&at, move |tx, at| {
                let made = &made;
                place.change(tx, at, |_, method| {
                    integration::check_response(method, made)?;
                    let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                    let responses = integration.integration_responses.get_or_insert_default();
                    responses.insert(made.status_code.0.clone(), made.clone());
                    Ok(made.clone())
                })
            })
            .await
    }
}

/// Shows a response of an integration.
#[derive(Shape)]
#[shape(name = "GetIntegrationResponseRequest", rename_all = "camelCase")]
pub struct GetIntegrationResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// The status.
    #[shape(label, name = "status_code")]
    pub status_code: StatusCode,
}

impl Operation<ApiGateway> for GetIntegrationResponse {
    const META: Meta = Meta::read("GetIntegrationResponse").http(
        "GET",
        "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code}",
    );
    type Output = IntegrationResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<IntegrationResponse, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let method = Place::new(self.resource_id, self.http_method).read(gateway, &at).await?;
        let integration = method.method_integration.ok_or_else(no_integration)?;
        integration.integration_responses.unwrap_or_default().remove(&self.status_code.0).ok_or_else(no_response)
    }
}

/// Deletes a response of an integration.
#[derive(Shape)]
#[shape(name = "DeleteIntegrationResponseRequest", rename_all = "camelCase")]
pub struct DeleteIntegrationResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// The status.
    #[shape(label, name = "status_code")]
    pub status_code: StatusCode,
}

impl Operation<ApiGateway> for DeleteIntegrationResponse {
    const META: Meta = Meta::write("DeleteIntegrationResponse")
        .http(
            "DELETE",
            "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code}",
        )
        .status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let (place, status) = (Place::new(self.resource_id, self.http_method), self.status_code.0);
        let deleted = gateway
            .change_rest(&at, move |tx, at| {
                let status = &status;
                place.change(tx, at, |_, method| {
                    let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                    let responses = integration.integration_responses.get_or_insert_default();
                    responses.remove(status).ok_or_else(no_response)?;
                    if responses.is_empty() {
                        integration.integration_responses = None;
                    }
                    Ok(())
                })
            })
            .await;
        // A method that is not there is no integration here, unlike elsewhere.
        deleted.map_err(|error| if error.message == no_method().message { no_integration() } else { error })
    }
}

/// Changes a response of an integration.
#[derive(Shape)]
#[shape(name = "UpdateIntegrationResponseRequest", rename_all = "camelCase")]
pub struct UpdateIntegrationResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// The status.
    #[shape(label, name = "status_code")]
    pub status_code: StatusCode,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateIntegrationResponse {
    const META: Meta = Meta::write("UpdateIntegrationResponse").http(
        "PATCH",
        "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code}",
    );
    type Output = IntegrationResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<IntegrationResponse, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (place, status) = (Place::new(self.resource_id, self.http_method), self.status_code.0);
        gateway
            .change_rest(&at, move |tx, at| {
                let (changes, status) = (&changes, &status);
                place.change(tx, at, |_, method| {
                    let integration = method.method_integration.as_ref().ok_or_else(no_integration)?;
                    let responses = integration.integration_responses.as_ref();
                    let mut response = responses.and_then(|all| all.get(status)).ok_or_else(no_response)?.clone();
                    for change in changes {
                        apply_to_response(&mut response, change)?;
                    }
                    integration::check_response(method, &response)?;
                    if let Some(integration) = &mut method.method_integration {
                        let responses = integration.integration_responses.get_or_insert_default();
                        responses.insert(status.clone(), response.clone());
                    }
                    Ok(response)
                })
            })
            .await
    }
}

fn apply_to_response(response: &mut IntegrationResponse, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["responseParameters", name] => {
            let value = change.text();
            let checked = || expression::checked_mapping(name, value);
            change.entry(&mut response.response_parameters, name, NO_PARAMETER, checked)
        }
        ["responseTemplates", content_type] => change.template(&mut response.response_templates, content_type),
        ["selectionPattern"] => {
            // An empty pattern is one: that of all other answers.
            response.selection_pattern = change.value.clone().filter(|_| change.op != Op::Remove);
            Ok(())
        }
        ["contentHandling"] => {
            response.content_handling = content_handling(change)?;
            Ok(())
        }
        _ => Err(change.unknown()),
    }
}
