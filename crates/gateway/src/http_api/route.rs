//! Routes: which keys there are, and what a route may say.

use store::{Key, Scan, Tx};

use super::change::{self, Part};
use super::error::{bad, conflict, none, too_many};
use super::records::{
    AUTHORIZERS, Api, AuthorizationType, Authorizer, AuthorizerType, INTEGRATIONS, ProtocolType, ROUTE_KEYS,
    ROUTE_RESPONSES, ROUTES, Route, RouteOfKey,
};
use crate::Failure;

/// Routes of an API (a quota of AWS).
const ROUTES_MAX: usize = 300;

/// Scopes of a route (a quota of AWS).
const SCOPES_MAX: usize = 10;

/// The route of requests that no other route takes.
pub(crate) const DEFAULT: &str = "$default";

/// The route of a WebSocket's beginning.
pub(crate) const CONNECT: &str = "$connect";

/// The route of a WebSocket's end.
pub(crate) const DISCONNECT: &str = "$disconnect";

/// Methods that an HTTP API's route may name.
pub(crate) const METHODS: &[&str] = &["ANY", "GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// Adds a route.
pub(crate) fn add(tx: &mut Tx<'_>, api: &Api, route: Route) -> Result<Route, Failure> {
    check_count(tx.scan(ROUTES, Scan::under(api.api_id.as_str()))?.len() + 1)?;
    insert(tx, api, route)
}

/// Refuses more routes than an API may have.
pub(crate) fn check_count(routes: usize) -> Result<(), Failure> {
    if routes > ROUTES_MAX { Err(too_many("Routes").into()) } else { Ok(()) }
}

/// Adds a route to those that have been counted.
pub(crate) fn insert(tx: &mut Tx<'_>, api: &Api, route: Route) -> Result<Route, Failure> {
    let route = settle(tx, api, route)?;
    claim(tx, api, &route)?;
    change::route(&api.api_id, &route.route_id).put(tx, &route)?;
    Ok(route)
}

/// Puts a changed route in the place of what it was.
pub(crate) fn replace(tx: &mut Tx<'_>, api: &Api, before: &Route, route: Route) -> Result<Route, Failure> {
    let route = settle(tx, api, route)?;
    if route.route_key != before.route_key {
        claim(tx, api, &route)?;
        tx.delete(ROUTE_KEYS, &key_of(api, before))?;
    }
    change::route(&api.api_id, &route.route_id).put(tx, &route)?;
    Ok(route)
}

/// Removes a route with its responses.
pub(crate) fn remove(tx: &mut Tx<'_>, api: &Api, at: &Part<Route>) -> Result<(), Failure> {
    let route = at.delete(tx)?;
    tx.delete(ROUTE_KEYS, &key_of(api, &route))?;
    tx.delete_range(ROUTE_RESPONSES, Scan::under((api.api_id.as_str(), route.route_id.as_str())))?;
    Ok(())
}

fn key_of(api: &Api, route: &Route) -> Key {
    Key::of((api.api_id.as_str(), route.route_key.as_str()))
}

/// Notes whose a route key is.
fn claim(tx: &mut Tx<'_>, api: &Api, route: &Route) -> Result<(), Failure> {
    let key = key_of(api, route);
    if tx.exists(ROUTE_KEYS, &key)? {
        return Err(conflict(format!("Route with key {} already exists for this API", route.route_key)).into());
    }
    Ok(tx.put(ROUTE_KEYS, &key, &RouteOfKey(route.route_id.clone()))?)
}

/// Refuses what a route cannot be, and says what AWS says of what was not given.
fn settle(tx: &Tx<'_>, api: &Api, mut route: Route) -> Result<Route, Failure> {
    route.api_key_required.get_or_insert(false);
    let authorization = *route.authorization_type.get_or_insert(AuthorizationType::None);
    match api.protocol_type {
        ProtocolType::Http => check_http(&route)?,
        ProtocolType::WebSocket => check_web_socket(&route, authorization)?,
    }
    if let Some(target) = &route.target {
        let id = target.strip_prefix("integrations/").filter(|id| !id.is_empty() && !id.contains('/'));
        let id = id.ok_or_else(|| bad("Invalid target. It must be of the form integrations/{integrationId}"))?;
        if !tx.exists(INTEGRATIONS, &Key::of((api.api_id.as_str(), id)))? {
            return Err(none("Integration", id).into());
        }
    }
    check_authorization(tx, api, &route, authorization)?;
    Ok(route)
}

fn check_http(route: &Route) -> Result<(), Failure> {
    if !is_http_key(&route.route_key) {
        return Err(bad(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> \
             /<RESOURCE PATH>\" or \"$default\"",
        )
        .into());
    }
    let foreign = [
        ("API keys", route.api_key_required == Some(true)),
        ("Model selection expressions", route.model_selection_expression.is_some()),
        ("Request models", route.request_models.is_some()),
        ("Request parameters", route.request_parameters.is_some()),
        ("Route response selection expressions", route.route_response_selection_expression.is_some()),
    ];
    match foreign.iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(bad(format!("{what} are not supported on protocolType HTTP")).into()),
        None => Ok(()),
    }
}

