//! Authorizers.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::merge::{set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{AUTHORIZERS, Authorizer, AuthorizerType, JwtConfiguration};
use crate::http_api::{ApiGatewayV2, authorizer, change};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 6;

/// Adds an authorizer to an API.
#[derive(Shape)]
#[shape(name = "CreateAuthorizerRequest", rename_all = "camelCase")]
pub struct CreateAuthorizer {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Its kind.
    pub authorizer_type: AuthorizerType,
    /// Its name.
    pub name: String,
    /// The role in whose name the function is called.
    pub authorizer_credentials_arn: Option<String>,
    /// The form of the function's event: `1.0` or `2.0`; HTTP APIs only.
    pub authorizer_payload_format_version: Option<String>,
    /// How long an answer is good, in seconds.
    pub authorizer_result_ttl_in_seconds: Option<i32>,
    /// Where the function is.
    pub authorizer_uri: Option<String>,
    /// Whether the function answers with a Boolean instead of a policy.
    pub enable_simple_responses: Option<bool>,
    /// What of the request says who the caller is; without it a request is refused.
    pub identity_source: Vec<String>,
    /// Not used by AWS.
    pub identity_validation_expression: Option<String>,
    /// Whose tokens are taken.
    pub jwt_configuration: Option<JwtConfiguration>,
}

impl Operation<ApiGatewayV2> for CreateAuthorizer {
    const META: Meta = Meta::write("CreateAuthorizer").http("POST", "/v2/apis/{apiId}/authorizers").status(201);
    type Output = Authorizer;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/authorizers", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Authorizer, Error> {
        let api_id = self.api_id.clone();
        let authorizer = Authorizer {
            authorizer_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            authorizer_type: self.authorizer_type,
            name: self.name,
            authorizer_credentials_arn: self.authorizer_credentials_arn,
            authorizer_payload_format_version: self.authorizer_payload_format_version,
            authorizer_result_ttl_in_seconds: self.authorizer_result_ttl_in_seconds,
            authorizer_uri: self.authorizer_uri,
            enable_simple_responses: self.enable_simple_responses,
            identity_source: Some(self.identity_source),
            identity_validation_expression: self.identity_validation_expression,
            jwt_configuration: self.jwt_configuration,
        };
        gateway.0.change_api(cx, &api_id, move |tx, api| authorizer::add(tx, api, authorizer.clone())).await
    }
}

/// Tells an authorizer.
#[derive(Shape)]
#[shape(name = "GetAuthorizerRequest", rename_all = "camelCase")]
pub struct GetAuthorizer {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub authorizer_id: String,
}

impl Operation<ApiGatewayV2> for GetAuthorizer {
    const META: Meta = Meta::read("GetAuthorizer").http("GET", "/v2/apis/{apiId}/authorizers/{authorizerId}");
    type Output = Authorizer;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/authorizers/{}", self.api_id, self.authorizer_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Authorizer, Error> {
        gateway.0.part(cx, &self.api_id, &change::authorizer(&self.api_id, &self.authorizer_id)).await
    }
}

/// Lists an API's authorizers.
#[derive(Shape)]
#[shape(name = "GetAuthorizersRequest", rename_all = "camelCase")]
pub struct GetAuthorizers {
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

/// A page of authorizers.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetAuthorizersResponse {
    /// The authorizers.
    pub items: Vec<Authorizer>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetAuthorizers {
    const META: Meta = Meta::read("GetAuthorizers").http("GET", "/v2/apis/{apiId}/authorizers");
    type Output = GetAuthorizersResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/authorizers", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetAuthorizersResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, AUTHORIZERS, self.api_id.as_str()).await?;
        Ok(GetAuthorizersResponse { items, next_token })
    }
}

/// Changes an authorizer. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateAuthorizerRequest", rename_all = "camelCase")]
pub struct UpdateAuthorizer {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub authorizer_id: String,
    /// Its kind.
    pub authorizer_type: Option<AuthorizerType>,
    /// Its name.
    pub name: Option<String>,
    /// The role in whose name the function is called.
    pub authorizer_credentials_arn: Option<String>,
    /// The form of the function's event: `1.0` or `2.0`; HTTP APIs only.
    pub authorizer_payload_format_version: Option<String>,
    /// How long an answer is good, in seconds.
    pub authorizer_result_ttl_in_seconds: Option<i32>,
    /// Where the function is.
    pub authorizer_uri: Option<String>,
    /// Whether the function answers with a Boolean instead of a policy.
    pub enable_simple_responses: Option<bool>,
    /// What of the request says who the caller is; without it a request is refused.
    pub identity_source: Option<Vec<String>>,
    /// Not used by AWS.
    pub identity_validation_expression: Option<String>,
    /// Whose tokens are taken.
    pub jwt_configuration: Option<JwtConfiguration>,
}

impl Operation<ApiGatewayV2> for UpdateAuthorizer {
    const META: Meta = Meta::write("UpdateAuthorizer").http("PATCH", "/v2/apis/{apiId}/authorizers/{authorizerId}");
    type Output = Authorizer;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/authorizers/{}", self.api_id, self.authorizer_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Authorizer, Error> {
        let at = change::authorizer(&self.api_id, &self.authorizer_id);
        let api_id = self.api_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let mut authorizer = at.get(tx)?;
                self.apply(&mut authorizer);
                authorizer::put(tx, api, authorizer)
            })
            .await
    }
}

impl UpdateAuthorizer {
    fn apply(&self, authorizer: &mut Authorizer) {
        set_required(&mut authorizer.authorizer_type, self.authorizer_type.as_ref());
        set_required(&mut authorizer.name, self.name.as_ref());
        set_text(&mut authorizer.authorizer_credentials_arn, &self.authorizer_credentials_arn);
        set_text(&mut authorizer.authorizer_payload_format_version, &self.authorizer_payload_format_version);
        set(&mut authorizer.authorizer_result_ttl_in_seconds, &self.authorizer_result_ttl_in_seconds);
        set_text(&mut authorizer.authorizer_uri, &self.authorizer_uri);
        set(&mut authorizer.enable_simple_responses, &self.enable_simple_responses);
        set(&mut authorizer.identity_source, &self.identity_source);
        set_text(&mut authorizer.identity_validation_expression, &self.identity_validation_expression);
        set(&mut authorizer.jwt_configuration, &self.jwt_configuration);
    }
}

/// Takes an authorizer away.
#[derive(Shape)]
#[shape(name = "DeleteAuthorizerRequest", rename_all = "camelCase")]
pub struct DeleteAuthorizer {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub authorizer_id: String,
}

impl Operation<ApiGatewayV2> for DeleteAuthorizer {
    const META: Meta =
        Meta::write("DeleteAuthorizer").http("DELETE", "/v2/apis/{apiId}/authorizers/{authorizerId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/authorizers/{}", self.api_id, self.authorizer_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::authorizer(&self.api_id, &self.authorizer_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, api| authorizer::remove(tx, api, &at)).await
    }
}
