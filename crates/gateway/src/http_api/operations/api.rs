//! APIs: create, tell, list, change, delete.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::Failure;
use crate::control::arn;
use crate::http_api::ApiGatewayV2;
use crate::http_api::api::{self, Quick};
use crate::http_api::change::now;
use crate::http_api::error::bad;
use crate::http_api::merge::{set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{APIS, Api, Cors, IpAddressType, ProtocolType, Texts};

/// Makes an API; with a target, one that answers at once (quick create).
#[derive(Shape)]
#[shape(name = "CreateApiRequest", rename_all = "camelCase")]
pub struct CreateApi {
    /// Where requests have their API key; of use to WebSocket APIs only.
    pub api_key_selection_expression: Option<String>,
    /// What browsers are told; HTTP APIs only.
    pub cors_configuration: Option<Cors>,
    /// Quick create: the role in whose name the function is called.
    pub credentials_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether models are not looked at; WebSocket APIs only.
    pub disable_schema_validation: Option<bool>,
    /// Whether it answers on its custom domain names only.
    pub disable_execute_api_endpoint: Option<bool>,
    /// Which addresses may call it.
    pub ip_address_type: Option<IpAddressType>,
    /// Its name.
    pub name: String,
    /// `HTTP` or `WEBSOCKET`.
    pub protocol_type: String,
    /// Quick create: the route's key; `$default`, if nothing is said.
    pub route_key: Option<String>,
    /// By what a request finds its route; WebSocket APIs must say it.
    pub route_selection_expression: Option<String>,
    /// Its tags; `_custom_id_` gives it an id of the user's choice.
    pub tags: Option<Texts>,
    /// Quick create: a function's ARN, or a URL.
    pub target: Option<String>,
    /// Its author's version of it.
    pub version: Option<String>,
}

impl Operation<ApiGatewayV2> for CreateApi {
    const META: Meta = Meta::write("CreateApi").http("POST", "/v2/apis").status(201);
    type Output = Api;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Api, Error> {
        let protocol_type = match self.protocol_type.as_str() {
            "HTTP" => ProtocolType::Http,
            "WEBSOCKET" => ProtocolType::WebSocket,
            _ => return Err(bad("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")),
        };
        let selection = match (self.route_selection_expression, protocol_type) {
            (Some(given), _) => given,
            (None, ProtocolType::Http) => api::HTTP_SELECTION.to_owned(),
            (None, ProtocolType::WebSocket) => {
                return Err(bad("RouteSelectionExpression is required on protocolType WEBSOCKET"));
            }
        };
        let quick = Quick { target: self.target, route_key: self.route_key, credentials_arn: self.credentials_arn };
        let created = Api {
            route_selection_expression: selection,
            api_key_selection_expression: self.api_key_selection_expression,
            cors_configuration: self.cors_configuration,
            description: self.description,
            disable_schema_validation: self.disable_schema_validation,
            disable_execute_api_endpoint: self.disable_execute_api_endpoint,
            ip_address_type: self.ip_address_type,
            tags: self.tags,
            version: self.version,
            ..api::blank(self.name, protocol_type, now(cx))
        };
        gateway
            .0
            .create_http_api(cx, created, move |tx, api, now| match quick.is_given() {
                true => quick.add(tx, api, now),
                false => Ok(()),
            })
            .await
    }
}

/// Tells an API.
#[derive(Shape)]
#[shape(name = "GetApiRequest", rename_all = "camelCase")]
pub struct GetApi {
    /// Which.
    #[shape(label)]
    pub api_id: String,
}

impl Operation<ApiGatewayV2> for GetApi {
    const META: Meta = Meta::read("GetApi").http("GET", "/v2/apis/{apiId}");
    type Output = Api;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Api, Error> {
        Ok(api::shown(cx, gateway.0.http_api(cx, &self.api_id).await?))
    }
}

/// Lists the APIs of an account in a region.
#[derive(Shape)]
#[shape(name = "GetApisRequest", rename_all = "camelCase")]
pub struct GetApis {
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of APIs.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetApisResponse {
    /// The APIs.
    pub items: Vec<Api>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetApis {
    const META: Meta = Meta::read("GetApis").http("GET", "/v2/apis");
    type Output = GetApisResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetApisResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        let (items, next_token) = page.read(&gateway.0.store, APIS, (cx.account.as_str(), cx.region.as_str())).await?;
        Ok(GetApisResponse { items: items.into_iter().map(|api| api::shown(cx, api)).collect(), next_token })
    }
}

/// Changes an API. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateApiRequest", rename_all = "camelCase")]
pub struct UpdateApi {
    /// Which.
    #[shape(label)]
    pub api_id: String,
    /// Where requests have their API key; of use to WebSocket APIs only.
    pub api_key_selection_expression: Option<String>,
    /// What browsers are told; HTTP APIs only.
    pub cors_configuration: Option<Cors>,
    /// Quick create: the role in whose name the function is called.
    pub credentials_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether models are not looked at; WebSocket APIs only.
    pub disable_schema_validation: Option<bool>,
    /// Whether it answers on its custom domain names only.
    pub disable_execute_api_endpoint: Option<bool>,
    /// Which addresses may call it.
    pub ip_address_type: Option<IpAddressType>,
    /// Its name.
    pub name: Option<String>,
    /// Quick create: the route's key.
    pub route_key: Option<String>,
    /// By what a request finds its route.
    pub route_selection_expression: Option<String>,
    /// Quick create: a function's ARN, or a URL.
    pub target: Option<String>,
    /// Its author's version of it.
    pub version: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateApi {
    const META: Meta = Meta::write("UpdateApi").http("PATCH", "/v2/apis/{apiId}");
    type Output = Api;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Api, Error> {
        let id = self.api_id.clone();
        let changed = gateway.0.change_api(cx, &id, move |tx, api| {
            self.apply(api);
            api::settle(api)?;
            let quick = self.quick();
            if quick.is_given() {
                quick.change(tx, api)?;
            }
            Ok(api.clone())
        });
        Ok(api::shown(cx, changed.await?))
    }
}

impl UpdateApi {
    fn apply(&self, api: &mut Api) {
        set_text(&mut api.api_key_selection_expression, &self.api_key_selection_expression);
        set(&mut api.cors_configuration, &self.cors_configuration);
        set_text(&mut api.description, &self.description);
        set(&mut api.disable_schema_validation, &self.disable_schema_validation);
        set(&mut api.disable_execute_api_endpoint, &self.disable_execute_api_endpoint);
        set(&mut api.ip_address_type, &self.ip_address_type);
        set_required(&mut api.name, self.name.as_ref());
        set_required(&mut api.route_selection_expression, self.route_selection_expression.as_ref());
        set_text(&mut api.version, &self.version);
    }

    fn quick(&self) -> Quick {
        Quick {
            target: self.target.clone(),
            route_key: self.route_key.clone(),
            credentials_arn: self.credentials_arn.clone(),
        }
    }
}

/// Deletes an API with all that belongs to it.
#[derive(Shape)]
#[shape(name = "DeleteApiRequest", rename_all = "camelCase")]
pub struct DeleteApi {
    /// Which.
    #[shape(label)]
    pub api_id: String,
}

impl Operation<ApiGatewayV2> for DeleteApi {
    const META: Meta = Meta::write("DeleteApi").http("DELETE", "/v2/apis/{apiId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        gateway.0.delete_http_api(cx, &self.api_id).await
    }
}

/// Leaves to integrations what browsers are told.
#[derive(Shape)]
#[shape(name = "DeleteCorsConfigurationRequest", rename_all = "camelCase")]
pub struct DeleteCorsConfiguration {
    /// The API.
    #[shape(label)]
    pub api_id: String,
}

impl Operation<ApiGatewayV2> for DeleteCorsConfiguration {
    const META: Meta = Meta::write("DeleteCorsConfiguration").http("DELETE", "/v2/apis/{apiId}/cors").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/cors", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        gateway
            .0
            .change_api(cx, &self.api_id, |_, api| {
                api.cors_configuration = None;
                Ok::<(), Failure>(())
            })
            .await
    }
}
