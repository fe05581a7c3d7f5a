//! Documents as definitions and back, without an API around them.

use base::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rest::records::{Model, Resource, RestApi};
use crate::rest::snapshot::Snapshot;

pub(super) const PETSTORE_2: &str = include_str!("../../../../../tests/data/openapi/petstore-2.json");
pub(super) const PETSTORE_3: &str = include_str!("../../../../../tests/data/openapi/petstore-3.yaml");
pub(super) const USPTO: &str = include_str!("../../../../../tests/data/openapi/uspto.json");
pub(super) const README: &str = include_str!("../../../../../tests/data/openapi/readme.json");

fn good(document: impl AsRef<str>, options: Options) -> Definition {
    read(document.as_ref().as_bytes(), options).unwrap_or_else(|error| panic!("{}", error.message))
}

fn of(document: &Value) -> Definition {
    good(document.to_string(), Options::default())
}

#[track_caller]
fn refused(document: &Value, wanted: &str) {
    let error = read(document.to_string().as_bytes(), Options::default()).expect_err(wanted);
    assert!(error.message.contains(wanted), "{}", error.message);
}

/// A definition as a deployment would have it.
pub(super) fn snapshot(definition: &Definition) -> Snapshot {
    let resources = definition.paths.iter().enumerate().map(|(at, (path, methods))| Resource {
        id: format!("r{at}"),
        path: path.clone(),
        resource_methods: Some(
            methods.iter().map(|(name, described)| (name.clone(), described.method.clone())).collect(),
        ),
        ..Resource::default()
    });
    let mut authorizers = definition.authorizers.clone();
    authorizers.iter_mut().for_each(|authorizer| authorizer.id.clone_from(&authorizer.name));
    let mut validators = definition.request_validators.clone();
    validators.iter_mut().for_each(|validator| validator.id = validator.name.clone().unwrap_or_default());
    Snapshot {
        api: RestApi {
            name: definition.title.clone(),
            description: definition.description.clone(),
            version: definition.version.clone(),
            policy: definition.settings.policy.clone(),
            binary_media_types: definition.settings.binary_media_types.clone(),
            minimum_compression_size: definition.settings.minimum_compression_size,
            api_key_source: definition.settings.api_key_source.unwrap_or_default(),
            disable_execute_api_endpoint: definition.settings.disable_execute_api_endpoint.unwrap_or_default(),
            created_date: Timestamp::from_secs(1_500_000_000),
            ..RestApi::default()
        },
        resources: resources.collect(),
        models: definition
            .models
            .iter()
            .map(|(name, schema)| Model {
                name: name.clone(),
                schema: Some(schema::stored(schema, "abc")),
                ..Model::default()
            })
            .collect(),
        request_validators: validators,
        authorizers,
        gateway_responses: definition.gateway_responses.clone(),
    }
}

pub(super) fn exported(definition: &Definition, dialect: Dialect) -> Value {
    let extensions = Extensions::of(Some("apigateway")).unwrap();
    let snapshot = snapshot(definition);
    let staged = Staged { snapshot: &snapshot, stage: "prod", host: "abc.execute-api".to_owned(), documentation: None };
    export(&staged, dialect, extensions)
}

/// What a definition says, but for its warnings.
fn said(definition: &Definition) -> String {
    let mut definition = definition.clone();
    definition.warnings.clear();
    definition.documentation = Documentation::default();
    // Absent and empty are one here.
    definition.settings.disable_execute_api_endpoint.get_or_insert_default();
    definition.settings.api_key_source.get_or_insert_default();
    format!("{definition:#?}")
}

#[track_caller]
fn round_trips(name: &str, definition: &Definition, dialect: Dialect) {
    let document = exported(definition, dialect);
    for text in [document.to_string(), lang::document::write_yaml(&document)] {
        let again = good(text, Options::default());
        assert_eq!(again.warnings, Vec::<String>::new(), "{name}");
        let (before, after) = (said(definition), said(&again));
        for (before, after) in before.lines().zip(after.lines()) {
            assert_eq!(before, after, "{name} as {dialect:?}");
        }
        assert_eq!(before.lines().count(), after.lines().count(), "{name} as {dialect:?}");
    }
}

