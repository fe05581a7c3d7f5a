//! REST APIs.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::domain;
use crate::edge::owner::{self, Kind, Owner};
use crate::rest::ApiGateway;
use crate::rest::api::{self, checked_policy};
use crate::rest::change::{Id, now};
use crate::rest::error::{bad, conflict, no_api};
use crate::rest::patch::{self, Change, Op, PatchOperation, bad_path};
use crate::rest::records::{
    Api, ApiKeySourceType, EndpointAccessMode, EndpointConfiguration, EndpointType, Home, IpAddressType, MODELS, Model,
    RESOURCES, REST_APIS, Resource, RestApi, SecurityPolicy, Texts, of_text,
};
use crate::rest::tags;

/// Makes an API with a root resource and AWS's two models, or a copy of another.
#[derive(Shape)]
#[shape(name = "CreateRestApiRequest", rename_all = "camelCase")]
pub struct CreateRestApi {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The user's own version.
    pub version: Option<String>,
    /// An API whose resources, models and so on it begins with.
    pub clone_from: Option<String>,
    /// Content types whose bodies are bytes.
    pub binary_media_types: Option<Vec<String>>,
    /// From how many bytes answers are compressed.
    pub minimum_compression_size: Option<i32>,
    /// Where callers' API keys come from.
    pub api_key_source: Option<ApiKeySourceType>,
    /// How it is reached.
    pub endpoint_configuration: Option<EndpointConfiguration>,
    /// Who may call it: a resource policy.
    pub policy: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
    /// Whether only custom domain names reach it.
    pub disable_execute_api_endpoint: Option<bool>,
    /// Which versions of TLS callers may use.
    pub security_policy: Option<SecurityPolicy>,
    /// Whether callers must name it in TLS as in HTTP.
    pub endpoint_access_mode: Option<EndpointAccessMode>,
}

impl Operation<ApiGateway> for CreateRestApi {
    const META: Meta = Meta::write("CreateRestApi").http("POST", "/restapis").status(201);
    type Output = RestApi;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApi, Error> {
        let at = match tags::custom_id(self.tags.as_ref()) {
            Some(id) => Home::of(cx).api(api::checked_custom_id(id)?),
            None => Home::of(cx).api(Id::Api.draw()),
        };
        let made = self.made(cx, &at.id)?;
        let from = self.clone_from.map(|from| (Home::of(cx).api(&from), no_api(cx, &from)));
        let owner = Owner::new(cx.account, &cx.region, Kind::Rest);
        gateway
            .change_rest(&at, move |tx, at| {
                api::check_room(tx, &at.home)?;
                if !owner::claim(tx, &at.id, &owner)? {
                    return Err(conflict(format!("API with id {} already exists", at.id)).into());
                }
                let mut made = made.clone();
                match &from {
                    Some((from, missing)) => api::copy(tx, from, at, &mut made, missing)?,
                    None => begin(tx, at, &made)?,
                }
                tx.put(REST_APIS, &at.key(), &made)?;
                Ok(made)
            })
            .await
    }
}

impl CreateRestApi {
    /// The API's own record, or what AWS says against it.
    fn made(&self, cx: &Cx, id: &str) -> Result<RestApi, Error> {
        if self.description.as_deref() == Some("") {
            return Err(bad("Description cannot be an empty string"));
        }
        if self.name.trim().is_empty() {
            return Err(bad("Name cannot be empty"));
        }
        tags::check(self.tags.as_ref())?;
        Ok(RestApi {
            id: id.to_owned(),
            name: self.name.clone(),
            description: self.description.clone(),
            created_date: now(cx),
            version: self.version.clone(),
            binary_media_types: self.binary_media_types.clone().filter(|types| !types.is_empty()),
            minimum_compression_size: api::checked_compression(self.minimum_compression_size)?,
            api_key_source: self.api_key_source.unwrap_or_default(),
            endpoint_configuration: api::checked_endpoint(self.endpoint_configuration.clone())?,
            policy: checked_policy(self.policy.as_deref(), cx, id)?,
            tags: self.tags.clone().filter(|tags| !tags.is_empty()),
            disable_execute_api_endpoint: self.disable_execute_api_endpoint.unwrap_or(false),
            root_resource_id: Id::Root.draw(),
            security_policy: self.security_policy,
            endpoint_access_mode: api::checked_access_mode(self.endpoint_access_mode)?,
            ..RestApi::default()
        })
    }
}

