//! Values as JSON with tags for what JSON lacks, the form `vectors.py` writes: `{"b64": …}`, `{"ms": …}`, `{"float": …}`.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use shape::{Kind, Schema, Value};

/// From JSON under a schema.
pub(crate) fn read(schema: &'static Schema, json: &Json) -> Value {
    match schema.kind {
        Kind::Struct(members) => {
            Value::Struct(members.iter().map(|m| Some(read(m.target(), json.get(m.name)?))).collect())
        }
        Kind::Union(members) => {
            let (at, inner) =
                members.iter().enumerate().find_map(|(at, m)| Some((at, json.get(m.name)?))).expect("a member");
            Value::Union(at, Box::new(read(members[at].target(), inner)))
        }
        Kind::List(item) => Value::List(json.as_array().expect("a list").iter().map(|j| read(item(), j)).collect()),
        Kind::Map(item) => {
            let entries = json.as_object().expect("a map").iter();
            Value::Map(entries.map(|(k, j)| (k.clone(), read(item(), j))).collect())
        }
        Kind::Bool => Value::Bool(json.as_bool().expect("a boolean")),
        Kind::Int | Kind::Long => Value::Int(json.as_i64().expect("an integer")),
        Kind::Float | Kind::Double => Value::Float(match json.get("float").and_then(Json::as_str) {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some(_) => f64::NEG_INFINITY,
            None => json.as_f64().expect("a number"),
        }),
        Kind::String | Kind::Enum(_) => Value::String(json.as_str().expect("text").to_owned()),
        Kind::Blob => Value::Blob(STANDARD.decode(json["b64"].as_str().expect("base64")).expect("base64").into()),
        Kind::Timestamp => Value::Timestamp(Timestamp::from_millis(json["ms"].as_i64().expect("milliseconds"))),
        Kind::Document => Value::Document(json.clone()),
        Kind::Nullable(_) | Kind::Body | Kind::Events(_) => unreachable!("not in the test model"),
    }
}

/// To JSON under a schema.
pub(crate) fn write(schema: &Schema, value: &Value) -> Json {
    match (schema.kind, value) {
        (Kind::Struct(members), Value::Struct(slots)) => {
            let set = members.iter().zip(slots).filter_map(|(m, slot)| Some((m, slot.as_ref()?)));
            Json::Object(set.map(|(m, value)| (m.name.to_owned(), write(m.target(), value))).collect())
        }
        (Kind::Union(members), Value::Union(at, value)) => {
            json!({ members[*at].name: write(members[*at].target(), value) })
        }
        (Kind::List(item), Value::List(items)) => items.iter().map(|v| write(item(), v)).collect(),
        (Kind::Map(item), Value::Map(entries)) => {
            Json::Object(entries.iter().map(|(k, v)| (k.clone(), write(item(), v))).collect())
        }
        (_, Value::Bool(flag)) => json!(flag),
        (_, Value::Int(number)) => json!(number),
        (_, Value::Float(number)) if number.is_nan() => json!({"float": "NaN"}),
        (_, Value::Float(number)) if number.is_finite() => json!(number),
        (_, Value::Float(number)) => json!({ "float": if *number > 0.0 { "Infinity" } else { "-Infinity" } }),
        (_, Value::String(text)) => json!(text),
        (_, Value::Blob(bytes)) => json!({ "b64": STANDARD.encode(bytes) }),
        (_, Value::Timestamp(instant)) => json!({ "ms": instant.millis() }),
        (_, Value::Document(document)) => document.clone(),
        (_, other) => panic!("{other:?} does not fit {}", schema.name),
    }
}
