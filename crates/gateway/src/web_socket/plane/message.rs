//! The route of a message, and of a connection's end.

use std::sync::Arc;
use std::time::Instant;

use base::Timestamp;
use cloud::Desk;

use super::metrics::Blame;
use super::selection::below;
use super::stage::{LiveRoute, LiveStage};
use super::turn::{Kind, Refused, Turn};
use crate::Gateway;
use crate::web_socket::connection::{Connection, Ending};

/// The route of what finds no other.
const DEFAULT: &str = "$default";
/// The route of a connection's end.
const DISCONNECT: &str = "$disconnect";

impl Gateway {
    /// Works on a message of a client.
    pub(super) async fn message(&self, desk: &Desk, connection: &Arc<Connection>, text: &str) {
        let begun = Instant::now();
        let stage = match self.socket_stage(&connection.place).await {
            Ok(Some(stage)) => stage,
            Ok(None) => return connection.outbox.close(Ending::going_away()),
            Err(_) => return,
        };
        let route = stage.route_of(text);
        let kind = Kind::Message { id: base::id::extended_request(), text };
        let mut turn = Turn::new(self, desk, &stage, connection, kind, route);
        turn.meter().message(turn.context.at());
        let outcome = turn.converse().await;
        let (status, blame, answer) = match outcome {
            Ok(Answered { status, body }) => (status, blame_of(status), body),
            Err(refused) => {
                turn.refuse(&refused);
                (refused.status, refused.blame, Some(turn.words(&refused)))
            }
        };
        turn.end(status, blame, begun);
        if let Some(answer) = answer {
            turn.meter().message(turn.context.at());
            _ = connection.outbox.put_when_possible(&answer).await;
        }
    }

    /// Counts a message that a backend sends by itself.
    pub(crate) async fn count_post(&self, connection: &Connection, at: Timestamp) {
        if let Ok(Some(stage)) = self.socket_stage(&connection.place).await {
            stage.meter.message(at);
        }
    }

    /// Tells the backend that a connection has ended; what it answers is nobody's concern any more.
    pub(super) async fn disconnected(&self, desk: &Desk, connection: &Arc<Connection>, ending: &Ending) {
        let begun = Instant::now();
        let Ok(Some(stage)) = self.socket_stage(&connection.place).await else { return };
        let Some(route) = stage.routes.get(DISCONNECT) else { return };
        let Some(backend) = &route.backend else { return };
        let mut turn = Turn::new(self, desk, &stage, connection, Kind::Disconnect(ending), Some(route));
        match turn.ask(backend).await {
            Ok(reply) => turn.end(reply.status, blame_of(reply.status), begun),
            Err(refused) => {
                turn.refuse(&refused);
                turn.end(refused.status, refused.blame, begun);
            }
        }
    }
}

/// What came of a message.
struct Answered {
    status: u16,
    /// What goes back to the client, if the route goes both ways.
    body: Option<String>,
}

impl Turn<'_> {
    async fn converse(&mut self) -> Result<Answered, Refused> {
        if !self.stage.admits(self.route, self.context.at()) {
            return Err(Refused::client(429, "Too Many Requests"));
        }
        let route = self.route.ok_or_else(Refused::forbidden)?;
        let backend = route.backend.as_ref().ok_or_else(Refused::forbidden)?;
        self.validate(route)?;
        let reply = self.ask(backend).await?;
        let body = route.is_two_way.then_some(reply.body).filter(|body| !body.is_empty());
        Ok(Answered { status: reply.status, body })
    }
}

impl Turn<'_> {
    /// Refuses a message that is not as its model says.
    fn validate(&self, route: &LiveRoute) -> Result<(), Refused> {
        let key = route.model_selection.value(|name| self.look_up(name).map(|text| text.into_owned().into()));
        let model = key.and_then(|key| route.models.get(&*key)).or_else(|| route.models.get(DEFAULT));
        let checked = model.map_or(Ok(()), |model| model.check(self.body().as_bytes()));
        checked.map_err(|faults| Refused { why: faults, ..Refused::client(400, "Invalid request body") })
    }
}

/// Whose fault a backend's status is.
pub(super) fn blame_of(status: u16) -> Blame {
    if status >= 400 { Blame::Integration } else { Blame::None }
}

impl LiveStage {
    /// The route that a message finds: the one whose key is what the route selection expression makes of it, or else
    /// `$default`. Names with a `$` are not for clients to choose.
    fn route_of(&self, text: &str) -> Option<&LiveRoute> {
        let body = serde_json::from_str::<serde_json::Value>(text).ok();
        let key = self.selection.value(|name| match name.strip_prefix("request.body") {
            Some(path) => below(body.as_ref()?, path).map(|text| text.into_owned().into()),
            None => self.variables.get(name.strip_prefix("stageVariables.")?).map(|value| value.as_str().into()),
        });
        let key = key.filter(|key| !key.starts_with('$'));
        key.and_then(|key| self.routes.get(&*key)).or_else(|| self.routes.get(DEFAULT))
    }
}