/// Puts down what every new API has: its root, and two models.
fn begin(tx: &mut Tx<'_>, at: &Api, api: &RestApi) -> Result<(), Failure> {
    let root = Resource { id: api.root_resource_id.clone(), path: "/".to_owned(), ..Resource::default() };
    tx.put(RESOURCES, &at.below(&root.id), &root)?;
    for model in default_models() {
        tx.put(MODELS, &at.below(&model.name), &model)?;
    }
    Ok(())
}

/// The models that AWS gives every new API.
pub(crate) fn default_models() -> [Model; 2] {
    let of = |name: &str, description: &str, rest: &str| Model {
        id: Id::Part.draw(),
        name: name.to_owned(),
        description: Some(description.to_owned()),
        schema: Some(format!(
            "{{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"{name} Schema\",\n  \"type\" : \"object\"{rest}\n}}"
        )),
        content_type: "application/json".to_owned(),
    };
    [
        of("Empty", "This is a default empty schema model", ""),
        of(
            "Error",
            "This is a default error schema model",
            ",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }",
        ),
    ]
}

/// Shows an API.
#[derive(Shape)]
#[shape(name = "GetRestApiRequest", rename_all = "camelCase")]
pub struct GetRestApi {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
}

impl Operation<ApiGateway> for GetRestApi {
    const META: Meta = Meta::read("GetRestApi").http("GET", "/restapis/{restapi_id}");
    type Output = RestApi;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApi, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await
    }
}

/// Lists the account's APIs.
#[derive(Shape)]
#[shape(name = "GetRestApisRequest", rename_all = "camelCase")]
pub struct GetRestApis {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetRestApis {
    const META: Meta = Meta::read("GetRestApis").http("GET", "/restapis");
    type Output = RestApis;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApis, Error> {
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page(REST_APIS, Home::of(cx).all(), position, limit).await?;
        Ok(RestApis { position, items })
    }
}

/// A page of APIs.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct RestApis {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<RestApi>,
}

/// Deletes an API with all that belongs to it.
#[derive(Shape)]
#[shape(name = "DeleteRestApiRequest", rename_all = "camelCase")]
pub struct DeleteRestApi {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
}

impl Operation<ApiGateway> for DeleteRestApi {
    const META: Meta = Meta::write("DeleteRestApi").http("DELETE", "/restapis/{restapi_id}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let missing = no_api(cx, &self.rest_api_id);
        let at = Home::of(cx).api(self.rest_api_id);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(missing.clone().into());
                }
                if domain::is_mapped(tx, &at.id)? {
                    return Err(domain::still_mapped().into());
                }
                api::delete(tx, at)
            })
            .await
    }
}

/// Changes an API's settings.
#[derive(Shape)]
#[shape(name = "UpdateRestApiRequest", rename_all = "camelCase")]
pub struct UpdateRestApi {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateRestApi {
    const META: Meta = Meta::write("UpdateRestApi").http("PATCH", "/restapis/{restapi_id}");
    type Output = RestApi;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApi, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (cx, missing) = (cx.clone(), no_api(cx, &self.rest_api_id));
        let at = Home::of(&cx).api(self.rest_api_id);
        let mut changed = gateway
            .change_rest(&at, move |tx, at| {
                let mut api = tx.get(REST_APIS, &at.key())?.ok_or_else(|| missing.clone())?;
                for change in &changes {
                    apply(&cx, &mut api, change)?;
                }
                tx.put(REST_APIS, &at.key(), &api)?;
                Ok(api)
            })
            .await?;
        // An answer to an update has tags even where there are none.
        changed.tags.get_or_insert_default();
        Ok(changed)
    }
}