#[test]
fn documents_of_real_services_are_read() {
    for (name, document, paths, methods, models) in [
        ("petstore 2", PETSTORE_2, 14, 20, 6),
        ("petstore 3", PETSTORE_3, 14, 20, 6),
        ("uspto", USPTO, 3, 3, 1),
        ("readme", README, 20, 36, 12),
    ] {
        let definition = good(document, Options::default());
        let all = definition.paths.values().map(std::collections::BTreeMap::len).sum::<usize>();
        let named = definition.models.keys().filter(|name| !name.starts_with("MODEL")).count();
        assert_eq!((definition.paths.len(), all, named), (paths, methods, models), "{name}: {:?}", definition.warnings);
    }
}

#[test]
fn round_trips_are_equal() {
    for (name, document) in [("petstore 3", PETSTORE_3), ("uspto", USPTO), ("readme", README)] {
        round_trips(name, &good(document, Options::default()), Dialect::Oas30);
    }
    round_trips("petstore 2", &good(PETSTORE_2, Options::default()), Dialect::Swagger);
    let definition = of(&whole());
    round_trips("all extensions", &definition, Dialect::Swagger);
    round_trips("all extensions", &definition, Dialect::Oas30);
}

/// A document with all extensions that have a place in both dialects.
fn whole() -> Value {
    json!({
        "swagger": "2.0",
        "info": {"title": "all", "version": "7", "description": "d"},
        "x-amazon-apigateway-api-key-source": "AUTHORIZER",
        "x-amazon-apigateway-binary-media-types": ["image/*"],
        "x-amazon-apigateway-minimum-compression-size": 1024,
        "x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": []},
        "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": true},
        "x-amazon-apigateway-request-validators": {"both": {"validateRequestBody": true, "validateRequestParameters": true}},
        "x-amazon-apigateway-request-validator": "both",
        "x-amazon-apigateway-gateway-responses": {
            "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.X": "'y'"}, "responseTemplates": {"application/json": "{}"}},
            "THROTTLED": {"statusCode": 430},
        },
        "securityDefinitions": {
            "pool": {
                "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": ["arn:aws:cognito-idp:us-east-1:1:userpool/x"]},
            },
            "asks": {
                "type": "apiKey", "name": "Unused", "in": "header", "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "request", "authorizerUri": "arn:aws:apigateway:x", "identitySource": "method.request.header.A, method.request.querystring.b",
                    "authorizerResultTtlInSeconds": 0,
                },
            },
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        },
        "paths": {
            "/a/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "type": "string"}],
                "post": {
                    "operationId": "postA", "consumes": ["application/json"], "produces": ["application/json"],
                    "parameters": [
                        {"name": "q", "in": "query", "type": "string"}, {"name": "H", "in": "header", "required": true, "type": "string"},
                        {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Pet"}},
                    ],
                    "responses": {"201": {"description": "", "headers": {"Location": {"type": "string"}}, "schema": {"$ref": "#/definitions/Pet"}}},
                    "security": [{"pool": ["a/read"]}, {"api_key": []}],
                    "x-amazon-apigateway-integration": {
                        "type": "aws", "httpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:lambda:path/x", "credentials": "arn:aws:iam::1:role/r",
                        "requestParameters": {"integration.request.header.X": "'1'"}, "requestTemplates": {"application/json": "{}"},
                        "passthroughBehavior": "never", "contentHandling": "CONVERT_TO_TEXT", "timeoutInMillis": 1000, "cacheNamespace": "n",
                        "cacheKeyParameters": ["method.request.querystring.q"],
                        "responses": {
                            "default": {"statusCode": "201", "responseParameters": {"method.response.header.Location": "'l'"}},
                            "4\\d{2}": {"statusCode": 400, "responseTemplates": {"application/json": "{}"}},
                        },
                    },
                },
                "x-amazon-apigateway-any-method": {"responses": {}, "security": [{"sigv4": []}], "x-amazon-apigateway-integration": {"type": "mock"}},
                "get": {"responses": {}, "security": [{"asks": []}]},
            },
        },
        "definitions": {
            "Pet": {"type": "object", "properties": {"owner": {"$ref": "#/definitions/Owner"}}},
            "Owner": {"type": "object", "properties": {"pets": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}},
        },
    })
}

