//! Integrations whose answers go on to the caller while they come (`responseTransferMode` `STREAM`): functions that write a prelude
//! before their answer, and HTTP servers. What needs an answer as a whole is not for these, as on AWS: caches, compression, mapping.

use std::time::Duration;

use bytes::Bytes;
use cloud::ports::{AnswerStream, CutOff};
use cloud::proxy::response::{Headless, Prelude, Response};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use shape::body::ByteStream;
use tokio::time::{Instant, timeout_at};

use super::live::{LiveIntegration, LiveMethod};
use super::proxied::Answered;
use super::refusal::Refusal;
use super::{Visit, headers, integrate};
use crate::edge::execution_log;
use crate::edge::integration::Failure;
use crate::rest::records::{EndpointType, IntegrationType};

/// How long nothing may come of a regional or private API's integration: AWS's five minutes.
const IDLE: Duration = Duration::from_secs(300);

/// The same for edge-optimized APIs.
const EDGE_IDLE: Duration = Duration::from_secs(30);

/// How long a test waits for an answer to end, and how much of it is shown: AWS's 35 seconds and 1 MB.
pub(super) const TEST_PATIENCE: Duration = Duration::from_secs(35);
const TEST_BYTES_MAX: usize = 1024 * 1024;

/// What a caller gets: an answer that is whole, or one that is still being written.
#[derive(Debug)]
pub(in crate::rest) enum Reply {
    Whole(Answered),
    Streamed(Streamed),
}

/// An answer that is still being written, once its head is known.
pub(in crate::rest) struct Streamed {
    pub(in crate::rest) status: StatusCode,
    pub(in crate::rest) headers: HeaderMap,
    /// It ends within the integration's time; whatever else ends it early is an error.
    pub(in crate::rest) body: ByteStream,
    /// When the integration was asked.
    pub(in crate::rest) since: Instant,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streamed({})", self.status)
    }
}

/// Asks the method's integration, until its answer has a head.
pub(super) async fn integrate(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
) -> Result<Streamed, Refusal> {
    let since = Instant::now();
    visit.context.set("integration.responseTransferMode", "STREAMED");
    let asked = match integration.declared.r#type {
        IntegrationType::AwsProxy => function(visit, method, integration, since).await,
        _ => server(visit, integration, since).await,
    };
    let passed = since.elapsed();
    visit.integration_latency = Some(passed);
    let mut streamed = asked?;
    visit.context.set("integration.timeToAllHeaders", passed.as_millis() as i64);
    integrate::trace(visit, integration, &mut streamed.headers);
    visit.log.map("Method response headers", || execution_log::pairs(&streamed.headers));
    let types = visit.serving.api.endpoint_configuration.types.as_deref().unwrap_or_default();
    let is_edge = types.contains(&EndpointType::Edge);
    let idle = if is_edge { EDGE_IDLE } else { IDLE };
    streamed.body = paced(streamed.body, since + integration.timeout, idle);
    Ok(streamed)
}

/// `AWS_PROXY`: the function writes the answer's head first.
async fn function(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
    since: Instant,
) -> Result<Streamed, Refusal> {
    let (function, event) = integrate::event_for(visit, integration)?;
    let source_arn = integrate::source_arn(visit, method);
    let call = integrate::function_call(visit, integration, function, &source_arn, event);
    let answer = visit.gateway.stream_function(visit.desk, &visit.cx, call).await;
    integrate::note_run(visit, answer.as_ref().map(|answer| &*answer.request_id), since.into_std());
    let answer = answer.map_err(|failure| integrate::function_failed(visit, &failure))?;
    let AnswerStream { request_id, mut pieces } = answer;
    let head = timeout_at(since + integration.timeout, Prelude::version_1().read(&mut pieces)).await;
    let head = head.map_err(|_| integrate::function_failed(visit, &Failure::Timeout(integration.timeout)))?;
    let Response { status, headers, body } = head.map_err(|why| match why {
        Headless::Malformed => integrate::malformed(visit),
        Headless::Failed(CutOff::Failed(document)) => integrate::customer_error(visit, &document, &request_id),
        Headless::Failed(CutOff::Service(error)) => integrate::function_failed(visit, &Failure::of_lambda(error)),
    })?;
    let first = (!body.is_empty()).then_some(Ok(body));
    let body = stream::iter(first).chain(pieces.map_err(std::io::Error::other));
    Ok(Streamed { status, headers: headers::answer(&headers), body: Box::pin(body), since })
}

