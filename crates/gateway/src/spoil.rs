//! Real documents spoilt, for tests: parts taken out, put where others should be, copied into each other, multiplied.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Values that are copied or multiplied have no more parts than this, so that documents stay documents.
const PARTS_MAX: usize = 2_000;

/// What is done to one place of a document.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// It is taken out.
    Remove,
    /// Something else stands there.
    Put(Value),
    /// What stands at another place stands here as well.
    Copy(u32),
    /// A reference to another place stands there, which may lead back here.
    Refer(u32),
    /// It stands as deep as this below lists and maps.
    Bury(u8),
    /// It has so many more items, or members.
    Multiply(u16),
    /// A member has another name.
    Rename(&'static str),
}

/// Edits, with the number of the place where each is made; any number is one.
pub(crate) fn edits() -> impl Strategy<Value = Vec<(u32, Edit)>> {
    let names = prop::sample::select(
        &["get", "$ref", "type", "schema", "name", "in", "", "default", "x-amazon-apigateway-integration", "/a/{b}"][..],
    );
    let others = prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("#"),
        json!("ü\u{0}"),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"$ref": "#/nowhere"}),
        json!({"$ref": 1}),
    ]);
    let edit = prop_oneof![
        2 => Just(Edit::Remove),
        3 => others.prop_map(Edit::Put),
        2 => any::<u32>().prop_map(Edit::Copy),
        2 => any::<u32>().prop_map(Edit::Refer),
        1 => (1..130_u8).prop_map(Edit::Bury),
        1 => (1..400_u16).prop_map(Edit::Multiply),
        1 => names.prop_map(Edit::Rename),
    ];
    prop::collection::vec((any::<u32>(), edit), 1..8)
}

/// A document after these edits.
pub(crate) fn spoilt(document: &Value, edits: &[(u32, Edit)]) -> Value {
    let mut document = document.clone();
    for (place, edit) in edits {
        let mut places = Vec::new();
        collect(&document, String::new(), &mut places);
        let at = |number: u32| places[number as usize % places.len()].clone();
        make(&mut document, &at(*place), edit, at);
    }
    document
}

fn make(document: &mut Value, place: &str, edit: &Edit, at: impl Fn(u32) -> String) {
    let found = |document: &Value, place: &str| document.pointer(place).cloned().unwrap_or_default();
    let put = match edit {
        Edit::Remove => return drop(taken(document, place)),
        Edit::Rename(name) => {
            let Some(value) = taken(document, place) else { return };
            if let Some((above, _)) = place.rsplit_once('/')
                && let Some(Value::Object(members)) = document.pointer_mut(above)
            {
                members.insert((*name).to_owned(), value);
            }
            return;
        }
        Edit::Put(value) => value.clone(),
        Edit::Refer(other) => json!({ "$ref": format!("#{}", at(*other)) }),
        Edit::Copy(other) => found(document, &at(*other)),
        Edit::Bury(levels) => (0..*levels).fold(found(document, place), |inner, level| match level % 3 {
            0 => json!([inner]),
            1 => json!({ "properties": inner }),
            _ => json!({ "items": inner }),
        }),
        Edit::Multiply(times) => multiplied(found(document, place), usize::from(*times)),
    };
    if parts(&put) <= PARTS_MAX
        && let Some(value) = document.pointer_mut(place)
    {
        *value = put;
    }
}

/// Every place of a document, as a JSON pointer.
fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                collect(value, format!("{place}/{number}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}

fn taken(document: &mut Value, place: &str) -> Option<Value> {
    let (above, name) = place.rsplit_once('/')?;
    match document.pointer_mut(above)? {
        Value::Object(members) => members.remove(&name.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => Some(items.remove(name.parse().ok()?)),
        _ => None,
    }
}

fn multiplied(value: Value, times: usize) -> Value {
    match value {
        Value::Array(items) => items.iter().cycle().take(items.len() * times).cloned().collect(),
        Value::Object(members) => {
            let again = |number: usize| {
                members.iter().map(move |(name, value)| {
                    (if number == 0 { name.clone() } else { format!("{name}{number}") }, value.clone())
                })
            };
            Value::Object((0..times).flat_map(again).take(PARTS_MAX).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn parts(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(parts).sum(),
        Value::Array(items) => items.iter().map(parts).sum(),
        _ => 0,
    }
}
