//! A connection's socket: the one task that reads and writes it, from the end of the handshake to the close. What is to be
//! done with a message is not known here.
//!
//! An idle connection costs its task, its socket and a read buffer of a kilobyte: buffers for larger messages come and go
//! with them. A client that does not read is closed once a frame waits too long; one that sends faster than its messages are
//! worked on is no longer read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::Clock;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame, Utf8Bytes};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};
use wire::upgrade::Duplex;

use super::connection::{Connection, Ending, Next};
use super::connections::Lifetimes;

/// The largest frame, in bytes; AWS's number. A larger one closes the connection with 1009.
const FRAME_BYTES_MAX: usize = 32 * 1024;

/// The largest message, in bytes; AWS's number.
pub(crate) const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// What an idle connection is read into.
const READ_BYTES: usize = 1024;

/// The largest frame that is sent. Longer messages go out in several, since a connection keeps the buffer that its greatest
/// frame needed. (AWS's frames have up to 32 KB.)
const FRAME_SENT_BYTES_MAX: usize = 4 * 1024;

/// How long one frame may wait for its client to read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to answer a close, and how much it may still send.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_BYTES_MAX: u64 = 256 * 1024;

/// Messages of one connection that are worked on at the same time. AWS does not say; order is not promised there, either.
const IN_FLIGHT_MAX: usize = 32;

type Socket = WebSocketStream<Box<dyn Duplex>>;

/// Who works on messages.
pub(crate) trait Receive: Send + Sync {
    /// Waits for room among the messages of all connections.
    fn room(&self, bytes: usize) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send;

    /// Begins to work on a message. The guard is to be dropped when that is over.
    fn receive(&self, connection: &Arc<Connection>, text: Utf8Bytes, in_flight: InFlight);
}

/// A message that is worked on; counted, so that a client cannot have more than its share.
pub(crate) struct InFlight {
    connection: Arc<Connection>,
    count: Arc<AtomicUsize>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) >= IN_FLIGHT_MAX {
            self.connection.outbox.wake();
        }
    }
}

/// Serves a connection to its end, and says which it was.
pub(crate) async fn serve(
    stream: Box<dyn Duplex>,
    unread: Bytes,
    connection: &Arc<Connection>,
    lifetimes: Lifetimes,
    clock: &Clock,
    receiver: &impl Receive,
) -> Ending {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * FRAME_SENT_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let mut socket = WebSocketStream::from_partially_read(stream, unread.into(), Role::Server, Some(config)).await;
    let ending = converse(&mut socket, connection, lifetimes, clock, receiver).await;
    connection.shut();
    match ending {
        End::ByClient(ending) => {
            // The close is answered while it is read on, and then there is nothing more.
            _ = timeout(CLOSE_TIMEOUT, async { while socket.next().await.is_some() {} }).await;
            ending
        }
        End::ByUs(ending) => {
            _ = timeout(CLOSE_TIMEOUT, close(&mut socket, &ending)).await;
            ending
        }
        End::Fault(ending) => {
            _ = timeout(CLOSE_TIMEOUT, hang_up(&mut socket, &ending)).await;
            ending
        }
        End::Lost => Ending::abnormal(),
    }
}

/// Who ended a connection.
enum End {
    ByClient(Ending),
    ByUs(Ending),
    /// By us, for a fault of the client's after which nothing it sends can be understood.
    Fault(Ending),
    Lost,
}

