//! One invocation, from a resolved version and a payload to an answer. What is synchronous, asynchronous or dry is
//! decided in the operation (`operations/invoke`); retries are in `asynchronous`.

use std::sync::Arc;
use std::time::Duration;

use base::Error;
use bytes::Bytes;
use sandbox::engine::EarlyAnswer;
use sandbox::{Outcome, Outlet, Request};

use super::Lambda;
use super::fleet::{Lease, Refusal};
use super::lineage::{self, RecursiveLoop};
use super::metrics::Metric;
use super::report::{self, FunctionError};
use super::resolve::Resolved;

/// What an invocation is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    /// The one id of header, context, log lines and records.
    pub(crate) request_id: String,
    /// The event, JSON.
    pub(crate) payload: Bytes,
    /// The client context, JSON.
    pub(crate) client_context: Option<String>,
    /// The trace header.
    pub(crate) trace_id: String,
    /// The caller wants the end of the log.
    pub(crate) wants_tail: bool,
    /// A client waits for the answer; else it is an event of a queue or stream.
    pub(crate) awaited: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The function's answer, or the error document.
    pub(crate) payload: Bytes,
    /// True if the payload is an error document.
    pub(crate) failed: bool,
    /// Its type, if it is one.
    pub(crate) error_type: Option<String>,
    /// The end of the log, if it was wanted.
    pub(crate) tail: Option<Vec<u8>>,
}

impl Lambda {
    /// Runs one request in an environment of this version. A failure of the function is an [`Answer`]; the error is
    /// for what is not its fault (throttling, a missing runtime, a fault of ours).
    pub(crate) async fn run_invocation(&self, resolved: &Arc<Resolved>, call: Invocation) -> Result<Answer, Error> {
        match self.lease(resolved, &call).await? {
            // Whoever wants the end of the log waits for it.
            Ok(lease) if !call.wants_tail && lease.lingers() => self.run_lingering(lease, resolved, call).await,
            Ok(lease) => self.run_leased(lease, resolved, call, None, None).await,
            Err(answer) => Ok(answer),
        }
    }

    /// The trace header with this function in its lineage; AWS's refusal of a chain of calls that has become a loop.
    pub(crate) fn enter(&self, resolved: &Resolved, trace_id: &str) -> Result<String, Error> {
        let entered = lineage::enter(trace_id, &resolved.lineage_name);
        if entered.is_loop() && resolved.recursive_loop == RecursiveLoop::Terminate {
            self.record(resolved, Metric::RecursiveInvocationsDropped, 1.0);
            return Err(lineage::stopped());
        }
        Ok(entered.trace_id)
    }

    /// An environment for a request, or the answer of a function that cannot have one.
    pub(crate) async fn lease(
        &self,
        resolved: &Arc<Resolved>,
        call: &Invocation,
    ) -> Result<Result<Lease, Answer>, Error> {
        match self.fleet.lease(resolved, call.awaited).await {
            Ok(lease) => {
                match lease.is_provisioned() {
                    None => {}
                    Some(true) => self.record(resolved, Metric::ProvisionedConcurrencyInvocations, 1.0),
                    Some(false) => self.record(resolved, Metric::ProvisionedConcurrencySpilloverInvocations, 1.0),
                }
                Ok(Ok(lease))
            }
            Err(Refusal::Aws(error)) => {
                if error.status == 429 {
                    self.record(resolved, Metric::Throttles, 1.0);
                }
                if let Some(trace) = self.begin_trace(&mut call.trace_id.clone()) {
                    self.end_trace_unrun(&trace, resolved, &call.request_id, error.status);
                }
                Err(error)
            }
            Err(Refusal::NotExecutable { error_type, words }) => {
                self.measure(resolved, Duration::ZERO, true);
                self.bill(resolved, 0, false);
                let FunctionError { payload, error_type, .. } =
                    report::not_executable(&call.request_id, error_type, &words);
                let tail = call.wants_tail.then(Vec::new);
                Ok(Err(Answer { payload, failed: true, error_type: Some(error_type), tail }))
            }
        }
    }