#[test]
fn extensions_are_understood() {
    let definition = of(&whole());
    let methods = &definition.paths["/a/{id}"];
    let post = &methods["POST"].method;
    assert_eq!(post.operation_name.as_deref(), Some("postA"));
    assert_eq!((post.authorization_type.as_str(), post.authorizer_id.as_deref()), ("COGNITO_USER_POOLS", Some("pool")));
    assert_eq!((post.authorization_scopes.clone(), post.api_key_required), (Some(vec!["a/read".to_owned()]), true));
    assert_eq!(post.request_validator_id.as_deref(), Some("both"));
    let parameters = post.request_parameters.clone().unwrap();
    assert_eq!(
        parameters.into_iter().collect::<Vec<_>>(),
        [("method.request.header.H", true), ("method.request.path.id", true), ("method.request.querystring.q", false)]
            .map(|(name, required)| (name.to_owned(), required))
    );
    let integration = post.method_integration.as_ref().unwrap();
    let responses = integration.integration_responses.as_ref().unwrap();
    assert_eq!(responses["201"].selection_pattern, None);
    assert_eq!(responses["400"].selection_pattern.as_deref(), Some("4\\d{2}"));
    assert_eq!(methods["ANY"].method.authorization_type, "AWS_IAM");
    assert_eq!(methods["GET"].method.authorization_type, "CUSTOM");
    let pool = definition.authorizers.iter().find(|authorizer| authorizer.name == "pool").unwrap();
    assert_eq!(pool.identity_source.as_deref(), Some("method.request.header.Authorization"));
    assert_eq!(pool.authorizer_result_ttl_in_seconds, None);
    // A reference is kept as AWS's address of the model.
    let stored = schema::stored(&definition.models["Pet"], "abc");
    assert!(stored.contains("https://apigateway.amazonaws.com/restapis/abc/models/Owner"), "{stored}");
}

#[test]
fn base_paths() {
    let swagger = |base: &str| json!({"swagger": "2.0", "info": {"title": "t"}, "basePath": base, "paths": {"/x/": {"get": {}}, "/": {"get": {}}}});
    let server = |server: Value| json!({"openapi": "3.0.1", "info": {"title": "t"}, "servers": [server], "paths": {"/x": {"get": {}}, "/": {"get": {}}}});
    for (document, mode, wanted) in [
        (swagger("/a/b"), "ignore", ["/", "/x"]),
        (swagger("/a/b"), "prepend", ["/a/b", "/a/b/x"]),
        (swagger("/a/b"), "split", ["/b", "/b/x"]),
        (swagger("/"), "prepend", ["/", "/x"]),
        (server(json!({"url": "https://h/base-url/part/"})), "prepend", ["/base-url/part", "/base-url/part/x"]),
        (server(json!({"url": "https://h/base-url/part/"})), "split", ["/part", "/part/x"]),
        (
            server(json!({"url": "https://h/{basePath}", "variables": {"basePath": {"default": "base-var"}}})),
            "prepend",
            ["/base-var", "/base-var/x"],
        ),
        (server(json!({"url": "https://h"})), "prepend", ["/", "/x"]),
    ] {
        let options = Options::of(&[("basepath".to_owned(), mode.to_owned())].into()).unwrap();
        let definition = good(document.to_string(), options);
        assert_eq!(definition.paths.keys().collect::<Vec<_>>(), wanted, "{mode} {document}");
    }
    assert!(Options::of(&[("basepath".to_owned(), "sideways".to_owned())].into()).is_err());
}