async fn converse(
    socket: &mut Socket,
    connection: &Arc<Connection>,
    lifetimes: Lifetimes,
    clock: &Clock,
    receiver: &impl Receive,
) -> End {
    let begun = Instant::now();
    let mut active = begun;
    let in_flight = Arc::new(AtomicUsize::new(0));
    let over = |active: Instant| (begun + lifetimes.whole).min(active + lifetimes.idle);
    let deadline = sleep_until(over(active));
    tokio::pin!(deadline);
    loop {
        let may_read = in_flight.load(Ordering::Acquire) < IN_FLIGHT_MAX;
        tokio::select! {
            () = connection.outbox.arrived() => if let Some(end) = send_all(socket, connection).await {
                return end;
            },
            read = socket.next(), if may_read => match read {
                Some(Ok(Message::Text(text))) => {
                    let room = match room(socket, connection, receiver, text.len()).await {
                        Ok(room) => room,
                        Err(end) => return end,
                    };
                    in_flight.fetch_add(1, Ordering::AcqRel);
                    let guard = InFlight { connection: connection.clone(), count: in_flight.clone(), _room: room };
                    receiver.receive(connection, text, guard);
                }
                Some(Ok(Message::Binary(_))) => return End::ByUs(Ending::new(1003, "")),
                Some(Ok(Message::Close(frame))) => return End::ByClient(of_client(frame)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return of_error(&error),
                None => return End::Lost,
            },
            () = &mut deadline => {
                // Moved only now, not with every frame.
                if over(active) <= Instant::now() {
                    return End::ByUs(Ending::going_away());
                }
                deadline.as_mut().reset(over(active));
                continue;
            }
        }
        active = Instant::now();
        connection.touch(clock.now());
    }
}

/// Waits for room for a message; what is to be sent goes on being sent, since those who have room may wait for that.
async fn room(
    socket: &mut Socket,
    connection: &Connection,
    receiver: &impl Receive,
    bytes: usize,
) -> Result<Option<OwnedSemaphorePermit>, End> {
    let room = receiver.room(bytes);
    tokio::pin!(room);
    loop {
        tokio::select! {
            room = &mut room => return Ok(room),
            () = connection.outbox.arrived() => if let Some(end) = send_all(socket, connection).await {
                return Err(end);
            },
        }
    }
}

/// The client did not take what was sent.
struct Unsent;

/// Sends what the outbox has; the connection's end, if that was in it.
async fn send_all(socket: &mut Socket, connection: &Connection) -> Option<End> {
    loop {
        match connection.outbox.take() {
            Next::Nothing => return None,
            Next::Close(ending) => return Some(End::ByUs(ending)),
            Next::Message(message) => {
                if let Err(Unsent) = send(socket, message.text.as_bytes()).await {
                    return Some(End::Lost);
                }
            }
        }
    }
}

async fn send(socket: &mut Socket, text: &[u8]) -> Result<(), Unsent> {
    let mut frames = text.chunks(FRAME_SENT_BYTES_MAX).peekable();
    let mut opcode = Data::Text;
    loop {
        let part = Bytes::copy_from_slice(frames.next().unwrap_or_default());
        let is_last = frames.peek().is_none();
        let frame = Message::Frame(Frame::message(part, OpCode::Data(opcode), is_last));
        timeout(SEND_TIMEOUT, socket.send(frame)).await.map_err(|_| Unsent)?.map_err(|_| Unsent)?;
        if is_last {
            return Ok(());
        }
        opcode = Data::Continue;
    }
}

/// Sends a close frame and waits for the client's.
async fn close(socket: &mut Socket, ending: &Ending) {
    if socket.close(frame(ending)).await.is_ok() {
        while socket.next().await.is_some() {}
    }
}

/// Sends a close frame and gives the client time to read it: if its data that is still on its way found nobody, it would
/// hear nothing but that the connection was reset.
async fn hang_up(socket: &mut Socket, ending: &Ending) {
    if socket.close(frame(ending)).await.is_ok() && socket.get_mut().shutdown().await.is_ok() {
        let mut rest = socket.get_mut().take(CLOSE_BYTES_MAX);
        _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    }
}

fn frame(ending: &Ending) -> Option<CloseFrame> {
    let reason = || Utf8Bytes::from(ending.reason.as_str());
    (ending.status != 1005).then(|| CloseFrame { code: CloseCode::from(ending.status), reason: reason() })
}

fn of_client(frame: Option<CloseFrame>) -> Ending {
    match frame {
        Some(frame) => Ending::new(frame.code.into(), &frame.reason),
        None => Ending::without_status(),
    }
}

/// How what a client did wrong ends its connection.
fn of_error(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Fault(Ending::new(1009, "")),
        Error::Utf8(_) => End::Fault(Ending::new(1007, "")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Lost,
        Error::Protocol(_) => End::Fault(Ending::new(1002, "")),
        _ => End::Lost,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::DuplexStream;
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::web_socket::connection::{Client, Place};

    /// Answers with what it got; keeps the guards of `keep`.
    #[derive(Default)]
    struct Echo(Mutex<Vec<InFlight>>);

    impl Receive for Echo {
        async fn room(&self, _: usize) -> Option<OwnedSemaphorePermit> {
            None
        }

        fn receive(&self, connection: &Arc<Connection>, text: Utf8Bytes, in_flight: InFlight) {
            if text.as_str() == "keep" {
                self.0.lock().unwrap().push(in_flight);
            }
            _ = connection.outbox.put(&text);
        }
    }

    type Near = WebSocketStream<DuplexStream>;

    async fn connected(
        lifetimes: Lifetimes,
        pipe_bytes: usize,
    ) -> (Near, Arc<Connection>, Arc<Echo>, JoinHandle<Ending>) {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let place = Place { api_id: "api".into(), stage: "prod".into() };
        let client = Client {
            source_ip: "127.0.0.1".to_owned(),
            address: None,
            user_agent: None,
            domain_name: "host".to_owned(),
            tls: false,
            from_sandbox: false,
            hops: 0,
        };
        let clock = Clock::system();
        let budget = Arc::new(Semaphore::new(1024));
        let connection = Arc::new(Connection::new(place, base::AccountId::DEFAULT, client, clock.now(), budget));
        connection.open();
        let (served, echo) = (connection.clone(), Arc::new(Echo::default()));
        let receiver = echo.clone();
        let serving =
            tokio::spawn(
                async move { serve(Box::new(far), Bytes::new(), &served, lifetimes, &clock, &*receiver).await },
            );
        (WebSocketStream::from_raw_socket(near, Role::Client, None).await, connection, echo, serving)
    }

    async fn close_frame(near: &mut Near) -> Option<CloseFrame> {
        loop {
            match near.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    #[tokio::test]
    async fn messages_come_and_go_whole_however_they_are_framed() {
        let (mut near, connection, _, serving) = connected(Lifetimes::default(), 1 << 16).await;
        let long = "ä".repeat(MESSAGE_BYTES_MAX / 2);
        let parts: Vec<_> = long.as_bytes().chunks(FRAME_BYTES_MAX).collect();
        let writing = async {
            near.send(Message::text("short")).await.unwrap();
            for (at, part) in parts.iter().enumerate() {
                let kind = if at == 0 { Data::Text } else { Data::Continue };
                let frame = Frame::message(part.to_vec(), OpCode::Data(kind), at + 1 == parts.len());
                near.send(Message::Frame(frame)).await.unwrap();
            }
        };
        writing.await;
        assert_eq!(near.next().await.unwrap().unwrap(), Message::text("short"));
        assert_eq!(near.next().await.unwrap().unwrap(), Message::text(long));
        near.send(Message::Ping("?".into())).await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap(), Message::Pong("?".into()));
        near.close(Some(CloseFrame { code: CloseCode::from(4001), reason: "done".into() })).await.unwrap();
        assert_eq!(serving.await.unwrap(), Ending::new(4001, "done"));
        assert!(!connection.is_open());
    }

    #[tokio::test]
    async fn what_a_client_must_not_send_closes_with_its_code() {
        let frame = |bytes: usize| Message::Frame(Frame::message(vec![b'x'; bytes], OpCode::Data(Data::Text), true));
        let invalid = Message::Frame(Frame::message(vec![0xff], OpCode::Data(Data::Text), true));
        let orphan = Message::Frame(Frame::message(vec![b'x'], OpCode::Data(Data::Continue), true));
        for (message, status) in
            [(Message::binary(vec![1]), 1003), (frame(FRAME_BYTES_MAX + 1), 1009), (invalid, 1007), (orphan, 1002)]
        {
            let (mut near, _, _, serving) = connected(Lifetimes::default(), 1 << 17).await;
            near.send(message).await.unwrap();
            assert_eq!(u16::from(close_frame(&mut near).await.unwrap().code), status);
            drop(near);
            assert_eq!(serving.await.unwrap().status, status);
        }
        // Nor more in all than a message may have.
        let (mut near, _, _, serving) = connected(Lifetimes::default(), 1 << 18).await;
        for at in 0..5 {
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let part = Frame::message(vec![b'x'; FRAME_BYTES_MAX], OpCode::Data(kind), false);
            near.send(Message::Frame(part)).await.unwrap();
        }
        assert_eq!(u16::from(close_frame(&mut near).await.unwrap().code), 1009);
        drop(near);
        assert_eq!(serving.await.unwrap().status, 1009);
    }

    #[tokio::test]
    async fn endings_are_told_apart() {
        let brief = Duration::from_millis(20);
        let (mut near, _, _, serving) = connected(Lifetimes { idle: brief, ..Lifetimes::default() }, 1 << 16).await;
        assert_eq!(close_frame(&mut near).await.unwrap().reason.as_str(), "Going away");
        assert!(near.next().await.is_none());
        assert_eq!(serving.await.unwrap(), Ending::going_away());

        let (mut near, _, _, serving) = connected(Lifetimes { whole: brief, ..Lifetimes::default() }, 1 << 16).await;
        assert_eq!(u16::from(close_frame(&mut near).await.unwrap().code), 1001);
        assert!(near.next().await.is_none());
        assert_eq!(serving.await.unwrap(), Ending::going_away());

        let (mut near, _, _, serving) = connected(Lifetimes::default(), 1 << 16).await;
        near.close(None).await.unwrap();
        assert_eq!(serving.await.unwrap(), Ending::without_status());

        let (near, _, _, serving) = connected(Lifetimes::default(), 1 << 16).await;
        drop(near);
        assert_eq!(serving.await.unwrap().status, 1006);

        let (mut near, connection, _, serving) = connected(Lifetimes::default(), 1 << 16).await;
        connection.outbox.put("last words").unwrap();
        connection.outbox.close(Ending::without_status());
        assert_eq!(near.next().await.unwrap().unwrap(), Message::text("last words"));
        assert_eq!(near.next().await.unwrap().unwrap(), Message::Close(None));
        assert!(near.next().await.is_none());
        assert_eq!(serving.await.unwrap(), Ending::without_status());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_closed() {
        let (near, connection, _, serving) = connected(Lifetimes::default(), 1024).await;
        connection.outbox.put(&"x".repeat(8 * 1024)).unwrap();
        assert_eq!(serving.await.unwrap().status, 1006);
        assert!(!connection.is_open());
        drop(near);
    }

    #[tokio::test]
    async fn who_has_too_much_in_flight_is_not_read() {
        let (mut near, _, echo, _serving) = connected(Lifetimes::default(), 1 << 16).await;
        for _ in 0..=IN_FLIGHT_MAX {
            near.send(Message::text("keep")).await.unwrap();
        }
        for _ in 0..IN_FLIGHT_MAX {
            assert_eq!(near.next().await.unwrap().unwrap(), Message::text("keep"));
        }
        assert_eq!(echo.0.lock().unwrap().len(), IN_FLIGHT_MAX);
        echo.0.lock().unwrap().pop();
        assert_eq!(near.next().await.unwrap().unwrap(), Message::text("keep"));
    }
}
