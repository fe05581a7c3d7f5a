//! Stages made ready: what requests need of a stage and its snapshots, compiled once and shared until the control plane changes
//! something. Nothing here is read from the store, parsed or compiled again while a request runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cloud::ports::LogDestination;
use http::{HeaderName, Method as HttpMethod, StatusCode};
use regex::Regex;
use wire::client::Identity;

use super::headers;
use super::media::BinaryTypes;
use super::parameters::{self, Source};
use super::refusal::Responses;
use super::template::Template;
use super::tree::Tree;
use super::validate::Validation;
use crate::edge::access_log::{self, AccessLog};
use crate::edge::execution_log::Level;
use crate::edge::integration::lambda::function_of;
use crate::edge::jwt::{KeysAt, Trust};
use crate::edge::metrics::{self, Meter};
use crate::edge::owner::Kind;
use crate::edge::throttle::{Bucket, Limit};
use crate::rest::records::{
    Api, Authorizer, AuthorizerType, ContentHandlingStrategy, Home, Integration, IntegrationResponse, IntegrationType,
    Method, MethodSetting, ResponseTransferMode, RestApi, StageRecord, Templates, Texts,
};
use crate::rest::snapshot::{Snapshot, Staged};
use crate::rest::stage::with_variables;
use crate::{Failure, Gateway};

/// AWS's default of an integration's time.
const TIMEOUT: Duration = Duration::from_millis(29_000);

/// For how long an authorizer's answer is kept unless it says otherwise: AWS's five minutes.
const AUTHORIZER_TTL_SECS: u32 = 300;

/// Live stages at hand, by [`stage_name`](crate::rest::snapshot::stage_name).
pub(crate) type LiveStages = crate::edge::live::Live<String, LiveStage>;

/// A stage, ready for requests.
#[derive(Debug)]
pub(crate) struct LiveStage {
    pub(in crate::rest) api: Api,
    pub(in crate::rest) record: StageRecord,
    pub(in crate::rest) account_id: Arc<str>,
    pub(in crate::rest) api_id: Arc<str>,
    pub(in crate::rest) name: Arc<str>,
    pub(in crate::rest) main: Serving,
    /// How many of a hundred requests get another deployment, and which.
    pub(in crate::rest) canary: Option<(f64, Serving)>,
    pub(in crate::rest) access_log: Option<AccessLog>,
    /// The client certificate that servers behind the API are shown.
    pub(in crate::rest) identity: Option<Identity>,
    pub(in crate::rest) execution_log: LogDestination,
    pub(in crate::rest) meter: Meter,
}

/// A deployment as a stage serves it.
#[derive(Debug)]
pub(in crate::rest) struct Serving {
    pub(in crate::rest) deployment_id: Arc<str>,
    pub(in crate::rest) is_canary: bool,
    /// Whether a canary shares the stage's cache.
    pub(in crate::rest) uses_stage_cache: bool,
    pub(in crate::rest) api: RestApi,
    pub(in crate::rest) variables: Option<Texts>,
    tree: Tree,
    resources: Vec<LiveResource>,
    pub(in crate::rest) responses: Responses,
    pub(in crate::rest) binary_types: BinaryTypes,
    /// By id.
    pub(in crate::rest) authorizers: HashMap<String, LiveAuthorizer>,
}

/// An authorizer, ready for requests.
#[derive(Debug)]
pub(in crate::rest) enum LiveAuthorizer {
    Function(FunctionAuthorizer),
    Tokens(TokenAuthorizer),
    /// It cannot be asked: its function or issuers are not named as they should be.
    Broken,
}

/// A function that says by a policy who may.
#[derive(Debug)]
pub(in crate::rest) struct FunctionAuthorizer {
    pub(in crate::rest) function: base::Arn,
    pub(in crate::rest) role: Option<String>,
    pub(in crate::rest) identify: Identify,
    pub(in crate::rest) ttl_secs: u32,
}

/// What tells callers apart, for whom an answer is kept.
#[derive(Debug)]
pub(in crate::rest) enum Identify {
    /// A header, which must be so.
    Token { header: String, expression: Option<Regex> },
    /// Values of the request, of which all must be there.
    Request(Vec<Source>),
}

/// Issuers whose tokens let callers in.
#[derive(Debug)]
pub(in crate::rest) struct TokenAuthorizer {
    pub(in crate::rest) header: String,
    pub(in crate::rest) expression: Option<Regex>,
    pub(in crate::rest) trusts: Vec<Trust>,
}

