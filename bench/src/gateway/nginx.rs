//! Debian's nginx with as many workers as Updraft has threads: one answer of its own, one of another server's. Its
//! configuration, logs and sockets are in a directory of the run; a running nginx of the machine is not touched.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// How long it may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The running server; ends with this handle.
pub(super) struct Nginx {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Nginx {
    /// Starts it in front of a server.
    pub(super) fn start(scratch: &Path, behind: SocketAddr) -> Result<Nginx, Failure> {
        let directory = scratch.join("nginx");
        std::fs::create_dir_all(&directory)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = directory.join("nginx.conf");
        std::fs::write(&configuration, configuration_for(&directory, address, behind))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&directory).arg("-c").arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().map_err(|error| format!("nginx: {error} (apt-get install nginx-light)"))?;
        let mut nginx = Nginx { process, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = nginx.process.try_wait()? {
                return Err(format!("nginx ended at once: {status}").into());
            }
            if started.elapsed() > START_TIMEOUT {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }

    /// Asks for an answer of its own.
    pub(super) fn static_answer(&self) -> Vec<u8> {
        request("/static")
    }

    /// Asks for the other server's.
    pub(super) fn proxied(&self) -> Vec<u8> {
        request("/")
    }
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// As its documentation advises for a proxy that keeps its connections, without a log.
fn configuration_for(directory: &Path, address: SocketAddr, behind: SocketAddr) -> String {
    let (here, threads) = (directory.display(), std::thread::available_parallelism().map_or(2, usize::from));
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {here}/{kind};\n"))
        .collect();
    format!(
        r#"daemon off;
pid {here}/nginx.pid;
error_log {here}/error.log;
worker_processes {threads};
events {{ worker_connections 1024; }}
http {{
{places}    access_log off;
    keepalive_requests 100000000;
    default_type application/json;
    upstream behind {{ server {behind}; keepalive 64; keepalive_requests 100000000; }}
    server {{
        listen {address};
        location = /static {{ return 200 '{{"hello": "world"}}'; }}
        location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"#
    )
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with their master only if that is asked to.
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            _ = self.process.kill();
        }
        _ = self.process.wait();
    }
}
