//! Documents from outside are hostile: whatever is done to a real one, it is refused in AWS's words or taken, and what is taken can
//! be exported, made a template of and validated with. That each of these ends, and within the memory that there is, is shown by
//! their coming to an end.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::import::BasePath;
use super::tests::{PETSTORE_2, PETSTORE_3, README, USPTO, exported, snapshot};
use super::*;
use crate::edge::schema::Schema;
use crate::spoil;

/// Public documents of real services.
static REAL: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |text: &str| lang::document::read(text, &lang::document::Limits::default()).unwrap();
    [PETSTORE_2, PETSTORE_3, USPTO, README].map(read).into()
});

/// Models of one document that are looked at.
const MODELS_MAX: usize = 6;

/// Imports a document, and does with it what its owner might.
fn import(body: &str) {
    let options = Options { base_path: BasePath::Prepend, ..Options::default() };
    let definition = match read(body.as_bytes(), options) {
        Ok(definition) => definition,
        Err(error) => return assert_eq!(error.code, "BadRequestException", "{error}"),
    };
    for dialect in [Dialect::Swagger, Dialect::Oas30] {
        let length = exported(&definition, dialect).to_string().len();
        assert!(length <= 40 * body.len() + 10_000, "{length} of {}", body.len());
    }
    let snapshot = snapshot(&definition);
    let models = || snapshot.models.iter().map(|model| (&*model.name, model.schema.as_deref()));
    let by_name = models().map(|(name, schema)| (name.to_owned(), schema.map(str::to_owned))).collect();
    for (name, _) in models().take(MODELS_MAX) {
        let _ = template(name, &by_name);
        let schema = Schema::new(name, models());
        for instance in ["", "{}", r#"{"a": {"a": {"a": [1, {"b": null}]}}, "id": [], "name": "x"}"#, "[[[]]]"] {
            let _ = schema.check(instance.as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn real_documents_spoilt(which in 0..4_usize, edits in spoil::edits()) {
        import(&spoil::spoilt(&REAL[which], &edits).to_string());
    }

    /// YAML has means of its own.
    #[test]
    fn real_yaml_spoilt(edits in prop::collection::vec((any::<u32>(), 0..30_usize, prop::sample::select(&[
        "&a ", "*a", "<<: *a\n", "<<: [*a, *a]\n", "- ", "? ", ": ", "|\n", ">-\n", "!!str ", "!x ", "\t", "---\n", "...\n", "{", "[", "}", "]",
        "#", "\"", "'", "\u{feff}", "%YAML 1.2\n", "\n", "    ",
    ][..])), 1..12)) {
        let mut characters: Vec<char> = PETSTORE_3.chars().collect();
        for (place, length, piece) in edits {
            let at = place as usize % characters.len();
            let end = (at + length).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        import(&characters.into_iter().collect::<String>());
    }
}

fn document(mut parts: Value) -> String {
    parts["openapi"] = "3.0.1".into();
    parts["info"] = json!({"title": "t"});
    parts.to_string()
}

fn with_schemas(schemas: Value) -> String {
    document(json!({"components": {"schemas": schemas}}))
}

fn many(count: usize, of: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..count).map(of).collect())
}

#[test]
fn references_in_circles() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    import(&with_schemas(json!({"A": to("A")})));
    import(&with_schemas(json!({"A": to("B"), "B": to("C"), "C": to("A")})));
    import(&with_schemas(
        json!({"A": {"properties": {"a": to("A")}, "items": to("A"), "additionalProperties": to("A")}}),
    ));
    import(&with_schemas(
        json!({"A": {"allOf": [to("A"), to("B")], "not": to("B")}, "B": {"anyOf": [to("A"), to("A")]}}),
    ));
    for reference in
        ["#", "#/paths", "#/paths/~1a/get", "#/components/schemas", "#/components/schemas/", "elsewhere.json#/a"]
    {
        let circle = json!({ "$ref": reference });
        let operation = json!({
            "parameters": [circle], "requestBody": circle, "responses": {"200": circle, "default": {"content": {"a/b": {"schema": circle}}}},
            "x-amazon-apigateway-integration": circle,
        });
        import(&document(
            json!({"paths": {"/a": {"get": operation}, "/b": circle}, "components": {"schemas": {"A": circle}}}),
        ));
    }
}

/// Each names the next twice: were references written out, or followed without remembering, this would never end.
#[test]
fn references_that_double() {
    let twice = |number: usize| {
        let next = json!({ "$ref": format!("#/components/schemas/M{}", number + 1) });
        let kinds = ["allOf", "anyOf", "oneOf"];
        let schema = json!({kinds[number % 3]: [next, next], "properties": {"a": {"allOf": [next, next]}}});
        (format!("M{number}"), schema)
    };
    let mut schemas = many(60, twice);
    schemas["M60"] = json!({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/M0"}}});
    import(&with_schemas(schemas));
}

#[test]
fn depth_without_end() {
    for levels in [90, 120, 5_000] {
        let deep = |open: &str, close: &str| format!("{}{{}}{}", open.repeat(levels), close.repeat(levels));
        for schema in [
            deep(r#"{"properties":{"a":"#, "}}"),
            deep(r#"{"items":"#, "}"),
            deep(r#"{"allOf":["#, "]}"),
            deep("[", "]"),
        ] {
            import(&format!(
                r#"{{"openapi":"3.0.1","info":{{"title":"t"}},"components":{{"schemas":{{"A":{schema}}}}}}}"#
            ));
        }
    }
    // Aliases make depth of little text: a hundred times ninety levels.
    let lists = |inner: &str| format!("{}{inner}{}", "{allOf: [".repeat(40), "]}".repeat(40));
    let mut yaml = format!("openapi: 3.0.1\ninfo: {{title: t}}\nx0: &a0 {}\n", lists("{}"));
    for level in 1..100 {
        yaml.push_str(&format!("x{level}: &a{level} {}\n", lists(&format!("*a{}", level - 1))));
    }
    import(&format!("{yaml}components: {{schemas: {{A: *a99}}}}\n"));
}

#[test]
fn more_than_anybody_needs() {
    let path = |number: usize| (format!("/p{number}/{{x}}"), json!({"get": {"responses": {"200": {}}}}));
    import(&document(json!({"paths": many(5_000, path)})));
    let parameter = |number: usize| json!({"name": format!("p{number}"), "in": "query", "schema": {"type": "string"}});
    let parameters: Vec<Value> = (0..20_000).map(parameter).collect();
    let responses = many(20_000, |number| (number.to_string(), json!({"description": "x", "headers": {"a": {}}})));
    let operation =
        json!({"parameters": parameters, "responses": responses, "security": vec![json!({"a": []}); 20_000]});
    import(&document(json!({"paths": {"/a": {"get": operation, "parameters": parameters}}})));
    import(&with_schemas(many(5_000, |number| {
        (format!("M{number}"), json!({"$ref": format!("#/components/schemas/M{}", number / 2)}))
    })));
    import(&with_schemas(json!({"A": {"enum": vec![json!("x"); 200_000]}})));
    import(&with_schemas(json!({"A": {"required": (0..50_000).map(|number| number.to_string()).collect::<Vec<_>>()}})));
    let bodies = (0..2_000).map(|number| {
        (format!("/b{number}"), json!({"post": {"requestBody": {"content": {"a/b": {"schema": {"enum": [number]}}}}}}))
    });
    import(&document(json!({"paths": bodies.collect::<serde_json::Map<_, _>>()})));
    // One long text, and a thousand aliases of it.
    let text =
        format!("openapi: 3.0.1\ninfo: {{title: t}}\nx: &a {}\ny: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1_000));
    assert!(read(text.as_bytes(), Options::default()).is_err());
    let large = read(" ".repeat(7 << 20).as_bytes(), Options::default()).unwrap_err();
    assert_eq!((large.status, large.code.as_ref()), (413, "RequestEntityTooLargeException"));
}
