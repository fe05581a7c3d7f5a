//! Routes.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::error::none;
use crate::http_api::merge::{set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{AuthorizationType, ParameterConstraints, ROUTES, Route, Texts};
use crate::http_api::{ApiGatewayV2, change, route};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 7;

/// Adds a route to an API.
#[derive(Shape)]
#[shape(name = "CreateRouteRequest", rename_all = "camelCase")]
pub struct CreateRoute {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which requests: `GET /pets/{id}`, `$default`; for WebSocket APIs a value of the route selection expression.
    pub route_key: String,
    /// Whether callers need an API key; WebSocket APIs only.
    pub api_key_required: Option<bool>,
    /// Of these scopes a token must have one.
    pub authorization_scopes: Option<Vec<String>>,
    /// How callers are known.
    pub authorization_type: Option<AuthorizationType>,
    /// Who says whether they may.
    pub authorizer_id: Option<String>,
    /// By what a message finds its model; WebSocket APIs only.
    pub model_selection_expression: Option<String>,
    /// Its author's name for it.
    pub operation_name: Option<String>,
    /// Names of models, by what the model selection expression says.
    pub request_models: Option<Texts>,
    /// Parameters of the request, and whether they must be there.
    pub request_parameters: Option<BTreeMap<String, ParameterConstraints>>,
    /// By what an answer finds its route response; WebSocket APIs only.
    pub route_response_selection_expression: Option<String>,
    /// `integrations/{id}`.
    pub target: Option<String>,
}

impl Operation<ApiGatewayV2> for CreateRoute {
    const META: Meta = Meta::write("CreateRoute").http("POST", "/v2/apis/{apiId}/routes").status(201);
    type Output = Route;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Route, Error> {
        let api_id = self.api_id.clone();
        let route = Route {
            route_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            route_key: self.route_key,
            api_gateway_managed: None,
            api_key_required: self.api_key_required,
            authorization_scopes: self.authorization_scopes,
            authorization_type: self.authorization_type,
            authorizer_id: self.authorizer_id,
            model_selection_expression: self.model_selection_expression,
            operation_name: self.operation_name,
            request_models: self.request_models,
            request_parameters: self.request_parameters,
            route_response_selection_expression: self.route_response_selection_expression,
            target: self.target,
        };
        gateway.0.change_api(cx, &api_id, move |tx, api| route::add(tx, api, route.clone())).await
    }
}

/// Tells a route.
#[derive(Shape)]
#[shape(name = "GetRouteRequest", rename_all = "camelCase")]
pub struct GetRoute {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub route_id: String,
}

impl Operation<ApiGatewayV2> for GetRoute {
    const META: Meta = Meta::read("GetRoute").http("GET", "/v2/apis/{apiId}/routes/{routeId}");
    type Output = Route;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes/{}", self.api_id, self.route_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Route, Error> {
        gateway.0.part(cx, &self.api_id, &change::route(&self.api_id, &self.route_id)).await
    }
}

/// Lists an API's routes.
#[derive(Shape)]
#[shape(name = "GetRoutesRequest", rename_all = "camelCase")]
pub struct GetRoutes {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of routes.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetRoutesResponse {
    /// The routes.
    pub items: Vec<Route>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetRoutes {
    const META: Meta = Meta::read("GetRoutes").http("GET", "/v2/apis/{apiId}/routes");
    type Output = GetRoutesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetRoutesResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, ROUTES, self.api_id.as_str()).await?;
        Ok(GetRoutesResponse { items, next_token })
    }
}

