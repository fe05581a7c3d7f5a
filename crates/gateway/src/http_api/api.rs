//! APIs: what each kind must say, where one is, and quick create: an API with one integration, one route and a stage that serves
//! every change.

use base::{Cx, Timestamp};
use store::{Key, Scan, Tx};

use super::error::{bad, conflict};
use super::integration::is_function;
use super::records::{
    APIS, Api, Cors, INTEGRATIONS, Integration, IntegrationType, IpAddressType, ProtocolType, ROUTES, Route, STAGES,
    Stage, Texts, owned,
};
use super::{integration, route};
use crate::Failure;
use crate::edge::address;
use crate::edge::owner::{self, Kind, Owner};

/// Letters and digits of an API's id.
pub(crate) const ID_CHARACTERS: usize = 10;

/// Letters and digits of the ids of what an API has.
pub(crate) const PART_ID_CHARACTERS: usize = 7;

/// The tag by which an API gets an id of the user's choice; LocalStack's name for it.
const CUSTOM_ID_TAG: &str = "_custom_id_";

/// By what requests to HTTP APIs find their route, always.
pub(crate) const HTTP_SELECTION: &str = "$request.method $request.path";

/// Where API keys are, if nothing is said.
const API_KEY_SELECTION: &str = "$request.header.x-api-key";

/// The other one: what an authorizer calls `usageIdentifierKey`.
pub(crate) const KEYS_OF_AUTHORIZER: &str = "$context.authorizer.usageIdentifierKey";

const NAME_CHARACTERS_MAX: usize = 128;
const DESCRIPTION_CHARACTERS_MAX: usize = 1024;
const VERSION_CHARACTERS_MAX: usize = 64;
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARACTERS_MAX: usize = 128;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;
const MAX_AGE_SECONDS_MAX: i32 = 86_400;

/// An API with nothing in it yet.
pub(crate) fn blank(name: String, protocol_type: ProtocolType, now: Timestamp) -> Api {
    Api {
        api_id: base::id::lower_alphanumeric(ID_CHARACTERS),
        name,
        protocol_type,
        route_selection_expression: HTTP_SELECTION.to_owned(),
        api_key_selection_expression: None,
        api_endpoint: None,
        api_gateway_managed: None,
        cors_configuration: None,
        created_date: now,
        description: None,
        disable_schema_validation: None,
        disable_execute_api_endpoint: None,
        import_info: None,
        ip_address_type: None,
        tags: None,
        version: None,
        warnings: None,
    }
}

/// Writes a new API under an id that is free.
pub(crate) fn add(tx: &mut Tx<'_>, owner: &Owner, api: &mut Api) -> Result<(), Failure> {
    settle(api)?;
    if let Some(id) = api.tags.as_ref().and_then(|tags| tags.get(CUSTOM_ID_TAG)).filter(|id| is_custom_id(id)) {
        api.api_id.clone_from(id);
    }
    if !owner::claim(tx, &api.api_id, owner)? {
        return Err(conflict(format!("An API with the id {} exists already", api.api_id)).into());
    }
    put(tx, owner, api)
}

/// Writes an API.
pub(crate) fn put(tx: &mut Tx<'_>, owner: &Owner, api: &Api) -> Result<(), Failure> {
    let Some((account, region)) = owner.place() else { return Ok(()) };
    Ok(tx.put(APIS, &owned(account, &region, &api.api_id), api)?)
}

/// Whose an API is, as its record of ownership says.
pub(crate) fn owner_of(cx: &Cx, protocol_type: ProtocolType) -> Owner {
    let kind = match protocol_type {
        ProtocolType::Http => Kind::Http,
        ProtocolType::WebSocket => Kind::WebSocket,
    };
    Owner::new(cx.account, &cx.region, kind)
}

