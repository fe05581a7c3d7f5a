//! Methods and their responses.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::error::{bad, conflict, no_method, no_response};
use crate::rest::expression;
use crate::rest::method::{self, Place};
use crate::rest::patch::{self, Change, NO_CONTENT_TYPE, NO_PARAMETER, Op, PatchOperation};
use crate::rest::records::{Home, Method, MethodResponse, StatusCode, Texts};

/// Adds a method to a resource.
#[derive(Shape)]
#[shape(name = "PutMethodRequest", rename_all = "camelCase")]
pub struct PutMethod {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// The HTTP method, or `ANY`.
    #[shape(label, name = "http_method")]
    pub http_method: String,
    /// `NONE`, `AWS_IAM`, `CUSTOM` or `COGNITO_USER_POOLS`.
    pub authorization_type: String,
    /// The authorizer.
    pub authorizer_id: Option<String>,
    /// Whether callers need an API key.
    pub api_key_required: Option<bool>,
    /// The name in generated SDKs.
    pub operation_name: Option<String>,
    /// Parameters of requests.
    pub request_parameters: Option<BTreeMap<String, bool>>,
    /// Models of bodies by content type.
    pub request_models: Option<Texts>,
    /// The request validator.
    pub request_validator_id: Option<String>,
    /// Scopes of which a user pool's token needs one.
    pub authorization_scopes: Option<Vec<String>>,
}

impl Operation<ApiGateway> for PutMethod {
    const META: Meta = Meta::write("PutMethod")
        .http("PUT", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}")
        .status(201);
    type Output = Method;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Method, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        let made = Method {
            http_method: place.http_method.clone(),
            authorization_type: self.authorization_type,
            authorizer_id: self.authorizer_id.filter(|id| !id.is_empty()),
            api_key_required: self.api_key_required.unwrap_or(false),
            request_validator_id: self.request_validator_id.filter(|id| !id.is_empty()),
            operation_name: self.operation_name,
            request_parameters: self.request_parameters.filter(|map| !map.is_empty()),
            request_models: self.request_models.filter(|map| !map.is_empty()),
            authorization_scopes: self.authorization_scopes.filter(|scopes| !scopes.is_empty()),
            ..Method::default()
        };
        gateway
            .change_rest(&at, move |tx, at| {
                let mut resource = place.resource(tx, at)?;
                method::check_name(&place.http_method)?;
                if resource.method(&place.http_method).is_some() {
                    return Err(conflict("Method already exists for this resource").into());
                }
                let mut made = made.clone();
                method::check(tx, at, &mut made)?;
                resource.resource_methods.get_or_insert_default().insert(place.http_method.clone(), made.clone());
                place.put(tx, at, &resource)?;
                Ok(made)
            })
            .await
    }
}

/// Shows a method with its responses and its integration.
#[derive(Shape)]
#[shape(name = "GetMethodRequest", rename_all = "camelCase")]
pub struct GetMethod {
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

impl Operation<ApiGateway> for GetMethod {
    const META: Meta =
        Meta::read("GetMethod").http("GET", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}");
    type Output = Method;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Method, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        Place::new(self.resource_id, self.http_method).read(gateway, &at).await
    }
}

/// Deletes a method.
#[derive(Shape)]
#[shape(name = "DeleteMethodRequest", rename_all = "camelCase")]
pub struct DeleteMethod {
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

impl Operation<ApiGateway> for DeleteMethod {
    const META: Meta = Meta::write("DeleteMethod")
        .http("DELETE", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}")
        .status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut resource = place.resource(tx, at)?;
                let methods = resource.resource_methods.get_or_insert_default();
                methods.remove(&place.http_method).ok_or_else(no_method)?;
                if methods.is_empty() {
                    resource.resource_methods = None;
                }
                place.put(tx, at, &resource)
            })
            .await
    }
}

/// Changes a method.
#[derive(Shape)]
#[shape(name = "UpdateMethodRequest", rename_all = "camelCase")]
pub struct UpdateMethod {
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

impl Operation<ApiGateway> for UpdateMethod {
    const META: Meta = Meta::write("UpdateMethod")
        .http("PATCH", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}");
    type Output = Method;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Method, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        gateway
            .change_rest(&at, move |tx, at| {
                let changes = &changes;
                place.change(tx, at, |tx, method| {
                    for change in changes {
                        apply(method, change)?;
                    }
                    method::check(tx, at, method)?;
                    Ok(method.clone())
                })
            })
            .await
    }
}

/// One change of a method. Whether the whole is good is checked after all.
fn apply(method: &mut Method, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["requestParameters", name] => {
            let required = change.flag();
            let checked = || expression::check_request_name(name).map(|()| required);
            change.entry(&mut method.request_parameters, name, NO_PARAMETER, checked)
        }
        ["requestModels", content_type] => {
            let model = change.text();
            let words = "Invalid model identifier specified: null";
            change.entry(&mut method.request_models, content_type, NO_CONTENT_TYPE, || model.ok_or_else(|| bad(words)))
        }
        ["authorizationScopes", rest @ ..] => {
            change_scopes(method, change, rest.first().copied());
            Ok(())
        }
        [name] => apply_to_setting(method, change, name),
        _ => Err(change.unknown()),
    }
}

