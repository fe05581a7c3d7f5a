//! Models: what a body must be, as JSON Schema (draft 4) says it, and its faults in AWS's words. How much work that may be is said
//! in `steps`.

mod steps;

use std::collections::HashMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::Value;

/// Faults that are told. AWS tells all; a hostile body could have millions.
const FAULTS_MAX: usize = 20;

/// What bodies of one kind must be.
#[derive(Debug)]
pub(crate) enum Schema {
    /// A model.
    Usable(Box<Validator>),
    /// The model is none: nothing meets it, as on AWS.
    Broken,
}

/// An API's models by the addresses with which they name each other:
/// `https://apigateway.amazonaws.com/restapis/{api}/models/{name}`. No other address leads anywhere.
struct Models(HashMap<String, Value>);

impl Retrieve for Models {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit_once("/models/").map_or("", |(_, name)| name);
        self.0.get(name).cloned().ok_or_else(|| format!("there is no model {name}").into())
    }
}

impl Schema {
    /// The schema of the model of this name, among all of its API: their names and documents.
    pub(crate) fn new<'a>(name: &str, models: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Schema {
        let read = |(name, schema): (&str, Option<&str>)| {
            Some((name.to_owned(), serde_json::from_str(schema.unwrap_or("{}")).ok()?))
        };
        let mut known: HashMap<String, Value> = models.filter_map(read).collect();
        if known.get(name).is_some_and(steps::has_references) {
            steps::count_in(&mut known);
        }
        let Some(schema) = known.get(name).cloned() else { return Schema::Broken };
        let options = jsonschema::options().with_draft(Draft::Draft4).with_keyword(steps::KEYWORD, steps::step);
        let built = options.with_retriever(Models(known)).build(&schema);
        built.map_or(Schema::Broken, |validator| Schema::Usable(Box::new(validator)))
    }

    /// The faults of a body, in one text. An empty body is an empty object.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), String> {
        let Schema::Usable(validator) = self else { return Err("[the model cannot be used]".to_owned()) };
        let body = if body.is_empty() { b"{}" } else { body };
        let document: Value = serde_json::from_slice(body).map_err(|_| "[the body is no valid JSON]".to_owned())?;
        let weighed =
            steps::limited(|| if validator.is_valid(&document) { Ok(()) } else { Err(faults(validator, &document)) });
        weighed.unwrap_or_else(|| Err("[the body cannot be held against the model in time]".to_owned()))
    }
}

/// The faults of a document, in one text.
fn faults(validator: &Validator, document: &Value) -> String {
    let mut missing: Vec<(String, Vec<Value>)> = Vec::new();
    let mut faults = Vec::new();
    for error in validator.iter_errors(document).take(FAULTS_MAX) {
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let at = error.instance_path().to_string();
                match missing.iter_mut().find(|(known, _)| *known == at) {
                    Some((_, properties)) => properties.push(property.clone()),
                    None => missing.push((at, vec![property.clone()])),
                }
            }
            ValidationErrorKind::Type { kind } => faults.push(type_words(error.instance(), kind)),
            _ => faults.push(error.to_string()),
        }
    }
    let missing = missing.into_iter().map(|(_, mut properties)| {
        properties.sort_unstable_by_key(Value::to_string);
        format!("object has missing required properties ({})", Value::from(properties))
    });
    format!("[{}]", missing.chain(faults).collect::<Vec<_>>().join(", "))
}

/// The words of the Java library that AWS uses.
fn type_words(instance: &Value, kind: &TypeKind) -> String {
    let found = match instance {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut allowed: Vec<String> = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect(),
    };
    if allowed.iter().any(|one| one == "number") && !allowed.iter().any(|one| one == "integer") {
        allowed.push("integer".to_owned());
    }
    allowed.sort_unstable();
    format!("instance type ({found}) does not match any allowed primitive type (allowed: {})", Value::from(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(models: &[(&str, &str)]) -> Schema {
        Schema::new(models[0].0, models.iter().map(|(name, schema)| (*name, Some(*schema))))
    }

    #[test]
    fn models_may_name_themselves() {
        let tree = r##"{
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}
        }"##;
        let tree = schema(&[("Tree", tree)]);
        assert_eq!(tree.check(br#"{"name": "a", "children": [{"name": "b", "children": []}]}"#), Ok(()));
        let words = r#"[object has missing required properties (["name"])]"#;
        assert_eq!(tree.check(br#"{"name": "a", "children": [{}]}"#), Err(words.to_owned()));
        assert!(tree.check(br#"{"name": "a", "other": 1}"#).is_err());
    }

    #[test]
    fn work_that_doubles_is_broken_off() {
        // With each model.
        let models: Vec<(String, String)> = (0..64)
            .map(|number| {
                let kind = ["allOf", "anyOf", "oneOf"][number % 3];
                let next =
                    format!(r#"{{"$ref": "https://apigateway.amazonaws.com/restapis/x/models/M{}"}}"#, number + 1);
                (format!("M{number}"), format!(r#"{{"{kind}": [{next}, {next}]}}"#))
            })
            .chain([("M64".to_owned(), r#"{"type": "string"}"#.to_owned())])
            .collect();
        let models: Vec<(&str, &str)> = models.iter().map(|(name, schema)| (name.as_str(), schema.as_str())).collect();
        let words = "[the body cannot be held against the model in time]";
        assert_eq!(schema(&models).check(b"{}"), Err(words.to_owned()));
        // With each level of the body.
        let again = r##"{"properties": {"a": {"$ref": "#"}}}"##;
        let twice = format!(r#"{{"allOf": [{again}, {again}], "required": ["a"]}}"#);
        let body = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        let _ = schema(&[("Twice", &twice)]).check(body.as_bytes());
        let lists =
            r##"{"anyOf": [{"items": {"$ref": "#"}, "maxItems": 0}, {"items": {"$ref": "#"}, "minItems": 2}]}"##;
        let _ = schema(&[("Lists", lists)]).check(format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes());
    }

    #[test]
    fn parts_count_wherever_references_lead() {
        let doubling = |place: &str| {
            let parts = (0..64).map(|number| {
                let next = format!(r##"{{"$ref": "#/{place}/M{}"}}"##, number + 1);
                format!(r#""M{number}": {{"oneOf": [{next}, {next}, {{"type": "string"}}]}}"#)
            });
            format!("{{{}, \"M64\": {{}}}}", parts.collect::<Vec<_>>().join(", "))
        };
        for (place, around) in [
            ("definitions", "\"definitions\": PARTS"),
            ("properties", "\"properties\": PARTS"),
            ("enum/0", "\"enum\": [PARTS, {}]"),
            ("x/y", "\"x\": {\"y\": PARTS}"),
            ("a%20b", "\"a b\": PARTS"),
        ] {
            let parts = around.replace("PARTS", &doubling(place));
            let model = format!(r##"{{"not": {{"$ref": "#/{place}/M0"}}, {parts}}}"##);
            // Some of this the library remembers; all of it ends.
            let Schema::Usable(_) = schema(&[("Hidden", &model)]) else { panic!("{place}: {model}") };
            let _ = schema(&[("Hidden", &model)]).check(b"{}");
        }
        let property = r##"{"properties": {"allOf": {"enum": [{"a": 1}]}, "b": {"$ref": "#/properties/allOf"}}}"##;
        let property = schema(&[("Property", property)]);
        assert_eq!(property.check(br#"{"allOf": {"a": 1}, "b": {"a": 1}}"#), Ok(()));
        assert!(property.check(br#"{"b": {"a": 2}}"#).is_err());
    }
}
