//! A service: its names, its protocols, its operations, and what AWS's has that ours has not yet.

use base::{Arn, Cx, Error};
use shape::{Schema, Value};
use wire::protocol::Protocol;
use wire::route::HttpBinding;

use crate::{BoxFuture, Op};

/// An AWS service.
pub trait Service: Send + Sync + Sized + 'static {
    /// Its names and protocols.
    const ID: ServiceId;

    /// All operations it answers.
    const OPERATIONS: &'static [Op<Self>];

    /// The operations AWS has and we do not: each answers `NotImplemented` at once and stands in the coverage page.
    const NOT_YET: &'static [NotYet] = &[];

    /// The policy attached to one of its resources, as JSON, for the permission check.
    fn resource_policy<'a>(&'a self, cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>> {
        let _ = (cx, resource);
        Box::pin(async { None })
    }

    /// Forgets all state, or one account's: `POST /_updraft/reset`.
    fn reset<'a>(&'a self, account: Option<base::AccountId>) -> BoxFuture<'a, Result<(), Error>>;
}

/// A service's names on the wire.
#[derive(Clone, Copy, Debug)]
pub struct ServiceId {
    /// The name in ARNs and, unless others are given, in IAM actions and SigV4 scopes: `lambda`.
    pub name: &'static str,
    /// The name in SigV4 scopes and host names where it is another: CloudWatch's is `monitoring`.
    pub signing_name: &'static str,
    /// The name before the colon in IAM actions where it is another: `apigatewayv2`'s is `apigateway`.
    pub iam_prefix: &'static str,
    /// Whether IAM actions are HTTP methods (`apigateway:GET`), not operations' names.
    pub iam_by_method: bool,
    /// The protocols it speaks; the first is what its newest SDKs use.
    pub protocols: &'static [Protocol],
    /// The API version: path prefix of Lambda's routes, `Version=` of query requests.
    pub version: &'static str,
    /// The part of `X-Amz-Target` before the dot: `Logs_20140328`.
    pub target_prefix: Option<&'static str>,
    /// The service's name in rpcv2Cbor paths: `GraniteServiceVersion20100801`.
    pub shape_name: Option<&'static str>,
    /// The namespace of its XML answers.
    pub xml_namespace: Option<&'static str>,
    /// First path segments that only this service has, for unsigned and odd requests (`/2015-03-31/…`).
    pub path_prefixes: &'static [&'static str],
    /// The largest request body, in bytes; beyond it the request is refused unread.
    pub body_limit_bytes: usize,
    /// The code of the error for input that breaks its shape's rules.
    pub validation_code: &'static str,
    /// Whether such errors name the body's members below the operation's input (`createRestApiInput.name`).
    pub names_inputs: bool,
}

/// The largest request body unless a service says otherwise.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

impl ServiceId {
    /// A service of this name, speaking one protocol.
    pub const fn new(name: &'static str, protocols: &'static [Protocol], version: &'static str) -> ServiceId {
        ServiceId {
            name,
            signing_name: name,
            iam_prefix: name,
            iam_by_method: false,
            protocols,
            version,
            target_prefix: None,
            shape_name: None,
            xml_namespace: None,
            path_prefixes: &[],
            body_limit_bytes: BODY_LIMIT_BYTES,
            validation_code: "ValidationException",
            names_inputs: false,
        }
    }

    /// Names what stands before the dot in `X-Amz-Target`.
    pub const fn target_prefix(self, prefix: &'static str) -> ServiceId {
        ServiceId { target_prefix: Some(prefix), ..self }
    }

    /// Gives the name in SigV4 scopes and host names where it is another.
    pub const fn signing_name(self, name: &'static str) -> ServiceId {
        ServiceId { signing_name: name, ..self }
    }

    /// Gives the name before the colon in IAM actions where it is another.
    pub const fn iam_prefix(self, name: &'static str) -> ServiceId {
        ServiceId { iam_prefix: name, ..self }
    }

    /// Makes HTTP methods the service's IAM actions.
    pub const fn iam_by_method(self) -> ServiceId {
        ServiceId { iam_by_method: true, ..self }
    }

    /// Names the service as rpcv2Cbor's paths do.
    pub const fn shape_name(self, name: &'static str) -> ServiceId {
        ServiceId { shape_name: Some(name), ..self }
    }

    /// Names the namespace of XML answers.
    pub const fn xml_namespace(self, uri: &'static str) -> ServiceId {
        ServiceId { xml_namespace: Some(uri), ..self }
    }

    /// Claims first path segments.
    pub const fn path_prefixes(self, prefixes: &'static [&'static str]) -> ServiceId {
        ServiceId { path_prefixes: prefixes, ..self }
    }

    /// Sets the largest request body in bytes.
    pub const fn body_limit_bytes(self, bytes: usize) -> ServiceId {
        ServiceId { body_limit_bytes: bytes, ..self }
    }

    /// Names the error for input that breaks its shape's rules, where it is not `ValidationException`.
    pub const fn validation_code(self, code: &'static str) -> ServiceId {
        ServiceId { validation_code: code, ..self }
    }

    /// Lets errors for input that breaks its shape's rules name the operation's input.
    pub const fn names_inputs(self) -> ServiceId {
        ServiceId { names_inputs: true, ..self }
    }
}

impl ServiceId {
    /// Checks an operation's input against its schema; what is wrong is said in the service's own way.
    pub(crate) fn validate(&self, operation: &str, schema: &Schema, input: &Value) -> Result<(), Error> {
        let checked = if self.names_inputs {
            let (first, rest) = operation.split_at(1);
            shape::validate::check_named(schema, input, &format!("{}{rest}Input", first.to_ascii_lowercase()))
        } else {
            shape::validate::check(schema, input)
        };
        checked.map_err(|error| Error { code: self.validation_code.into(), ..error })
    }
}

/// An operation that AWS has and we do not, with its route so that it is answered by name.
#[derive(Clone, Copy, Debug)]
pub struct NotYet {
    /// AWS's name.
    pub name: &'static str,
    /// Its binding under the HTTP-binding protocols.
    pub http: Option<HttpBinding>,
}

impl NotYet {
    /// A missing operation of an RPC protocol.
    pub const fn rpc(name: &'static str) -> NotYet {
        NotYet { name, http: None }
    }

    /// A missing operation of an HTTP-binding protocol.
    pub const fn http(name: &'static str, method: &'static str, uri: &'static str) -> NotYet {
        NotYet { name, http: Some(HttpBinding { method, uri, status: 200 }) }
    }
}