#[derive(Debug)]
pub(in crate::rest) struct LiveResource {
    pub(in crate::rest) id: Arc<str>,
    pub(in crate::rest) path: Arc<str>,
    methods: HashMap<String, LiveMethod>,
}

/// What a request means, and what stands at the names in its path.
pub(in crate::rest) type Found<'s> = (&'s LiveResource, &'s LiveMethod, Vec<(String, String)>);

/// A method, ready for requests.
#[derive(Debug)]
pub(in crate::rest) struct LiveMethod {
    pub(in crate::rest) declared: Method,
    pub(in crate::rest) setting: MethodSetting,
    /// Whether the setting is this very method's, not all methods'.
    pub(in crate::rest) has_own_setting: bool,
    pub(in crate::rest) level: Level,
    pub(in crate::rest) throttle: Option<(Limit, Bucket)>,
    /// Counts the method's own requests, where that is asked for.
    pub(in crate::rest) meter: Option<Arc<Meter>>,
    pub(in crate::rest) integration: Option<LiveIntegration>,
    pub(in crate::rest) validation: Option<Validation>,
}

/// An integration, ready for requests.
#[derive(Debug)]
pub(in crate::rest) struct LiveIntegration {
    pub(in crate::rest) declared: Integration,
    pub(in crate::rest) timeout: Duration,
    /// Whether answers go on while they come.
    pub(in crate::rest) streams: bool,
    /// The address with stage variables in their places, and names for what the request fills in.
    pub(in crate::rest) uri: Uri,
    /// The function, where the address names one.
    pub(in crate::rest) function: Option<base::Arn>,
    pub(in crate::rest) role: Option<String>,
    pub(in crate::rest) mapped: Vec<(Place, Source)>,
    /// By content type.
    pub(in crate::rest) request_templates: Vec<(String, Template)>,
    /// In the order of their statuses.
    pub(in crate::rest) answers: Vec<LiveAnswer>,
}

/// How some of an integration's answers become the method's.
#[derive(Debug)]
pub(in crate::rest) struct LiveAnswer {
    pub(in crate::rest) status: StatusCode,
    /// What an answer is chosen by; none where all others are meant.
    pub(in crate::rest) pattern: Option<Regex>,
    pub(in crate::rest) mapped: Vec<(HeaderName, Source)>,
    /// By content type.
    pub(in crate::rest) templates: Vec<(String, Template)>,
    pub(in crate::rest) content_handling: Option<ContentHandlingStrategy>,
}

/// Where a mapped value goes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::rest) enum Place {
    Header(HeaderName),
    Query(String),
    Path(String),
}

/// An address with names in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::rest) struct Uri(Vec<UriPart>);

#[derive(Clone, Debug, PartialEq)]
enum UriPart {
    Text(String),
    Name(String),
}

impl Gateway {
    /// A stage of an API, ready for requests.
    pub(in crate::rest) async fn live_stage(
        &self,
        owner: &crate::edge::owner::Owner,
        api_id: &str,
        name: &str,
    ) -> Result<Option<Arc<LiveStage>>, Failure> {
        let key = crate::rest::snapshot::stage_name(api_id, name);
        if let Some(live) = self.rest_live.at_hand(&key) {
            return Ok(Some(live));
        }
        let make = async {
            let Some((account, region)) = owner.place() else { return Ok(None) };
            let staged = self.stage(&Home { account, region }.api(api_id), name).await?;
            Ok::<_, Failure>(staged.map(|staged| LiveStage::new(self, &staged)))
        };
        self.rest_live.get(key, make).await
    }
}

impl Gateway {
    /// The resource policy that a stage of a REST API serves, by the ARN of one of its methods; no other APIs have one.
    pub(crate) async fn policy_of_api(&self, method: &base::Arn) -> Option<String> {
        let mut parts = method.resource.split('/');
        let (api_id, stage) = (parts.next()?, parts.next()?);
        let owner =
            self.owner(api_id).await.inspect_err(Failure::log).ok()?.filter(|owner| owner.kind == Kind::Rest)?;
        let live = self.live_stage(&owner, api_id, stage).await.inspect_err(Failure::log).ok()??;
        live.main.api.policy.clone()
    }
}

