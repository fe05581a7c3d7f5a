//! Which protocol a request speaks and which operation it means.
//!
//! [`call`] reads what the request itself says (headers, form); for REST protocols the path decides, by the service's
//! [`RestRouter`]. Which *service* is meant — by signature scope, host or these hints — is the front desk's matter.

pub mod percent;
mod rest;

use std::borrow::Cow;

use http::request::Parts;

pub use rest::{Found, HttpBinding, Labels, Miss, RestRouter};

use crate::protocol::Protocol;

/// What a request says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The protocol. REST requests say nothing: they come out as [`Protocol::RestJson1`].
    pub protocol: Protocol,
    /// The operation's name, where the protocol carries it; none for REST and for calls that forgot it.
    pub operation: Option<Cow<'a, str>>,
    /// The service by the protocol's own name for it: `X-Amz-Target`'s prefix (`Logs_20140328`), rpcv2Cbor's service.
    pub service: Option<&'a str>,
    /// awsQuery's `Version`.
    pub version: Option<Cow<'a, str>>,
}

/// True if [`call`] needs the body to know the operation: awsQuery names it in the form.
pub fn is_form(head: &Parts) -> bool {
    header(head, "content-type").is_some_and(|media| media.trim().starts_with("application/x-www-form-urlencoded"))
}

/// Reads what the request says of itself; `body` may be empty unless [`is_form`].
pub fn call<'a>(head: &'a Parts, body: &'a [u8]) -> Call<'a> {
    if header(head, "smithy-protocol").is_some_and(|value| value.trim() == "rpc-v2-cbor") {
        return rpc_call(head.uri.path());
    }
    if let Some(target) = header(head, "x-amz-target") {
        return target_call(head, target);
    }
    let query = head.uri.query().unwrap_or_default();
    let form = if is_form(head) { std::str::from_utf8(body).unwrap_or_default() } else { "" };
    let operation = percent::find(form, "Action").or_else(|| percent::find(query, "Action"));
    // A form is awsQuery's even before its body is there: the service may speak other protocols as well.
    if operation.is_none() && !is_form(head) {
        return Call { protocol: Protocol::RestJson1, operation: None, service: None, version: None };
    }
    let version = percent::find(form, "Version").or_else(|| percent::find(query, "Version"));
    Call { protocol: Protocol::AwsQuery, operation, service: None, version }
}

/// `/service/{service}/operation/{operation}`, perhaps below a prefix.
fn rpc_call(path: &str) -> Call<'_> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let (operation, word, service, before) = (parts.next(), parts.next(), parts.next(), parts.next());
    let whole = word == Some("operation") && before == Some("service");
    Call {
        protocol: Protocol::RpcV2Cbor,
        operation: operation.filter(|name| whole && !name.is_empty()).map(Cow::Borrowed),
        service: service.filter(|name| whole && !name.is_empty()),
        version: None,
    }
}

/// `X-Amz-Target: Logs_20140328.PutLogEvents`.
fn target_call<'a>(head: &Parts, target: &'a str) -> Call<'a> {
    let version_1_0 = header(head, "content-type").is_some_and(|media| media.contains("x-amz-json-1.0"));
    let (service, operation) = target.trim().rsplit_once('.').unzip();
    Call {
        protocol: if version_1_0 { Protocol::AwsJson10 } else { Protocol::AwsJson11 },
        operation: operation.filter(|name| !name.is_empty()).map(Cow::Borrowed),
        service,
        version: None,
    }
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn each_protocol_names_its_operation() {
        let json = head(
            "/",
            &[("x-amz-target", "Logs_20140328.PutLogEvents"), ("content-type", "application/x-amz-json-1.1")],
        );
        let found = call(&json, b"{}");
        assert_eq!((found.protocol, found.service), (Protocol::AwsJson11, Some("Logs_20140328")));
        assert_eq!(found.operation.as_deref(), Some("PutLogEvents"));

        let form = head("/", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
        let found = call(&form, b"Action=GetCallerIdentity&Version=2011-06-15");
        assert_eq!((found.protocol, found.operation.as_deref()), (Protocol::AwsQuery, Some("GetCallerIdentity")));
        assert_eq!(found.version.as_deref(), Some("2011-06-15"));
        assert_eq!(call(&head("/?Action=Get&Version=1", &[]), b"").operation.as_deref(), Some("Get"));

        let cbor = head("/service/GraniteService/operation/PutMetricData", &[("smithy-protocol", "rpc-v2-cbor")]);
        let found = call(&cbor, b"");
        assert_eq!((found.protocol, found.service), (Protocol::RpcV2Cbor, Some("GraniteService")));
        assert_eq!(found.operation.as_deref(), Some("PutMetricData"));

        assert_eq!((call(&form, b"").protocol, call(&form, b"").operation), (Protocol::AwsQuery, None));
        assert_eq!(call(&head("/2015-03-31/functions", &[]), b"{}").protocol, Protocol::RestJson1);
    }

    #[test]
    fn calls_that_forgot_their_operation_say_so() {
        for (path, headers, body) in [
            ("/", &[("x-amz-target", "nothing")][..], ""),
            ("/", &[("x-amz-target", "Logs_20140328.")][..], ""),
            ("/service/X/Put", &[("smithy-protocol", "rpc-v2-cbor")][..], ""),
            ("/", &[("content-type", "application/x-www-form-urlencoded")][..], "Version=1"),
        ] {
            assert_eq!(call(&head(path, headers), body.as_bytes()).operation, None, "{path} {headers:?}");
        }
    }
}
