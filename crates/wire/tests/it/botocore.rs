//! Requests that botocore wrote are read as meant, and botocore reads our answers as meant.
//!
//! `vectors.json` is what botocore's serializers made (`vectors.py requests`), so the first half needs no Python. The
//! second half runs botocore's parsers and is skipped, aloud, where there is no botocore.

use std::process::Command;

use base::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value as Json, json};
use shape::{Body, Event, EventStream, Shape as _, Value};
use wire::protocol::{Answer, Protocol, Reply};
use wire::route::{self, RestRouter};

use crate::model::{EventsOutput, OPERATIONS, Operation};
use crate::tagged;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/vectors.py");
const PROTOCOLS: &[Protocol] =
    &[Protocol::RestJson1, Protocol::AwsJson10, Protocol::AwsJson11, Protocol::AwsQuery, Protocol::RpcV2Cbor];

#[derive(serde::Deserialize)]
struct Vector {
    protocol: String,
    operation: String,
    params: Json,
    request: Sent,
    output: Json,
}

#[derive(serde::Deserialize)]
struct Sent {
    method: String,
    uri: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).expect("vectors.json")
}

impl Vector {
    fn protocol(&self) -> Protocol {
        *PROTOCOLS.iter().find(|p| format!("{p:?}") == self.protocol).expect("a protocol")
    }

    fn operation(&self) -> &'static Operation {
        OPERATIONS.iter().find(|o| o.name == self.operation).expect("an operation")
    }
}

/// As the desk does it: what does the request say, which operation is it, what is its input?
fn receive(sent: &Sent) -> (Protocol, &'static Operation, Value) {
    let mut request = http::Request::builder().method(sent.method.as_str()).uri(&sent.uri);
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    let head = request.body(()).expect("a request").into_parts().0;
    let body = Bytes::from(STANDARD.decode(&sent.body).expect("base64"));
    let call = route::call(&head, &body);
    let (at, labels) = match call.operation {
        Some(name) => (OPERATIONS.iter().position(|o| o.name == name).expect("an operation"), Vec::new()),
        None => {
            let router = RestRouter::new(OPERATIONS.iter().map(|o| Some(o.http)));
            let found = router.find(head.method.as_str(), head.uri.path(), head.uri.query()).expect("a route");
            (found.operation, found.labels)
        }
    };
    let operation = &OPERATIONS[at];
    let input = call.protocol.decode(operation.input, &labels, &head, Body::Whole(body.clone()));
    (call.protocol, operation, input.unwrap_or_else(|e| panic!("{} {}: {e}", operation.name, sent.uri)))
}

#[test]
fn requests_are_read_as_botocore_meant_them() {
    for vector in vectors() {
        let (protocol, operation, input) = receive(&vector.request);
        assert_eq!((protocol, operation.name), (vector.protocol(), vector.operation().name));
        let mut found = tagged::write(operation.input, &input);
        let mut meant = vector.params.clone();
        if operation.name == "Bound" {
            // The template's constant is a query parameter that no member claims.
            let rest = found["Rest"].as_object_mut().expect("the query map");
            rest.remove("fixed");
            meant.as_object_mut().expect("an object").entry("Rest").or_insert(json!({}));
        }
        for (name, empty) in [("Payload", json!({"b64": ""})), ("Inner", json!({}))] {
            // An empty payload and an absent one look the same; botocore writes `{}` for an absent structure.
            let names = |json: &Json| json.get(name).is_none_or(|value| *value == empty);
            if operation.input.payload().is_some() && names(&meant) && names(&found) {
                (found[name], meant[name]) = (empty.clone(), empty);
            }
        }
        assert_eq!(found, meant, "{} {} {}", vector.protocol, vector.operation, vector.request.uri);
    }
}

#[test]
fn botocore_reads_our_answers_as_they_were_meant() {
    if !Command::new("python3").args(["-c", "import botocore"]).output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: there is no botocore here to ask");
        return;
    }
    let mut answers: Vec<Json> = Vec::new();
    for vector in vectors() {
        let (protocol, operation) = (vector.protocol(), vector.operation());
        let value = tagged::read(operation.output, &vector.output);
        let answer = protocol.encode(&reply(operation), value);
        answers.push(exported(protocol, operation.name, "output", answer, &vector.output));
    }
    for protocol in PROTOCOLS {
        answers.extend(errors(*protocol));
        if *protocol != Protocol::AwsQuery {
            answers.push(events(*protocol));
        }
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers.json");
    std::fs::write(&path, serde_json::to_vec(&answers).expect("JSON")).expect("a file");
    let verdict = Command::new("python3").arg(SCRIPT).arg("check").arg(path).output().expect("python3");
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(verdict.status.success(), "{}{}", words(&verdict.stdout), words(&verdict.stderr));
}

