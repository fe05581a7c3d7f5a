//! Security: schemes become authorizers, requirements become a method's authorization.

use std::collections::BTreeMap;

use serde_json::Value;

use super::extension::{AUTH, AUTHORIZER, AUTHTYPE, AuthorizerDocument};
use crate::rest::records::{Authorizer, AuthorizerType, Method};

/// What AWS calls the scheme of its own signatures.
pub(super) const SIGV4: &str = "awsSigv4";
/// The header of API keys.
pub(super) const API_KEY_HEADER: &str = "x-api-key";

/// What a document's security schemes stand for.
#[derive(Clone, Debug)]
pub(super) enum Scheme {
    Authorizer(Box<Authorizer>),
    ApiKey,
    Sigv4,
    /// Something that AWS does not check.
    Other,
}

/// The schemes of a document. What is no authorizer is told.
pub(super) fn schemes(document: Option<&Value>, errors: &mut Vec<String>) -> BTreeMap<String, Scheme> {
    let mut schemes = BTreeMap::new();
    for (name, scheme) in document.and_then(Value::as_object).into_iter().flatten() {
        let header = scheme.get("name").and_then(Value::as_str);
        let auth_type = scheme.get(AUTHTYPE).and_then(Value::as_str);
        let read = match scheme.get(AUTHORIZER) {
            Some(authorizer) => {
                match AuthorizerDocument::read(authorizer, name, header, auth_type.map(str::to_owned)) {
                    Some(authorizer) => Scheme::Authorizer(Box::new(authorizer)),
                    None => {
                        errors.push(format!("Unable to create authorizer '{name}': Invalid authorizer specified"));
                        Scheme::Other
                    }
                }
            }
            None if auth_type.is_some_and(|auth_type| auth_type.eq_ignore_ascii_case(SIGV4)) => Scheme::Sigv4,
            None if scheme.get("type").and_then(Value::as_str) == Some("apiKey")
                && header.is_some_and(|header| header.eq_ignore_ascii_case(API_KEY_HEADER)) =>
            {
                Scheme::ApiKey
            }
            None => Scheme::Other,
        };
        schemes.insert(name.clone(), read);
    }
    schemes
}

/// Gives a method the authorization that a document asks for: its own, or else the whole document's.
pub(super) fn authorize(method: &mut Method, operation: &Value, document: &Value, schemes: &BTreeMap<String, Scheme>) {
    method.authorization_type = "NONE".to_owned();
    let requirements = operation.get("security").or_else(|| document.get("security"));
    for (name, scopes) in
        requirements.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).flatten()
    {
        match schemes.get(name) {
            Some(Scheme::ApiKey) => method.api_key_required = true,
            Some(Scheme::Sigv4) => method.authorization_type = "AWS_IAM".to_owned(),
            Some(Scheme::Authorizer(authorizer)) => {
                let pools = authorizer.r#type == AuthorizerType::CognitoUserPools;
                method.authorization_type = if pools { "COGNITO_USER_POOLS" } else { "CUSTOM" }.to_owned();
                method.authorizer_id = Some(name.clone());
                let scopes: Vec<String> =
                    scopes.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
                method.authorization_scopes = if scopes.is_empty() { None } else { Some(scopes) };
            }
            Some(Scheme::Other) | None => {}
        }
    }
    // AWS's own extension names the kind only.
    let auth = operation.get(AUTH).or_else(|| document.get(AUTH));
    if let Some(kind) = auth.and_then(|auth| auth.get("type")).and_then(Value::as_str) {
        match kind.to_uppercase().as_str() {
            "AWS_IAM" => method.authorization_type = "AWS_IAM".to_owned(),
            "NONE" => method.authorization_type = "NONE".to_owned(),
            _ => {}
        }
    }
    if matches!(method.authorization_type.as_str(), "NONE" | "AWS_IAM") {
        method.authorizer_id = None;
        method.authorization_scopes = None;
    }
}
