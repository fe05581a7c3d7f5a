//! What HTTP APIs are when requests come: each stage's snapshot worked out once, and kept at hand until the control plane
//! changes the API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Arn, Region};
use cloud::proxy::cors::{Policy, Settings};
use http::Method;
use store::{Key, Scan};
use wire::client::Tls;

use super::authorize::{Access, LiveAuthorizer};
use super::parameters::Changes;
use super::router::{Captures, Router};
use super::template::Template;
use crate::edge::access_log::AccessLog;
use crate::edge::integration::lambda::function_of;
use crate::edge::live::Live;
use crate::edge::metrics::{HTTP, Meter};
use crate::edge::owner::Owner;
use crate::edge::throttle::{Bucket, Limit};
use crate::http_api::records::{
    AuthorizationType, ConnectionType, Cors, Integration, IntegrationType, Route, STAGES, Stage, Texts,
};
use crate::http_api::snapshot::{SNAPSHOTS, Snapshot};
use crate::http_api::stage::{limit, settings_of};
use crate::{Failure, Gateway};

/// The stage whose routes stand at the root.
pub(super) const DEFAULT: &str = "$default";

/// How long an integration may take: AWS's 30 seconds, unless it says less.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// APIs at hand, by id.
pub(crate) type HttpApis = Live<String, LiveApi>;

/// An API's stages.
#[derive(Debug)]
pub(crate) struct LiveApi {
    /// By name: few, so a list is quicker than a table.
    stages: Vec<LiveStage>,
}

/// A stage with what it serves.
#[derive(Debug)]
pub(super) struct LiveStage {
    pub(super) name: String,
    pub(super) api_id: String,
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) variables: Option<Texts>,
    /// Whether it answers on its custom domain names only.
    pub(super) is_hidden: bool,
    pub(super) cors: Option<Policy>,
    pub(super) access_log: Option<AccessLog>,
    pub(super) meter: Meter,
    router: Router,
    routes: Vec<LiveRoute>,
}

/// A route of a stage.
#[derive(Debug)]
pub(super) struct LiveRoute {
    /// `GET /pets/{id}`.
    pub(super) key: String,
    /// `/pets/{id}`; `$default` for that one.
    pub(super) resource: String,
    /// The names of its path's variables.
    pub(super) names: Vec<String>,
    pub(super) access: Access,
    pub(super) integration: Option<LiveIntegration>,
    pub(super) limit: Option<(Limit, Bucket)>,
    pub(super) meter: Option<Meter>,
}

/// What stands behind a route.
#[derive(Debug)]
pub(super) struct LiveIntegration {
    pub(super) backend: Backend,
    pub(super) timeout: Duration,
    /// The role in whose name it is called.
    pub(super) role: Option<String>,
    /// What is changed in requests.
    pub(super) request: Changes,
    /// What is changed in answers, by their status.
    pub(super) answers: HashMap<u16, Changes>,
}

/// The kinds of backend.
#[derive(Debug)]
pub(super) enum Backend {
    /// A function, and the form of its events.
    Function(Arn, Format),
    /// An HTTP server, and the method it is asked with, unless it is the request's own.
    Server(Template, Option<Method>, Tls),
    /// What AWS has and we do not, by its name.
    NotBuilt(String),
    /// None that there could be, and why.
    Broken(String),
}

/// Forms of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    V1,
    V2,
}

impl Format {
    pub(super) fn of(version: Option<&str>) -> Format {
        if version == Some("1.0") { Format::V1 } else { Format::V2 }
    }
}

impl Gateway {
    /// An HTTP API's stages; none if there are none that serve anything.
    pub(super) async fn live_http_api(&self, owner: &Owner, api_id: &str) -> Result<Option<Arc<LiveApi>>, Failure> {
        if let Some(live) = self.http_apis.at_hand(api_id) {
            return Ok(Some(live));
        }
        self.http_apis.get(api_id.to_owned(), self.compile_http_api(owner, api_id)).await
    }

    async fn compile_http_api(&self, owner: &Owner, api_id: &str) -> Result<Option<LiveApi>, Failure> {
        let Some((account, region)) = owner.place() else { return Ok(None) };
        let state = self.store.snapshot()?;
        let mut stages = Vec::new();
        for (_, stage) in state.scan(STAGES, Scan::under(api_id)).await? {
            let Some(deployment) = &stage.deployment_id else { continue };
            let Some(snapshot) = state.get(SNAPSHOTS, &Key::of((api_id, deployment.as_str()))).await? else { continue };
            stages.push(self.compile_stage(account, &region, api_id, stage, &snapshot));
        }
        Ok(Some(LiveApi { stages }))
    }

