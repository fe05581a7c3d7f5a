//! A stage as its data plane has it: routes by key, expressions taken apart, backends with their stage variables put in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Arn, Region, Timestamp};
use cloud::ports::{LogDestination, Metrics};

use super::metrics::Meter;
use super::selection::Expression;
use super::template::Templates;
use crate::edge::access_log::{self, AccessLog};
use crate::edge::execution_log::Level;
use crate::edge::integration::lambda::function_of;
use crate::edge::schema::Schema;
use crate::edge::throttle::{ACCOUNT, Bucket, Limit};
use crate::http_api::api::KEYS_OF_AUTHORIZER;
use crate::http_api::integration::is_invocation_type;
use crate::http_api::records::{
    AuthorizationType, Authorizer, ContentHandlingStrategy, Integration, IntegrationResponse, IntegrationType,
    LoggingLevel, Route, RouteSettings, Stage, Texts,
};
use crate::http_api::snapshot::{DeployedStage, Snapshot};
use crate::http_api::stage::{limit, settings_of};
use crate::web_socket::connection::Place;
use crate::{Failure, Gateway};

/// How long a backend may take where nothing else is said, in milliseconds; AWS's number, and its greatest.
const TIMEOUT_MS: i32 = 29_000;

/// A stage.
pub(crate) struct LiveStage {
    pub(super) place: Place,
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) disable_execute_api_endpoint: bool,
    pub(super) selection: Expression,
    pub(super) routes: HashMap<String, LiveRoute>,
    pub(super) variables: Texts,
    pub(super) access_log: Option<AccessLog>,
    pub(super) execution_log: LogDestination,
    /// Whether an authorizer names the API keys of handshakes, and not a header.
    pub(super) has_keys_of_authorizer: bool,
    /// Of all routes that have no limit of their own.
    throttle: Throttle,
    /// Of what finds no route.
    pub(super) logged: Logged,
    pub(super) meter: Meter,
}

/// A route.
pub(super) struct LiveRoute {
    pub(super) key: Arc<str>,
    pub(super) authorization: Authorization,
    pub(super) needs_key: bool,
    /// None if it has no target: a message to it is refused, a handshake agreed to.
    pub(super) backend: Option<Backend>,
    /// Whether the backend's answer goes back to the client.
    pub(super) is_two_way: bool,
    /// Parameters that a handshake must have.
    pub(super) required: Vec<String>,
    /// By what a message finds its model, and the models.
    pub(super) model_selection: Expression,
    pub(super) models: HashMap<String, Schema>,
    throttle: Option<Throttle>,
    pub(super) logged: Logged,
    pub(super) meter: Meter,
}

/// What the execution log has of a turn.
#[derive(Clone, Copy)]
pub(super) struct Logged {
    pub(super) level: Level,
    /// Messages and answers, too.
    pub(super) has_data: bool,
}

impl Logged {
    const NOTHING: Logged = Logged { level: Level::Off, has_data: false };

    fn of(settings: &RouteSettings) -> Logged {
        Logged {
            level: match settings.logging_level {
                Some(LoggingLevel::Info) => Level::Info,
                Some(LoggingLevel::Error) => Level::Error,
                Some(LoggingLevel::Off) | None => Level::Off,
            },
            has_data: settings.data_trace_enabled == Some(true),
        }
    }
}

/// Who may come in by a route.
pub(super) enum Authorization {
    /// Everybody.
    None,
    /// Whom IAM lets.
    Iam,
    /// Whom a function lets.
    Function(Box<LiveAuthorizer>),
    /// Nobody, and why: there is nobody to ask.
    Broken(String),
}

/// A function that says who may come in.
pub(super) struct LiveAuthorizer {
    pub(super) id: String,
    pub(super) function: Arn,
    pub(super) role: Option<String>,
    /// What must be there of a request, or it is refused unasked.
    pub(super) identity_sources: Vec<String>,
}

impl Authorization {
    /// By the authorizer that a route names.
    fn by(authorizer: Option<&Authorizer>, variables: &Texts) -> Authorization {
        let Some(authorizer) = authorizer else {
            return Authorization::Broken("there is no such authorizer".to_owned());
        };
        let uri = with_variables(authorizer.authorizer_uri.as_deref().unwrap_or_default(), variables);
        match function_of(&uri) {
            Some(function) => Authorization::Function(Box::new(LiveAuthorizer {
                id: authorizer.authorizer_id.clone(),
                function,
                role: authorizer.authorizer_credentials_arn.clone(),
                identity_sources: authorizer.identity_source.clone().unwrap_or_default(),
            })),
            None => Authorization::Broken(format!("{uri} is no function")),
        }
    }
}

