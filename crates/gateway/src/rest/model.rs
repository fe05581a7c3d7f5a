//! Models: what AWS refuses of them, and how those that name others become whole.

use std::collections::BTreeMap;

use base::Error;
use serde_json::{Map, Value, json};

use super::error::bad;
use super::records::Model;

/// Models that one names, with those that they name, and so on: so many at most.
const REFERENCES_MAX: usize = 1_000;

/// Refuses names that are none.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(bad("Model name must be non-empty"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad(format!("Model name must be alphanumeric: {name}")));
    }
    Ok(())
}

/// Refuses what is no schema.
pub(crate) fn check_schema(schema: Option<&str>) -> Result<(), Error> {
    let empty = || bad("Model schema must have at least 1 property or array items defined");
    let text = schema.filter(|text| !text.trim().is_empty()).ok_or_else(empty)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) if object.is_empty() => Err(empty()),
        Ok(Value::Object(_)) => Ok(()),
        _ => {
            let words =
                "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]";
            Err(bad(words))
        }
    }
}

/// The model that a `$ref` of API Gateway names: the last part of its path.
pub(crate) fn referred(reference: &str) -> Option<&str> {
    let (head, name) = reference.rsplit_once('/')?;
    (head.ends_with("/models") || head == "#/definitions").then_some(name)
}

/// A model with those that it names below `definitions`.
pub(crate) fn flattened(model: Model, all: &[Model]) -> Model {
    let Some(Ok(mut schema)) = model.schema.as_deref().map(serde_json::from_str::<Value>) else { return model };
    let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
    let mut next = localize(&mut schema);
    while let Some(name) = next.pop() {
        if definitions.contains_key(&name) || definitions.len() >= REFERENCES_MAX {
            continue;
        }
        let named = all.iter().find(|one| one.name == name).and_then(|one| one.schema.as_deref());
        let mut named = named.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
        next.extend(localize(&mut named));
        definitions.insert(name, named);
    }
    if let (Value::Object(schema), false) = (&mut schema, definitions.is_empty()) {
        let own = schema.entry("definitions").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(own) = own {
            definitions.into_iter().for_each(|(name, value)| _ = own.entry(name).or_insert(value));
        }
    }
    Model { schema: Some(schema.to_string()), ..model }
}

/// Makes references to other models local; returns what they name.
fn localize(schema: &mut Value) -> Vec<String> {
    let mut named = Vec::new();
    let mut next = vec![schema];
    while let Some(value) = next.pop() {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), &*value) {
                        ("$ref", Value::String(reference)) if reference.contains("/models/") => {
                            if let Some(name) = referred(reference).map(str::to_owned) {
                                *value = format!("#/definitions/{name}").into();
                                named.push(name);
                            }
                        }
                        _ => next.push(value),
                    }
                }
            }
            Value::Array(items) => next.extend(items),
            _ => {}
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, schema: Value) -> Model {
        Model { name: name.to_owned(), schema: Some(schema.to_string()), ..Model::default() }
    }

    #[test]
    fn references_become_definitions() {
        let at = |name: &str| json!({ "$ref": format!("https://apigateway.amazonaws.com/restapis/abc/models/{name}") });
        let pets = model("Pets", json!({ "type": "array", "items": at("Pet") }));
        let pet =
            model("Pet", json!({ "type": "object", "properties": { "mother": at("Pet"), "owner": at("Owner") } }));
        let owner = model("Owner", json!({ "type": "object" }));
        let flat = flattened(pets.clone(), &[pets, pet, owner]);
        let flat: Value = serde_json::from_str(&flat.schema.unwrap()).unwrap();
        assert_eq!(flat["items"]["$ref"], "#/definitions/Pet");
        assert_eq!(flat["definitions"]["Pet"]["properties"]["mother"]["$ref"], "#/definitions/Pet");
        assert_eq!(flat["definitions"]["Owner"], json!({ "type": "object" }));
    }

    #[test]
    fn schemas_say_something() {
        assert!(check_schema(Some(r#"{"title":"a","type":"object"}"#)).is_ok());
        for schema in [None, Some(""), Some("{}"), Some("{"), Some("[]")] {
            assert!(check_schema(schema).is_err(), "{schema:?}");
        }
    }
}