fn check_web_socket(route: &Route, authorization: AuthorizationType) -> Result<(), Failure> {
    let key = route.route_key.as_str();
    let is_own = [CONNECT, DISCONNECT, DEFAULT].contains(&key);
    if key.is_empty() || (key.starts_with('$') && !is_own) {
        return Err(bad("The provided route key is not formatted properly").into());
    }
    if route.api_key_required == Some(true) && key != CONNECT {
        return Err(bad("Currently, API keys are restricted to the $connect route only").into());
    }
    if authorization != AuthorizationType::None && key != CONNECT {
        return Err(bad("Currently, authorization is restricted to the $connect route only").into());
    }
    if route.route_response_selection_expression.as_deref().is_some_and(|expression| expression != DEFAULT) {
        return Err(bad("Only $default is supported for routeResponseSelectionExpression").into());
    }
    Ok(())
}

/// `GET /pets/{id}`, `ANY /{proxy+}`, `$default`.
pub(crate) fn is_http_key(key: &str) -> bool {
    if key == DEFAULT {
        return true;
    }
    let Some((method, path)) = key.split_once(' ') else { return false };
    METHODS.contains(&method) && path.starts_with('/') && is_path(&path[1..])
}

/// Segments between slashes: texts or `{name}`; the last may be `{name+}`. No name stands twice.
fn is_path(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let mut names = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let inside = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = inside else {
            if segment.contains(|c: char| "{}?#".contains(c) || c.is_whitespace()) {
                return false;
            }
            continue;
        };
        let is_last = at + 1 == segments.len();
        let name = if is_last { name.strip_suffix('+').unwrap_or(name) } else { name };
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b));
        if !is_name || names.contains(&name) {
            return false;
        }
        names.push(name);
    }
    true
}

fn check_authorization(tx: &Tx<'_>, api: &Api, route: &Route, authorization: AuthorizationType) -> Result<(), Failure> {
    let scopes = route.authorization_scopes.as_deref().unwrap_or_default();
    if !scopes.is_empty() && authorization != AuthorizationType::Jwt {
        return Err(bad("Authorization scopes are only supported for JWT authorizers").into());
    }
    if scopes.len() > SCOPES_MAX {
        return Err(bad(format!("A route can have at most {SCOPES_MAX} authorization scopes")).into());
    }
    let wanted = match authorization {
        AuthorizationType::None | AuthorizationType::AwsIam => return Ok(()),
        AuthorizationType::Custom => AuthorizerType::Request,
        AuthorizationType::Jwt => AuthorizerType::Jwt,
    };
    let id =
        route.authorizer_id.as_deref().ok_or_else(|| bad("Authorizer ID is required for this authorization type"))?;
    let found: Option<Authorizer> = tx.get(AUTHORIZERS, &Key::of((api.api_id.as_str(), id)))?;
    let authorizer = found.ok_or_else(|| none("Authorizer", id))?;
    if authorizer.authorizer_type != wanted {
        return Err(bad("The authorization type does not match the type of the authorizer").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_http_key;

    #[test]
    fn keys_of_http_apis_are_methods_with_paths() {
        for good in
            ["$default", "GET /", "ANY /{proxy+}", "POST /pets/{petId}/toys", "GET /a.b/~c/{id}", "DELETE /pets/"]
        {
            assert!(is_http_key(good), "{good}");
        }
        for bad in [
            "",
            "GET",
            "/pets",
            "GET pets",
            "get /pets",
            "FETCH /pets",
            "$connect",
            "GET  /x",
            "GET /a b",
            "GET /{",
            "GET /{}",
            "GET /{a+}/b",
            "GET /x{a}",
            "GET /{a}/{a}",
            "GET /{a b}",
            "GET /x?y=1",
        ] {
            assert!(!is_http_key(bad), "{bad}");
        }
    }
}