#[test]
fn what_cannot_be_had_is_told() {
    let document = json!({
        "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
        "paths": {"/x": {
            "trace": {},
            "get": {
                "parameters": [{"name": "c", "in": "cookie"}, {"$ref": "#/components/parameters/none"}],
                "responses": {"default": {"description": ""}, "200": {"description": "", "content": {"a/b": {"schema": {"$ref": "#/components/schemas/in_line"}}}}},
                "x-amazon-apigateway-request-validator": "none",
            },
        }},
        "components": {"schemas": {"in_line": {"type": "object"}, "Bad": {"$ref": "https://elsewhere/x"}}},
    });
    let definition = of(&document);
    let warnings = definition.warnings.join("\n");
    for wanted in [
        "Model name must be alphanumeric: in_line",
        "Reference to model 'in_line' not found. Ignoring.",
        "Reference to model 'https://elsewhere/x' not found. Ignoring.",
        "'TRACE'",
        "'c' in 'cookie'",
        "Unable to resolve a parameter",
        "response 'default'",
        "Request validator 'none' not found",
    ] {
        assert!(warnings.contains(wanted), "{wanted}: {warnings}");
    }
    assert!(definition.check_warnings(false).is_ok());
    let error = definition.check_warnings(true).unwrap_err();
    assert!(error.message.starts_with("Warnings found during import:\n\t"), "{}", error.message);
}

#[test]
fn what_is_no_definition_is_refused() {
    for text in ["", "[]", "x", "{", "{}", "\u{0}", "swagger: [", "a: &a [*a]"] {
        assert!(read(text.as_bytes(), Options::default()).is_err(), "{text:?}");
    }
    assert!(read(&[0xff, 0xfe], Options::default()).is_err());
    assert_eq!(read(&vec![b' '; 7 << 20], Options::default()).unwrap_err().status, 413);
    refused(&json!({"openapi": "3.1.0", "info": {"title": "t"}, "paths": {}}), "unsupported definition version 3.1.0");
    refused(&json!({"openapi": "3.0.1", "paths": {}}), "Invalid OpenAPI input.");
    let integration = |integration: Value| json!({"swagger": "2.0", "info": {"title": "t"}, "paths": {"/p": {"get": {"x-amazon-apigateway-integration": integration}}}});
    for wrong in [
        json!("mock"),
        json!({}),
        json!({"type": "magic"}),
        json!({"type": "mock", "uri": {"Fn::Sub": "x"}}),
        json!({"type": "mock", "responses": {"default": {}}}),
    ] {
        refused(
            &integration(wrong),
            "Errors found during import:\n\tUnable to parse API definition because of a malformed integration at path /p.",
        );
    }
    let with = |name: &str, value: Value| json!({"swagger": "2.0", "info": {"title": "t"}, "paths": {}, name: value});
    refused(&with("x-amazon-apigateway-gateway-responses", json!({"NEVER": {}})), "gateway response 'NEVER'");
    refused(&with("x-amazon-apigateway-request-validators", json!({"v": "yes"})), "request validator 'v'");
    refused(&with("x-amazon-apigateway-api-key-source", json!("moon")), "API key source");
    refused(
        &with("x-amazon-apigateway-documentation", json!({"documentationParts": [{"location": {"type": "MOON"}}]})),
        "malformed documentation",
    );
    refused(
        &with("securityDefinitions", json!({"a": {"x-amazon-apigateway-authorizer": {"type": "moon"}}})),
        "authorizer 'a'",
    );
}

