//! The operations, by noun; each noun is a file.

pub mod account;
pub mod api_key;
pub mod authorizer;
pub mod base_path_mapping;
pub mod client_certificate;
pub mod deployment;
pub mod documentation;
pub mod domain_name;
pub mod export;
pub mod gateway_response;
pub mod import;
pub mod integration;
pub mod method;
pub mod model;
pub mod request_validator;
pub mod resource;
pub mod rest_api;
pub mod sdk;
pub mod sdk_type;
pub mod stage;
pub mod tag;
pub mod test_invoke;
pub mod usage_plan;
pub mod vpc_link;

use cloud::{Op, op};

use super::ApiGateway;
use account::{GetAccount, UpdateAccount};
use api_key::{CreateApiKey, DeleteApiKey, GetApiKey, GetApiKeys, ImportApiKeys, UpdateApiKey};
use authorizer::{CreateAuthorizer, DeleteAuthorizer, GetAuthorizer, GetAuthorizers, UpdateAuthorizer};
use base_path_mapping::{
    CreateBasePathMapping, DeleteBasePathMapping, GetBasePathMapping, GetBasePathMappings, UpdateBasePathMapping,
};
use client_certificate::{
    DeleteClientCertificate, GenerateClientCertificate, GetClientCertificate, GetClientCertificates,
    UpdateClientCertificate,
};
use deployment::{CreateDeployment, DeleteDeployment, GetDeployment, GetDeployments, UpdateDeployment};
use documentation::{
    CreateDocumentationPart, CreateDocumentationVersion, DeleteDocumentationPart, DeleteDocumentationVersion,
    GetDocumentationPart, GetDocumentationParts, GetDocumentationVersion, GetDocumentationVersions,
    UpdateDocumentationPart, UpdateDocumentationVersion,
};
use domain_name::{CreateDomainName, DeleteDomainName, GetDomainName, GetDomainNames, UpdateDomainName};
use export::{GetExport, GetModelTemplate};
use gateway_response::{
    DeleteGatewayResponse, GetGatewayResponse, GetGatewayResponses, PutGatewayResponse, UpdateGatewayResponse,
};
use import::{ImportDocumentationParts, ImportRestApi, PutRestApi};
use integration::{
    DeleteIntegration, DeleteIntegrationResponse, GetIntegration, GetIntegrationResponse, PutIntegration,
    PutIntegrationResponse, UpdateIntegration, UpdateIntegrationResponse,
};
use method::{
    DeleteMethod, DeleteMethodResponse, GetMethod, GetMethodResponse, PutMethod, PutMethodResponse, UpdateMethod,
    UpdateMethodResponse,
};
use model::{CreateModel, DeleteModel, GetModel, GetModels, UpdateModel};
use request_validator::{
    CreateRequestValidator, DeleteRequestValidator, GetRequestValidator, GetRequestValidators, UpdateRequestValidator,
};
use resource::{CreateResource, DeleteResource, GetResource, GetResources, UpdateResource};
use rest_api::{CreateRestApi, DeleteRestApi, GetRestApi, GetRestApis, UpdateRestApi};
use sdk::GetSdk;
use sdk_type::{GetSdkType, GetSdkTypes};
use stage::{CreateStage, DeleteStage, FlushStageAuthorizersCache, FlushStageCache, GetStage, GetStages, UpdateStage};
use tag::{GetTags, TagResource, UntagResource};
use test_invoke::{TestInvokeAuthorizer, TestInvokeMethod};
use usage_plan::{
    CreateUsagePlan, CreateUsagePlanKey, DeleteUsagePlan, DeleteUsagePlanKey, GetUsage, GetUsagePlan, GetUsagePlanKey,
    GetUsagePlanKeys, GetUsagePlans, UpdateUsage, UpdateUsagePlan,
};
use vpc_link::{CreateVpcLink, DeleteVpcLink, GetVpcLink, GetVpcLinks, UpdateVpcLink};

