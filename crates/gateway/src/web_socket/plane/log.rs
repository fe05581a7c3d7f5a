//! What a turn leaves in its stage's execution log, in AWS's words.

use bytes::Bytes;

use super::metrics::Blame;
use super::turn::{Kind, Refused, Turn};

impl Turn<'_> {
    /// Notes what happens.
    pub(super) fn log_beginning(&mut self) {
        let Turn { log, request_id, route, kind, connection, stage, .. } = self;
        let (route, api_id) = (route.map_or("", |route| &route.key), &stage.place.api_id);
        let (id, client) = (&connection.id, &connection.client);
        log.info(|| format!("Extended Request Id: {request_id}"));
        log.info(|| format!("Starting execution for request: {request_id}"));
        log.info(|| format!("WebSocket Request Route: [{route}]"));
        match kind {
            Kind::Connect(_) => log.info(|| {
                let user_agent = client.user_agent.as_deref().unwrap_or("null");
                let source_ip = &client.source_ip;
                format!(
                    "Client [UserAgent: {user_agent}, SourceIp: {source_ip}] is connecting to WebSocket API [{api_id}]."
                )
            }),
            Kind::Message { .. } => {
                log.info(|| format!("WebSocket API [{api_id}] received message from client [Connection Id: {id}]."));
            }
            Kind::Disconnect(ending) => log.info(|| {
                format!(
                    "Client [Connection Id: {id}] disconnected from API [{api_id}]. Close Status: {}",
                    ending.status
                )
            }),
        }
        if let Kind::Message { text, .. } = kind {
            log.data("Request body before transformations", text.as_bytes());
        }
    }

    /// Notes what a backend has answered.
    pub(super) fn log_answer(&mut self, status: u16, body: &Bytes) {
        self.log.info(|| format!("Received response. Status: {status}"));
        self.log.data("Endpoint response body before transformations", body);
    }

    /// Notes why a turn came to nothing.
    pub(super) fn log_refusal(&mut self, refused: &Refused) {
        let why = &refused.why;
        self.log.error(|| match (refused.blame, refused.status) {
            (Blame::Execution, 504) => "Execution failed due to a timeout error".to_owned(),
            (Blame::Execution, _) => format!("Execution failed due to configuration error: {why}"),
            _ => why.clone(),
        });
    }

    /// Notes the turn's end, and sends what was noted on its way.
    pub(super) fn write_log(&mut self, status: u16) {
        self.log.info(|| format!("Method completed with status: {status}"));
        self.log.write(&self.gateway.ports.logs, &self.stage.execution_log, &self.request_id);
    }
}