/// Ids that can stand in a host name.
fn is_custom_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 63 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Refuses what an API cannot be, and says what AWS says of what was not given.
pub(crate) fn settle(api: &mut Api) -> Result<(), Failure> {
    check_length("Name", &api.name, 1, NAME_CHARACTERS_MAX)?;
    check_length("Description", api.description.as_deref().unwrap_or_default(), 0, DESCRIPTION_CHARACTERS_MAX)?;
    check_length("Version", api.version.as_deref().unwrap_or_default(), 0, VERSION_CHARACTERS_MAX)?;
    let key_selection = api.api_key_selection_expression.get_or_insert_with(|| API_KEY_SELECTION.to_owned());
    let is_known_key = [API_KEY_SELECTION, KEYS_OF_AUTHORIZER].contains(&key_selection.as_str());
    api.disable_execute_api_endpoint.get_or_insert(false);
    api.ip_address_type.get_or_insert(IpAddressType::Ipv4);
    check_tags(api.tags.get_or_insert_default())?;
    let selection = api.route_selection_expression.as_str();
    match api.protocol_type {
        ProtocolType::Http => {
            if ![HTTP_SELECTION, "${request.method} ${request.path}"].contains(&selection) {
                return Err(bad(format!(
                    "Only {HTTP_SELECTION} is supported as the route selection expression of protocolType HTTP"
                ))
                .into());
            }
            if api.disable_schema_validation == Some(true) {
                return Err(bad("DisableSchemaValidation is not supported on protocolType HTTP").into());
            }
            api.cors_configuration.as_mut().map_or(Ok(()), settle_cors)
        }
        ProtocolType::WebSocket => {
            if !selection.starts_with('$') {
                return Err(bad("Invalid route selection expression specified").into());
            }
            if !is_known_key {
                return Err(bad("Invalid API key selection expression specified").into());
            }
            match api.cors_configuration {
                Some(_) => Err(bad("CORS configuration is not supported on protocolType WEBSOCKET").into()),
                None => Ok(()),
            }
        }
    }
}

fn check_length(what: &str, text: &str, least: usize, most: usize) -> Result<(), Failure> {
    let length = text.chars().count();
    match (least..=most).contains(&length) {
        true => Ok(()),
        false => Err(bad(format!("{what} must be between {least} and {most} characters long")).into()),
    }
}

/// Refuses too many tags, and too long ones.
pub(crate) fn check_tags(tags: &Texts) -> Result<(), Failure> {
    if tags.len() > TAGS_MAX {
        return Err(bad("The number of tags exceeds the limit of 50").into());
    }
    for (key, value) in tags {
        let fits = !key.is_empty()
            && key.chars().count() <= TAG_KEY_CHARACTERS_MAX
            && value.chars().count() <= TAG_VALUE_CHARACTERS_MAX;
        if !fits || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(bad(format!("Invalid tag: {key}")).into());
        }
    }
    Ok(())
}

fn settle_cors(cors: &mut Cors) -> Result<(), Failure> {
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
        return Err(bad(format!("Invalid format for origin {origin}")).into());
    }
    if cors.allow_credentials == Some(true) && origins.iter().any(|origin| origin == "*") {
        return Err(bad("allowCredentials is not supported with an allowed origin of *").into());
    }
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    let is_method = |method: &String| method == "*" || (method != "ANY" && route::METHODS.contains(&method.as_str()));
    if let Some(method) = methods.iter().find(|method| !is_method(method)) {
        return Err(bad(format!("Invalid HTTP method specified: {method}")).into());
    }
    let headers = cors.allow_headers.iter().chain(&cors.expose_headers).flatten();
    let is_header =
        |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b',' && b != b':');
    if let Some(header) = headers.into_iter().find(|header| !is_header(header)) {
        return Err(bad(format!("Invalid header name {header}")).into());
    }
    if cors.max_age.is_some_and(|seconds| !(-1..=MAX_AGE_SECONDS_MAX).contains(&seconds)) {
        return Err(bad(format!("maxAge must be between -1 and {MAX_AGE_SECONDS_MAX} seconds")).into());
    }
    Ok(())
}

/// `*`, or a scheme with a host.
fn is_origin(origin: &str) -> bool {
    let host = origin.split_once("://").map(|(scheme, host)| (scheme.trim().is_empty(), host));
    origin == "*" || host.is_some_and(|(nameless, host)| !nameless && !host.is_empty() && !host.contains('/'))
}