#[test]
fn references_in_circles_end() {
    let document = json!({
        "openapi": "3.0.1", "info": {"title": "t"},
        "paths": {"/x": {"$ref": "#/paths/~1y"}, "/y": {"$ref": "#/paths/~1x"}, "/z": {"get": {"parameters": [{"$ref": "#/components/parameters/P"}]}}},
        "components": {"parameters": {"P": {"$ref": "#/components/parameters/P"}}},
    });
    assert_eq!(of(&document).paths.len(), 1);
    let models = [(
        "A".to_owned(),
        Some(
            r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/A"},"b":{"$ref":"#/definitions/A"}}}"##
                .to_owned(),
        ),
    )];
    let template = template("A", &models.into());
    assert!(template.len() < 400 * 1024, "{}", template.len());
}

#[test]
fn model_templates_are_templates() {
    let models = [
        ("Pets".to_owned(), Some(r#"{"type":"array","items":{"$ref":"https://apigateway.amazonaws.com/restapis/abc/models/Pet"}}"#.to_owned())),
        ("Pet".to_owned(), Some(r#"{"properties":{"id":{"type":"integer"},"name":{"type":"string"},"kind":{"enum":["dog"]},"price":{"type":"number"},"ok":{"type":"boolean"}}}"#.to_owned())),
    ];
    let text = template("Pets", &models.into());
    assert!(text.starts_with("#set($inputRoot = $input.path('$'))\n[\n##TODO: Update this foreach loop to reference array from input json\n#foreach($elem in $inputRoot)"), "{text}");
    assert!(
        text.contains("\"id\" : 42") && text.contains("\"name\" : \"foo\"") && text.contains("\"kind\" : \"dog\""),
        "{text}"
    );
    assert!(lang::vtl::Template::parse(&text).is_ok());
}

/// Any JSON, with names that mean something in documents.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(
        &[
            "get",
            "post",
            "parameters",
            "responses",
            "200",
            "default",
            "schema",
            "$ref",
            "type",
            "name",
            "in",
            "content",
            "security",
            "x-amazon-apigateway-integration",
            "x-amazon-apigateway-any-method",
            "x-amazon-apigateway-authorizer",
            "items",
            "properties",
            "/a",
            "/a/{b}",
            "requestBody",
            "headers",
            "application/json",
            "statusCode",
            "uri",
            "location",
        ][..],
    );
    let text = prop::sample::select(
        &[
            "",
            "mock",
            "aws",
            "token",
            "path",
            "query",
            "body",
            "#",
            "#/paths",
            "#/definitions/A",
            "#/components/schemas/A",
            "object",
            "ü",
        ][..],
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever stands where something else should, an import ends, and what it takes can be exported.
    #[test]
    fn any_document(
        is_swagger in any::<bool>(),
        places in prop::collection::vec((prop::sample::select(&[
            "paths", "definitions", "components", "securityDefinitions", "security", "servers", "basePath", "consumes", "info",
            "x-amazon-apigateway-documentation", "x-amazon-apigateway-gateway-responses", "x-amazon-apigateway-request-validators",
            "x-amazon-apigateway-policy", "x-amazon-apigateway-endpoint-configuration", "x-amazon-apigateway-binary-media-types",
        ][..]), any_json()), 0..5),
        operation in any_json(),
    ) {
        let mut document = json!({"info": {"title": "t"}, "paths": {"/a/{b}": {"get": operation}}});
        document[if is_swagger { "swagger" } else { "openapi" }] = if is_swagger { "2.0" } else { "3.0.1" }.into();
        for (place, value) in places {
            document[place] = value;
        }
        if let Ok(definition) = read(document.to_string().as_bytes(), Options::default()) {
            for dialect in [Dialect::Swagger, Dialect::Oas30] {
                let _ = exported(&definition, dialect);
            }
            for name in definition.models.keys() {
                let models = snapshot(&definition).models.into_iter().map(|model| (model.name, model.schema)).collect();
                let _ = template(name, &models);
            }
        }
    }
}
