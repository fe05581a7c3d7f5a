//! Services of the house behind APIs: a request to the front desk, signed as the integration's role, like any client's.
//!
//! `arn:aws:apigateway:{region}:{service}:action/{Action}` names an operation; `…:path/{path}` is the service's own HTTP API.
//! Deliberately absent: the caller's own credentials (`CALLERS_OWN`), since nobody here has the caller's secret.

use std::time::Duration;

use base::{Arn, Cx};
use bytes::{Bytes, BytesMut};
use cloud::Desk;
use cloud::ports::RoleCredentials;
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use shape::Body;
use wire::protocol::Protocol;
use wire::server::Peer;
use wire::sigv4::{Credentials, SignedPayload, Signer};

use super::Failure;
use super::lambda::ROLE_SESSION;
use crate::Gateway;

/// How long a role's credentials are good for.
const CREDENTIALS_SECS: u32 = 900;

/// A service, and what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUri {
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) what: What,
}

/// What a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// An operation, with further parameters in the form of a query string.
    Action(String, String),
    /// A path of its own.
    Path(String),
}

impl ServiceUri {
    /// Reads `arn:aws:apigateway:{region}:{subdomain.}{service}:{action|path}/…`.
    pub(crate) fn parse(uri: &str) -> Option<ServiceUri> {
        let arn = Arn::parse(uri).filter(|arn| arn.service == "apigateway")?;
        // A subdomain stands before the service: `{id}.iotdata`.
        let service = arn.account.rsplit('.').next().filter(|service| !service.is_empty())?.to_owned();
        let what = match arn.resource.split_once('/')? {
            ("action", action) => {
                let (name, parameters) = action.split_once(['&', '?']).unwrap_or((action, ""));
                What::Action(name.to_owned(), parameters.to_owned())
            }
            ("path", path) => What::Path(format!("/{}", path.trim_start_matches('/'))),
            _ => return None,
        };
        Some(ServiceUri { region: arn.region, service, what })
    }
}

/// A request to a service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceCall<'a> {
    pub(crate) uri: &'a ServiceUri,
    /// The HTTP method, for paths; operations are asked by POST.
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// The query string, encoded.
    pub(crate) query: &'a str,
    pub(crate) body: Bytes,
    /// Whose permissions count.
    pub(crate) role: Option<&'a str>,
    pub(crate) timeout: Duration,
}

impl Gateway {
    /// Asks a service of the house as the integration's role. What the service refuses is an answer, too.
    pub(crate) async fn call_service(
        &self,
        desk: &Desk,
        cx: &Cx,
        call: ServiceCall<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        let (uri, timeout) = (call.uri, call.timeout);
        let role =
            call.role.and_then(Arn::parse).filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
        let Some(role) = role else {
            return Err(Failure::Configuration("the integration names no role to call the service as".to_owned()));
        };
        let Some(service) = desk.registry().service(&uri.service) else {
            return Err(Failure::Configuration(format!(
                "the service {} is not implemented by Updraft yet",
                uri.service
            )));
        };
        let id = service.id;
        let mut head = head(&id, &call)?;
        let body = body(&id, &call);
        let credentials = self.ports.credentials.for_role(&role, ROLE_SESSION, CREDENTIALS_SECS, cx.now());
        sign(&mut head, &credentials, &uri.region, id.signing_name, &body, cx)?;
        let peer = Peer { address: None, from_sandbox: false, tls: false, hops: 1 };
        let answered = async {
            let answer = desk.serve_held(Request::from_parts(head, body), peer).await;
            let mut response = Response::new(collect(answer.body).await?);
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(response)
        };
        tokio::time::timeout(timeout, answered).await.map_err(|_| Failure::Timeout(timeout))?
    }
}

