//! Streamed answers: where their parts go, and a request's route from the first part to the last.
//!
//! A part is handed on before the next one is read, and an outlet holds few of them: a slow caller fills it, then the
//! runtime's socket, and then the handler's own stream says that it is full.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};

use super::{
    cell::Exit,
    channel::FromRuntime,
    life::{Heard, Life},
    sandbox::Broken,
    spec::{Failure, RESPONSE_BYTES_MAX, STREAM_BYTES_MAX},
};

/// Parts that may wait for a caller; with the largest parts that boot files send, half a megabyte.
const PARTS_MAX: usize = 8;

/// One part of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It begins.
    Begin {
        /// Its media type as the handler has set it, `application/octet-stream` if it has not.
        content_type: String,
    },
    /// The next bytes of it.
    Chunk(Bytes),
    /// It is whole, though the handler may still be running. An answer without this part ended in the middle:
    /// [`super::Outcome::result`] says why.
    End,
}

/// The engine's end of a streamed answer. A caller who lets go of the other end is not waited for, and the handler does
/// not notice, as on AWS.
#[derive(Debug)]
pub struct Outlet(mpsc::Sender<Part>);

impl Outlet {
    /// An outlet and the caller's end of it.
    pub fn new() -> (Outlet, mpsc::Receiver<Part>) {
        let (sender, receiver) = mpsc::channel(PARTS_MAX);
        (Outlet(sender), receiver)
    }
}

/// The rest of a streamed answer, until the runtime is ready for another event.
pub(super) async fn relay(
    life: &mut Life,
    content_type: String,
    outlet: Option<Outlet>,
    deadline: Instant,
) -> Result<Result<Bytes, Failure>, Broken> {
    let mut delivery = Delivery::begin(outlet, content_type);
    let mut ended = None;
    loop {
        match life.relay(&mut delivery, deadline).await {
            Heard::Message(FromRuntime::Chunk(bytes)) if ended.is_none() => delivery.add(bytes)?,
            Heard::Message(FromRuntime::StreamEnds) if ended.is_none() => {
                delivery.end();
                ended = Some(Ok(()));
            }
            Heard::Message(FromRuntime::StreamFails { payload, error_type }) if ended.is_none() => {
                ended = Some(Err(Failure::Function { payload, error_type }));
            }
            Heard::Message(FromRuntime::Ready) => {
                return Ok(ended.unwrap_or_else(|| Err(truncated())).map(|()| delivery.collected()));
            }
            Heard::Message(FromRuntime::Closed) => return Err(Exit::default().into()),
            Heard::Message(_) => return Err(Failure::Malformed.into()),
            Heard::Exit(exit) => return Err(exit.into()),
            Heard::Extension(fault) => return Err(fault.into()),
            Heard::Deadline => return Err(Failure::Timeout.into()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDocument<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

/// A custom runtime hung up in the middle of its answer and lived on. The type is AWS's.
fn truncated() -> Failure {
    let error_type = "Runtime.TruncatedResponse";
    let document = ErrorDocument { error_type, error_message: "The runtime ended its response early" };
    let payload = serde_json::to_vec(&document).unwrap_or_default().into();
    Failure::Function { payload, error_type: error_type.to_owned() }
}

/// A streamed answer on its way through the engine.
pub(super) struct Delivery {
    to: Destination,
    pending: Option<Part>,
    bytes: usize,
}

enum Destination {
    Caller(mpsc::Sender<Part>),
    /// The caller has gone.
    Nobody,
    /// A caller who wants it whole.
    Whole(BytesMut),
}

impl Delivery {
    fn begin(outlet: Option<Outlet>, content_type: String) -> Delivery {
        match outlet {
            Some(Outlet(caller)) => {
                let pending = Some(Part::Begin { content_type });
                Delivery { to: Destination::Caller(caller), pending, bytes: 0 }
            }
            None => Delivery { to: Destination::Whole(BytesMut::new()), pending: None, bytes: 0 },
        }
    }

    /// Takes the next bytes; nothing may be pending.
    fn add(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let limit = if matches!(self.to, Destination::Whole(_)) { RESPONSE_BYTES_MAX } else { STREAM_BYTES_MAX };
        self.bytes += bytes.len();
        if self.bytes > limit {
            return Err(Failure::ResponseTooLarge { bytes: self.bytes, limit });
        }
        match &mut self.to {
            Destination::Caller(_) => self.pending = Some(Part::Chunk(bytes)),
            Destination::Nobody => {}
            Destination::Whole(whole) => whole.extend_from_slice(&bytes),
        }
        Ok(())
    }

    fn end(&mut self) {
        self.pending = matches!(self.to, Destination::Caller(_)).then_some(Part::End);
    }

    /// Hands over what is pending, as soon as there is room. Dropping the future loses nothing.
    pub(super) async fn flush(&mut self) {
        let Destination::Caller(caller) = &self.to else { return };
        if self.pending.is_none() {
            return;
        }
        let room = caller.reserve().await.ok();
        let has_gone = room.is_none();
        if let (Some(room), Some(part)) = (room, self.pending.take()) {
            room.send(part);
        }
        if has_gone {
            self.to = Destination::Nobody;
        }
    }

    fn collected(self) -> Bytes {
        match self.to {
            Destination::Whole(whole) => whole.freeze(),
            Destination::Caller(_) | Destination::Nobody => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_wait_for_room_and_a_caller_who_has_gone_is_forgotten() {
        let (outlet, mut caller) = Outlet::new();
        let mut delivery = Delivery::begin(Some(outlet), "text/plain".to_owned());
        for _ in 0..PARTS_MAX {
            delivery.flush().await;
            delivery.add(Bytes::from_static(b"x")).unwrap();
        }
        let full = tokio::time::timeout(std::time::Duration::from_millis(5), delivery.flush()).await;
        assert!(full.is_err(), "there is no more room");
        assert_eq!(caller.recv().await, Some(Part::Begin { content_type: "text/plain".to_owned() }));
        delivery.flush().await;
        drop(caller);
        delivery.add(Bytes::from_static(b"x")).unwrap();
        delivery.flush().await;
        delivery.add(Bytes::from_static(b"x")).unwrap();
        assert!(delivery.pending.is_none(), "nobody is left to get it");
    }

    #[test]
    fn each_way_has_its_limit() {
        let mut whole = Delivery::begin(None, String::new());
        whole.add(vec![0; RESPONSE_BYTES_MAX].into()).unwrap();
        let refused = Failure::ResponseTooLarge { bytes: RESPONSE_BYTES_MAX + 1, limit: RESPONSE_BYTES_MAX };
        assert_eq!(whole.add(Bytes::from_static(b"x")), Err(refused));
        let mut streamed = Delivery { bytes: STREAM_BYTES_MAX, to: Destination::Nobody, pending: None };
        let refused = Failure::ResponseTooLarge { bytes: STREAM_BYTES_MAX + 1, limit: STREAM_BYTES_MAX };
        assert_eq!(streamed.add(Bytes::from_static(b"x")), Err(refused));
    }
}
