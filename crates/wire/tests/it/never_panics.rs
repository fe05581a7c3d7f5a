//! A public endpoint gets arbitrary bytes: it may refuse them, never fall over.

use proptest::prelude::*;
use shape::{Body, Shape as _};
use wire::protocol::{Protocol, Reply};
use wire::route::{self, RestRouter};

use crate::model::{BoundInput, Everything, OPERATIONS};

fn head(uri: &str, headers: &[(&str, String)]) -> Option<http::request::Parts> {
    let mut request = http::Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, value.as_str());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn read_with_all(body: &[u8]) {
    let head = head("/", &[]).expect("a request");
    for protocol in [Protocol::RestJson1, Protocol::AwsJson11, Protocol::AwsQuery, Protocol::RpcV2Cbor] {
        let body = Body::Whole(bytes::Bytes::copy_from_slice(body));
        match protocol.decode(Everything::SCHEMA, &Vec::new(), &head, body) {
            // What was read can be written, and what was refused can be told.
            Ok(value) => {
                let reply = Reply {
                    operation: "Everything",
                    output: Everything::SCHEMA,
                    http: None,
                    xml_namespace: None,
                    request_id: "id",
                };
                protocol.encode(&reply, value);
            }
            Err(error) => {
                assert_eq!(error.status, 400, "{error}");
                protocol.encode_error(&error, "id", None);
            }
        }
    }
}

proptest! {
    #[test]
    fn on_arbitrary_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_with_all(&body);
    }

    #[test]
    fn on_nearly_json(body in r#"\{("(Flag|Small|Big|At|Raw|Names|Table|Nested|Choice|Free)":(1e999|-?[0-9]{1,20}|"[a-z=+]{0,5}"|\[null\]|\{"text":1\}|\{\}|null|true),?){0,4}\}?"#) {
        read_with_all(body.as_bytes());
    }

    #[test]
    fn on_nearly_a_form(body in r"((Names|Table|Nested|Flat|Attributes|Choice)(\.(member|entry|[0-9]{1,22}|key|value|Name|text|))*=[a-z%0-9]{0,5}&?){0,5}") {
        read_with_all(body.as_bytes());
    }

    #[test]
    fn on_arbitrary_paths_and_headers(path in "(/[a-z%0-9{}]{0,5}){0,6}", query in "[a-z=&%+0-9]{0,30}", value in "[ -~]{0,30}") {
        let uri = format!("/{path}?{query}");
        let names = ["x-test-mode", "x-test-count", "x-test-dry", "x-test-seen", "x-meta-", "x-amz-target", "smithy-protocol"];
        let headers: Vec<_> = names.iter().map(|name| (*name, value.clone())).collect();
        if let Some(head) = head(&uri, &headers) {
            route::call(&head, b"");
            let router = RestRouter::new(OPERATIONS.iter().map(|o| Some(o.http)));
            _ = router.find("PUT", head.uri.path(), head.uri.query());
            let labels = vec![("Name", value.clone()), ("When", value), ("Path", String::new())];
            _ = Protocol::RestJson1.decode(BoundInput::SCHEMA, &labels, &head, Body::default());
        }
    }
}

#[test]
fn depth_is_refused_not_followed() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    read_with_all(deep("{\"Nested\":", "}").as_bytes());
    read_with_all(format!("{{\"Free\":{}}}", deep("[", "]")).as_bytes());
    read_with_all(format!("{{\"Unknown\":{}}}", deep("[", "]")).as_bytes());
    read_with_all(format!("{}x=1", "Nested.".repeat(100_000)).as_bytes());
    read_with_all(&[[0xa1, 0x66].as_slice(), b"Nested"].concat().repeat(100_000));
    // An array that claims 2^63 items must not be believed.
    read_with_all(&[[0xa1, 0x65].as_slice(), b"Names", &[0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255]].concat());
}