    /// Runs one request in its environment. A streamed answer goes to the outlet, if there is one; whoever is to hear of
    /// another before the environment's extensions are done gives `early`.
    pub(crate) async fn run_leased(
        &self,
        mut lease: Lease,
        resolved: &Resolved,
        mut call: Invocation,
        outlet: Option<Outlet>,
        early: Option<EarlyAnswer>,
    ) -> Result<Answer, Error> {
        let event = self.keeps_events().then(|| call.payload.clone());
        let streams = outlet.is_some();
        let trace = self.begin_trace(&mut call.trace_id);
        let environment = lease.environment();
        let start = report::start(resolved, &call.request_id, self.clock.now());
        environment.log.begin(start, call.wants_tail);
        let request = Request {
            request_id: call.request_id.clone(),
            function_arn: resolved.invoked_arn.to_string(),
            trace_id: Some(call.trace_id),
            client_context: call.client_context,
            cognito_identity: None,
            payload: call.payload,
            outlet,
            early,
            trace_daemon: trace.as_ref().map(|_| self.trace_daemon(resolved)),
        };
        let outcome = environment.sandbox.invoke(request).await;
        if environment.sandbox.is_watched() {
            let record = report::record(resolved, &call.request_id, &outcome, self.clock.now());
            environment.sandbox.tell_report(record);
        }
        if let Some(trace) = &trace {
            self.end_trace(trace, resolved, &call.request_id, &outcome);
        }
        let log = environment.log.clone();
        let (billed_ms, is_provisioned) = (report::billed_ms(&outcome), environment.provisioned.is_some());
        let answer = self.conclude(resolved, &call.request_id, outcome, &log);
        if answer.is_ok() {
            self.bill(resolved, billed_ms, is_provisioned);
        }
        lease.release();
        if let Some(event) = event {
            // A streamed answer is with its caller, and nowhere else.
            self.keep_event(resolved, &call.request_id, event, answer.as_ref().ok().filter(|_| !streams));
        }
        answer
    }

    fn conclude(
        &self,
        resolved: &Resolved,
        request_id: &str,
        outcome: Outcome,
        log: &super::environment::EnvironmentLog,
    ) -> Result<Answer, Error> {
        let now = self.clock.now();
        let error = match &outcome.result {
            Ok(_) => None,
            Err(failure) => match report::function_error(failure, resolved, request_id, now) {
                Ok(error) => Some(error),
                Err(why) => {
                    tracing::error!(why, function = %resolved.function_arn, request_id, "an invocation failed inside");
                    log.end(None);
                    let words = "An error occurred and the request cannot be processed.";
                    return Err(Error::new(500, "ServiceException", words).capital().with("Type", "Service"));
                }
            },
        };
        let tail = log.end(report::end(resolved, request_id, &outcome, error.as_ref(), now));
        let failed = error.is_some();
        self.measure(resolved, outcome.duration, failed);
        if let Some(extensions) = outcome.extensions {
            self.record(resolved, Metric::PostRuntimeExtensionsDuration, extensions.as_secs_f64() * 1000.0);
        }
        let (payload, error_type) = match (outcome.result, error) {
            (_, Some(error)) => (error.payload, Some(error.error_type)),
            (Ok(payload), None) => (payload, None),
            (Err(_), None) => (Bytes::new(), None),
        };
        Ok(Answer { payload, failed, error_type, tail })
    }

    /// Records a request that ran. Every one counts as an error or not, so that the average is the error rate.
    fn measure(&self, resolved: &Resolved, duration: Duration, failed: bool) {
        self.record(resolved, Metric::Invocations, 1.0);
        self.record(resolved, Metric::Errors, f64::from(u8::from(failed)));
        self.record(resolved, Metric::Throttles, 0.0);
        self.record(resolved, Metric::Duration, duration.as_secs_f64() * 1000.0);
    }
}
