//! Request validators.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::api::check_unused;
use crate::rest::change::Id;
use crate::rest::error::{bad, missing};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{Home, REQUEST_VALIDATORS, REST_APIS, RequestValidator};

fn no_validator() -> Error {
    missing("Invalid Request Validator identifier specified")
}

/// Adds what is to be checked of requests.
#[derive(Shape)]
#[shape(name = "CreateRequestValidatorRequest", rename_all = "camelCase")]
pub struct CreateRequestValidator {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Whether bodies are checked.
    pub validate_request_body: Option<bool>,
    /// Whether required parameters are checked.
    pub validate_request_parameters: Option<bool>,
}

impl Operation<ApiGateway> for CreateRequestValidator {
    const META: Meta =
        Meta::write("CreateRequestValidator").http("POST", "/restapis/{restapi_id}/requestvalidators").status(201);
    type Output = RequestValidator;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RequestValidator, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let made = RequestValidator {
            id: Id::Part.draw(),
            name: self.name,
            validate_request_body: self.validate_request_body.unwrap_or(false),
            validate_request_parameters: self.validate_request_parameters.unwrap_or(false),
        };
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(bad("Invalid REST API identifier specified").into());
                }
                tx.put(REQUEST_VALIDATORS, &at.below(&made.id), &made)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Shows a request validator.
#[derive(Shape)]
#[shape(name = "GetRequestValidatorRequest", rename_all = "camelCase")]
pub struct GetRequestValidator {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The request validator.
    #[shape(label, name = "requestvalidator_id")]
    pub request_validator_id: String,
}

impl Operation<ApiGateway> for GetRequestValidator {
    const META: Meta =
        Meta::read("GetRequestValidator").http("GET", "/restapis/{restapi_id}/requestvalidators/{requestvalidator_id}");
    type Output = RequestValidator;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RequestValidator, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        gateway.found(REQUEST_VALIDATORS, at.below(&self.request_validator_id), no_validator).await
    }
}

/// Lists an API's request validators.
#[derive(Shape)]
#[shape(name = "GetRequestValidatorsRequest", rename_all = "camelCase")]
pub struct GetRequestValidators {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetRequestValidators {
    const META: Meta = Meta::read("GetRequestValidators").http("GET", "/restapis/{restapi_id}/requestvalidators");
    type Output = RequestValidators;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RequestValidators, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (items, position) =
            gateway.page(REQUEST_VALIDATORS, at.all(), self.position.as_deref(), self.limit).await?;
        Ok(RequestValidators { position, items })
    }
}

/// A page of request validators.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct RequestValidators {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<RequestValidator>,
}

/// Deletes a request validator that no method names.
#[derive(Shape)]
#[shape(name = "DeleteRequestValidatorRequest", rename_all = "camelCase")]
pub struct DeleteRequestValidator {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The request validator.
    #[shape(label, name = "requestvalidator_id")]
    pub request_validator_id: String,
}

impl Operation<ApiGateway> for DeleteRequestValidator {
    const META: Meta = Meta::write("DeleteRequestValidator")
        .http("DELETE", "/restapis/{restapi_id}/requestvalidators/{requestvalidator_id}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.request_validator_id);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REQUEST_VALIDATORS, &at.below(&id))? {
                    return Err(no_validator().into());
                }
                check_unused(tx, at, "request validator", &id, |method| method.request_validator_id.as_deref())?;
                Ok(tx.delete(REQUEST_VALIDATORS, &at.below(&id))?)
            })
            .await
    }
}

const PATHS: Paths = Paths::replaced(&["/name", "/validateRequestParameters", "/validateRequestBody"]);

/// Changes a request validator.
#[derive(Shape)]
#[shape(name = "UpdateRequestValidatorRequest", rename_all = "camelCase")]
pub struct UpdateRequestValidator {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The request validator.
    #[shape(label, name = "requestvalidator_id")]
    pub request_validator_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateRequestValidator {
    const META: Meta = Meta::write("UpdateRequestValidator")
        .http("PATCH", "/restapis/{restapi_id}/requestvalidators/{requestvalidator_id}");
    type Output = RequestValidator;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RequestValidator, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.request_validator_id);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut validator = tx.get(REQUEST_VALIDATORS, &at.below(&id))?.ok_or_else(no_validator)?;
                for change in &changes {
                    PATHS.check(change)?;
                    match change.path.as_str() {
                        "/name" => {
                            let name = change.text().ok_or_else(|| bad("Request Validator name cannot be blank"))?;
                            validator.name = Some(name);
                        }
                        "/validateRequestParameters" => validator.validate_request_parameters = change.flag(),
                        _ => validator.validate_request_body = change.flag(),
                    }
                }
                tx.put(REQUEST_VALIDATORS, &at.below(&id), &validator)?;
                Ok(validator)
            })
            .await
    }
}
