//! Ten thousand WebSocket connections that say nothing: what they cost the server, and what one that does speak feels of
//! them. The clients are this program, so that the server's memory is the server's alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::gateway::api::{WEB_SOCKET_STAGE, web_socket_api};
use crate::memory::resident_mb;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const CONNECTIONS: usize = 10_000;
/// Connections and messages before anything is measured.
const FIRST: usize = 100;
const MESSAGES: usize = 1_000;

/// Until what handshakes needed has been given back.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    raise_open_files()?;
    let mut server = Server::start(bench, Pools::None)?;
    let host = web_socket_api(&mut server)?;
    let mut connections = Vec::with_capacity(CONNECTIONS + FIRST);
    for _ in 0..FIRST {
        connections.push(open(server.address, &host)?);
    }
    let mut few = Times::default();
    for _ in 0..MESSAGES {
        few.take(|| speak(&mut connections[0]))?;
    }
    let before = resident_mb(server.id());
    let started = Instant::now();
    for _ in 0..CONNECTIONS {
        connections.push(open(server.address, &host)?);
    }
    let rate = CONNECTIONS as f64 / started.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    let idle = resident_mb(server.id());
    let mut many = Times::default();
    for at in 0..MESSAGES {
        let at = at % connections.len();
        many.take(|| speak(&mut connections[at]))?;
    }
    let row = Row::new("10,000 idle WebSockets: the server's memory, all of it", Figure::Megabytes(idle));
    table.add(row.goal(Goal::AtMost(Figure::Megabytes(150.0))));
    table.add(Row::new("10,000 idle WebSockets: more than before", Figure::Megabytes(idle - before)));
    table.add(Row::new("WebSockets: handshakes, one after the other", Figure::PerSecond(rate)));
    let row = Row::new("WebSocket message to MOCK and back, p50, beside 10,000 idle ones", many.p50());
    table.add(row.beside(few.p50()));
    Ok(())
}

/// A connection after its handshake.
fn open(address: SocketAddr, host: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let handshake = format!(
        "GET /{WEB_SOCKET_STAGE} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes())?;
    let mut answer = [0; 1024];
    let bytes = stream.read(&mut answer)?;
    match answer[..bytes].starts_with(b"HTTP/1.1 101") {
        true => Ok(stream),
        false => Err(String::from_utf8_lossy(&answer[..bytes]).into()),
    }
}

/// Says `{}` and hears `heard`; a mask of zeros changes nothing.
fn speak(stream: &mut TcpStream) -> Result<(), Failure> {
    const SAID: [u8; 8] = [0x81, 0x82, 0, 0, 0, 0, b'{', b'}'];
    const HEARD: [u8; 7] = *b"\x81\x05heard";
    stream.write_all(&SAID)?;
    let mut answer = [0; HEARD.len()];
    stream.read_exact(&mut answer)?;
    if answer == HEARD { Ok(()) } else { Err(format!("heard {answer:?}").into()) }
}

fn raise_open_files() -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|maximum| maximum < (CONNECTIONS + FIRST + 100) as u64) {
        return Err(format!("no more than {maximum:?} open files are allowed").into());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