    fn compile_stage(
        &self,
        account: AccountId,
        region: &Region,
        api_id: &str,
        stage: Stage,
        snapshot: &Snapshot,
    ) -> LiveStage {
        let name = stage.stage_name.clone();
        let (api, of_stage) = (("ApiId", api_id.to_owned()), ("Stage", name.clone()));
        let meter = |sets| Meter::new(&self.ports.metrics, account, region, &HTTP, sets);
        let compiler = Compiler { stage: &stage, snapshot, authorizers: HashMap::new() };
        let arn = |id: &str| format!("arn:aws:execute-api:{region}:{account}:{api_id}/authorizers/{id}");
        let authorizers = snapshot.authorizers.iter();
        let compiler = Compiler {
            authorizers: authorizers
                .map(|(id, one)| (id.clone(), Arc::new(LiveAuthorizer::new(one, arn(id), compiler.variables()))))
                .collect(),
            ..compiler
        };
        let (mut router, mut routes) = (Router::default(), Vec::with_capacity(snapshot.routes.len()));
        for route in &snapshot.routes {
            let settings = settings_of(compiler.stage, &route.route_key);
            let (method, resource) = route.route_key.split_once(' ').unwrap_or((DEFAULT, DEFAULT));
            let dimensions = || {
                let (method, resource) = (("Method", method.to_owned()), ("Resource", resource.to_owned()));
                vec![vec![api.clone(), method, resource, of_stage.clone()]]
            };
            routes.push(LiveRoute {
                names: router.add(&route.route_key, routes.len()),
                key: route.route_key.clone(),
                resource: resource.to_owned(),
                access: compiler.access(route),
                integration: compiler.integration(route),
                limit: limit(&settings).map(|limit| (limit, Bucket::default())),
                meter: (settings.detailed_metrics_enabled == Some(true)).then(|| meter(dimensions())),
            });
        }
        let log = stage.access_log_settings.as_ref();
        LiveStage {
            meter: meter(vec![vec![api.clone()], vec![api.clone(), of_stage.clone()]]),
            access_log: log.and_then(|log| AccessLog::new(log.destination_arn.as_deref()?, log.format.as_deref()?)),
            is_hidden: snapshot.api.disable_execute_api_endpoint == Some(true),
            cors: snapshot.api.cors_configuration.as_ref().map(policy),
            name,
            api_id: api_id.to_owned(),
            account,
            region: region.clone(),
            variables: stage.stage_variables,
            router,
            routes,
        }
    }
}

fn policy(cors: &Cors) -> Policy {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    Policy::new(Settings {
        credentials: cors.allow_credentials == Some(true),
        origins: list(&cors.allow_origins),
        methods: list(&cors.allow_methods),
        headers: list(&cors.allow_headers),
        exposed: list(&cors.expose_headers),
        max_age_secs: cors.max_age,
    })
}

struct Compiler<'a> {
    stage: &'a Stage,
    snapshot: &'a Snapshot,
    authorizers: HashMap<String, Arc<LiveAuthorizer>>,
}

