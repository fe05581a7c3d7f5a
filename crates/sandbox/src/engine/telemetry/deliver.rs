//! Sending what a subscription has gathered, from inside of the sandbox's network, to where its extension listens.
//!
//! One batch at a time: an extension that does not take one fills its buffer, which then drops, and is told how much. A
//! frozen sandbox takes nothing; the batch that was under way goes on when it thaws.

use std::{io, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::Full;
use hyper::{Method, Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};

use super::{super::cell::Cell, Destination, Subscription, lock, record};

/// First pause after a destination could not be reached; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Delivers for as long as it is polled.
pub(super) async fn run(subscription: Arc<Subscription>, cell: Arc<Cell>) {
    let mut stream = None;
    loop {
        let batch = subscription.batch().await;
        let mut pause = PAUSE;
        while let Err(error) = subscription.send(&cell, &batch, &mut stream).await {
            tracing::debug!(%error, extension = subscription.wish.name, "telemetry could not be delivered");
            stream = None;
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Subscription {
    /// Waits until there is enough to send, or it has waited for long enough.
    async fn batch(&self) -> Vec<Bytes> {
        loop {
            let due = match self.take_due() {
                Ok(batch) => return batch,
                Err(due) => due,
            };
            let time = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.woken.notified() => {}
                () = time => {}
            }
        }
    }

    /// What is to be sent now, or else when.
    fn take_due(&self) -> Result<Vec<Bytes>, Option<Instant>> {
        let buffering = self.wish.buffering;
        let mut queue = lock(&self.queue);
        let Some(since) = queue.since else { return Err(None) };
        let due = since + buffering.timeout;
        let is_full = queue.events.len() >= buffering.items_max || queue.bytes >= buffering.bytes_max;
        if !is_full && !queue.flush && Instant::now() < due {
            return Err(Some(due));
        }
        let dropped = (queue.dropped_events, queue.dropped_bytes);
        let mut batch: Vec<Bytes> = std::mem::take(&mut queue.events).into();
        *queue = super::Queue { flush: queue.flush, ..super::Queue::default() };
        drop(queue);
        if dropped.0 > 0 {
            batch.extend(self.write(&record::logs_dropped(dropped.0, dropped.1, self.clock.now().millis())));
        }
        Ok(batch)
    }

    /// Sends one batch. What the destination has taken, whatever it answers, is not sent again.
    async fn send(&self, cell: &Cell, batch: &[Bytes], stream: &mut Option<TcpStream>) -> io::Result<()> {
        match &self.wish.destination {
            Destination::Http { port, path } => post(cell.connect(*port).await?, *port, path, batch).await,
            Destination::Tcp { port } => {
                let stream = match stream {
                    Some(stream) => stream,
                    none => none.insert(cell.connect(*port).await?),
                };
                let mut lines = BytesMut::new();
                for event in batch {
                    lines.extend_from_slice(event);
                    lines.put_u8(b'\n');
                }
                stream.write_all(&lines).await
            }
        }
    }
}

async fn post(stream: TcpStream, port: u16, path: &str, batch: &[Bytes]) -> io::Result<()> {
    let mut body = BytesMut::from(&b"["[..]);
    for (number, event) in batch.iter().enumerate() {
        if number > 0 {
            body.put_u8(b',');
        }
        body.extend_from_slice(event);
    }
    body.put_u8(b']');
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, format!("sandbox.localdomain:{port}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(body.freeze()))
        .map_err(io::Error::other)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answered = sender.send_request(request);
    tokio::pin!(answered, connection);
    let answer = tokio::select! {
        biased;
        answer = &mut answered => answer,
        // It ends with the answer, or without one; either is known by now.
        _ = &mut connection => answered.await,
    };
    let answer = answer.map_err(io::Error::other)?;
    if !answer.status().is_success() {
        tracing::debug!(status = %answer.status(), "telemetry was not welcome");
    }
    Ok(())
}