/// The head of a request, unsigned.
fn head(id: &cloud::ServiceId, call: &ServiceCall<'_>) -> Result<Parts, Failure> {
    let (method, path) = match &call.uri.what {
        What::Action(..) => (Method::POST, "/".to_owned()),
        What::Path(path) if call.query.is_empty() => (call.method.clone(), path.clone()),
        What::Path(path) => (call.method.clone(), format!("{path}?{}", call.query)),
    };
    let request = Request::builder().method(method).uri(path).body(());
    let (mut head, ()) = request.map_err(|error| Failure::Configuration(error.to_string()))?.into_parts();
    head.headers = call.headers.clone();
    let host = format!("{}.{}.amazonaws.com", id.signing_name, call.uri.region);
    put(&mut head.headers, HOST, &host);
    if let What::Action(action, _) = &call.uri.what {
        match (id.target_prefix, is_query(id)) {
            (Some(prefix), _) => {
                put(&mut head.headers, HeaderName::from_static("x-amz-target"), &format!("{prefix}.{action}"));
                let is_1_0 = id.protocols.contains(&Protocol::AwsJson10);
                put(
                    &mut head.headers,
                    CONTENT_TYPE,
                    if is_1_0 { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" },
                );
            }
            (None, true) => put(&mut head.headers, CONTENT_TYPE, "application/x-www-form-urlencoded"),
            (None, false) => {
                let words = format!("{} has no actions, only paths", id.name);
                return Err(Failure::Configuration(words));
            }
        }
    }
    Ok(head)
}

fn is_query(id: &cloud::ServiceId) -> bool {
    id.protocols.contains(&Protocol::AwsQuery)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The body: an operation's in JSON, or a form of it and all parameters.
fn body(id: &cloud::ServiceId, call: &ServiceCall<'_>) -> Bytes {
    let What::Action(action, parameters) = &call.uri.what else { return call.body.clone() };
    if id.target_prefix.is_some() {
        return if call.body.is_empty() { Bytes::from_static(b"{}") } else { call.body.clone() };
    }
    let form =
        std::str::from_utf8(&call.body).ok().filter(|body| body.contains('=') && !body.starts_with(['{', '[', '<']));
    let own = format!("Action={action}&Version={}", id.version);
    let has = |name: &str| form.is_some_and(|form| form.split('&').any(|pair| pair.starts_with(name)));
    let own = if has("Action=") { "" } else { own.as_str() };
    let parts = [own, form.unwrap_or_default(), parameters, call.query];
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("&").into()
}

fn sign(
    head: &mut Parts,
    credentials: &RoleCredentials,
    region: &str,
    service: &str,
    body: &Bytes,
    cx: &Cx,
) -> Result<(), Failure> {
    let credentials = Credentials {
        access_key_id: &credentials.access_key_id,
        secret_access_key: &credentials.secret_access_key,
        session_token: Some(&credentials.session_token),
    };
    let signer = Signer { credentials, region, service };
    let signed = signer.sign(head, SignedPayload::Bytes(body), cx.now());
    signed.map(drop).map_err(|error| Failure::Internal(error.to_string()))
}

async fn collect(body: Body) -> Result<Bytes, Failure> {
    let mut stream = match body {
        Body::Whole(bytes) => return Ok(bytes),
        Body::Stream(stream) => stream,
    };
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        whole.extend_from_slice(&piece.map_err(|error| Failure::Unreachable(error.to_string()))?);
        if whole.len() as u64 > super::http::ANSWER_BYTES_MAX {
            return Err(Failure::Unreachable("the answer is too large".to_owned()));
        }
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_services() {
        let of = |uri: &str| ServiceUri::parse(uri).map(|uri| (uri.region, uri.service, uri.what));
        let found = |service: &str, what| Some(("eu-west-1".to_owned(), service.to_owned(), what));
        assert_eq!(
            of("arn:aws:apigateway:eu-west-1:sqs:action/SendMessage&QueueUrl=q"),
            found("sqs", What::Action("SendMessage".to_owned(), "QueueUrl=q".to_owned()))
        );
        assert_eq!(
            of("arn:aws:apigateway:eu-west-1:s3:path/bucket/key"),
            found("s3", What::Path("/bucket/key".to_owned()))
        );
        assert_eq!(
            of("arn:aws:apigateway:eu-west-1:abc.iotdata:path/topics/x"),
            found("iotdata", What::Path("/topics/x".to_owned()))
        );
        for none in
            ["", "http://x", "arn:aws:apigateway:eu-west-1:sqs:other/x", "arn:aws:apigateway:eu-west-1::action/x"]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn forms_get_what_they_lack() {
        let id = cloud::ServiceId::new("sts", &[Protocol::AwsQuery], "2011-06-15");
        let uri = ServiceUri::parse("arn:aws:apigateway:eu-west-1:sts:action/GetCallerIdentity").unwrap();
        let of = |query: &'static str, text: &'static str| {
            let call = ServiceCall {
                uri: &uri,
                method: Method::POST,
                headers: HeaderMap::new(),
                query,
                body: Bytes::from_static(text.as_bytes()),
                role: None,
                timeout: Duration::from_secs(1),
            };
            String::from_utf8(body(&id, &call).to_vec()).unwrap()
        };
        assert_eq!(of("", ""), "Action=GetCallerIdentity&Version=2011-06-15");
        assert_eq!(of("a=1", "{}"), "Action=GetCallerIdentity&Version=2011-06-15&a=1");
        assert_eq!(of("", "Action=Other&b=2"), "Action=Other&b=2");
    }
}