/// Botocore's answer to a script command, unless there is no botocore.
fn ask(command: &str) -> Option<Vec<u8>> {
    let output = Command::new("python3").arg(SCRIPT).arg(command).output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[test]
fn every_binding_of_a_rest_service_finds_its_operation() {
    type Bindings = Vec<(String, String, String, String)>;
    let Some(services) = ask("routes") else {
        eprintln!("skipped: there is no botocore here to ask");
        return;
    };
    let services: std::collections::BTreeMap<String, Bindings> = serde_json::from_slice(&services).expect("JSON");
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let mut lost = Vec::new();
    for (service, bindings) in &services {
        let router = RestRouter::new(bindings.iter().map(|(_, method, uri, _)| {
            Some(wire::route::HttpBinding { method: leak(method), uri: leak(uri), status: 200 })
        }));
        for (at, (name, method, uri, sent)) in bindings.iter().enumerate() {
            let (path, query) = sent.split_once('?').unwrap_or((sent, ""));
            let found = router.find(method, path, Some(query)).map(|found| found.operation);
            if found.as_ref().is_ok_and(|other| bindings[*other].1 == *method && bindings[*other].2 == *uri) {
                continue; // Some services have two operations under one binding.
            }
            if found != Ok(at) {
                lost.push(format!("{service} {name} {method} {uri}: {:?}", found.map(|at| &bindings[at].2)));
            }
        }
    }
    assert!(services.len() > 10, "{}", services.len());
    assert!(lost.is_empty(), "{} lost:\n{}", lost.len(), lost.join("\n"));
}

fn reply(operation: &'static Operation) -> Reply<'static> {
    Reply {
        operation: operation.name,
        output: operation.output,
        http: Some(&operation.http),
        xml_namespace: Some("https://test/doc/"),
        request_id: "the-id",
    }
}

fn errors(protocol: Protocol) -> Vec<Json> {
    let plain = Error::new(404, "NotFoundException", "no <such> \"thing\" ☃").with("Type", "User").capital();
    let small = Error::new(400, "ValidationException", "1 validation error detected: x");
    let server = Error::internal();
    [plain, small, server]
        .into_iter()
        .map(|error| {
            let answer = protocol.encode_error(&error, "the-id", Some("https://test/doc/"));
            let mut json = exported(protocol, "Everything", "error", answer, &Json::Null);
            json["code"] = json!(error.code);
            json["message"] = json!(error.message);
            json
        })
        .collect()
}

fn events(protocol: Protocol) -> Json {
    let chunk = Value::Struct(vec![Some(Value::Blob(Bytes::from_static(b"\x00\xffhello")))]);
    let done = Value::Struct(vec![Some(Value::String("fine".to_owned())), Some(Value::Int(7))]);
    let stream = futures_util::stream::iter([
        Ok(Event { name: "Chunk", value: chunk }),
        Ok(Event { name: "Done", value: done }),
        Err(Error::new(500, "Broken", "it broke")),
        Ok(Event { name: "Done", value: Value::Struct(vec![None, None]) }),
    ]);
    let value =
        Value::Struct(vec![Some(Value::String("w".to_owned())), Some(Value::Events(EventStream(Box::pin(stream))))]);
    let reply = Reply { operation: "Stream", output: EventsOutput::SCHEMA, ..reply(&OPERATIONS[0]) };
    let mut meant = vec![
        json!({"Chunk": {"Payload": {"b64": STANDARD.encode(b"\x00\xffhello")}}}),
        json!({"Done": {"Code": "fine", "Size": 7}}),
        json!({"error": "Broken"}),
    ];
    if protocol != Protocol::RestJson1 {
        meant.insert(0, json!({"initial": true}));
    }
    exported(protocol, "Stream", "events", protocol.encode(&reply, value), &Json::Array(meant))
}

fn exported(protocol: Protocol, operation: &str, kind: &str, answer: Answer, meant: &Json) -> Json {
    let headers: Vec<(&str, &str)> =
        answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect();
    let bytes = match answer.body {
        Body::Whole(bytes) => bytes,
        Body::Stream(stream) => {
            let parts: Vec<_> = stream.collect().now_or_never().expect("a stream that never waits");
            parts
                .into_iter()
                .map(|part| part.expect("bytes"))
                .fold(Vec::new(), |all, part| [all, part.to_vec()].concat())
                .into()
        }
    };
    json!({
        "protocol": format!("{protocol:?}"), "operation": operation, "kind": kind, "status": answer.status.as_u16(),
        "headers": headers, "body": STANDARD.encode(&bytes), "meant": meant,
    })
}
