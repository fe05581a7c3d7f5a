//! Authorizers.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::api::check_unused;
use crate::rest::authorizer;
use crate::rest::change::Id;
use crate::rest::error::{bad, conflict, missing};
use crate::rest::patch::{self, Change, Op, PatchOperation, Paths};
use crate::rest::records::{
    AUTHORIZERS, Authorizer, AuthorizerType, Home, JwtAdditionalClaim, JwtConfiguration, JwtIssuer,
    JwtSigningAlgorithm, REST_APIS, of_text,
};

fn no_authorizer() -> Error {
    missing("Invalid Authorizer identifier specified")
}

/// Issuers of JSON Web Tokens, as a request names them.
#[derive(Shape, Clone, Debug)]
#[shape(rename_all = "camelCase")]
pub struct JwtConfigurationInput {
    /// Who may have issued a token.
    pub issuers: Vec<JwtIssuerInput>,
    /// Algorithms that are accepted.
    pub default_algorithms: Vec<JwtSigningAlgorithm>,
}

/// One issuer, as a request names it.
#[derive(Shape, Clone, Debug)]
#[shape(rename_all = "camelCase")]
pub struct JwtIssuerInput {
    /// Its address, as in `iss`.
    pub issuer: String,
    /// Whom a token must be for.
    pub audiences: Vec<String>,
    /// What else a token must claim.
    pub additional_claims: Option<Vec<JwtAdditionalClaim>>,
}

impl JwtConfigurationInput {
    fn kept(self) -> JwtConfiguration {
        let issuer = |issuer: JwtIssuerInput| JwtIssuer {
            issuer: Some(issuer.issuer),
            audiences: Some(issuer.audiences),
            additional_claims: issuer.additional_claims,
            jwks_uri: None,
        };
        JwtConfiguration {
            issuers: Some(self.issuers.into_iter().map(issuer).collect()),
            default_algorithms: Some(self.default_algorithms),
        }
    }
}

/// Adds who decides about requests.
#[derive(Shape)]
#[shape(name = "CreateAuthorizerRequest", rename_all = "camelCase")]
pub struct CreateAuthorizer {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub r#type: AuthorizerType,
    /// Cognito's user pools.
    #[shape(name = "providerARNs")]
    pub provider_arns: Option<Vec<String>>,
    /// What exported documents call the kind.
    pub auth_type: Option<String>,
    /// The function.
    pub authorizer_uri: Option<String>,
    /// The role with which the function is called.
    pub authorizer_credentials: Option<String>,
    /// Where in the request the identity is.
    pub identity_source: Option<String>,
    /// What a token must match.
    pub identity_validation_expression: Option<String>,
    /// For how long an answer is used again.
    pub authorizer_result_ttl_in_seconds: Option<i32>,
    /// Issuers of JSON Web Tokens.
    pub jwt_configuration: Option<JwtConfigurationInput>,
}

impl Operation<ApiGateway> for CreateAuthorizer {
    const META: Meta = Meta::write("CreateAuthorizer").http("POST", "/restapis/{restapi_id}/authorizers").status(201);
    type Output = Authorizer;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Authorizer, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let made = Authorizer {
            id: Id::Part.draw(),
            name: self.name,
            r#type: self.r#type,
            provider_arns: self.provider_arns.filter(|arns| !arns.is_empty()),
            auth_type: self.auth_type,
            authorizer_uri: self.authorizer_uri,
            authorizer_credentials: self.authorizer_credentials,
            identity_source: self.identity_source.filter(|source| !source.is_empty()),
            identity_validation_expression: self.identity_validation_expression,
            authorizer_result_ttl_in_seconds: self.authorizer_result_ttl_in_seconds,
            jwt_configuration: self.jwt_configuration.map(JwtConfigurationInput::kept),
        };
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    let words = "Unable to complete operation due to concurrent modification. Please try again later.";
                    return Err(conflict(words).into());
                }
                let mut made = made.clone();
                authorizer::check(tx, at, &mut made)?;
                tx.put(AUTHORIZERS, &at.below(&made.id), &made)?;
                Ok(made)
            })
            .await
    }
}

/// Shows an authorizer.
#[derive(Shape)]
#[shape(name = "GetAuthorizerRequest", rename_all = "camelCase")]
pub struct GetAuthorizer {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The authorizer.
    #[shape(label, name = "authorizer_id")]
    pub authorizer_id: String,
}

impl Operation<ApiGateway> for GetAuthorizer {
    const META: Meta = Meta::read("GetAuthorizer").http("GET", "/restapis/{restapi_id}/authorizers/{authorizer_id}");
    type Output = Authorizer;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Authorizer, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        gateway.found(AUTHORIZERS, at.below(&self.authorizer_id), no_authorizer).await
    }
}

