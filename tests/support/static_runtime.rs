//! A custom runtime that needs nothing but a kernel, for images made from scratch: it answers every event with its own
//! arguments, its directory and the event. Compiled by the tests, statically, by `rustc` alone.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;

fn main() {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").expect("the runtime API is named");
    loop {
        let (head, event) = call(&api, "GET", "/2018-06-01/runtime/invocation/next", "");
        let id = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("lambda-runtime-aws-request-id:").map(|id| id.trim().to_owned()))
            .expect("a request has an id");
        let arguments: Vec<String> = env::args().map(|argument| format!("\"{argument}\"")).collect();
        let directory = env::current_dir().expect("a directory");
        let answer = format!(
            "{{\"arguments\": [{}], \"directory\": \"{}\", \"greeting\": \"{}\", \"event\": {event}}}",
            arguments.join(", "),
            directory.display(),
            env::var("GREETING").unwrap_or_default(),
        );
        println!("answering {id}");
        call(&api, "POST", &format!("/2018-06-01/runtime/invocation/{id}/response"), &answer);
    }
}

fn call(api: &str, method: &str, path: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(api).expect("the runtime API is there");
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer comes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}
