//! One turn of a connection: its handshake, a message, its end. What is known of it, and what is noted when it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Caller, Cx, Origin};
use cloud::Desk;
use http::request::Parts;

use super::metrics::{Blame, Meter};
use super::stage::{LiveRoute, LiveStage};
use crate::Gateway;
use crate::edge::context::Context;
use crate::edge::execution_log::Log;
use crate::edge::trace;
use crate::web_socket::connection::{Connection, Ending};

/// A turn.
pub(super) struct Turn<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) desk: &'a Desk,
    pub(super) stage: &'a LiveStage,
    pub(super) connection: &'a Connection,
    pub(super) kind: Kind<'a>,
    pub(super) route: Option<&'a LiveRoute>,
    pub(super) request_id: String,
    pub(super) context: Context,
    pub(super) cx: Cx,
    pub(super) log: Log,
    /// The trace that a handshake belongs to; what functions do of messages belongs to their own.
    pub(super) trace_id: Option<String>,
    /// The API key that an authorizer names.
    pub(super) usage_key: Option<String>,
    /// What the backend took, once it was asked.
    pub(super) integration_latency: Option<Duration>,
}

/// What happens in a turn.
pub(super) enum Kind<'a> {
    /// A client asks for a connection.
    Connect(&'a Parts),
    /// A client says something.
    Message { id: String, text: &'a str },
    /// A connection has ended.
    Disconnect(&'a Ending),
}

impl Kind<'_> {
    /// AWS's name of it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kind::Connect(_) => "CONNECT",
            Kind::Message { .. } => "MESSAGE",
            Kind::Disconnect(_) => "DISCONNECT",
        }
    }
}

/// Why a turn came to nothing; what the client is told is AWS's choice of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    pub(super) blame: Blame,
    /// For logs.
    pub(super) why: String,
}

impl Refused {
    pub(super) fn client(status: u16, message: impl Into<Cow<'static, str>>) -> Refused {
        let message = message.into();
        Refused { status, why: message.clone().into_owned(), message, blame: Blame::Client }
    }

    pub(super) fn forbidden() -> Refused {
        Refused::client(403, "Forbidden")
    }

    /// The backend could not be asked, or gave no answer.
    pub(super) fn execution(status: u16, why: impl Into<String>) -> Refused {
        Refused { status, message: "Internal server error".into(), blame: Blame::Execution, why: why.into() }
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        gateway: &'a Gateway,
        desk: &'a Desk,
        stage: &'a LiveStage,
        connection: &'a Connection,
        kind: Kind<'a>,
        route: Option<&'a LiveRoute>,
    ) -> Turn<'a> {
        let request_id = base::id::extended_request();
        let client = &connection.client;
        let origin = Origin {
            remote: client.address,
            host: client.domain_name.clone(),
            tls: client.tls,
            from_sandbox: client.from_sandbox,
            user_agent: client.user_agent.clone().unwrap_or_default(),
            trace_id: None,
        };
        let cx = Cx {
            request_id: request_id.as_str().into(),
            account: stage.account,
            region: stage.region.clone(),
            caller: Caller::anonymous(stage.account),
            origin: Arc::new(origin),
            clock: desk.clock().clone(),
        };
        let logged = route.map_or(stage.logged, |route| route.logged);
        let mut turn = Turn {
            log: Log::new(logged.level, logged.has_data, cx.clock.clone()),
            context: Context::new(cx.now()),
            gateway,
            desk,
            stage,
            connection,
            kind,
            route,
            request_id,
            cx,
            trace_id: None,
            usage_key: None,
            integration_latency: None,
        };
        if let Kind::Connect(head) = &turn.kind {
            let given = head.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
            turn.trace_id = Some(trace::header(given, turn.context.at()));
        }
        turn.set_facts();
        turn.log_beginning();
        turn
    }

    fn set_facts(&mut self) {
        let (context, connection, client) = (&mut self.context, self.connection, &self.connection.client);
        context.set("apiId", self.stage.place.api_id.clone());
        context.set("stage", self.stage.place.stage.clone());
        context.set("connectionId", connection.id.clone());
        context.set("connectedAt", connection.connected.millis());
        context.set("domainName", client.domain_name.clone());
        context.set("eventType", self.kind.name());
        context.set("messageDirection", "IN");
        context.set("requestId", self.request_id.clone());
        context.set("extendedRequestId", self.request_id.clone());
        context.set("identity.sourceIp", client.source_ip.clone());
        context.set_some("identity.userAgent", client.user_agent.clone());
        context.set_some("routeKey", self.route.map(|route| route.key.clone()));
        if let Kind::Message { id, .. } = &self.kind {
            context.set("messageId", id.clone());
        }
        if let Some(said) = &connection.authorizer {
            context.set_authorizer(said.clone());
        }
    }

    pub(super) fn route_key(&self) -> &str {
        self.route.map_or("", |route| &route.key)
    }

    /// What the client said; nothing but in messages.
    pub(super) fn body(&self) -> &'a str {
        match self.kind {
            Kind::Message { text, .. } => text,
            Kind::Connect(_) | Kind::Disconnect(_) => "",
        }
    }

    /// The ARN of the route, as permissions have it.
    pub(super) fn arn(&self) -> String {
        let place = &self.stage.place;
        format!(
            "arn:aws:execute-api:{}:{}:{}/{}/{}",
            self.stage.region,
            self.stage.account,
            place.api_id,
            place.stage,
            self.route_key()
        )
    }

    pub(super) fn meter(&self) -> &'a Meter {
        self.route.map_or(&self.stage.meter, |route| &route.meter)
    }

    /// Notes what became of the turn: metrics, logs.
    pub(super) fn end(&mut self, status: u16, blame: Blame, begun: Instant) {
        self.meter().outcome(self.context.at(), blame, self.integration_latency);
        self.write_log(status);
        let Some(log) = &self.stage.access_log else { return };
        self.context.set("status", status);
        self.context.set("responseLatency", begun.elapsed().as_millis() as i64);
        self.context.set_some("integrationLatency", self.integration_latency.map(|latency| latency.as_millis() as i64));
        log.write(&self.gateway.ports.logs, &self.context);
    }

    /// Puts into the context why the turn came to nothing.
    pub(super) fn refuse(&mut self, refused: &Refused) {
        tracing::debug!(connection = self.connection.id, id = self.request_id, "{}: {}", self.kind.name(), refused.why);
        self.log_refusal(refused);
        self.context.set("error.message", refused.message.clone().into_owned());
        if refused.blame != Blame::Client {
            self.context.set("integrationErrorMessage", refused.why.clone());
            self.context.set("integration.error", refused.why.clone());
        }
    }

    /// What a client is told of a turn that came to nothing; AWS's spaces.
    pub(super) fn words(&self, refused: &Refused) -> String {
        let message = serde_json::Value::from(&*refused.message);
        let (connection, request) = (&self.connection.id, &self.request_id);
        format!(r#"{{"message": {message}, "connectionId":"{connection}", "requestId":"{request}"}}"#)
    }
}