/// Lists an API's authorizers.
#[derive(Shape)]
#[shape(name = "GetAuthorizersRequest", rename_all = "camelCase")]
pub struct GetAuthorizers {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetAuthorizers {
    const META: Meta = Meta::read("GetAuthorizers").http("GET", "/restapis/{restapi_id}/authorizers");
    type Output = Authorizers;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Authorizers, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (items, position) = gateway.page(AUTHORIZERS, at.all(), self.position.as_deref(), self.limit).await?;
        Ok(Authorizers { position, items })
    }
}

/// A page of authorizers.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Authorizers {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<Authorizer>,
}

/// Deletes an authorizer that no method names.
#[derive(Shape)]
#[shape(name = "DeleteAuthorizerRequest", rename_all = "camelCase")]
pub struct DeleteAuthorizer {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The authorizer.
    #[shape(label, name = "authorizer_id")]
    pub authorizer_id: String,
}

impl Operation<ApiGateway> for DeleteAuthorizer {
    const META: Meta = Meta::write("DeleteAuthorizer")
        .http("DELETE", "/restapis/{restapi_id}/authorizers/{authorizer_id}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.authorizer_id);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(AUTHORIZERS, &at.below(&id))? {
                    return Err(no_authorizer().into());
                }
                check_unused(tx, at, "authorizer", &id, |method| method.authorizer_id.as_deref())?;
                Ok(tx.delete(AUTHORIZERS, &at.below(&id))?)
            })
            .await
    }
}

const PATHS: Paths = Paths {
    add: &["/providerARNs"],
    remove: &["/providerARNs"],
    replace: &[
        "/authorizerUri",
        "/authorizerCredentials",
        "/authorizerResultTtlInSeconds",
        "/authType",
        "/identitySource",
        "/identityValidationExpression",
        "/name",
        "/providerARNs",
        "/type",
    ],
};

/// Changes an authorizer.
#[derive(Shape)]
#[shape(name = "UpdateAuthorizerRequest", rename_all = "camelCase")]
pub struct UpdateAuthorizer {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The authorizer.
    #[shape(label, name = "authorizer_id")]
    pub authorizer_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateAuthorizer {
    const META: Meta =
        Meta::write("UpdateAuthorizer").http("PATCH", "/restapis/{restapi_id}/authorizers/{authorizer_id}");
    type Output = Authorizer;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Authorizer, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.authorizer_id);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut authorizer = tx.get(AUTHORIZERS, &at.below(&id))?.ok_or_else(no_authorizer)?;
                for change in &changes {
                    PATHS.check(change)?;
                    apply(&mut authorizer, change)?;
                }
                authorizer::check(tx, at, &mut authorizer)?;
                tx.put(AUTHORIZERS, &at.below(&id), &authorizer)?;
                Ok(authorizer)
            })
            .await
    }
}

fn apply(authorizer: &mut Authorizer, change: &Change) -> Result<(), Error> {
    match change.path.as_str() {
        "/name" => authorizer.name = change.text().unwrap_or_default(),
        "/type" => {
            let words = "Invalid AuthorizerType specified. Valid options are TOKEN,REQUEST,COGNITO_USER_POOLS,JWT";
            authorizer.r#type = change.text().and_then(|text| of_text(&text)).ok_or_else(|| bad(words))?;
            authorizer.auth_type = None;
        }
        "/authorizerUri" => change.set(&mut authorizer.authorizer_uri),
        "/authorizerCredentials" => change.set(&mut authorizer.authorizer_credentials),
        "/authType" => change.set(&mut authorizer.auth_type),
        "/identitySource" => change.set(&mut authorizer.identity_source),
        "/identityValidationExpression" => change.set(&mut authorizer.identity_validation_expression),
        "/authorizerResultTtlInSeconds" => authorizer.authorizer_result_ttl_in_seconds = Some(change.number()?),
        _ => change_pools(authorizer, change),
    }
    Ok(())
}

fn change_pools(authorizer: &mut Authorizer, change: &Change) {
    let pools = authorizer.provider_arns.get_or_insert_default();
    let named = change.value.as_deref().unwrap_or_default().split(',').filter(|arn| !arn.is_empty());
    let named: Vec<String> = named.map(str::to_owned).collect();
    if change.op == Op::Replace {
        *pools = named;
        return;
    }
    pools.retain(|pool| !named.contains(pool));
    if change.op == Op::Add {
        pools.extend(named);
    }
}
