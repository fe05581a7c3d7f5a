//! Authorizers.

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

/// Who decides about requests before they reach an integration.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Authorizer {
    /// Its id.
    pub id: String,
    /// Its name, unique in the API.
    pub name: String,
    /// Its kind.
    pub r#type: AuthorizerType,
    /// Cognito's user pools.
    #[shape(name = "providerARNs")]
    #[serde(rename = "providerARNs")]
    pub provider_arns: Option<Vec<String>>,
    /// What exported documents call the kind: `custom`, `cognito_user_pools`.
    pub auth_type: Option<String>,
    /// The function, as `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations`.
    pub authorizer_uri: Option<String>,
    /// The role with which the function is called.
    pub authorizer_credentials: Option<String>,
    /// Where in the request the identity is: `method.request.header.Auth`, several with commas between.
    pub identity_source: Option<String>,
    /// What a token must match before anybody is asked.
    pub identity_validation_expression: Option<String>,
    /// For how long an answer is used again. AWS's default is 300, its most 3600; 0 asks each time.
    pub authorizer_result_ttl_in_seconds: Option<i32>,
    /// Issuers of JSON Web Tokens.
    pub jwt_configuration: Option<JwtConfiguration>,
}

impl Record for Authorizer {}

/// The kinds of authorizer.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthorizerType {
    /// A function that sees one header.
    #[default]
    #[shape(value = "TOKEN")]
    Token,
    /// A function that sees the request.
    #[shape(value = "REQUEST")]
    Request,
    /// A user pool's tokens.
    #[shape(value = "COGNITO_USER_POOLS")]
    CognitoUserPools,
    /// Any issuer's tokens.
    #[shape(value = "JWT")]
    Jwt,
}

/// Issuers of JSON Web Tokens.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct JwtConfiguration {
    /// Who may have issued a token.
    pub issuers: Option<Vec<JwtIssuer>>,
    /// Algorithms that are accepted.
    pub default_algorithms: Option<Vec<JwtSigningAlgorithm>>,
}

/// One issuer.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct JwtIssuer {
    /// Its address, as in `iss`.
    pub issuer: Option<String>,
    /// Whom a token must be for.
    pub audiences: Option<Vec<String>>,
    /// What else a token must claim.
    pub additional_claims: Option<Vec<JwtAdditionalClaim>>,
    /// Where its keys are.
    pub jwks_uri: Option<String>,
}

/// What else a token must claim.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct JwtAdditionalClaim {
    /// The claim.
    pub claim_name: String,
    /// Its form.
    pub format: JwtClaimFormat,
    /// Whether it must be there.
    pub required: Option<bool>,
    /// Values of which it must have one.
    pub expected_values: Option<Vec<String>>,
}

/// Forms of a claim.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JwtClaimFormat {
    /// One text.
    #[default]
    #[shape(value = "SINGLE_STRING")]
    SingleString,
}

/// Algorithms of signatures.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JwtSigningAlgorithm {
    #[shape(value = "RS256")]
    Rs256,
    #[shape(value = "RS384")]
    Rs384,
    #[shape(value = "RS512")]
    Rs512,
    #[shape(value = "ES256")]
    Es256,
    #[shape(value = "ES384")]
    Es384,
    #[shape(value = "ES512")]
    Es512,
}
