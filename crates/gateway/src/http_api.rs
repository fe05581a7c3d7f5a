//! HTTP APIs, and the control plane that they share with WebSocket APIs: API Gateway's second version (`2018-11-29`).
//!
//! The control plane is `operations`, by noun; what it keeps is in `records`. The data plane of HTTP APIs is `plane`; that of
//! WebSocket APIs is [`web_socket`](crate::web_socket).

pub(crate) mod api;
mod authorizer;
pub(crate) mod change;
pub(crate) mod error;
pub(crate) mod integration;
mod integration_response;
mod merge;
mod model;
mod not_yet;
mod openapi;
pub mod operations;
mod paging;
mod plane;
pub(crate) mod records;
pub(crate) mod route;
mod route_response;
pub(crate) mod snapshot;
pub(crate) mod stage;
mod tags;

use base::{AccountId, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check, op};
use wire::protocol::Protocol;

use crate::Gateway;

pub(crate) use plane::HttpApis;

/// The service `apigatewayv2`. Its signatures and permissions name `apigateway`, as version 1's do.
pub struct ApiGatewayV2(pub Gateway);

impl Service for ApiGatewayV2 {
    const ID: ServiceId = ServiceId::new("apigatewayv2", &[Protocol::RestJson1], "2018-11-29")
        .signing_name("apigateway")
        .iam_prefix("apigateway")
        .iam_by_method()
        .path_prefixes(&["v2"])
        .validation_code("BadRequestException");
    const OPERATIONS: &'static [Op<Self>] = &[
        op::<_, operations::api::CreateApi>(),
        op::<_, operations::api_mapping::CreateApiMapping>(),
        op::<_, operations::authorizer::CreateAuthorizer>(),
        op::<_, operations::deployment::CreateDeployment>(),
        op::<_, operations::domain_name::CreateDomainName>(),
        op::<_, operations::integration::CreateIntegration>(),
        op::<_, operations::integration_response::CreateIntegrationResponse>(),
        op::<_, operations::model::CreateModel>(),
        op::<_, operations::route::CreateRoute>(),
        op::<_, operations::route_response::CreateRouteResponse>(),
        op::<_, operations::stage::CreateStage>(),
        op::<_, operations::vpc_link::CreateVpcLink>(),
        op::<_, operations::stage::DeleteAccessLogSettings>(),
        op::<_, operations::api::DeleteApi>(),
        op::<_, operations::api_mapping::DeleteApiMapping>(),
        op::<_, operations::authorizer::DeleteAuthorizer>(),
        op::<_, operations::api::DeleteCorsConfiguration>(),
        op::<_, operations::deployment::DeleteDeployment>(),
        op::<_, operations::domain_name::DeleteDomainName>(),
        op::<_, operations::integration::DeleteIntegration>(),
        op::<_, operations::integration_response::DeleteIntegrationResponse>(),
        op::<_, operations::model::DeleteModel>(),
        op::<_, operations::route::DeleteRoute>(),
        op::<_, operations::route::DeleteRouteRequestParameter>(),
        op::<_, operations::route_response::DeleteRouteResponse>(),
        op::<_, operations::stage::DeleteRouteSettings>(),
        op::<_, operations::stage::DeleteStage>(),
        op::<_, operations::vpc_link::DeleteVpcLink>(),
        op::<_, operations::definition::ExportApi>(),
        op::<_, operations::api::GetApi>(),
        op::<_, operations::api_mapping::GetApiMapping>(),
        op::<_, operations::api_mapping::GetApiMappings>(),
        op::<_, operations::api::GetApis>(),
        op::<_, operations::authorizer::GetAuthorizer>(),
        op::<_, operations::authorizer::GetAuthorizers>(),
        op::<_, operations::deployment::GetDeployment>(),
        op::<_, operations::deployment::GetDeployments>(),
        op::<_, operations::domain_name::GetDomainName>(),
        op::<_, operations::domain_name::GetDomainNames>(),
        op::<_, operations::integration::GetIntegration>(),
        op::<_, operations::integration_response::GetIntegrationResponse>(),
        op::<_, operations::integration_response::GetIntegrationResponses>(),
        op::<_, operations::integration::GetIntegrations>(),
        op::<_, operations::model::GetModel>(),
        op::<_, operations::model::GetModelTemplate>(),
        op::<_, operations::model::GetModels>(),
        op::<_, operations::route::GetRoute>(),
        op::<_, operations::route_response::GetRouteResponse>(),
        op::<_, operations::route_response::GetRouteResponses>(),
        op::<_, operations::route::GetRoutes>(),
        op::<_, operations::stage::GetStage>(),
        op::<_, operations::stage::GetStages>(),
        op::<_, operations::tag::GetTags>(),
        op::<_, operations::vpc_link::GetVpcLink>(),
        op::<_, operations::vpc_link::GetVpcLinks>(),
        op::<_, operations::definition::ImportApi>(),
        op::<_, operations::definition::ReimportApi>(),
        op::<_, operations::stage::ResetAuthorizersCache>(),
        op::<_, operations::tag::TagResource>(),
        op::<_, operations::tag::UntagResource>(),
        op::<_, operations::api::UpdateApi>(),
        op::<_, operations::api_mapping::UpdateApiMapping>(),
        op::<_, operations::authorizer::UpdateAuthorizer>(),
        op::<_, operations::deployment::UpdateDeployment>(),
        op::<_, operations::domain_name::UpdateDomainName>(),
        op::<_, operations::integration::UpdateIntegration>(),
        op::<_, operations::integration_response::UpdateIntegrationResponse>(),
        op::<_, operations::model::UpdateModel>(),
        op::<_, operations::route::UpdateRoute>(),
        op::<_, operations::route_response::UpdateRouteResponse>(),
        op::<_, operations::stage::UpdateStage>(),
        op::<_, operations::vpc_link::UpdateVpcLink>(),
    ];
    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.0.reset_http_apis(account))
    }
}

const _: () = check(ApiGatewayV2::OPERATIONS);