impl LiveStage {
    pub(in crate::rest) fn new(gateway: &Gateway, staged: &Staged) -> LiveStage {
        let Staged { api, stage, snapshot, canary, identity } = staged;
        let shown = &stage.shown;
        let settings = shown.canary_settings.as_ref();
        let canary = canary.as_ref().zip(settings).map(|(snapshot, settings)| {
            let variables = settings.variables(shown.variables.as_ref());
            let serving = Serving::new(gateway, staged, snapshot, &settings.deployment_id, variables, true);
            (settings.percent_traffic, serving)
        });
        let (account, region) = (api.home.account, &api.home.region);
        let access_log = shown
            .access_log_settings
            .as_ref()
            .and_then(|settings| AccessLog::new(settings.destination_arn.as_deref()?, settings.format.as_deref()?));
        let (api_name, stage_name) = (("ApiName", snapshot.api.name.clone()), ("Stage", shown.stage_name.clone()));
        let dimensions = vec![vec![api_name.clone()], vec![api_name, stage_name]];
        LiveStage {
            account_id: account.as_str().into(),
            api_id: api.id.as_str().into(),
            name: shown.stage_name.as_str().into(),
            main: Serving::new(gateway, staged, snapshot, &shown.deployment_id, shown.variables.clone(), false),
            canary,
            access_log,
            identity: identity.clone(),
            execution_log: LogDestination {
                account,
                region: region.clone(),
                group: format!("API-Gateway-Execution-Logs_{}/{}", api.id, shown.stage_name).into(),
                stream: access_log::STREAM.into(),
            },
            meter: Meter::new(&gateway.ports.metrics, account, region, &metrics::REST, dimensions),
            api: api.clone(),
            record: stage.clone(),
        }
    }

    /// Which deployment a request gets, by chance where there is a canary.
    pub(in crate::rest) fn serving(&self) -> &Serving {
        match &self.canary {
            Some((percent, serving)) if base::chance::fraction() * 100.0 < *percent => serving,
            _ => &self.main,
        }
    }

    /// The ARN of a method of this stage, or of the API itself below a stage: what policies call it.
    pub(in crate::rest) fn arn(&self, method: &str, path: &str) -> String {
        let home = &self.api.home;
        let (partition, region, account) = (home.region.partition(), &home.region, home.account);
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("arn:{partition}:execute-api:{region}:{account}:{}/{}/{method}{slash}{path}", self.api.id, self.name)
    }
}

impl Serving {
    fn new(
        gateway: &Gateway,
        staged: &Staged,
        snapshot: &Snapshot,
        deployment_id: &str,
        variables: Option<Texts>,
        is_canary: bool,
    ) -> Serving {
        let resources = snapshot.resources.iter().map(|resource| LiveResource {
            id: resource.id.as_str().into(),
            path: resource.path.as_str().into(),
            methods: resource
                .resource_methods
                .iter()
                .flatten()
                .map(|(name, method)| {
                    (
                        name.clone(),
                        LiveMethod::new(gateway, staged, snapshot, &resource.path, method, variables.as_ref()),
                    )
                })
                .collect(),
        });
        Serving {
            deployment_id: deployment_id.into(),
            is_canary,
            uses_stage_cache: staged.stage.shown.canary_settings.as_ref().is_some_and(|canary| canary.use_stage_cache),
            tree: Tree::new(snapshot.resources.iter().map(|resource| resource.path.as_str())),
            resources: resources.collect(),
            responses: Responses::new(&snapshot.gateway_responses),
            binary_types: BinaryTypes::new(snapshot.api.binary_media_types.as_deref()),
            authorizers: snapshot
                .authorizers
                .iter()
                .map(|authorizer| (authorizer.id.clone(), LiveAuthorizer::new(authorizer, variables.as_ref())))
                .collect(),
            api: snapshot.api.clone(),
            variables,
        }
    }