fn apply_to_setting(method: &mut Method, change: &Change, name: &str) -> Result<(), Error> {
    if !matches!(name, "authorizationType" | "authorizerId" | "apiKeyRequired" | "operationName" | "requestValidatorId")
    {
        return Err(change.unknown());
    }
    change.only(&[Op::Replace])?;
    match name {
        "authorizationType" => method.authorization_type = change.text().unwrap_or_default(),
        "authorizerId" => change.set(&mut method.authorizer_id),
        "apiKeyRequired" => method.api_key_required = change.flag(),
        "operationName" => change.set(&mut method.operation_name),
        _ => change.set(&mut method.request_validator_id),
    }
    Ok(())
}

/// A scope is in the path or in the value.
fn change_scopes(method: &mut Method, change: &Change, named: Option<&str>) {
    let Some(scope) = change.text().or_else(|| named.map(str::to_owned)) else { return };
    let scopes = method.authorization_scopes.get_or_insert_default();
    scopes.retain(|one| *one != scope);
    if change.op != Op::Remove {
        scopes.push(scope);
    }
    if scopes.is_empty() {
        method.authorization_scopes = None;
    }
}

/// Adds a status that a method may answer.
#[derive(Shape)]
#[shape(name = "PutMethodResponseRequest", rename_all = "camelCase")]
pub struct PutMethodResponse {
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
    /// Headers of answers.
    pub response_parameters: Option<BTreeMap<String, bool>>,
    /// Models of bodies by content type.
    pub response_models: Option<Texts>,
}

impl Operation<ApiGateway> for PutMethodResponse {
    const META: Meta = Meta::write("PutMethodResponse")
        .http("PUT", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}")
        .status(201);
    type Output = MethodResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<MethodResponse, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let place = Place::new(self.resource_id, self.http_method);
        let made = MethodResponse {
            status_code: self.status_code,
            response_parameters: self.response_parameters,
            response_models: self.response_models,
        };
        gateway
            .change_rest(&at, move |tx, at| {
                let made = &made;
                place.change(tx, at, |tx, method| {
                    for name in made.response_parameters.iter().flatten().map(|(name, _)| name) {
                        expression::check_response_name(name)?;
                    }
                    method::check_models(tx, at, made.response_models.as_ref())?;
                    let responses = method.method_responses.get_or_insert_default();
                    if responses.contains_key(&made.status_code.0) {
                        return Err(conflict("Response already exists for this resource").into());
                    }
                    responses.insert(made.status_code.0.clone(), made.clone());
                    Ok(made.clone())
                })
            })
            .await
    }
}

/// Shows a response of a method.
#[derive(Shape)]
#[shape(name = "GetMethodResponseRequest", rename_all = "camelCase")]
pub struct GetMethodResponse {
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

impl Operation<ApiGateway> for GetMethodResponse {
    const META: Meta = Meta::read("GetMethodResponse")
        .http("GET", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}");
    type Output = MethodResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<MethodResponse, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let method = Place::new(self.resource_id, self.http_method).read(gateway, &at).await?;
        method.method_responses.unwrap_or_default().remove(&self.status_code.0).ok_or_else(no_response)
    }
}

/// Deletes a response of a method.
#[derive(Shape)]
#[shape(name = "DeleteMethodResponseRequest", rename_all = "camelCase")]
pub struct DeleteMethodResponse {
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

impl Operation<ApiGateway> for DeleteMethodResponse {
    const META: Meta = Meta::write("DeleteMethodResponse")
        .http("DELETE", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}")
        .status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let (place, status) = (Place::new(self.resource_id, self.http_method), self.status_code.0);
        gateway
            .change_rest(&at, move |tx, at| {
                let status = &status;
                place.change(tx, at, |_, method| {
                    let responses = method.method_responses.get_or_insert_default();
                    responses.remove(status).ok_or_else(no_response)?;
                    if responses.is_empty() {
                        method.method_responses = None;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Changes a response of a method.
#[derive(Shape)]
#[shape(name = "UpdateMethodResponseRequest", rename_all = "camelCase")]
pub struct UpdateMethodResponse {
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

impl Operation<ApiGateway> for UpdateMethodResponse {
    const META: Meta = Meta::write("UpdateMethodResponse")
        .http("PATCH", "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}")
        .status(201);
    type Output = MethodResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<MethodResponse, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (place, status) = (Place::new(self.resource_id, self.http_method), self.status_code.0);
        gateway
            .change_rest(&at, move |tx, at| {
                let (changes, status) = (&changes, &status);
                place.change(tx, at, |tx, method| {
                    let responses = method.method_responses.get_or_insert_default();
                    let response = responses.get_mut(status).ok_or_else(no_response)?;
                    for change in changes {
                        apply_to_response(response, change)?;
                    }
                    method::check_models(tx, at, response.response_models.as_ref())?;
                    Ok(response.clone())
                })
            })
            .await
    }
}

fn apply_to_response(response: &mut MethodResponse, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["responseParameters", name] => {
            let required = change.flag();
            let checked = || expression::check_response_name(name).map(|()| required);
            change.entry(&mut response.response_parameters, name, NO_PARAMETER, checked)
        }
        ["responseModels", content_type] => {
            let model = change.text();
            let words = "Invalid model identifier specified: null";
            let value = || model.ok_or_else(|| bad(words));
            change.entry(&mut response.response_models, content_type, NO_CONTENT_TYPE, value)
        }
        _ => Err(change.unknown()),
    }
}
