//! What is refused, in which words; and the corners of what is taken.

use base::Error;
use bytes::Bytes;
use serde_json::json;
use shape::{Body, Schema, Shape, Value};
use wire::protocol::{Answer, Protocol, Reply};

use crate::model::{BlobInput, BoundInput, Choice, Everything};
use crate::tagged;

fn head(uri: &str, headers: &[(&str, &str)]) -> http::request::Parts {
    let mut request = http::Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn decode(protocol: Protocol, schema: &'static Schema, body: &[u8]) -> Result<serde_json::Value, Error> {
    let body = Body::Whole(Bytes::copy_from_slice(body));
    protocol.decode(schema, &Vec::new(), &head("/", &[]), body).map(|value| tagged::write(schema, &value))
}

fn json(body: &str) -> Result<serde_json::Value, String> {
    decode(Protocol::AwsJson11, Everything::SCHEMA, body.as_bytes()).map_err(|error| {
        assert_eq!((error.code.as_ref(), error.status), ("SerializationException", 400));
        error.message
    })
}

fn text(answer: Answer) -> String {
    String::from_utf8(answer.body.whole().unwrap().to_vec()).unwrap()
}

#[test]
fn json_of_the_wrong_type_is_refused_in_awss_words() {
    for (body, words) in [
        (r#"{"Words":1}"#, "NUMBER_VALUE can not be converted to a String"),
        (r#"{"Words":true}"#, "TRUE_VALUE can not be converted to a String"),
        (r#"{"Words":{}}"#, "Start of structure or map found where not expected."),
        (r#"{"Words":[]}"#, "Start of list found where not expected"),
        (r#"{"Small":"1"}"#, "STRING_VALUE can not be converted to an Integer"),
        (r#"{"Small":3000000000}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"Big":1e30}"#, "NUMBER_VALUE can not be converted to a Long"),
        (r#"{"Flag":"true"}"#, "STRING_VALUE can not be converted to a Boolean"),
        (r#"{"Raw":"not base64!"}"#, "STRING_VALUE can not be converted to a Blob"),
        (r#"{"At":"yesterday"}"#, "STRING_VALUE can not be converted to milliseconds since epoch"),
        (r#"{"Names":"a"}"#, "Unexpected field type"),
        (r#"{"Choice":{"text":"a","number":1}}"#, "Only one member of the union Choice may be set"),
        (r#"{"Choice":{"unknown":1}}"#, "Exactly one member of the union Choice must be set"),
    ] {
        assert_eq!(json(body), Err(words.to_owned()), "{body}");
    }
    for broken in ["{", "[]", "{}x", "\"a\"", "{\"Words\":\"\u{1}\"}", "{\"Words\":}", "\u{feff}{}"] {
        assert!(json(broken).is_err(), "{broken}");
    }
    assert!(decode(Protocol::AwsJson11, Everything::SCHEMA, b"{\"Words\":\"\xff\"}").is_err(), "no UTF-8");
}

#[test]
fn json_corners_are_taken_as_aws_takes_them() {
    for (body, meant) in [
        ("", json!({})),
        (" ", json!({})),
        ("null", json!({})),
        (r#"{"Words":null,"Choice":{"text":null,"number":1,"__type":"x"}}"#, json!({"Choice": {"number": 1}})),
        (r#"{"Unknown":{"deep":[1]},"Small":1.0,"Big":1.7}"#, json!({"Small": 1, "Big": 1})),
        (r#"{"Words":"first","Words":"last"}"#, json!({"Words": "last"})),
        (r#"{"Counts":{"a":1,"b":2,"a":3}}"#, json!({"Counts": {"a": 3, "b": 2}})),
        (
            r#"{"Precise":"NaN","Ratio":"-Infinity"}"#,
            json!({"Precise": {"float": "NaN"}, "Ratio": {"float": "-Infinity"}}),
        ),
        (
            r#"{"At":1.5,"AtDate":"2026-11-22T16:00:00+01:00"}"#,
            json!({"At": {"ms": 1500}, "AtDate": {"ms": 1795359600000i64}}),
        ),
        (r#"{"Words":"\ud834\udd1e"}"#, json!({"Words": "𝄞"})),
    ] {
        assert_eq!(json(body), Ok(meant), "{body}");
    }
}

#[test]
fn a_null_in_a_list_is_validations_matter_and_a_sparse_list_keeps_it() {
    #[derive(Shape)]
    struct Lists {
        dense: Option<Vec<String>>,
        sparse: Option<Vec<Option<String>>>,
    }
    let read = |body: &'static str| {
        let body = Body::Whole(Bytes::from_static(body.as_bytes()));
        Protocol::AwsJson11.decode(Lists::SCHEMA, &Vec::new(), &head("/", &[]), body).unwrap()
    };
    let value = read(r#"{"Sparse":["a",null]}"#);
    assert!(shape::validate::check(Lists::SCHEMA, &value).is_ok());
    let lists = Lists::from_value(value).unwrap();
    assert_eq!((lists.sparse, lists.dense), (Some(vec![Some("a".to_owned()), None]), None));
    let refusal = shape::validate::check(Lists::SCHEMA, &read(r#"{"Dense":[null]}"#)).unwrap_err();
    assert!(
        refusal.message.contains(
            "at 'dense' failed to satisfy constraint: Member must satisfy constraint: [Member must not be null]"
        ),
        "{refusal}"
    );
}

#[test]
fn query_and_cbor_refuse_what_has_the_wrong_form() {
    for body in
        ["Small=x", "Small.x=1", "Flag=yes", "Raw=!", "Choice.text=a&Choice.number=1", "Table.entry.1.value.Id=a"]
    {
        let error = decode(Protocol::AwsQuery, Everything::SCHEMA, body.as_bytes()).unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("MalformedInput", 400), "{body}");
    }
    assert_eq!(
        decode(Protocol::AwsQuery, Everything::SCHEMA, b"Names.member.10=c&Names.member.2=b&Names.member.1=a&Flat="),
        Ok(json!({"Names": ["a", "b", "c"], "Flat": []}))
    );
    // {"Words": 1}, a break out of place, half a document, a timestamp without its tag.
    for body in [
        &b"\xa1\x65Words\x01"[..],
        b"\xff",
        b"\xa1\x65Wor",
        b"\xa1\x62At\x01",
        b"\xa1\x65Small\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let error = decode(Protocol::RpcV2Cbor, Everything::SCHEMA, body).unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("SerializationException", 400), "{body:?}");
    }
    // Indefinite lengths, half floats (1.5), an integer for a float, an unknown member, null.
    assert_eq!(
        decode(
            Protocol::RpcV2Cbor,
            Everything::SCHEMA,
            b"\xbf\x65Words\x7f\x61a\x61b\xff\x67Precise\xf9\x3e\x00\x65Ratio\x02\x61x\x81\x01\x65Names\xf6\xff"
        ),
        Ok(json!({"Words": "ab", "Precise": 1.5, "Ratio": 2.0}))
    );
}

#[test]
fn bindings_refuse_what_they_cannot_read() {
    let labels = vec![("Name", "n".to_owned()), ("When", "2026-11-22T16:00:00Z".to_owned()), ("Path", "p".to_owned())];
    let read = |uri: &str, headers: &[(&str, &str)]| {
        Protocol::RestJson1.decode(BoundInput::SCHEMA, &labels, &head(uri, headers), Body::default())
    };
    assert!(read("/?limit=&since=", &[("x-test-count", "")]).is_ok(), "empty numbers are absent");
    for (uri, headers) in [
        ("/?limit=x", &[][..]),
        ("/?since=x", &[][..]),
        ("/", &[("x-test-count", "x")][..]),
        ("/", &[("x-test-dry", "1")][..]),
        ("/", &[("x-test-seen", "soon")][..]),
    ] {
        assert_eq!(read(uri, headers).unwrap_err().code, "SerializationException", "{uri} {headers:?}");
    }
    let late = vec![("Name", "n".to_owned()), ("When", "late".to_owned())];
    assert!(Protocol::RestJson1.decode(BoundInput::SCHEMA, &late, &head("/", &[]), Body::default()).is_err());
}

#[test]
fn a_streaming_payload_is_not_touched() {
    #[derive(Shape)]
    struct Invoke {
        #[shape(payload)]
        payload: Body,
    }
    assert!(Protocol::RestJson1.takes_stream(Invoke::SCHEMA));
    assert!(!Protocol::RestJson1.takes_stream(BlobInput::SCHEMA));
    assert!(!Protocol::AwsJson11.takes_stream(Invoke::SCHEMA));
    let sent = Bytes::from_static(b"payload");
    let value = Protocol::RestJson1.decode(Invoke::SCHEMA, &Vec::new(), &head("/", &[]), sent.clone().into()).unwrap();
    let got = Invoke::from_value(value).unwrap().payload.whole().unwrap();
    assert_eq!(got.as_ptr(), sent.as_ptr(), "the very same bytes");
    let answer = Protocol::RestJson1.encode(&reply(Invoke::SCHEMA), Invoke { payload: got.into() }.into_value());
    assert_eq!(answer.body.whole().unwrap().as_ptr(), sent.as_ptr());
}

fn reply(output: &'static Schema) -> Reply<'static> {
    Reply { operation: "Get", output, http: None, xml_namespace: Some("https://test/doc/"), request_id: "the-id" }
}

#[test]
fn errors_look_as_each_protocol_has_them() {
    let error = Error::new(404, "ResourceNotFoundException", "Function not found: f").with("Type", "User").capital();
    let error = error.with_header("Retry-After", "1").with_query_code("AWS.Old.NotFound");
    let written = |protocol: Protocol| protocol.encode_error(&error, "the-id", Some("https://test/doc/"));

    let rest = written(Protocol::RestJson1);
    let header = |answer: &Answer, name: &str| answer.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    assert_eq!(rest.status, 404);
    assert_eq!(header(&rest, "x-amzn-errortype").as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(header(&rest, "x-amzn-requestid").as_deref(), Some("the-id"));
    assert_eq!(header(&rest, "retry-after").as_deref(), Some("1"));
    assert_eq!(header(&rest, "content-type").as_deref(), Some("application/json"));
    assert_eq!(text(rest), r#"{"Type":"User","Message":"Function not found: f"}"#);

    let json = written(Protocol::AwsJson10);
    assert_eq!(header(&json, "content-type").as_deref(), Some("application/x-amz-json-1.0"));
    assert_eq!(header(&json, "x-amzn-query-error").as_deref(), Some("AWS.Old.NotFound;Sender"));
    assert_eq!(text(json), r#"{"__type":"ResourceNotFoundException","Type":"User","Message":"Function not found: f"}"#);

    let query = written(Protocol::AwsQuery);
    assert_eq!(header(&query, "content-type").as_deref(), Some("text/xml"));
    assert_eq!(
        text(query),
        "<ErrorResponse xmlns=\"https://test/doc/\"><Error><Type>Sender</Type><Code>AWS.Old.NotFound</Code>\
         <Message>Function not found: f</Message></Error><RequestId>the-id</RequestId></ErrorResponse>"
    );

    let cbor = written(Protocol::RpcV2Cbor);
    assert_eq!(header(&cbor, "smithy-protocol").as_deref(), Some("rpc-v2-cbor"));
    assert_eq!(header(&cbor, "content-type").as_deref(), Some("application/cbor"));
    let unknown = Protocol::AwsJson11.unknown_operation("X", "");
    assert_eq!(
        text(Protocol::AwsJson11.encode_error(&unknown, "i", None)),
        r#"{"__type":"UnknownOperationException"}"#
    );
}

#[test]
fn empty_answers_are_as_small_as_awss() {
    let json = Protocol::AwsJson11.encode(&reply(<()>::SCHEMA), ().into_value());
    assert_eq!(text(json), "{}");
    let rest = Protocol::RestJson1.encode(&reply(<()>::SCHEMA), ().into_value());
    assert_eq!(rest.headers.get("content-type"), None);
    assert_eq!(text(rest), "");
    assert_eq!(
        text(Protocol::AwsQuery.encode(&reply(<()>::SCHEMA), ().into_value())),
        "<GetResponse xmlns=\"https://test/doc/\"><ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></GetResponse>"
    );
    let union =
        Protocol::AwsQuery.encode(&reply(Choice::SCHEMA), Value::Union(0, Box::new(Value::String("a&b".into()))));
    assert!(text(union).contains("<GetResult><text>a&amp;b</text></GetResult>"));
}

#[test]
fn a_header_cannot_be_used_to_write_another() {
    #[derive(Shape)]
    struct Echo {
        #[shape(header = "X-Echo")]
        echo: String,
    }
    let answer =
        Protocol::RestJson1.encode(&reply(Echo::SCHEMA), Echo { echo: "a\r\nSet-Cookie: b".into() }.into_value());
    assert_eq!(answer.headers.get("x-echo").unwrap(), "a  Set-Cookie: b");
}

#[test]
fn idempotency_tokens_are_filled_once() {
    #[derive(Shape)]
    struct Start {
        #[shape(idempotency_token)]
        client_token: Option<String>,
    }
    let read = |body: &'static str| {
        let body = Body::Whole(Bytes::from_static(body.as_bytes()));
        let value = Protocol::AwsJson11.decode(Start::SCHEMA, &Vec::new(), &head("/", &[]), body).unwrap();
        Start::from_value(value).unwrap().client_token
    };
    assert_eq!(read(r#"{"ClientToken":"mine"}"#).as_deref(), Some("mine"));
    assert_eq!(read("{}").map(|token| token.len()), Some(36));
}
