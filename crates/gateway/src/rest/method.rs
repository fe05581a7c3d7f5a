//! Methods: where they are, and what AWS refuses of them.

use base::Error;
use store::Tx;

use super::error::{bad, no_method, no_resource};
use super::expression;
use super::records::{
    AUTHORIZERS, Api, AuthorizerType, MODELS, Method, REQUEST_VALIDATORS, RESOURCES, Resource, Texts,
};
use crate::{Failure, Gateway};

/// Names of methods, in the order in which AWS's refusals list them.
const NAMES: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

/// Where a method is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) resource_id: String,
    pub(crate) http_method: String,
}

impl Place {
    pub(crate) fn new(resource_id: String, http_method: String) -> Place {
        Place { resource_id, http_method }
    }

    /// The resource, or AWS's 404.
    pub(crate) fn resource(&self, tx: &Tx<'_>, at: &Api) -> Result<Resource, Failure> {
        tx.get(RESOURCES, &at.below(&self.resource_id))?.ok_or_else(|| no_resource().into())
    }

    /// Writes the resource.
    pub(crate) fn put(&self, tx: &mut Tx<'_>, at: &Api, resource: &Resource) -> Result<(), Failure> {
        Ok(tx.put(RESOURCES, &at.below(&self.resource_id), resource)?)
    }

    /// The method, or AWS's 404.
    pub(crate) async fn read(&self, gateway: &Gateway, at: &Api) -> Result<Method, Error> {
        let resource = gateway.found(RESOURCES, at.below(&self.resource_id), no_resource).await?;
        let methods = resource.resource_methods.unwrap_or_default();
        methods.into_iter().find(|(name, _)| *name == self.http_method).map(|(_, method)| method).ok_or_else(no_method)
    }

    /// Changes the method.
    pub(crate) fn change<T>(
        &self,
        tx: &mut Tx<'_>,
        at: &Api,
        work: impl FnOnce(&Tx<'_>, &mut Method) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut resource = self.resource(tx, at)?;
        let methods = resource.resource_methods.get_or_insert_default();
        let done = work(tx, methods.get_mut(&self.http_method).ok_or_else(no_method)?)?;
        self.put(tx, at, &resource)?;
        Ok(done)
    }
}

/// Refuses names that are none of AWS's.
pub(crate) fn check_name(http_method: &str) -> Result<(), Error> {
    if NAMES.contains(&http_method) {
        return Ok(());
    }
    Err(bad(format!("Invalid HttpMethod specified. Valid options are {}", NAMES.join(","))))
}

/// Refuses a method that names what is not there. What its kind of authorization has no use for is dropped.
pub(crate) fn check(tx: &Tx<'_>, at: &Api, method: &mut Method) -> Result<(), Failure> {
    check_authorization(tx, at, method)?;
    if let Some(id) = &method.request_validator_id
        && !tx.exists(REQUEST_VALIDATORS, &at.below(id))?
    {
        return Err(bad("Invalid Request Validator identifier specified").into());
    }
    check_models(tx, at, method.request_models.as_ref())?;
    check_parameters(method)?;
    Ok(())
}

fn check_authorization(tx: &Tx<'_>, at: &Api, method: &mut Method) -> Result<(), Failure> {
    match method.authorization_type.as_str() {
        "NONE" | "AWS_IAM" => method.authorizer_id = None,
        "CUSTOM" | "COGNITO_USER_POOLS" => {
            let authorizer = match &method.authorizer_id {
                Some(id) => tx.get(AUTHORIZERS, &at.below(id))?,
                None => None,
            };
            let pools = method.authorization_type == "COGNITO_USER_POOLS";
            let fits = |kind| (kind == AuthorizerType::CognitoUserPools) == pools;
            if !authorizer.is_some_and(|authorizer| fits(authorizer.r#type)) {
                let words = "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or \
                             COGNITO_USER_POOLS requires a valid authorizer.";
                return Err(bad(words).into());
            }
        }
        _ => {
            let words = "Invalid AuthorizationType specified. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS";
            return Err(bad(words).into());
        }
    }
    Ok(())
}

/// Refuses models that are not there.
pub(crate) fn check_models(tx: &Tx<'_>, at: &Api, models: Option<&Texts>) -> Result<(), Failure> {
    for name in models.into_iter().flatten().map(|(_, name)| name) {
        if !tx.exists(MODELS, &at.below(name))? {
            return Err(bad(format!("Invalid model identifier specified: {name}")).into());
        }
    }
    Ok(())
}

/// A name stands for one parameter, wherever it is.
fn check_parameters(method: &Method) -> Result<(), Error> {
    let mut names = std::collections::BTreeSet::new();
    for (parameter, _) in method.request_parameters.iter().flatten() {
        let name = expression::request_name(parameter)?;
        if !names.insert(name) {
            return Err(bad("Parameter names must be unique across querystring, header and path"));
        }
    }
    Ok(())
}