/// Changes a route. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateRouteRequest", rename_all = "camelCase")]
pub struct UpdateRoute {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub route_id: String,
    /// Which requests: `GET /pets/{id}`, `$default`; for WebSocket APIs a value of the route selection expression.
    pub route_key: Option<String>,
    /// Whether callers need an API key; WebSocket APIs only.
    pub api_key_required: Option<bool>,
    /// Of these scopes a token must have one.
    pub authorization_scopes: Option<Vec<String>>,
    /// How callers are known.
    pub authorization_type: Option<AuthorizationType>,
    /// Who says whether they may.
    pub authorizer_id: Option<String>,
    /// By what a message finds its model; WebSocket APIs only.
    pub model_selection_expression: Option<String>,
    /// Its author's name for it.
    pub operation_name: Option<String>,
    /// Names of models, by what the model selection expression says.
    pub request_models: Option<Texts>,
    /// Parameters of the request, and whether they must be there.
    pub request_parameters: Option<BTreeMap<String, ParameterConstraints>>,
    /// By what an answer finds its route response; WebSocket APIs only.
    pub route_response_selection_expression: Option<String>,
    /// `integrations/{id}`.
    pub target: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateRoute {
    const META: Meta = Meta::write("UpdateRoute").http("PATCH", "/v2/apis/{apiId}/routes/{routeId}");
    type Output = Route;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes/{}", self.api_id, self.route_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Route, Error> {
        let at = change::route(&self.api_id, &self.route_id);
        let api_id = self.api_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let before = at.get(tx)?;
                let mut route = before.clone();
                self.apply(&mut route);
                route::replace(tx, api, &before, route)
            })
            .await
    }
}

impl UpdateRoute {
    fn apply(&self, route: &mut Route) {
        set_required(&mut route.route_key, self.route_key.as_ref());
        set(&mut route.api_key_required, &self.api_key_required);
        set(&mut route.authorization_scopes, &self.authorization_scopes);
        set(&mut route.authorization_type, &self.authorization_type);
        set_text(&mut route.authorizer_id, &self.authorizer_id);
        set_text(&mut route.model_selection_expression, &self.model_selection_expression);
        set_text(&mut route.operation_name, &self.operation_name);
        set(&mut route.request_models, &self.request_models);
        set(&mut route.request_parameters, &self.request_parameters);
        set_text(&mut route.route_response_selection_expression, &self.route_response_selection_expression);
        set_text(&mut route.target, &self.target);
    }
}

/// Takes a route away.
#[derive(Shape)]
#[shape(name = "DeleteRouteRequest", rename_all = "camelCase")]
pub struct DeleteRoute {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub route_id: String,
}

impl Operation<ApiGatewayV2> for DeleteRoute {
    const META: Meta = Meta::write("DeleteRoute").http("DELETE", "/v2/apis/{apiId}/routes/{routeId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/routes/{}", self.api_id, self.route_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::route(&self.api_id, &self.route_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, api| route::remove(tx, api, &at)).await
    }
}

/// Asks nothing of a route's parameter any more.
#[derive(Shape)]
#[shape(name = "DeleteRouteRequestParameterRequest", rename_all = "camelCase")]
pub struct DeleteRouteRequestParameter {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The parameter: `route.request.querystring.name`.
    #[shape(label)]
    pub request_parameter_key: String,
    /// The route.
    #[shape(label)]
    pub route_id: String,
}

impl Operation<ApiGatewayV2> for DeleteRouteRequestParameter {
    const META: Meta = Meta::write("DeleteRouteRequestParameter")
        .http("DELETE", "/v2/apis/{apiId}/routes/{routeId}/requestparameters/{requestParameterKey}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!(
                "/apis/{}/routes/{}/requestparameters/{}",
                self.api_id, self.route_id, self.request_parameter_key
            ),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, parameter) = (change::route(&self.api_id, &self.route_id), self.request_parameter_key);
        let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
            let mut route = at.get(tx)?;
            let removed = route.request_parameters.as_mut().and_then(|all| all.remove(&parameter));
            if removed.is_none() {
                return Err(none("RequestParameter", &parameter).into());
            }
            at.put(tx, &route)
        };
        gateway.0.change_api(cx, &self.api_id, work).await
    }
}
