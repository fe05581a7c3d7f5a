//! The smallest compiled custom runtime: answers every event with itself. Standard library only, so that a benchmark
//! measures the engine and not this. Serve it as `bootstrap` of a `provided.al2023` function.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

fn main() -> std::io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a function reads its environment")]
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_else(|_| "127.0.0.1:9001".into());
    let mut stream = TcpStream::connect(&api)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        stream.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n")?;
        let (id, event) = read_answer(&mut reader)?;
        let mut answer = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: api\r\nContent-Length: {}\r\n\r\n",
            event.len()
        )
        .into_bytes();
        answer.extend_from_slice(&event);
        stream.write_all(&answer)?;
        read_answer(&mut reader)?;
    }
}

/// Request id, if any, and body.
fn read_answer(reader: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            std::process::exit(0);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => id = value.to_owned(),
            "content-length" => length = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((id, body))
}