/// All operations that are answered, in the order of their names.
pub(super) const OPERATIONS: &[Op<ApiGateway>] = &[
    op::<_, CreateApiKey>(),
    op::<_, CreateAuthorizer>(),
    op::<_, CreateBasePathMapping>(),
    op::<_, CreateDeployment>(),
    op::<_, CreateDocumentationPart>(),
    op::<_, CreateDocumentationVersion>(),
    op::<_, CreateDomainName>(),
    op::<_, CreateModel>(),
    op::<_, CreateRequestValidator>(),
    op::<_, CreateResource>(),
    op::<_, CreateRestApi>(),
    op::<_, CreateStage>(),
    op::<_, CreateUsagePlan>(),
    op::<_, CreateUsagePlanKey>(),
    op::<_, CreateVpcLink>(),
    op::<_, DeleteApiKey>(),
    op::<_, DeleteAuthorizer>(),
    op::<_, DeleteBasePathMapping>(),
    op::<_, DeleteClientCertificate>(),
    op::<_, DeleteDeployment>(),
    op::<_, DeleteDocumentationPart>(),
    op::<_, DeleteDocumentationVersion>(),
    op::<_, DeleteDomainName>(),
    op::<_, DeleteGatewayResponse>(),
    op::<_, DeleteIntegration>(),
    op::<_, DeleteIntegrationResponse>(),
    op::<_, DeleteMethod>(),
    op::<_, DeleteMethodResponse>(),
    op::<_, DeleteModel>(),
    op::<_, DeleteRequestValidator>(),
    op::<_, DeleteResource>(),
    op::<_, DeleteRestApi>(),
    op::<_, DeleteStage>(),
    op::<_, DeleteUsagePlan>(),
    op::<_, DeleteUsagePlanKey>(),
    op::<_, DeleteVpcLink>(),
    op::<_, FlushStageAuthorizersCache>(),
    op::<_, FlushStageCache>(),
    op::<_, GenerateClientCertificate>(),
    op::<_, GetAccount>(),
    op::<_, GetApiKey>(),
    op::<_, GetApiKeys>(),
    op::<_, GetAuthorizer>(),
    op::<_, GetAuthorizers>(),
    op::<_, GetBasePathMapping>(),
    op::<_, GetBasePathMappings>(),
    op::<_, GetClientCertificate>(),
    op::<_, GetClientCertificates>(),
    op::<_, GetDeployment>(),
    op::<_, GetDeployments>(),
    op::<_, GetDocumentationPart>(),
    op::<_, GetDocumentationParts>(),
    op::<_, GetDocumentationVersion>(),
    op::<_, GetDocumentationVersions>(),
    op::<_, GetDomainName>(),
    op::<_, GetDomainNames>(),
    op::<_, GetExport>(),
    op::<_, GetGatewayResponse>(),
    op::<_, GetGatewayResponses>(),
    op::<_, GetIntegration>(),
    op::<_, GetIntegrationResponse>(),
    op::<_, GetMethod>(),
    op::<_, GetMethodResponse>(),
    op::<_, GetModel>(),
    op::<_, GetModelTemplate>(),
    op::<_, GetModels>(),
    op::<_, GetRequestValidator>(),
    op::<_, GetRequestValidators>(),
    op::<_, GetResource>(),
    op::<_, GetResources>(),
    op::<_, GetRestApi>(),
    op::<_, GetRestApis>(),
    op::<_, GetSdk>(),
    op::<_, GetSdkType>(),
    op::<_, GetSdkTypes>(),
    op::<_, GetStage>(),
    op::<_, GetStages>(),
    op::<_, GetTags>(),
    op::<_, GetUsage>(),
    op::<_, GetUsagePlan>(),
    op::<_, GetUsagePlanKey>(),
    op::<_, GetUsagePlanKeys>(),
    op::<_, GetUsagePlans>(),
    op::<_, GetVpcLink>(),
    op::<_, GetVpcLinks>(),
    op::<_, ImportApiKeys>(),
    op::<_, ImportDocumentationParts>(),
    op::<_, ImportRestApi>(),
    op::<_, PutGatewayResponse>(),
    op::<_, PutIntegration>(),
    op::<_, PutIntegrationResponse>(),
    op::<_, PutMethod>(),
    op::<_, PutMethodResponse>(),
    op::<_, PutRestApi>(),
    op::<_, TagResource>(),
    op::<_, TestInvokeAuthorizer>(),
    op::<_, TestInvokeMethod>(),
    op::<_, UntagResource>(),
    op::<_, UpdateAccount>(),
    op::<_, UpdateApiKey>(),
    op::<_, UpdateAuthorizer>(),
    op::<_, UpdateBasePathMapping>(),
    op::<_, UpdateClientCertificate>(),
    op::<_, UpdateDeployment>(),
    op::<_, UpdateDocumentationPart>(),
    op::<_, UpdateDocumentationVersion>(),
    op::<_, UpdateDomainName>(),
    op::<_, UpdateGatewayResponse>(),
    op::<_, UpdateIntegration>(),
    op::<_, UpdateIntegrationResponse>(),
    op::<_, UpdateMethod>(),
    op::<_, UpdateMethodResponse>(),
    op::<_, UpdateModel>(),
    op::<_, UpdateRequestValidator>(),
    op::<_, UpdateResource>(),
    op::<_, UpdateRestApi>(),
    op::<_, UpdateStage>(),
    op::<_, UpdateUsage>(),
    op::<_, UpdateUsagePlan>(),
    op::<_, UpdateVpcLink>(),
];
