//! Sends batches of spans to one receiver, from a task of its own. Segments wait in memory, no more than a bound; what a
//! receiver does not take in time is dropped and counted, not sent again: X-Ray has it still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Uri};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use wire::client::{Call, Client};

use super::Refused;
use super::span::Export;
use crate::traces::records::Arrival;

/// How long segments gather, and how many go in one request: OpenTelemetry's batches have as many.
const GATHER: Duration = Duration::from_secs(1);
const BATCH: usize = 512;
/// Segments that may wait, and their bytes.
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 32 << 20;
/// How long a receiver may take for a batch: OTLP's default.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last batches may take when the node stops.
const PATIENCE_AT_CLOSE: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// How often a loss is told of.
const TELL: Duration = Duration::from_secs(60);
/// How often a sender without work looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_secs(60);

/// A receiver's address.
#[derive(Clone, Debug)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Reads `http://host:port` or `https://host:port`, perhaps with a path: traces go to `/v1/traces` below it.
    pub fn parse(address: &str) -> Result<Endpoint, Refused> {
        let refused = || Refused::Address(address.to_owned());
        let base: Uri = address.parse().map_err(|_| refused())?;
        if !matches!(base.scheme_str(), Some("http" | "https")) || base.authority().is_none() || base.query().is_some()
        {
            return Err(refused());
        }
        let traces = format!("{}/v1/traces", address.trim_end_matches('/'));
        traces.parse().map(Endpoint).map_err(|_| refused())
    }
}

/// Who sends. The task ends with it.
pub(in crate::traces) struct Exporter(Arc<Sender>);

struct Sender {
    endpoint: Uri,
    client: Client,
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// One at a time.
    sending: tokio::sync::Mutex<()>,
    /// Segments that were dropped, ever.
    dropped: AtomicU64,
    /// How many of them were told of, and when last.
    told: Mutex<(u64, Option<Instant>)>,
}

#[derive(Default)]
struct Waiting {
    segments: Vec<Arrival>,
    bytes: usize,
}

impl Exporter {
    pub(in crate::traces) fn start(endpoint: Endpoint, client: Client) -> Exporter {
        let sender = Arc::new(Sender {
            endpoint: endpoint.0,
            client,
            waiting: Mutex::default(),
            wake: Notify::new(),
            sending: tokio::sync::Mutex::default(),
            dropped: AtomicU64::new(0),
            told: Mutex::default(),
        });
        tokio::spawn(run(Arc::downgrade(&sender)));
        Exporter(sender)
    }

    /// Has segments sent, as far as there is room for them.
    pub(in crate::traces) fn put(&self, arrivals: &[Arrival]) {
        let mut waiting = self.0.waiting();
        for arrival in arrivals {
            if waiting.segments.len() >= WAITING_MAX || waiting.bytes >= WAITING_BYTES_MAX {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            waiting.bytes += arrival.document.len();
            waiting.segments.push(arrival.clone());
        }
        drop(waiting);
        self.0.wake.notify_one();
    }

    /// Sends what waits, if the receiver takes it soon.
    pub(in crate::traces) async fn close(&self) {
        if timeout(PATIENCE_AT_CLOSE, self.0.send_all()).await.is_err() {
            self.0.dropped.fetch_add(self.0.waiting().segments.len() as u64, Ordering::Relaxed);
            self.0.tell(true);
        }
    }
}

impl Sender {
    /// Sends everything that waits, batch by batch.
    async fn send_all(&self) {
        let _one = self.sending.lock().await;
        let Waiting { segments, .. } = std::mem::take(&mut *self.waiting());
        for batch in segments.chunks(BATCH) {
            if let Err(why) = self.send(batch).await {
                tracing::debug!(why, endpoint = %self.endpoint, "spans were not delivered");
                self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
            }
        }
        self.tell(false);
    }

    async fn send(&self, batch: &[Arrival]) -> Result<(), String> {
        let export = Export::of(batch);
        if export.resource_spans.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_vec(&export).map_err(|error| error.to_string())?;
        let request = Request::post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body).into())
            .map_err(|error| error.to_string())?;
        let answer = self.client.send(request, Call::new(PATIENCE, ANSWER_BYTES_MAX)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        // Read to its end, so that the connection serves the next batch.
        _ = answer.into_body().collect().await;
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {status}")) }
    }