/// An API as it is shown to this caller: with an address that leads here from where they are.
pub(crate) fn shown(cx: &Cx, mut api: Api) -> Api {
    let scheme = match api.protocol_type {
        ProtocolType::Http => "http",
        ProtocolType::WebSocket => "ws",
    };
    api.api_endpoint = Some(address::endpoint(cx, scheme, &api.api_id));
    api
}

/// What quick create is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quick {
    /// A function's ARN or a URL.
    pub(crate) target: Option<String>,
    /// The route's key; `$default`, if nothing is said.
    pub(crate) route_key: Option<String>,
    /// The role in whose name the function is called.
    pub(crate) credentials_arn: Option<String>,
}

impl Quick {
    /// Whether anything was given.
    pub(crate) fn is_given(&self) -> bool {
        self.target.is_some() || self.route_key.is_some() || self.credentials_arn.is_some()
    }

    /// Adds the integration, the route and the stage of an API that quick create makes.
    pub(crate) fn add(&self, tx: &mut Tx<'_>, api: &Api, now: Timestamp) -> Result<(), Failure> {
        if api.protocol_type != ProtocolType::Http {
            return Err(bad("Quick create is not supported on protocolType WEBSOCKET").into());
        }
        let Some(target) = &self.target else {
            return Err(bad("Target is required when a route key or credentials are given").into());
        };
        let made = Integration {
            api_gateway_managed: Some(true),
            credentials_arn: self.credentials_arn.clone(),
            ..to(base::id::lower_alphanumeric(PART_ID_CHARACTERS), target)
        };
        let made = integration::add(tx, api, made)?;
        let made = Route {
            api_gateway_managed: Some(true),
            target: Some(format!("integrations/{}", made.integration_id)),
            ..plain_route(self.route_key.clone().unwrap_or_else(|| route::DEFAULT.to_owned()))
        };
        route::add(tx, api, made)?;
        let stage = Stage {
            api_gateway_managed: Some(true),
            auto_deploy: Some(true),
            ..super::stage::blank(route::DEFAULT.to_owned(), now)
        };
        Ok(tx.put(STAGES, &Key::of((api.api_id.as_str(), route::DEFAULT)), &stage)?)
    }

    /// Changes the integration and the route that quick create made.
    pub(crate) fn change(&self, tx: &mut Tx<'_>, api: &Api) -> Result<(), Failure> {
        let all = || Scan::under(api.api_id.as_str());
        let missing = || bad("Target, route key and credentials can be changed only of an API that quick create made");
        let mut integrations = tx.scan(INTEGRATIONS, all())?.into_iter().map(|(_, one)| one);
        let mut made = integrations.find(|one| one.api_gateway_managed == Some(true)).ok_or_else(missing)?;
        if let Some(target) = &self.target {
            made = Integration {
                api_gateway_managed: Some(true),
                credentials_arn: made.credentials_arn,
                ..to(made.integration_id, target)
            };
        }
        super::merge::set_text(&mut made.credentials_arn, &self.credentials_arn);
        integration::put(tx, api, made)?;
        let Some(key) = &self.route_key else { return Ok(()) };
        let mut routes = tx.scan(ROUTES, all())?.into_iter().map(|(_, one)| one);
        let before = routes.find(|one| one.api_gateway_managed == Some(true)).ok_or_else(missing)?;
        route::replace(tx, api, &before, Route { route_key: key.clone(), ..before.clone() })?;
        Ok(())
    }
}

/// A route of nothing but its key.
pub(crate) fn plain_route(route_key: String) -> Route {
    Route {
        route_id: base::id::lower_alphanumeric(PART_ID_CHARACTERS),
        route_key,
        api_gateway_managed: None,
        api_key_required: None,
        authorization_scopes: None,
        authorization_type: None,
        authorizer_id: None,
        model_selection_expression: None,
        operation_name: None,
        request_models: None,
        request_parameters: None,
        route_response_selection_expression: None,
        target: None,
    }
}

/// The integration with a function or a URL.
fn to(integration_id: String, target: &str) -> Integration {
    let mut made = integration::blank(integration_id, IntegrationType::HttpProxy);
    made.integration_uri = Some(target.to_owned());
    if is_function(target) {
        made.integration_type = IntegrationType::AwsProxy;
        made.payload_format_version = Some("2.0".to_owned());
    }
    made
}
