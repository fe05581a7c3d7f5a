//! Integrations.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::merge::{merge, merge_texts, set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{
    ConnectionType, ContentHandlingStrategy, INTEGRATIONS, Integration, IntegrationType, PassthroughBehavior, Texts,
    TlsConfig,
};
use crate::http_api::{ApiGatewayV2, change, integration};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 7;

/// Adds an integration to an API.
#[derive(Shape)]
#[shape(name = "CreateIntegrationRequest", rename_all = "camelCase")]
pub struct CreateIntegration {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Its kind.
    pub integration_type: IntegrationType,
    /// The VPC link.
    pub connection_id: Option<String>,
    /// How the backend is reached.
    pub connection_type: Option<ConnectionType>,
    /// What becomes of the request's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// The role in whose name the backend is called. The caller's own credentials (`arn:aws:iam::*:user/*`) are refused.
    pub credentials_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The method that the backend is called with.
    pub integration_method: Option<String>,
    /// The action of an AWS service: `SQS-SendMessage`.
    pub integration_subtype: Option<String>,
    /// Where the backend is.
    pub integration_uri: Option<String>,
    /// What becomes of messages without a template.
    pub passthrough_behavior: Option<PassthroughBehavior>,
    /// The form of the event that a function gets: `1.0` or `2.0`.
    pub payload_format_version: Option<String>,
    /// What is changed in the request, or the parameters of the action.
    pub request_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub request_templates: Option<Texts>,
    /// What is changed in responses, by status.
    pub response_parameters: Option<BTreeMap<String, Texts>>,
    /// By what a message finds its template.
    pub template_selection_expression: Option<String>,
    /// How long the backend may take, in milliseconds.
    pub timeout_in_millis: Option<i32>,
    /// What is asked of the backend's certificate.
    pub tls_config: Option<TlsConfig>,
}

impl Operation<ApiGatewayV2> for CreateIntegration {
    const META: Meta = Meta::write("CreateIntegration").http("POST", "/v2/apis/{apiId}/integrations").status(201);
    type Output = Integration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/integrations", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Integration, Error> {
        let api_id = self.api_id.clone();
        let integration = Integration {
            integration_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            integration_type: self.integration_type,
            api_gateway_managed: None,
            connection_id: self.connection_id,
            connection_type: self.connection_type,
            content_handling_strategy: self.content_handling_strategy,
            credentials_arn: self.credentials_arn,
            description: self.description,
            integration_method: self.integration_method,
            integration_response_selection_expression: None,
            integration_subtype: self.integration_subtype,
            integration_uri: self.integration_uri,
            passthrough_behavior: self.passthrough_behavior,
            payload_format_version: self.payload_format_version,
            request_parameters: self.request_parameters,
            request_templates: self.request_templates,
            response_parameters: self.response_parameters,
            template_selection_expression: self.template_selection_expression,
            timeout_in_millis: self.timeout_in_millis,
            tls_config: self.tls_config,
        };
        gateway.0.change_api(cx, &api_id, move |tx, api| integration::add(tx, api, integration.clone())).await
    }
}

/// Tells an integration.
#[derive(Shape)]
#[shape(name = "GetIntegrationRequest", rename_all = "camelCase")]
pub struct GetIntegration {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub integration_id: String,
}

impl Operation<ApiGatewayV2> for GetIntegration {
    const META: Meta = Meta::read("GetIntegration").http("GET", "/v2/apis/{apiId}/integrations/{integrationId}");
    type Output = Integration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/integrations/{}", self.api_id, self.integration_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Integration, Error> {
        gateway.0.part(cx, &self.api_id, &change::integration(&self.api_id, &self.integration_id)).await
    }
}

/// Lists an API's integrations.
#[derive(Shape)]
#[shape(name = "GetIntegrationsRequest", rename_all = "camelCase")]
pub struct GetIntegrations {
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

/// A page of integrations.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetIntegrationsResponse {
    /// The integrations.
    pub items: Vec<Integration>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetIntegrations {
    const META: Meta = Meta::read("GetIntegrations").http("GET", "/v2/apis/{apiId}/integrations");
    type Output = GetIntegrationsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/integrations", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetIntegrationsResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, INTEGRATIONS, self.api_id.as_str()).await?;
        Ok(GetIntegrationsResponse { items, next_token })
    }
}