    /// The resource and method that a request means, and what stands at the names in the path.
    pub(in crate::rest) fn find<'s>(&'s self, method: &HttpMethod, path: &str) -> Option<Found<'s>> {
        let (at, parameters) = self.tree.find(path, |at| self.resources[at].method(method).is_some())?;
        let resource = &self.resources[at];
        let owned = parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some((resource, resource.method(method)?, owned))
    }

    /// A resource by its id.
    pub(in crate::rest) fn resource(&self, id: &str) -> Option<&LiveResource> {
        self.resources.iter().find(|resource| &*resource.id == id)
    }

    /// What stands at the names in a resource's path, if that is the path of a request.
    pub(in crate::rest) fn parameters(&self, resource: &LiveResource, path: &str) -> Option<Vec<(String, String)>> {
        let is_it = |at: usize| self.resources[at].id == resource.id;
        let (_, parameters) = self.tree.find(path, is_it)?;
        Some(parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl LiveAuthorizer {
    fn new(authorizer: &Authorizer, variables: Option<&Texts>) -> LiveAuthorizer {
        let source = authorizer.identity_source.as_deref().unwrap_or_default();
        let header = source.strip_prefix("method.request.header.").unwrap_or("Authorization").to_owned();
        let expression = authorizer.identity_validation_expression.as_deref().filter(|text| !text.is_empty());
        let expression = expression.map(whole);
        match authorizer.r#type {
            // JWT authorizers are refused when they are made.
            AuthorizerType::CognitoUserPools | AuthorizerType::Jwt => {
                let trusts = trusts(authorizer);
                match trusts.is_empty() {
                    true => LiveAuthorizer::Broken,
                    false => LiveAuthorizer::Tokens(TokenAuthorizer { header, expression, trusts }),
                }
            }
            kind @ (AuthorizerType::Token | AuthorizerType::Request) => {
                let uri = with_variables(authorizer.authorizer_uri.as_deref().unwrap_or_default(), variables);
                let Some(function) = function_of(&uri) else { return LiveAuthorizer::Broken };
                let sources = source.split(',').map(str::trim).filter(|source| !source.is_empty());
                LiveAuthorizer::Function(FunctionAuthorizer {
                    function,
                    role: authorizer.authorizer_credentials.clone(),
                    identify: match kind {
                        AuthorizerType::Token => Identify::Token { header, expression },
                        _ => Identify::Request(sources.filter_map(parameters::parse).collect()),
                    },
                    ttl_secs: authorizer
                        .authorizer_result_ttl_in_seconds
                        .map_or(AUTHORIZER_TTL_SECS, |ttl| u32::try_from(ttl).unwrap_or_default()),
                })
            }
        }
    }
}

/// Whose tokens an authorizer takes.
fn trusts(authorizer: &Authorizer) -> Vec<Trust> {
    let pools = authorizer.provider_arns.iter().flatten().filter_map(|arn| {
        let arn = base::Arn::parse(arn).filter(|arn| arn.service == "cognito-idp")?;
        let pool = arn.resource.strip_prefix("userpool/")?;
        let issuer = format!("https://cognito-idp.{}.amazonaws.com/{pool}", arn.region);
        let keys = KeysAt::Url(format!("{issuer}/.well-known/jwks.json"));
        Some(Trust { issuer, keys, audience: Vec::new() })
    });
    pools.collect()
}

impl LiveResource {
    /// The method of this name, or `ANY`.
    pub(in crate::rest) fn method(&self, method: &HttpMethod) -> Option<&LiveMethod> {
        self.methods.get(method.as_str()).or_else(|| self.methods.get("ANY"))
    }

    /// The method that is declared under this very name.
    pub(in crate::rest) fn declared(&self, name: &str) -> Option<&LiveMethod> {
        self.methods.get(name)
    }
}

impl LiveMethod {
    fn new(
        gateway: &Gateway,
        staged: &Staged,
        snapshot: &Snapshot,
        path: &str,
        method: &Method,
        variables: Option<&Texts>,
    ) -> LiveMethod {
        let own = staged.stage.shown.setting(path, &method.http_method);
        let has_own_setting = staged.stage.shown.own_setting(path, &method.http_method).is_some();
        let setting = own.cloned().unwrap_or_default();
        let limit = Limit {
            rate: setting.throttling_rate_limit,
            burst: u32::try_from(setting.throttling_burst_limit).unwrap_or(u32::MAX),
        };
        let throttle = own.is_some_and(|own| own.throttling_rate_limit >= 0.0).then(|| (limit, Bucket::default()));
        let home = &staged.api.home;
        let meter = setting.metrics_enabled.then(|| {
            let dimensions = vec![vec![
                ("ApiName", snapshot.api.name.clone()),
                ("Method", method.http_method.clone()),
                ("Resource", path.to_owned()),
                ("Stage", staged.stage.shown.stage_name.clone()),
            ]];
            Arc::new(Meter::new(&gateway.ports.metrics, home.account, &home.region, &metrics::REST, dimensions))
        });
        LiveMethod {
            level: Level::of(setting.logging_level.as_deref()),
            has_own_setting,
            setting,
            throttle,
            meter,
            integration: method
                .method_integration
                .as_ref()
                .map(|integration| LiveIntegration::new(integration, variables)),
            validation: Validation::new(method, snapshot),
            declared: method.clone(),
        }
    }
}

impl LiveIntegration {
    fn new(integration: &Integration, variables: Option<&Texts>) -> LiveIntegration {
        let with = |text: &Option<String>| text.as_deref().map(|text| with_variables(text, variables));
        let uri = with(&integration.uri).unwrap_or_default();
        let mapped = integration.request_parameters.iter().flatten();
        let is_function = matches!(integration.r#type, IntegrationType::AwsProxy | IntegrationType::Aws);
        LiveIntegration {
            timeout: integration.timeout_in_millis.map_or(TIMEOUT, |ms| Duration::from_millis(ms.max(0) as u64)),
            streams: integration.response_transfer_mode == Some(ResponseTransferMode::Stream),
            function: function_of(&uri).filter(|_| is_function),
            uri: Uri::parse(&uri),
            role: with(&integration.credentials),
            mapped: mapped
                .filter_map(|(place, expression)| Some((Place::parse(place)?, parameters::parse(expression)?)))
                .collect(),
            request_templates: templates(integration.request_templates.as_ref()),
            answers: integration
                .integration_responses
                .iter()
                .flatten()
                .map(|(_, answer)| LiveAnswer::new(answer))
                .collect(),
            declared: integration.clone(),
        }
    }
}

impl LiveAnswer {
    fn new(response: &IntegrationResponse) -> LiveAnswer {
        let header = |(name, expression): (&String, &String)| {
            let name = headers::of_mapping(name.strip_prefix("method.response.header.")?)?;
            Some((name, parameters::parse(expression)?))
        };
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        LiveAnswer {
            status: response
                .status_code
                .0
                .parse()
                .ok()
                .and_then(|code| StatusCode::from_u16(code).ok())
                .unwrap_or_default(),
            pattern: pattern.map(whole),
            mapped: response.response_parameters.iter().flatten().filter_map(header).collect(),
            templates: templates(response.response_templates.as_ref()),
            content_handling: response.content_handling,
        }
    }
}

/// A pattern that a text must meet as a whole, as Java has it. One that is none, for Java or for us, is never met.
fn whole(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).unwrap_or_else(|_| never())
}

/// A pattern that nothing meets.
fn never() -> Regex {
    #[expect(clippy::unwrap_used, reason = "a constant that the tests read")]
    Regex::new("[^\\s\\S]").unwrap()
}

/// Templates, without the empty ones: for AWS those are none.
fn templates(templates: Option<&Templates>) -> Vec<(String, Template)> {
    let ready =
        |(kind, text): (&String, &Option<String>)| (kind.clone(), Template::new(text.as_deref().unwrap_or_default()));
    templates.into_iter().flatten().map(ready).collect()
}

impl Place {
    pub(in crate::rest) fn parse(text: &str) -> Option<Place> {
        let (place, name) = text.strip_prefix("integration.request.")?.split_once('.')?;
        match place {
            "header" => name.parse().ok().map(Place::Header),
            "querystring" => Some(Place::Query(name.to_owned())),
            "path" => Some(Place::Path(name.to_owned())),
            _ => None,
        }
    }
}

impl Uri {
    fn parse(text: &str) -> Uri {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            parts.extend([UriPart::Text(before.to_owned()), UriPart::Name(name.trim_end_matches('+').to_owned())]);
            rest = after;
        }
        parts.push(UriPart::Text(rest.to_owned()));
        Uri(parts)
    }

    /// The address with values at its names. A name without one stands for itself.
    pub(in crate::rest) fn fill<'v>(&self, value: impl Fn(&str) -> Option<std::borrow::Cow<'v, str>>) -> String {
        let mut filled = String::with_capacity(128);
        for part in &self.0 {
            match part {
                UriPart::Text(text) => filled.push_str(text),
                UriPart::Name(name) => match value(name) {
                    Some(value) => filled.push_str(&value),
                    None => filled.extend(["{", name, "}"]),
                },
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_names_are_filled_in() {
        let variables = Texts::from([("host".to_owned(), "h.example".to_owned())]);
        for (text, filled) in [
            ("http://${stageVariables.host}/{a}/${stageVariables.none}{b+}/{c}", "http://h.example/1/2/3/{c}"),
            ("${stageVariables.open", "${stageVariables.open"),
            ("{open", "{open"),
            ("plain", "plain"),
        ] {
            let uri = Uri::parse(&with_variables(text, Some(&variables)));
            let value = |name: &str| match name {
                "a" => Some("1".into()),
                "b" => Some("2/3".into()),
                _ => None,
            };
            assert_eq!(uri.fill(value), filled);
        }
    }

    #[test]
    fn places_of_mapped_values() {
        assert_eq!(Place::parse("integration.request.header.X-A"), Some(Place::Header("x-a".parse().unwrap())));
        assert_eq!(Place::parse("integration.request.querystring.q.r"), Some(Place::Query("q.r".to_owned())));
        for none in ["method.request.path.a", "integration.request.body.a", "integration.request.header.a b"] {
            assert_eq!(Place::parse(none), None);
        }
    }
}
