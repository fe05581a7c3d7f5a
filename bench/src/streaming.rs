//! Streamed answers: how long their first byte takes, and how old a part is when the caller has it. The handler writes the
//! time into each part; the kernel's monotonic clock is the same inside of a sandbox. In turns with a server of plain Node.js
//! that writes the same parts, which is all that could be without sandboxes and signatures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client;
use crate::functions::Function;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Goal, Row, Table};
use crate::{Bench, Failure};

const TURNS: usize = 40;
/// Parts of one answer, some milliseconds apart so that each travels by itself.
const PARTS: usize = 10;

/// Of a time in nanoseconds, from a second after the machine began.
const TIME_DIGITS_MIN: usize = 10;

/// A part may be so old at most when the caller has it.
const PART_AGE_GOAL: Duration = Duration::from_millis(2);

/// Writes parts, each with the time in nanoseconds between two semicolons, through `write`.
const WRITE_PARTS: &str = "async (write) => { for (let n = 0; n < PARTS; n++) { \
    write(`;${process.hrtime.bigint()};`); await new Promise((f) => setTimeout(f, 3)); } }";

/// A TCP connection that is read as it comes.
struct Stream {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What one answer took.
struct Answer {
    first_byte: Duration,
    ages: Vec<Duration>,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let (Some(node), Some(program)) = (&bench.functions.node, &bench.functions.node_program) else {
        return Err("there is no Node.js".into());
    };
    let parts = WRITE_PARTS.replace("PARTS", &PARTS.to_string());
    let handler = format!(
        "const parts = {parts};\nexports.handler = awslambda.streamifyResponse(async (event, stream) => {{ \
         await parts((part) => stream.write(part)); stream.end(); }});\n"
    );
    let zip = crate::functions::zip(&[("app.js", handler.as_bytes())])?;
    let function = Function { runtime: node.runtime.clone(), handler: "app.handler", zip };
    let mut server = Server::start(bench, Pools::Default)?;
    server.create("streams", &function)?;
    let bare = Bare::start(program, &parts)?;
    let streaming = "/2021-11-15/functions/streams/response-streaming-invocations";
    let signed = client::signed(server.address, "POST", streaming, b"{}")?;
    let plain = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec();
    let (mut connection, mut baseline) = (Stream::open(server.address)?, Stream::open(bare.address)?);
    for _ in 0..3 {
        connection.ask(&signed)?;
        baseline.ask(&plain)?;
    }
    let (mut first, mut ages) = (Times::default(), Times::default());
    let (mut first_bare, mut ages_bare) = (Times::default(), Times::default());
    for _ in 0..TURNS {
        take(connection.ask(&signed)?, &mut first, &mut ages);
        take(baseline.ask(&plain)?, &mut first_bare, &mut ages_bare);
    }
    table.add(Row::new("streaming, first byte of the answer, p50", first.p50()).beside(first_bare.p50()));
    table.add(Row::new("streaming, first byte of the answer, p99", first.p99()).beside(first_bare.p99()));
    let age = Row::new("streaming, a written part on the caller's socket, p50", ages.p50()).beside(ages_bare.p50());
    table.add(age.goal(Goal::AtMost(PART_AGE_GOAL.into())));
    table.add(Row::new("streaming, a written part on the caller's socket, p99", ages.p99()).beside(ages_bare.p99()));
    Ok(())
}

fn take(answer: Answer, first: &mut Times, ages: &mut Times) {
    first.add(answer.first_byte);
    answer.ages.into_iter().for_each(|age| ages.add(age));
}

impl Stream {
    fn open(address: SocketAddr) -> Result<Stream, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Stream { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends a request and reads its answer to the end of the chunked body.
    fn ask(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        let asked = now();
        self.stream.write_all(request)?;
        let mut answer = Answer { first_byte: Duration::ZERO, ages: Vec::with_capacity(PARTS) };
        let mut seen = Vec::new();
        let mut told = 0;
        while !seen.ends_with(b"\r\n0\r\n\r\n") {
            let read = self.stream.read(&mut self.buffer)?;
            let at = now();
            if read == 0 {
                return Err("the server hung up".into());
            }
            seen.extend_from_slice(&self.buffer[..read]);
            let written = times_in(&seen);
            for written in &written[told..] {
                answer.ages.push(at.saturating_sub(*written));
            }
            if told == 0 && !written.is_empty() {
                answer.first_byte = at.saturating_sub(asked);
            }
            told = written.len();
        }
        match answer.ages.len() {
            PARTS => Ok(answer),
            other => Err(format!("{other} parts: {}", String::from_utf8_lossy(&seen)).into()),
        }
    }
}

/// The times that parts were written at, as far as they are whole. Checksums between them may look like short numbers.
fn times_in(seen: &[u8]) -> Vec<Duration> {
    let mut fields = seen.split(|byte| *byte == b';');
    fields.next_back();
    let long = fields.filter(|field| field.len() >= TIME_DIGITS_MIN);
    let numbers = long.filter_map(|field| std::str::from_utf8(field).ok()?.parse::<u64>().ok());
    numbers.map(Duration::from_nanos).collect()
}

/// The kernel's monotonic clock, as Node.js's `hrtime` shows it.
fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// A server of plain Node.js; ends with this handle.
struct Bare {
    process: Child,
    address: SocketAddr,
}

impl Bare {
    fn start(node: &Path, parts: &str) -> Result<Bare, Failure> {
        let script = format!(
            "const parts = {parts}; const server = require('http').createServer(async (_, response) => {{ \
             await parts((part) => response.write(part)); response.end(); }}); \
             server.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port));"
        );
        let mut process =
            Command::new(node).arg("-e").arg(script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Bare { process, address: line.trim().parse()? })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_times_count() {
        let (one, two) = (Duration::from_nanos(1_000_000_001), Duration::from_nanos(2_000_000_002));
        assert_eq!(times_in(b"HTTP/1.1 200 OK\r\n\r\nc\r\n;1000000001;\r\n;2000000"), [one]);
        assert_eq!(times_in(b";1000000001;;2000000002;"), [one, two]);
        assert_eq!(times_in(b";1000000001;)6;c;2000000002;"), [one, two], "a checksum between them");
    }
}