impl Compiler<'_> {
    fn variables(&self) -> Option<&Texts> {
        self.stage.stage_variables.as_ref()
    }

    fn access(&self, route: &Route) -> Access {
        let by = || route.authorizer_id.as_ref().and_then(|id| self.authorizers.get(id)).cloned();
        match route.authorization_type.unwrap_or(AuthorizationType::None) {
            AuthorizationType::None => Access::Open,
            AuthorizationType::AwsIam => Access::Signed,
            AuthorizationType::Custom | AuthorizationType::Jwt => {
                by().map_or(Access::Nobody, |by| Access::By(by, route.authorization_scopes.clone().unwrap_or_default()))
            }
        }
    }

    fn integration(&self, route: &Route) -> Option<LiveIntegration> {
        let id = route.target.as_deref()?.strip_prefix("integrations/")?;
        let integration = self.snapshot.integrations.get(id)?;
        let timeout = integration.timeout_in_millis.and_then(|millis| u64::try_from(millis).ok());
        let answers = integration.response_parameters.iter().flatten();
        Some(LiveIntegration {
            backend: self.backend(integration),
            timeout: timeout.map_or(TIMEOUT_MAX, Duration::from_millis).min(TIMEOUT_MAX),
            role: integration.credentials_arn.clone(),
            request: Changes::parse(integration.request_parameters.as_ref(), self.variables()),
            answers: answers
                .filter_map(|(status, changes)| {
                    Some((status.parse().ok()?, Changes::parse(Some(changes), self.variables())))
                })
                .collect(),
        })
    }

    fn backend(&self, integration: &Integration) -> Backend {
        let uri = integration.integration_uri.as_deref().unwrap_or_default();
        match integration.integration_type {
            IntegrationType::AwsProxy => match &integration.integration_subtype {
                Some(subtype) => Backend::NotBuilt(format!("the integration subtype {subtype}")),
                None => {
                    let uri = Template::address(uri, self.variables()).constant();
                    match function_of(&uri) {
                        Some(function) => {
                            Backend::Function(function, Format::of(integration.payload_format_version.as_deref()))
                        }
                        None => Backend::Broken(format!("{uri} names no function")),
                    }
                }
            },
            IntegrationType::HttpProxy => {
                let is_private = integration.connection_type == Some(ConnectionType::VpcLink);
                if !uri.starts_with("http://") && !uri.starts_with("https://") && !uri.starts_with("${") {
                    return match is_private {
                        true => {
                            Backend::NotBuilt(format!("the private resource {uri}; addresses of http and https work"))
                        }
                        false => Backend::Broken(format!("{uri} is no address of a server")),
                    };
                }
                let method = integration.integration_method.as_deref().filter(|method| *method != "ANY");
                let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
                let server_name = integration.tls_config.as_ref().and_then(|tls| tls.server_name_to_verify.clone());
                let tls = Tls { server_name, ..Tls::default() };
                Backend::Server(Template::address(uri, self.variables()), method, tls)
            }
            IntegrationType::Aws | IntegrationType::Http | IntegrationType::Mock => {
                Backend::Broken("HTTP APIs have no such integrations".to_owned())
            }
        }
    }
}

impl LiveApi {
    /// The stage of a name.
    pub(super) fn stage(&self, name: &str) -> Option<&LiveStage> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

#[cfg(test)]
impl LiveApi {
    /// An API whose stages have no routes.
    pub(super) fn with_empty_stages(names: &[&str]) -> LiveApi {
        use std::sync::Arc;

        use cloud::ports::{MetricName, Metrics, Scope, Series};
        struct Nowhere;
        impl Metrics for Nowhere {
            fn series(&self, _: &Arc<Scope>, _: MetricName) -> Arc<dyn Series> {
                Arc::new(Nowhere)
            }
        }
        impl Series for Nowhere {
            fn record(&self, _: base::Timestamp, _: f64) {}
        }
        let metrics: Arc<dyn Metrics> = Arc::new(Nowhere);
        let (Some(account), Some(region)) = (AccountId::parse("123456789012"), Region::parse("us-east-1")) else {
            return LiveApi { stages: Vec::new() };
        };
        let stage = |name: &&str| LiveStage {
            name: (*name).to_owned(),
            api_id: "abc".to_owned(),
            account,
            region: region.clone(),
            variables: None,
            is_hidden: false,
            cors: None,
            access_log: None,
            meter: Meter::new(&metrics, account, &region, &HTTP, Vec::new()),
            router: Router::default(),
            routes: Vec::new(),
        };
        LiveApi { stages: names.iter().map(stage).collect() }
    }
}

impl LiveStage {
    /// The route that a request takes, and where in its path the route's variables stand.
    pub(super) fn route(&self, method: &Method, path: &str) -> Option<(&LiveRoute, Captures)> {
        let (route, captures) = self.router.find(method, path)?;
        Some((self.routes.get(route)?, captures))
    }

    /// What policies call a resource of this stage: `arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/pets`.
    pub(super) fn arn(&self, method: &str, resource: &str) -> String {
        let LiveStage { name, api_id, account, region, .. } = self;
        match resource {
            DEFAULT => format!("arn:aws:execute-api:{region}:{account}:{api_id}/{name}/{DEFAULT}"),
            path => format!(
                "arn:aws:execute-api:{region}:{account}:{api_id}/{name}/{method}/{}",
                path.trim_start_matches('/')
            ),
        }
    }
}