/// One change of an API.
fn apply(cx: &Cx, api: &mut RestApi, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["name"] => {
            change.only(&[Op::Replace])?;
            api.name = change.text().ok_or_else(|| bad("Name cannot be empty"))?;
        }
        ["description"] => change.set(&mut api.description),
        ["version"] => change.set(&mut api.version),
        ["policy"] => {
            change.only(&[Op::Replace, Op::Remove])?;
            let policy = change.text().filter(|_| change.op == Op::Replace);
            api.policy = checked_policy(policy.as_deref(), cx, &api.id)?;
        }
        ["apiKeySource"] => {
            change.only(&[Op::Replace])?;
            let words = "Invalid ApiKeySource specified. Valid options are HEADER,AUTHORIZER";
            api.api_key_source =
                change.text().and_then(|text| of_text::<ApiKeySourceType>(&text)).ok_or_else(|| bad(words))?;
        }
        ["disableExecuteApiEndpoint"] => {
            change.only(&[Op::Replace])?;
            api.disable_execute_api_endpoint = change.flag();
        }
        ["minimumCompressionSize"] => {
            change.only(&[Op::Replace])?;
            let words = "Invalid minimum compression size, must be between 0 and 10485760";
            let bytes = change.text().map(|text| text.parse().map_err(|_| bad(words))).transpose()?;
            api.minimum_compression_size = api::checked_compression(bytes)?;
        }
        ["securityPolicy"] => {
            change.only(&[Op::Replace])?;
            let policy = change.text().and_then(|text| of_text::<SecurityPolicy>(&text));
            api.security_policy = Some(policy.ok_or_else(|| bad("Invalid security policy specified"))?);
        }
        ["endpointAccessMode"] => {
            change.only(&[Op::Replace])?;
            let mode = change.text().and_then(|text| of_text::<EndpointAccessMode>(&text));
            let mode = mode.ok_or_else(|| bad("Invalid endpoint access mode specified"))?;
            api.endpoint_access_mode = api::checked_access_mode(Some(mode))?;
        }
        ["binaryMediaTypes", media_type] => change_media_types(api, change, media_type)?,
        ["endpointConfiguration", rest @ ..] => change_endpoint(&mut api.endpoint_configuration, change, rest)?,
        _ => return Err(change.unknown()),
    }
    Ok(())
}

/// A media type is named in the path; `replace` puts the value in its place.
fn change_media_types(api: &mut RestApi, change: &Change, media_type: &str) -> Result<(), Error> {
    let types = api.binary_media_types.get_or_insert_default();
    let at = types.iter().position(|one| one == media_type);
    match (change.op, at) {
        (Op::Add, Some(_)) => {}
        (Op::Add, None) => types.push(media_type.to_owned()),
        (Op::Remove, Some(at)) => _ = types.remove(at),
        (Op::Replace, Some(at)) => {
            types.remove(at);
            types.push(change.text().ok_or_else(|| change.unknown())?);
        }
        (Op::Remove | Op::Replace, None) => return Err(bad_path(&change.path)),
        _ => return Err(bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")),
    }
    if types.is_empty() {
        api.binary_media_types = None;
    }
    Ok(())
}

fn change_endpoint(endpoint: &mut EndpointConfiguration, change: &Change, parts: &[&str]) -> Result<(), Error> {
    let value = change.text().unwrap_or_default();
    match parts {
        ["types", ..] => {
            if !matches!(change.op, Op::Add | Op::Remove | Op::Replace) {
                return Err(bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'"));
            }
            if change.op != Op::Remove {
                let words = "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE";
                let endpoint_type = of_text::<EndpointType>(&value).ok_or_else(|| bad(words))?;
                endpoint.types = Some(vec![endpoint_type]);
                if endpoint_type == EndpointType::Private {
                    endpoint.ip_address_type = Some(IpAddressType::Dualstack);
                }
            }
        }
        ["ipAddressType"] => {
            change.only(&[Op::Replace])?;
            let words = "ipAddressType must be either ipv4 or dualstack.";
            endpoint.ip_address_type = Some(of_text::<IpAddressType>(&value).ok_or_else(|| bad(words))?);
        }
        ["vpcEndpointIds", named @ ..] => {
            let id = named.first().filter(|_| value.is_empty()).map_or(value.as_str(), |id| id);
            let ids = endpoint.vpc_endpoint_ids.get_or_insert_default();
            ids.retain(|one| one != id);
            match change.op {
                Op::Add | Op::Replace => ids.push(id.to_owned()),
                Op::Remove => {}
                _ => return Err(bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")),
            }
            if ids.is_empty() {
                endpoint.vpc_endpoint_ids = None;
            }
        }
        _ => return Err(change.unknown()),
    }
    api::check_ip_address_type(endpoint)
}
