//! A client that costs little, since it shares the processors with what it measures: requests are signed and written
//! out once and sent again and again over one connection. The server verifies every one of them: a signature is good
//! for minutes, however often it is used.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base::Clock;
use wire::sigv4::{Credentials, SignedPayload, Signer};

use crate::Failure;

/// A server that says nothing for so long is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request as bytes.
pub(crate) fn signed(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
    signed_with(address, method, path, &[], body)
}

/// A request to another service than Lambda, as bytes.
pub(crate) fn signed_for(
    service: &str,
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    written(service, address, method, path, &[], body)
}

/// A request with further headers, as bytes.
pub(crate) fn signed_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    written("lambda", address, method, path, headers, body)
}

fn written(
    service: &str,
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let request = http::Request::builder().method(method).uri(path).header("host", address.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut parts = request.body(())?.into_parts().0;
    let credentials = Credentials { access_key_id: "test", secret_access_key: "test", session_token: None };
    let signer = Signer { credentials, region: "us-east-1", service };
    signer.sign(&mut parts, SignedPayload::Bytes(body), Clock::system().now())?;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// An answer.
pub(crate) struct Answer {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer, if it is a success and not a function's error.
    pub(crate) fn good(self) -> Result<Answer, Failure> {
        let bad = !self.head.starts_with("HTTP/1.1 2") || self.head.contains("x-amz-function-error");
        match bad {
            true => Err(format!("{} {}", self.head, String::from_utf8_lossy(&self.body)).into()),
            false => Ok(self),
        }
    }
}

/// One connection, one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Connection { stream, buffer: vec![0; 64 * 1024] })
    }

    pub(crate) fn close(&self) {
        _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err("the server hung up".into());
            }
            filled += read;
            if let Some((head, length)) = whole(&self.buffer[..filled])
                && (head + length <= filled)
            {
                let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
                return Ok(Answer { head: text, body: self.buffer[head..head + length].to_vec() });
            }
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
        }
    }
}

/// Lengths of head and body, once the head is there.
pub(crate) fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let lines = bytes[..head].split(|byte| *byte == b'\n');
    let mut length = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    Some((head, length.next_back().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn an_answer_is_whole_once_its_head_is() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), Some((38, 5)));
        assert_eq!(whole(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((27, 0)));
    }
}