/// What stands behind a route.
pub(super) struct Backend {
    pub(super) integration: Integration,
    pub(super) kind: BackendKind,
    pub(super) timeout: Duration,
    pub(super) templates: Templates,
    /// By what the backend's answer finds its response.
    pub(super) response_selection: Expression,
    pub(super) responses: Vec<Response>,
}

/// What becomes of a backend's answers of one kind.
pub(super) struct Response {
    /// Which kind: `$default`, a value of the selection expression, or a pattern between slashes.
    pub(super) key: String,
    pub(super) templates: Templates,
    pub(super) content_handling: Option<ContentHandlingStrategy>,
}

/// The kinds of backend.
pub(super) enum BackendKind {
    /// A function that gets the event and answers with a status.
    Proxy { function: Arn },
    /// A function that gets a template's text and answers with anything; `event` if nobody waits for that.
    Function { function: Arn, event: bool },
    /// A server; `proxy` if messages go there as they are.
    Http { uri: String, proxy: bool },
    /// A service of the house, by a URI that may still have names in braces.
    Service { uri: String },
    /// Nobody.
    Mock,
    /// One that there is nobody for, and why.
    Unusable(String),
}

struct Throttle {
    bucket: Bucket,
    limit: Limit,
}

impl Throttle {
    fn new(limit: Limit) -> Throttle {
        Throttle { bucket: Bucket::default(), limit }
    }
}

impl Gateway {
    /// The stage of a place, if it is served.
    pub(crate) async fn socket_stage(&self, place: &Place) -> Result<Option<Arc<LiveStage>>, Failure> {
        if let Some(stage) = self.socket_stages.at_hand(place) {
            return Ok(Some(stage));
        }
        let make = async {
            let Some(owner) = self.owner(&place.api_id).await? else { return Ok(None) };
            let Some((account, region)) = owner.place() else { return Ok(None) };
            let deployed = self.http_stage(&place.api_id, &place.stage).await?;
            Ok(deployed.map(|deployed| LiveStage::of(deployed, place, account, region, &self.ports.metrics)))
        };
        self.socket_stages.get(place.clone(), make).await
    }
}

impl LiveStage {
    /// Whose it is.
    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// Where it is.
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    fn of(
        deployed: DeployedStage,
        place: &Place,
        account: AccountId,
        region: Region,
        metrics: &Arc<dyn Metrics>,
    ) -> LiveStage {
        let DeployedStage { stage, snapshot } = deployed;
        let variables = stage.stage_variables.clone().unwrap_or_default();
        let has_detail = |key: &str| settings_of(&stage, key).detailed_metrics_enabled == Some(true);
        let meter = |route: Option<&str>| Meter::new(metrics, account, &region, place, route);
        let route = |route: &Route| LiveRoute {
            meter: meter(has_detail(&route.route_key).then_some(&route.route_key)),
            ..LiveRoute::of(route, &stage, &snapshot, &variables, meter(None))
        };
        let log = stage.access_log_settings.as_ref();
        let log = log.and_then(|log| AccessLog::new(log.destination_arn.as_deref()?, log.format.as_deref()?));
        LiveStage {
            routes: snapshot.routes.iter().map(|one| (one.route_key.clone(), route(one))).collect(),
            selection: Expression::parse(&snapshot.api.route_selection_expression),
            disable_execute_api_endpoint: snapshot.api.disable_execute_api_endpoint == Some(true),
            access_log: log,
            execution_log: LogDestination {
                account,
                region: region.clone(),
                group: format!("/aws/apigateway/{}/{}", place.api_id, place.stage).into(),
                stream: access_log::STREAM.into(),
            },
            has_keys_of_authorizer: snapshot.api.api_key_selection_expression.as_deref() == Some(KEYS_OF_AUTHORIZER),
            logged: stage.default_route_settings.as_ref().map_or(Logged::NOTHING, Logged::of),
            throttle: Throttle::new(stage.default_route_settings.as_ref().and_then(limit).unwrap_or(ACCOUNT)),
            meter: meter(None),
            place: place.clone(),
            account,
            variables,
            region,
        }
    }

    /// Takes one request of a route's, or of the stage's if it has no limit of its own; false if there are too many.
    pub(super) fn admits(&self, route: Option<&LiveRoute>, now: Timestamp) -> bool {
        let Throttle { bucket, limit } = route.and_then(|route| route.throttle.as_ref()).unwrap_or(&self.throttle);
        bucket.take(*limit, now)
    }
}

