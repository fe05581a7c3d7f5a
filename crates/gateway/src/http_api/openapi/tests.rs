//! Definitions from outside are hostile: whatever is done to one, it is refused or planned, at once.

use std::collections::BTreeMap;

use base::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::http_api::api;
use crate::http_api::records::{Api, ProtocolType};
use crate::http_api::snapshot::Snapshot;
use crate::spoil;

const DEFINITION: &str = r##"{
  "openapi": "3.0.1",
  "info": {"title": "orders", "version": "7"},
  "servers": [{"url": "https://example.com/{basePath}", "variables": {"basePath": {"default": "shop/v1"}}}],
  "tags": [{"name": "a", "x-amazon-apigateway-tag-value": "b"}],
  "security": [{"users": ["read"]}],
  "paths": {
    "/orders": {"get": {"x-amazon-apigateway-integration": {
      "type": "aws_proxy", "payloadFormatVersion": "2.0", "uri": "arn:aws:lambda:us-east-1:000000000000:function:f"}}},
    "/orders/{id}": {"x-amazon-apigateway-any-method": {"security": [], "x-amazon-apigateway-integration": {
      "$ref": "#/components/x-amazon-apigateway-integrations/shared"}}},
    "$default": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {
      "$ref": "#/components/x-amazon-apigateway-integrations/shared"}}}
  },
  "components": {
    "securitySchemes": {"users": {"type": "oauth2", "x-amazon-apigateway-authorizer": {
      "type": "jwt", "identitySource": "$request.header.Authorization",
      "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["shop"]}}}},
    "x-amazon-apigateway-integrations": {"shared": {
      "type": "http_proxy", "httpMethod": "ANY", "uri": "https://b.example", "timeoutInMillis": 5000,
      "responseParameters": {"200": {"overwrite:statuscode": "201"}}}}
  },
  "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 5}
}"##;

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn a_spoilt_definition_is_refused_or_planned() {
    let mut chance = Chance(7);
    for _ in 0..1_000 {
        let mut bytes = DEFINITION.as_bytes().to_vec();
        for _ in 0..=chance.below(4) {
            let (at, length) = (chance.below(bytes.len()), chance.below(40));
            let end = (at + length).min(bytes.len());
            match chance.below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let piece = bytes[at..end].to_vec();
                    let to = chance.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                2 => bytes[at] = b"{}[]\":,0-.eE&*|>$\\\n\t"[chance.below(20)],
                _ => bytes[at] = chance.below(256) as u8,
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for base_path in [BasePath::Ignore, BasePath::Prepend, BasePath::Split] {
            match plan(&text, base_path) {
                Ok(plan) => assert!(!plan.title.is_empty() || text.contains("title")),
                Err(error) => assert_eq!(error.code, "BadRequestException", "{error}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Parts that are something else, copied, multiplied, deep.
    #[test]
    fn a_definition_with_parts_at_other_places(edits in spoil::edits()) {
        let definition = spoil::spoilt(&serde_json::from_str(DEFINITION).unwrap(), &edits);
        if let Err(error) = plan(&definition.to_string(), BasePath::Split) {
            prop_assert_eq!(error.code, "BadRequestException");
        }
    }
}

#[test]
fn what_is_exported_plans_the_same_routes() {
    let planned = plan(DEFINITION, BasePath::Prepend).unwrap();
    let mut api: Api = api::blank("x".to_owned(), ProtocolType::Http, Timestamp::from_secs(0));
    planned.apply(&mut api);
    let snapshot = planned.snapshot(api);
    let export = Export { snapshot: &snapshot, endpoint: "http://localhost", stage_name: None, extensions: true };
    for format in [Format::Json, Format::Yaml] {
        let again = plan(&export.write(format).unwrap(), BasePath::Ignore).unwrap();
        let again = again.snapshot(snapshot.api.clone());
        assert_eq!(meaning(&again), meaning(&snapshot), "{format:?}");
    }
    assert_eq!(
        meaning(&snapshot).keys().collect::<Vec<_>>(),
        ["$default", "ANY /shop/v1/orders/{id}", "GET /shop/v1/orders"]
    );
}

/// Routes by key: the integration's URI, and how callers are known.
fn meaning(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let routes = snapshot.routes.iter().map(|route| {
        let id = route.target.as_deref().and_then(|target| target.strip_prefix("integrations/")).unwrap_or_default();
        let integration = &snapshot.integrations[id];
        let authorizer = route.authorizer_id.as_deref().map(|id| &snapshot.authorizers[id].name);
        let (uri, parameters) = (&integration.integration_uri, &integration.response_parameters);
        let kind = (route.authorization_type, &route.authorization_scopes);
        (route.route_key.clone(), format!("{uri:?} {parameters:?} {kind:?} {authorizer:?}"))
    });
    routes.collect()
}
