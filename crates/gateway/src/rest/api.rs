//! What concerns an API as a whole: what AWS refuses of its settings, its copy, its end.

use base::{Cx, Error};
use store::{Key, Record, Table, Tx};

use super::error::{bad, conflict, too_many};
use super::records::{
    AUTHORIZERS, Api, DEPLOYMENTS, DOCUMENTATION_PARTS, DOCUMENTATION_VERSIONS, EndpointAccessMode,
    EndpointConfiguration, EndpointType, GATEWAY_RESPONSES, Home, IpAddressType, MODELS, Method, REQUEST_VALIDATORS,
    RESOURCES, REST_APIS, RestApi, STAGES,
};
use super::snapshot::Snapshot;
use super::usage;
use crate::Failure;
use crate::edge::owner;

/// The longest id that a user may choose: it is a part of a host name.
const CUSTOM_ID_BYTES_MAX: usize = 63;

/// Most APIs of an account in a region. AWS's are 600 regional or private and 120 edge-optimized.
const APIS_MAX: usize = 600;

/// Where compression may begin, in bytes.
const COMPRESSION_BYTES: std::ops::RangeInclusive<i32> = 0..=10_485_760;

/// Refuses one more API than there may be.
pub(crate) fn check_room(tx: &Tx<'_>, home: &Home) -> Result<(), Failure> {
    if tx.scan(REST_APIS, home.all())?.len() >= APIS_MAX {
        return Err(too_many("Maximum number of APIs has been reached").into());
    }
    Ok(())
}

/// An id that a user chose.
pub(crate) fn checked_custom_id(id: &str) -> Result<&str, Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > CUSTOM_ID_BYTES_MAX || !id.bytes().all(fits) {
        return Err(bad(format!("Invalid custom id specified: {id}")));
    }
    Ok(id)
}

/// How an API is reached, with AWS's defaults.
pub(crate) fn checked_endpoint(asked: Option<EndpointConfiguration>) -> Result<EndpointConfiguration, Error> {
    let mut endpoint = asked.unwrap_or_default();
    match endpoint.types.as_deref() {
        None => endpoint.types = Some(vec![EndpointType::Edge]),
        Some([]) => return Err(bad("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")),
        Some([_]) => {}
        Some(_) => return Err(bad("Cannot create an api with multiple Endpoint Types.")),
    }
    if endpoint.ip_address_type.is_none() {
        let private = endpoint.types.as_deref() == Some(&[EndpointType::Private]);
        endpoint.ip_address_type = Some(if private { IpAddressType::Dualstack } else { IpAddressType::Ipv4 });
    }
    check_ip_address_type(&endpoint)?;
    Ok(endpoint)
}

/// Private APIs have both versions of IP.
pub(crate) fn check_ip_address_type(endpoint: &EndpointConfiguration) -> Result<(), Error> {
    let private = endpoint.types.as_deref() == Some(&[EndpointType::Private]);
    if private && endpoint.ip_address_type == Some(IpAddressType::Ipv4) {
        return Err(bad("Only dualstack ipAddressType is supported for Private APIs."));
    }
    Ok(())
}

/// How strictly callers must name the API. Nobody here compares TLS's name with HTTP's.
pub(crate) fn checked_access_mode(mode: Option<EndpointAccessMode>) -> Result<Option<EndpointAccessMode>, Error> {
    match mode {
        Some(EndpointAccessMode::Strict) => Err(Error::not_implemented("the endpoint access mode STRICT")),
        mode => Ok(mode),
    }
}

/// From how many bytes answers are compressed.
pub(crate) fn checked_compression(bytes: Option<i32>) -> Result<Option<i32>, Error> {
    match bytes {
        Some(bytes) if !COMPRESSION_BYTES.contains(&bytes) => {
            Err(bad("Invalid minimum compression size, must be between 0 and 10485760"))
        }
        bytes => Ok(bytes),
    }
}

