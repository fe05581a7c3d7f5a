//! What is done once an answer is over: the request is measured, traced and logged. An answer that streams is over when its last
//! byte has gone, or whoever reads it.

use std::sync::Arc;
use std::time::Duration;

use base::Cx;
use shape::Body;
use tokio::time::Instant;

use super::live::LiveStage;
use super::segment::Document;
use crate::Gateway;
use crate::edge::context::Context;
use crate::edge::execution_log::Log;
use crate::edge::metrics::{Measured, Meter};

/// A request whose answer is on its way. What is to be done at its end is done when this is dropped.
pub(super) struct Ending {
    pub(super) gateway: Gateway,
    pub(super) stage: Arc<LiveStage>,
    /// The method's own meter.
    pub(super) meter: Option<Arc<Meter>>,
    pub(super) cx: Cx,
    pub(super) context: Context,
    pub(super) log: Log,
    pub(super) document: Option<Document>,
    /// When the request came.
    pub(super) begun: std::time::Instant,
    pub(super) status: u16,
    pub(super) integration_latency: Option<Duration>,
    pub(super) cache_hit: Option<bool>,
    /// When an integration was asked whose answer streams: it takes until the end.
    pub(super) since: Option<Instant>,
    /// Of the answer's body, so far.
    pub(super) bytes: u64,
}

impl Ending {
    /// Counts the next bytes of a body that streams.
    pub(super) fn count(&mut self, bytes: usize) {
        if self.bytes == 0
            && let Some(since) = self.since
        {
            self.context.set("integration.timeToFirstContent", since.elapsed().as_millis() as i64);
        }
        self.bytes += bytes as u64;
    }

    fn measure(&self, latency: Duration) {
        let measured = Measured {
            at: self.context.at(),
            status: self.status,
            latency,
            integration_latency: self.integration_latency,
            cache_hit: self.cache_hit,
        };
        self.stage.meter.record(&measured);
        if let Some(meter) = &self.meter {
            meter.record(&measured);
        }
    }

    fn note(&mut self, latency: Duration) {
        let Some(access_log) = &self.stage.access_log else { return };
        self.context.set("status", self.status);
        self.context.set("responseLatency", latency.as_millis() as i64);
        self.context.set("responseLength", self.bytes as i64);
        if let Some(latency) = self.integration_latency {
            self.context.set("integrationLatency", latency.as_millis() as i64);
            self.context.set("integration.latency", latency.as_millis() as i64);
        }
        access_log.write(&self.gateway.ports.logs, &self.context);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let latency = self.begun.elapsed();
        if let Some(since) = self.since {
            self.integration_latency = Some(since.elapsed());
        }
        self.measure(latency);
        if let Some(document) = self.document.take() {
            let document = document.end(self.bytes, self.cx.now());
            self.gateway.ports.traces.put(self.cx.account, &self.cx.region, document);
        }
        self.note(latency);
        let status = self.status;
        self.log.info(|| format!("Method completed with status: {status}"));
        self.log.write(&self.gateway.ports.logs, &self.stage.execution_log, &self.cx.request_id);
    }
}

/// The body, at whose end the request is over.
pub(super) fn ended(body: Body, mut ending: Ending) -> Body {
    use futures_util::TryStreamExt as _;
    match body {
        Body::Whole(bytes) => {
            ending.bytes = bytes.len() as u64;
            Body::Whole(bytes)
        }
        Body::Stream(stream) => Body::Stream(Box::pin(stream.inspect_ok(move |bytes| ending.count(bytes.len())))),
    }
}
