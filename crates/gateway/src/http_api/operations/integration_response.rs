//! Integration responses.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::merge::{set, set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{ContentHandlingStrategy, INTEGRATION_RESPONSES, IntegrationResponse, Texts};
use crate::http_api::{ApiGatewayV2, change, integration_response};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 7;

/// Adds an integration response to an API.
#[derive(Shape)]
#[shape(name = "CreateIntegrationResponseRequest", rename_all = "camelCase")]
pub struct CreateIntegrationResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The integration.
    #[shape(label)]
    pub integration_id: String,
    /// Which answers: a status as `/200/`, an expression between slashes, or `$default`.
    pub integration_response_key: String,
    /// What becomes of the answer's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// What is changed in the answer.
    pub response_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub response_templates: Option<Texts>,
    /// By what an answer finds its template.
    pub template_selection_expression: Option<String>,
}

impl Operation<ApiGatewayV2> for CreateIntegrationResponse {
    const META: Meta = Meta::write("CreateIntegrationResponse")
        .http("POST", "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses")
        .status(201);
    type Output = IntegrationResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/integrations/{}/integrationresponses", self.api_id, self.integration_id),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<IntegrationResponse, Error> {
        let api_id = self.api_id.clone();
        let parent = self.integration_id.clone();
        let integration_response = IntegrationResponse {
            integration_response_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            integration_response_key: self.integration_response_key,
            content_handling_strategy: self.content_handling_strategy,
            response_parameters: self.response_parameters,
            response_templates: self.response_templates,
            template_selection_expression: self.template_selection_expression,
        };
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                integration_response::add(tx, api, &parent, integration_response.clone())
            })
            .await
    }
}

/// Tells an integration response.
#[derive(Shape)]
#[shape(name = "GetIntegrationResponseRequest", rename_all = "camelCase")]
pub struct GetIntegrationResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The integration.
    #[shape(label)]
    pub integration_id: String,
    /// Which.
    #[shape(label)]
    pub integration_response_id: String,
}

impl Operation<ApiGatewayV2> for GetIntegrationResponse {
    const META: Meta = Meta::read("GetIntegrationResponse")
        .http("GET", "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}");
    type Output = IntegrationResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!(
                "/apis/{}/integrations/{}/integrationresponses/{}",
                self.api_id, self.integration_id, self.integration_response_id
            ),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<IntegrationResponse, Error> {
        gateway
            .0
            .part(
                cx,
                &self.api_id,
                &change::integration_response(&self.api_id, &self.integration_id, &self.integration_response_id),
            )
            .await
    }
}

/// Lists an integration's integration responses.
#[derive(Shape)]
#[shape(name = "GetIntegrationResponsesRequest", rename_all = "camelCase")]
pub struct GetIntegrationResponses {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The integration.
    #[shape(label)]
    pub integration_id: String,
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of integration responses.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetIntegrationResponsesResponse {
    /// The integration responses.
    pub items: Vec<IntegrationResponse>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetIntegrationResponses {
    const META: Meta = Meta::read("GetIntegrationResponses")
        .http("GET", "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses");
    type Output = GetIntegrationResponsesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/integrations/{}/integrationresponses", self.api_id, self.integration_id),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetIntegrationResponsesResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.part(cx, &self.api_id, &change::integration(&self.api_id, &self.integration_id)).await?;
        let (items, next_token) = page
            .read(&gateway.0.store, INTEGRATION_RESPONSES, (self.api_id.as_str(), self.integration_id.as_str()))
            .await?;
        Ok(GetIntegrationResponsesResponse { items, next_token })
    }
}

/// Changes an integration response. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateIntegrationResponseRequest", rename_all = "camelCase")]
pub struct UpdateIntegrationResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The integration.
    #[shape(label)]
    pub integration_id: String,
    /// Which.
    #[shape(label)]
    pub integration_response_id: String,
    /// Which answers: a status as `/200/`, an expression between slashes, or `$default`.
    pub integration_response_key: Option<String>,
    /// What becomes of the answer's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// What is changed in the answer.
    pub response_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub response_templates: Option<Texts>,
    /// By what an answer finds its template.
    pub template_selection_expression: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateIntegrationResponse {
    const META: Meta = Meta::write("UpdateIntegrationResponse")
        .http("PATCH", "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}");
    type Output = IntegrationResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!(
                "/apis/{}/integrations/{}/integrationresponses/{}",
                self.api_id, self.integration_id, self.integration_response_id
            ),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<IntegrationResponse, Error> {
        let at = change::integration_response(&self.api_id, &self.integration_id, &self.integration_response_id);
        let api_id = self.api_id.clone();
        let parent = self.integration_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let mut integration_response = at.get(tx)?;
                self.apply(&mut integration_response);
                integration_response::put(tx, api, &parent, integration_response)
            })
            .await
    }
}

impl UpdateIntegrationResponse {
    fn apply(&self, integration_response: &mut IntegrationResponse) {
        set_required(&mut integration_response.integration_response_key, self.integration_response_key.as_ref());
        set(&mut integration_response.content_handling_strategy, &self.content_handling_strategy);
        set(&mut integration_response.response_parameters, &self.response_parameters);
        set(&mut integration_response.response_templates, &self.response_templates);
        set_text(&mut integration_response.template_selection_expression, &self.template_selection_expression);
    }
}

/// Takes an integration response away.
#[derive(Shape)]
#[shape(name = "DeleteIntegrationResponseRequest", rename_all = "camelCase")]
pub struct DeleteIntegrationResponse {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The integration.
    #[shape(label)]
    pub integration_id: String,
    /// Which.
    #[shape(label)]
    pub integration_response_id: String,
}

impl Operation<ApiGatewayV2> for DeleteIntegrationResponse {
    const META: Meta = Meta::write("DeleteIntegrationResponse")
        .http("DELETE", "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!(
                "/apis/{}/integrations/{}/integrationresponses/{}",
                self.api_id, self.integration_id, self.integration_response_id
            ),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::integration_response(&self.api_id, &self.integration_id, &self.integration_response_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, _| at.delete(tx).map(drop)).await
    }
}
