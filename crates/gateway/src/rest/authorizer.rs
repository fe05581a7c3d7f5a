//! Authorizers: what AWS refuses of them, and its defaults.

use base::{Arn, Error};
use store::Tx;

use super::error::{bad, conflict};
use super::records::{AUTHORIZERS, Api, Authorizer, AuthorizerType};
use crate::Failure;

/// AWS's default and bounds of the time for which an answer is used again.
const TTL_SECONDS: i32 = 300;
const TTLS_SECONDS: std::ops::RangeInclusive<i32> = 0..=3_600;

/// Where a token is if nothing is said.
const IDENTITY_SOURCE: &str = "method.request.header.Authorization";

/// Refuses an authorizer that cannot be, and fills in AWS's defaults.
pub(crate) fn check(tx: &Tx<'_>, at: &Api, authorizer: &mut Authorizer) -> Result<(), Failure> {
    if authorizer.name.is_empty() {
        return Err(bad("Authorizer name must be non-empty").into());
    }
    let others = tx.scan(AUTHORIZERS, at.all())?;
    if others.iter().any(|(_, other)| other.name == authorizer.name && other.id != authorizer.id) {
        let name = &authorizer.name;
        let words = format!("Authorizer name must be unique. Authorizer {name} already exists in this RestApi.");
        return Err(conflict(words).into());
    }
    let ttl_seconds = *authorizer.authorizer_result_ttl_in_seconds.get_or_insert(TTL_SECONDS);
    if !TTLS_SECONDS.contains(&ttl_seconds) {
        return Err(bad("Authorizer result TTL must be between 0 and 3600 seconds").into());
    }
    check_built(authorizer)?;
    match authorizer.r#type {
        AuthorizerType::Token | AuthorizerType::Request => check_function(authorizer)?,
        AuthorizerType::CognitoUserPools => check_pools(authorizer)?,
        AuthorizerType::Jwt => {}
    }
    if authorizer.identity_source.is_none() {
        match authorizer.r#type {
            AuthorizerType::Request if ttl_seconds > 0 => {
                return Err(bad("Identity source is required for REQUEST authorizers that cache results").into());
            }
            AuthorizerType::Request => {}
            _ => authorizer.identity_source = Some(IDENTITY_SOURCE.to_owned()),
        }
    }
    Ok(())
}

/// Refuses what AWS acts on and nobody here does.
pub(crate) fn check_built(authorizer: &Authorizer) -> Result<(), Error> {
    match authorizer.r#type {
        AuthorizerType::Jwt => Err(Error::not_implemented("JWT authorizers of REST APIs")),
        AuthorizerType::Token | AuthorizerType::Request | AuthorizerType::CognitoUserPools => Ok(()),
    }
}

fn check_function(authorizer: &mut Authorizer) -> Result<(), Error> {
    let uri = authorizer.authorizer_uri.as_deref();
    let invocation = |arn: &Arn| {
        arn.service == "apigateway"
            && arn.account == "lambda"
            && arn.resource.starts_with("path/")
            && arn.resource.ends_with("/invocations")
    };
    if !uri.and_then(Arn::parse).is_some_and(|arn| invocation(&arn)) {
        return Err(bad(format!(
            "Invalid Authorizer URI: {}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda \
             function invocation.",
            uri.unwrap_or("null")
        )));
    }
    authorizer.auth_type.get_or_insert_with(|| "custom".to_owned());
    Ok(())
}

fn check_pools(authorizer: &mut Authorizer) -> Result<(), Error> {
    let pools = authorizer.provider_arns.as_deref().unwrap_or_default();
    let is_pool = |arn: &String| Arn::parse(arn).is_some_and(|arn| arn.resource.starts_with("userpool/"));
    if pools.is_empty() || !pools.iter().all(is_pool) {
        return Err(bad("Invalid provider ARNs specified. COGNITO_USER_POOLS authorizers require ARNs of user pools"));
    }
    authorizer.auth_type.get_or_insert_with(|| "cognito_user_pools".to_owned());
    Ok(())
}