/// `HTTP_PROXY`: the server's answer goes on.
async fn server(visit: &mut Visit<'_>, integration: &LiveIntegration, since: Instant) -> Result<Streamed, Refusal> {
    let outgoing = integrate::passed_request(visit, integration);
    let request = integrate::server_request(visit, integration, outgoing)?;
    let tls = integrate::tls(visit, integration);
    let answer = visit.gateway.stream_http(request, integration.timeout, visit.hops, tls).await;
    let answer = answer.map_err(|failure| integrate::server_failed(visit, &failure))?;
    integrate::note_answer(visit, answer.status().as_u16(), since.into_std());
    let (head, content) = answer.into_parts();
    visit.log.map("Endpoint response headers", || execution_log::pairs(&head.headers));
    let (headers, body) = (headers::answer(&head.headers), content.into_pieces());
    Ok(Streamed { status: head.status, headers, body, since })
}

/// A body that ends with its time, or when nothing comes for too long.
fn paced(pieces: ByteStream, deadline: Instant, idle: Duration) -> ByteStream {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "the integration's answer did not end in time");
    Box::pin(stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        let now = Instant::now();
        if now >= deadline {
            return Some((Err(late()), None));
        }
        match timeout_at(deadline.min(now + idle), pieces.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(pieces))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(late()), None)),
        }
    }))
}

impl Streamed {
    /// The answer as a test shows it: whole, or as far as it came in time.
    pub(super) async fn shown(mut self) -> Answered {
        let mut shown = Vec::new();
        let until = self.since + TEST_PATIENCE;
        while shown.len() <= TEST_BYTES_MAX
            && let Ok(Some(Ok(piece))) = timeout_at(until, self.body.next()).await
        {
            shown.extend_from_slice(&piece);
        }
        Answered { status: self.status, headers: self.headers, body: Bytes::from(shown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(pieces: &'static [(u64, &'static str)]) -> ByteStream {
        Box::pin(stream::iter(pieces).then(|(secs, text)| async {
            tokio::time::sleep(Duration::from_secs(*secs)).await;
            Ok(Bytes::from_static(text.as_bytes()))
        }))
    }

    async fn read(pieces: &'static [(u64, &'static str)]) -> (String, bool) {
        let mut body = paced(slow(pieces), Instant::now() + Duration::from_secs(100), EDGE_IDLE);
        let (mut text, mut whole) = (String::new(), true);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(error) => whole = error.kind() != std::io::ErrorKind::TimedOut,
            }
        }
        (text, whole)
    }

    #[tokio::test(start_paused = true)]
    async fn answers_end_with_their_time_and_when_nothing_comes() {
        assert_eq!(read(&[(0, "a"), (29, "b"), (29, "c")]).await, ("abc".to_owned(), true));
        assert_eq!(read(&[(0, "a"), (31, "b")]).await, ("a".to_owned(), false), "nothing comes for long");
        let all = &[(25, "a"), (25, "b"), (25, "c"), (24, "d"), (25, "e")];
        assert_eq!(read(all).await, ("abcd".to_owned(), false), "the time is over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_test_shows_what_has_come_in_time() {
        let body = slow(&[(1, "a"), (33, "b"), (2, "c")]);
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        let shown = Streamed { status, headers, body, since: Instant::now() }.shown().await;
        assert_eq!(shown.body, "ab");
    }
}
