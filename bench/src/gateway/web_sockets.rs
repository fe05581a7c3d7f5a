//! Ten thousand clients of a WebSocket API that say nothing: the server's memory with them, less that without.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::api::web_socket_api;
use crate::memory::resident_mb;
use crate::server::{Pools, Server};
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const CLIENTS: usize = 10_000;
const GOAL_MB: f64 = 150.0;
/// Descriptors of our own beside the clients'.
const OTHER_FILES: u64 = 200;
/// Until what was used for the handshakes is given back.
const SETTLE: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let places = raise_open_files()?.saturating_sub(OTHER_FILES).min(CLIENTS as u64) as usize;
    let mut server = Server::start(bench, Pools::None)?;
    let api = web_socket_api(&mut server)?;
    // The first few have what all share made.
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(server.address, &api)).collect::<Result<_, _>>()?;
    std::thread::sleep(SETTLE);
    let before = resident_mb(server.id());
    let started = Instant::now();
    for _ in 0..places {
        clients.push(connect(server.address, &api)?);
    }
    let rate = places as f64 / started.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    let more = resident_mb(server.id()) - before;
    for client in clients.iter_mut().step_by(1_000) {
        ping(client)?;
    }
    let row = Row::new(format!("{places} idle WebSockets: the server's memory"), Figure::Megabytes(more));
    table.add(row.goal(Goal::AtMost(Figure::Megabytes(GOAL_MB * places as f64 / CLIENTS as f64))));
    table.add(Row::new("WebSockets: connected, one after the other", Figure::PerSecond(rate)));
    Ok(())
}

/// As many open files as this process may have.
fn raise_open_files() -> Result<u64, Failure> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(CLIENTS as u64 * 2);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    Ok(wanted)
}

fn connect(address: SocketAddr, api: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET /prod HTTP/1.1\r\nhost: {api}.execute-api.us-east-1.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    match head.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(String::from_utf8_lossy(&head).into_owned().into()),
    }
}

/// Shows that a connection still stands: a masked ping (RFC 6455, 5.5.2), whose mask is zero, and its pong.
fn ping(stream: &mut TcpStream) -> Result<(), Failure> {
    stream.write_all(&[0x89, 0x80, 0, 0, 0, 0])?;
    let mut pong = [0; 2];
    stream.read_exact(&mut pong)?;
    if pong == [0x8a, 0] { Ok(()) } else { Err(format!("{pong:?} is no pong").into()) }
}
