//! Ten thousand WebSocket connections that say nothing: what they cost the server, and what one that does speak feels of
//! them. The clients are this program, so that the server's memory is the server's alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;

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

const STAGE: &str = "bench";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    api_id: Option<String>,
    integration_id: Option<String>,
    route_id: Option<String>,
    deployment_id: Option<String>,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    raise_open_files()?;
    let mut server = Server::start(bench, Pools::None)?;
    let host = make_api(&mut server)?;
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

/// An API whose messages nobody but API Gateway answers; the host name it is found by.
fn make_api(server: &mut Server) -> Result<String, Failure> {
    let api = r#"{"name":"bench","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.action"}"#;
    let id = make(server, "/v2/apis", api)?.api_id.ok_or("no API")?;
    let mock = r#"{"integrationType":"MOCK","requestTemplates":{"$default":"{\"statusCode\":200}"}}"#;
    let mock = make(server, &format!("/v2/apis/{id}/integrations"), mock)?.integration_id.ok_or("no integration")?;
    let response = r#"{"integrationResponseKey":"$default","responseTemplates":{"$default":"heard"}}"#;
    make(server, &format!("/v2/apis/{id}/integrations/{mock}/integrationresponses"), response)?;
    let route = format!(
        r#"{{"routeKey":"$default","target":"integrations/{mock}","routeResponseSelectionExpression":"$default"}}"#
    );
    let route = make(server, &format!("/v2/apis/{id}/routes"), &route)?.route_id.ok_or("no route")?;
    let response = r#"{"routeResponseKey":"$default"}"#;
    make(server, &format!("/v2/apis/{id}/routes/{route}/routeresponses"), response)?;
    let deployment = make(server, &format!("/v2/apis/{id}/deployments"), "{}")?.deployment_id.ok_or("no deployment")?;
    // A burst as large as all of them, so that it is the server that is measured and not its patience.
    let stage = format!(
        r#"{{"stageName":"{STAGE}","deploymentId":"{deployment}","defaultRouteSettings":{{"throttlingBurstLimit":100000,"throttlingRateLimit":100000}}}}"#
    );
    make(server, &format!("/v2/apis/{id}/stages"), &stage)?;
    Ok(format!("{id}.execute-api.us-east-1.localhost:{}", server.address.port()))
}

fn make(server: &mut Server, path: &str, body: &str) -> Result<Made, Failure> {
    Ok(serde_json::from_slice(&server.call_of("apigateway", "POST", path, body.as_bytes())?)?)
}

/// A connection after its handshake.
fn open(address: SocketAddr, host: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let handshake = format!(
        "GET /{STAGE} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
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
