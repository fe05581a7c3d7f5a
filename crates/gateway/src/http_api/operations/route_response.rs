//! Route responses.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::merge::{set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{ParameterConstraints, ROUTE_RESPONSES, RouteResponse, Texts};
use crate::http_api::{ApiGatewayV2, change, route_response};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 7;

/// Adds a route response to an API.
#[derive(Shape)]
#[shape(name = "CreateRouteResponseRequest", rename_all = "camelCase")]
pub struct CreateRouteResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
    /// `$default`, the only one that AWS has.
    pub route_response_key: String,
    /// By what an answer finds its model.
    pub model_selection_expression: Option<String>,
    /// Names of models, by what that says.
    pub response_models: Option<Texts>,
    /// Parameters of the response.
    pub response_parameters: Option<BTreeMap<String, ParameterConstraints>>,
}

impl Operation<ApiGatewayV2> for CreateRouteResponse {
    const META: Meta =
        Meta::write("CreateRouteResponse").http("POST", "/v2/apis/{apiId}/routes/{routeId}/routeresponses").status(201);
    type Output = RouteResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes/{}/routeresponses", self.api_id, self.route_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<RouteResponse, Error> {
        let api_id = self.api_id.clone();
        let parent = self.route_id.clone();
        let route_response = RouteResponse {
            route_response_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            route_response_key: self.route_response_key,
            model_selection_expression: self.model_selection_expression,
            response_models: self.response_models,
            response_parameters: self.response_parameters,
        };
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| route_response::add(tx, api, &parent, route_response.clone()))
            .await
    }
}

/// Tells a route response.
#[derive(Shape)]
#[shape(name = "GetRouteResponseRequest", rename_all = "camelCase")]
pub struct GetRouteResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
    /// Which.
    #[shape(label)]
    pub route_response_id: String,
}

impl Operation<ApiGatewayV2> for GetRouteResponse {
    const META: Meta = Meta::read("GetRouteResponse")
        .http("GET", "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}");
    type Output = RouteResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/routes/{}/routeresponses/{}", self.api_id, self.route_id, self.route_response_id),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<RouteResponse, Error> {
        gateway
            .0
            .part(cx, &self.api_id, &change::route_response(&self.api_id, &self.route_id, &self.route_response_id))
            .await
    }
}

/// Lists a route's route responses.
#[derive(Shape)]
#[shape(name = "GetRouteResponsesRequest", rename_all = "camelCase")]
pub struct GetRouteResponses {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of route responses.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetRouteResponsesResponse {
    /// The route responses.
    pub items: Vec<RouteResponse>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetRouteResponses {
    const META: Meta = Meta::read("GetRouteResponses").http("GET", "/v2/apis/{apiId}/routes/{routeId}/routeresponses");
    type Output = GetRouteResponsesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes/{}/routeresponses", self.api_id, self.route_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetRouteResponsesResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.part(cx, &self.api_id, &change::route(&self.api_id, &self.route_id)).await?;
        let (items, next_token) =
            page.read(&gateway.0.store, ROUTE_RESPONSES, (self.api_id.as_str(), self.route_id.as_str())).await?;
        Ok(GetRouteResponsesResponse { items, next_token })
    }
}

/// Changes a route response. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateRouteResponseRequest", rename_all = "camelCase")]
pub struct UpdateRouteResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
    /// Which.
    #[shape(label)]
    pub route_response_id: String,
    /// `$default`, the only one that AWS has.
    pub route_response_key: Option<String>,
    /// By what an answer finds its model.
    pub model_selection_expression: Option<String>,
    /// Names of models, by what that says.
    pub response_models: Option<Texts>,
    /// Parameters of the response.
    pub response_parameters: Option<BTreeMap<String, ParameterConstraints>>,
}

impl Operation<ApiGatewayV2> for UpdateRouteResponse {
    const META: Meta = Meta::write("UpdateRouteResponse")
        .http("PATCH", "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}");
    type Output = RouteResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/routes/{}/routeresponses/{}", self.api_id, self.route_id, self.route_response_id),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<RouteResponse, Error> {
        let at = change::route_response(&self.api_id, &self.route_id, &self.route_response_id);
        let api_id = self.api_id.clone();
        let parent = self.route_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let mut route_response = at.get(tx)?;
                self.apply(&mut route_response);
                route_response::put(tx, api, &parent, route_response)
            })
            .await
    }
}

impl UpdateRouteResponse {
    fn apply(&self, route_response: &mut RouteResponse) {
        set_required(&mut route_response.route_response_key, self.route_response_key.as_ref());
        set_text(&mut route_response.model_selection_expression, &self.model_selection_expression);
        set(&mut route_response.response_models, &self.response_models);
        set(&mut route_response.response_parameters, &self.response_parameters);
    }
}

/// Takes a route response away.
#[derive(Shape)]
#[shape(name = "DeleteRouteResponseRequest", rename_all = "camelCase")]
pub struct DeleteRouteResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
    /// Which.
    #[shape(label)]
    pub route_response_id: String,
}

impl Operation<ApiGatewayV2> for DeleteRouteResponse {
    const META: Meta = Meta::write("DeleteRouteResponse")
        .http("DELETE", "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/routes/{}/routeresponses/{}", self.api_id, self.route_id, self.route_response_id),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::route_response(&self.api_id, &self.route_id, &self.route_response_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, _| at.delete(tx).map(drop)).await
    }
}