impl LiveRoute {
    fn of(route: &Route, stage: &Stage, snapshot: &Snapshot, variables: &Texts, meter: Meter) -> LiveRoute {
        let target = route.target.as_deref().and_then(|target| target.strip_prefix("integrations/"));
        let integration = target.and_then(|id| snapshot.integrations.get(id));
        let authorizer = route.authorizer_id.as_ref().and_then(|id| snapshot.authorizers.get(id));
        let own_settings = stage.route_settings.as_ref().and_then(|all| all.get(&route.route_key));
        let has_response = snapshot.route_responses.get(&route.route_id).is_some_and(|all| !all.is_empty());
        LiveRoute {
            key: route.route_key.as_str().into(),
            authorization: match route.authorization_type {
                Some(AuthorizationType::AwsIam) => Authorization::Iam,
                Some(AuthorizationType::Custom) => Authorization::by(authorizer, variables),
                Some(AuthorizationType::Jwt) => Authorization::Broken("WebSocket APIs take no tokens".to_owned()),
                Some(AuthorizationType::None) | None => Authorization::None,
            },
            needs_key: route.api_key_required == Some(true),
            backend: integration.map(|one| Backend::of(one, snapshot, variables)),
            is_two_way: has_response && route.route_response_selection_expression.is_some(),
            required: route
                .request_parameters
                .iter()
                .flatten()
                .filter(|(_, constraints)| constraints.required == Some(true))
                .map(|(name, _)| name.clone())
                .collect(),
            model_selection: Expression::parse(route.model_selection_expression.as_deref().unwrap_or(r"\$default")),
            models: match snapshot.api.disable_schema_validation {
                Some(true) => HashMap::new(),
                _ => models(route, snapshot),
            },
            throttle: own_settings
                .and_then(limit)
                .and_then(|_| limit(&settings_of(stage, &route.route_key)))
                .map(Throttle::new),
            logged: Logged::of(&settings_of(stage, &route.route_key)),
            meter,
        }
    }
}

/// The models of a route's messages, by what finds them.
fn models(route: &Route, snapshot: &Snapshot) -> HashMap<String, Schema> {
    let all = || snapshot.models.iter().map(|model| (&*model.name, model.schema.as_deref()));
    let models = route.request_models.iter().flatten();
    models.map(|(key, name)| (key.clone(), Schema::new(name, all()))).collect()
}

impl Backend {
    fn of(integration: &Integration, snapshot: &Snapshot, variables: &Texts) -> Backend {
        let uri = integration.integration_uri.as_deref().map(|uri| with_variables(uri, variables)).unwrap_or_default();
        let kind = match (integration.integration_type, function_of(&uri)) {
            (IntegrationType::AwsProxy, Some(function)) => BackendKind::Proxy { function },
            (IntegrationType::AwsProxy, None) => BackendKind::Unusable(format!("{uri} is no function")),
            (IntegrationType::Aws, Some(function)) => BackendKind::Function { function, event: is_event(integration) },
            (IntegrationType::Aws, None) => BackendKind::Service { uri },
            (IntegrationType::Http, _) => BackendKind::Http { uri, proxy: false },
            (IntegrationType::HttpProxy, _) => BackendKind::Http { uri, proxy: true },
            (IntegrationType::Mock, _) => BackendKind::Mock,
        };
        let timeout_ms = integration.timeout_in_millis.unwrap_or(TIMEOUT_MS).clamp(50, TIMEOUT_MS);
        let selection = integration.integration_response_selection_expression.as_deref().unwrap_or(r"\$default");
        let responses = snapshot.integration_responses.get(&integration.integration_id);
        Backend {
            kind,
            timeout: Duration::from_millis(timeout_ms.unsigned_abs().into()),
            templates: Templates::new(
                integration.request_templates.as_ref(),
                integration.template_selection_expression.as_deref(),
            ),
            response_selection: Expression::parse(selection),
            responses: responses.into_iter().flatten().map(Response::of).collect(),
            integration: integration.clone(),
        }
    }
}

impl Response {
    fn of(response: &IntegrationResponse) -> Response {
        Response {
            key: response.integration_response_key.clone(),
            templates: Templates::new(
                response.response_templates.as_ref(),
                response.template_selection_expression.as_deref(),
            ),
            content_handling: response.content_handling_strategy,
        }
    }
}

/// Whether a function gets its event without anybody waiting for its answer.
fn is_event(integration: &Integration) -> bool {
    integration.request_parameters.iter().flatten().any(|(name, value)| is_invocation_type(name) && value == "'Event'")
}

/// A URI with the stage's variables in the places of `${stageVariables.name}`.
pub(super) fn with_variables(uri: &str, variables: &Texts) -> String {
    let uri = Expression::parse(uri);
    let value = uri.value(|name| {
        let value = variables.get(name.strip_prefix("stageVariables.")?)?;
        Some(value.as_str().into())
    });
    value.map(|uri| uri.into_owned()).unwrap_or_default()
}