/// A resource policy as it is kept: short forms of ARNs (`execute-api:/*`) become whole ones.
pub(crate) fn checked_policy(text: Option<&str>, cx: &Cx, api_id: &str) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let mut document: serde_json::Value = serde_json::from_str(text).map_err(|_| no_policy())?;
    let prefix = cx.arn("execute-api", format!("{api_id}/")).to_string();
    let whole = |value: &mut serde_json::Value| {
        if let Some(rest) = value.as_str().and_then(|resource| resource.strip_prefix("execute-api:/")) {
            *value = format!("{prefix}{rest}").into();
        }
    };
    let statements = document.get_mut("Statement").ok_or_else(no_policy)?;
    let statements = match statements {
        serde_json::Value::Array(statements) => statements.iter_mut().collect(),
        one => vec![one],
    };
    for statement in statements {
        for name in ["Resource", "NotResource"] {
            match statement.get_mut(name) {
                Some(serde_json::Value::Array(resources)) => resources.iter_mut().for_each(whole),
                Some(resource) => whole(resource),
                None => {}
            }
        }
    }
    let text = document.to_string();
    policy::Policy::parse(&text, policy::Kind::Resource).map_err(|_| no_policy())?;
    Ok(Some(text))
}

fn no_policy() -> Error {
    bad("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
}

/// Gives a new API all that another has, but for its deployments and stages.
pub(crate) fn copy(tx: &mut Tx<'_>, from: &Api, to: &Api, made: &mut RestApi, missing: &Error) -> Result<(), Failure> {
    let original = tx.get(REST_APIS, &from.key())?.ok_or_else(|| missing.clone())?;
    made.root_resource_id = original.root_resource_id;
    made.binary_media_types = made.binary_media_types.take().or(original.binary_media_types);
    made.minimum_compression_size = made.minimum_compression_size.or(original.minimum_compression_size);
    copy_table(tx, RESOURCES, from, to)?;
    copy_table(tx, MODELS, from, to)?;
    copy_table(tx, REQUEST_VALIDATORS, from, to)?;
    copy_table(tx, AUTHORIZERS, from, to)?;
    copy_table(tx, GATEWAY_RESPONSES, from, to)?;
    copy_table(tx, DOCUMENTATION_PARTS, from, to)
}

fn copy_table<R: Record>(tx: &mut Tx<'_>, table: Table<R>, from: &Api, to: &Api) -> Result<(), Failure> {
    for (key, record) in tx.scan(table, from.all())? {
        tx.put(table, &to.below(&last(&key)), &record)?;
    }
    Ok(())
}

/// The last part of a key of something of an API.
pub(crate) fn last(key: &Key) -> String {
    key.parts::<(String, String, String, String)>().map(|parts| parts.3).unwrap_or_default()
}

/// Deletes an API with all that belongs to it.
pub(crate) fn delete(tx: &mut Tx<'_>, api: &Api) -> Result<(), Failure> {
    usage::forget_stage(tx, api, None)?;
    tx.delete(REST_APIS, &api.key())?;
    owner::release(tx, &api.id)?;
    delete_parts(tx, api)?;
    tx.delete_range(DEPLOYMENTS, api.all())?;
    tx.delete_range(STAGES, api.all())?;
    tx.delete_range(DOCUMENTATION_VERSIONS, api.all())?;
    Ok(Snapshot::forget_all(tx, api)?)
}

/// Deletes what an API is made of, as before an import that overwrites.
pub(crate) fn delete_parts(tx: &mut Tx<'_>, api: &Api) -> Result<(), Failure> {
    tx.delete_range(RESOURCES, api.all())?;
    tx.delete_range(MODELS, api.all())?;
    tx.delete_range(REQUEST_VALIDATORS, api.all())?;
    tx.delete_range(AUTHORIZERS, api.all())?;
    tx.delete_range(GATEWAY_RESPONSES, api.all())?;
    tx.delete_range(DOCUMENTATION_PARTS, api.all())?;
    Ok(())
}

/// Refuses the end of something that a method names.
pub(crate) fn check_unused(
    tx: &Tx<'_>,
    api: &Api,
    noun: &str,
    id: &str,
    named: impl Fn(&Method) -> Option<&str>,
) -> Result<(), Failure> {
    for (_, resource) in tx.scan(RESOURCES, api.all())? {
        for (http_method, method) in resource.resource_methods.iter().flatten() {
            if named(method) == Some(id) {
                let place = format!("{}/{http_method}", resource.path);
                return Err(conflict(format!("Cannot delete {noun} '{id}', is referenced in method: {place}")).into());
            }
        }
    }
    Ok(())
}