/// Changes an integration. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateIntegrationRequest", rename_all = "camelCase")]
pub struct UpdateIntegration {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub integration_id: String,
    /// Its kind.
    pub integration_type: Option<IntegrationType>,
    /// The VPC link.
    pub connection_id: Option<String>,
    /// How the backend is reached.
    pub connection_type: Option<ConnectionType>,
    /// What becomes of the request's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// The role in whose name the backend is called. The caller's own credentials (`arn:aws:iam::*:user/*`) are refused.
    pub credentials_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The method that the backend is called with.
    pub integration_method: Option<String>,
    /// The action of an AWS service: `SQS-SendMessage`.
    pub integration_subtype: Option<String>,
    /// Where the backend is.
    pub integration_uri: Option<String>,
    /// What becomes of messages without a template.
    pub passthrough_behavior: Option<PassthroughBehavior>,
    /// The form of the event that a function gets: `1.0` or `2.0`.
    pub payload_format_version: Option<String>,
    /// What is changed in the request, or the parameters of the action.
    pub request_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub request_templates: Option<Texts>,
    /// What is changed in responses, by status.
    pub response_parameters: Option<BTreeMap<String, Texts>>,
    /// By what a message finds its template.
    pub template_selection_expression: Option<String>,
    /// How long the backend may take, in milliseconds.
    pub timeout_in_millis: Option<i32>,
    /// What is asked of the backend's certificate.
    pub tls_config: Option<TlsConfig>,
}

impl Operation<ApiGatewayV2> for UpdateIntegration {
    const META: Meta = Meta::write("UpdateIntegration").http("PATCH", "/v2/apis/{apiId}/integrations/{integrationId}");
    type Output = Integration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/integrations/{}", self.api_id, self.integration_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Integration, Error> {
        let at = change::integration(&self.api_id, &self.integration_id);
        let api_id = self.api_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let mut integration = at.get(tx)?;
                self.apply(&mut integration);
                integration::put(tx, api, integration)
            })
            .await
    }
}

impl UpdateIntegration {
    fn apply(&self, integration: &mut Integration) {
        set_required(&mut integration.integration_type, self.integration_type.as_ref());
        set_text(&mut integration.connection_id, &self.connection_id);
        set(&mut integration.connection_type, &self.connection_type);
        set(&mut integration.content_handling_strategy, &self.content_handling_strategy);
        set_text(&mut integration.credentials_arn, &self.credentials_arn);
        set_text(&mut integration.description, &self.description);
        set_text(&mut integration.integration_method, &self.integration_method);
        set_text(&mut integration.integration_subtype, &self.integration_subtype);
        set_text(&mut integration.integration_uri, &self.integration_uri);
        set(&mut integration.passthrough_behavior, &self.passthrough_behavior);
        set_text(&mut integration.payload_format_version, &self.payload_format_version);
        merge_texts(&mut integration.request_parameters, &self.request_parameters);
        set(&mut integration.request_templates, &self.request_templates);
        merge(&mut integration.response_parameters, &self.response_parameters, BTreeMap::is_empty);
        set_text(&mut integration.template_selection_expression, &self.template_selection_expression);
        set(&mut integration.timeout_in_millis, &self.timeout_in_millis);
        set(&mut integration.tls_config, &self.tls_config);
    }
}

/// Takes an integration away.
#[derive(Shape)]
#[shape(name = "DeleteIntegrationRequest", rename_all = "camelCase")]
pub struct DeleteIntegration {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub integration_id: String,
}

impl Operation<ApiGatewayV2> for DeleteIntegration {
    const META: Meta =
        Meta::write("DeleteIntegration").http("DELETE", "/v2/apis/{apiId}/integrations/{integrationId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/integrations/{}", self.api_id, self.integration_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::integration(&self.api_id, &self.integration_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, api| integration::remove(tx, api, &at)).await
    }
}