    /// Tells of what was dropped, not too often.
    fn tell(&self, now: bool) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, at) = *told;
        if dropped > before && (now || at.is_none_or(|at| at.elapsed() >= TELL)) {
            let (segments, endpoint) = (dropped - before, &self.endpoint);
            tracing::warn!(segments, %endpoint, "the receiver of traces is slow or away: segments were not sent to it");
            *told = (dropped, Some(Instant::now()));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(sender: Weak<Sender>) {
    loop {
        let Some(this) = sender.upgrade() else { return };
        if timeout(LOOK_UP, this.wake.notified()).await.is_ok() {
            sleep(GATHER).await;
            this.send_all().await;
        } else {
            this.tell(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Region};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::traces::document::Document;

    fn segments(count: usize) -> Vec<Arrival> {
        let one = |n: usize| {
            let text =
                json!({"id": format!("{n:016x}"), "trace_id": "1-5759e988-bd862e3fe1be46a994272793", "name": "f",
                "start_time": 1, "end_time": 2})
                .to_string();
            Arrival::new((AccountId::DEFAULT, Region::default()), &Document::read(&text).unwrap(), text)
        };
        (0..count).map(one).collect()
    }

    /// Answers requests of one connection with `status`; each request's first line and document.
    async fn receive(stream: &mut TcpStream, status: &str) -> Option<(String, Value)> {
        let mut seen = Vec::new();
        let head = loop {
            if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        while seen.len() < head + length.parse::<usize>().unwrap() {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "the body is whole");
        }
        assert!(text.contains("content-type: application/json"), "{text}");
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        Some((text.lines().next().unwrap().to_owned(), serde_json::from_slice(&seen[head..]).unwrap()))
    }

    fn spans(document: &Value) -> usize {
        document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len()
    }

    async fn exporter_to(listener: &TcpListener, path: &str) -> Exporter {
        let address = format!("http://{}{path}", listener.local_addr().unwrap());
        Exporter::start(Endpoint::parse(&address).unwrap(), Client::new(None))
    }

    #[tokio::test]
    async fn a_receiver_gets_everything_in_batches_over_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exporter = exporter_to(&listener, "/collect/").await;
        exporter.put(&segments(BATCH + 3));
        let (mut stream, _) = listener.accept().await.unwrap();
        let (line, first) = receive(&mut stream, "200 OK").await.unwrap();
        assert_eq!(line, "post /collect/v1/traces http/1.1");
        let (_, second) = receive(&mut stream, "200 OK").await.unwrap();
        assert_eq!((spans(&first), spans(&second)), (BATCH, 3));
        exporter.put(&segments(1));
        let (receiving, ()) = tokio::join!(receive(&mut stream, "202 Accepted"), exporter.0.send_all());
        assert_eq!(spans(&receiving.unwrap().1), 1, "nothing is left behind");
        assert_eq!(exporter.0.dropped.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_a_receiver_refuses_or_nobody_receives_is_dropped_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exporter = exporter_to(&listener, "").await;
        exporter.put(&segments(2));
        let (mut stream, _) = listener.accept().await.unwrap();
        receive(&mut stream, "503 Service Unavailable").await.unwrap();
        exporter.0.send_all().await;
        assert_eq!(exporter.0.dropped.load(Ordering::Relaxed), 2);
        drop((stream, listener));
        exporter.put(&segments(3));
        exporter.0.send_all().await;
        assert_eq!(exporter.0.dropped.load(Ordering::Relaxed), 5);
        assert_eq!(exporter.0.told.lock().unwrap().0, 2, "the first loss is told of at once, the next later");
    }

    #[tokio::test]
    async fn a_slow_receiver_costs_a_bounded_queue_and_no_time_of_those_who_put() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exporter = exporter_to(&listener, "").await;
        exporter.put(&segments(1));
        let (stream, _) = listener.accept().await.unwrap();
        exporter.put(&segments(WAITING_MAX + 7));
        assert_eq!(exporter.0.dropped.load(Ordering::Relaxed), 7);
        assert_eq!(exporter.0.waiting().segments.len(), WAITING_MAX);
        drop(stream);
    }

    #[test]
    fn addresses_are_of_http() {
        let target = |address| Endpoint::parse(address).map(|endpoint| endpoint.0.to_string());
        assert_eq!(target("http://localhost:4318").unwrap(), "http://localhost:4318/v1/traces");
        assert_eq!(target("http://[::1]:4318/otlp/").unwrap(), "http://[::1]:4318/otlp/v1/traces");
        assert_eq!(target("https://traces.example/").unwrap(), "https://traces.example/v1/traces");
        for bad in ["", "localhost:4318", "grpc://localhost:4317", "http://", "http://h/?a=b", "/v1/traces"] {
            assert_eq!(target(bad).unwrap_err(), Refused::Address(bad.to_owned()), "{bad}");
        }
    }
}
