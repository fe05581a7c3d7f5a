//! A small client of a running server, for the commands that a developer types: it signs what it sends as AWS's tools do, and
//! tells in plain words what went wrong. Not an SDK: no retries, no profiles, no TLS, only the calls that commands make.

use std::fmt;

use base::Clock;
use bytes::Bytes;
use clap::Args;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::sigv4::{Credentials, SignedPayload, Signer};

use crate::command::Failure;

/// Which server, and as whom: the variables that AWS's tools read, too.
#[derive(Args, Clone)]
pub(crate) struct Server {
    /// The server to talk to
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://localhost:4566", value_name = "URL")]
    pub(crate) endpoint: String,
    /// The region [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    region: Option<String>,
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    endpoint: String,
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    http: Http<HttpConnector, Full<Bytes>>,
}

/// What the server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A refusal, in AWS's words.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if matches!(self.code.as_str(), "UnrecognizedClientException" | "InvalidSignatureException") {
            write!(f, "\n  a server on loopback knows AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl Server {
    /// A client with the credentials of the environment, or the customary ones.
    pub(crate) fn client(&self) -> Client {
        let region = self.region.clone().filter(|region| !region.is_empty());
        Client {
            endpoint: self.endpoint.clone(),
            region: region.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned()),
            access_key_id: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "test".to_owned()),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "test".to_owned()),
            session_token: variable("AWS_SESSION_TOKEN"),
            http: Http::builder(TokioExecutor::new()).build_http(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Client {
    /// The same client for another account and region: a twelve-digit access key is that account.
    pub(crate) fn within(&self, account: &str, region: &str) -> Client {
        let mut client = self.clone();
        client.region = region.to_owned();
        // Somebody's own credentials stay theirs.
        if client.access_key_id == "test" {
            client.access_key_id = account.to_owned();
        }
        client
    }

    /// A signed request; whatever the answer is.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let uri = self.uri(path)?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = http::Request::builder().method(method).uri(uri).header("host", host).body(())?;
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        let (mut parts, ()) = request.into_parts();
        let Client { access_key_id, secret_access_key, session_token, .. } = self;
        let credentials = Credentials { access_key_id, secret_access_key, session_token: session_token.as_deref() };
        let signer = Signer { credentials, region: &self.region, service };
        signer.sign(&mut parts, SignedPayload::Bytes(&body), Clock::system().now())?;
        self.exchange(&self.http, http::Request::from_parts(parts, Full::new(body))).await
    }

    /// A request to Lambda, and its answer as JSON.
    pub(crate) async fn lambda<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Failure> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let answer = self.send("lambda", method, path, &[(CONTENT_TYPE.as_str(), "application/json")], body).await?;
        answer.json()
    }

    /// An operation of CloudWatch Logs.
    pub(crate) async fn logs<T: DeserializeOwned>(
        &self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<T, Failure> {
        let target = format!("Logs_20140328.{operation}");
        let headers = [(CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"), ("x-amz-target", &*target)];
        let body = serde_json::to_vec(input)?.into();
        self.send("logs", Method::POST, "/", &headers, body).await?.json()
    }

    /// One of the server's own endpoints, which ask for no signature.
    pub(crate) async fn own(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        let request = http::Request::builder().method(method).uri(self.uri(path)?).body(Full::default())?;
        self.exchange(&self.http, request).await
    }

    /// Sends a stream to one of the server's own endpoints.
    pub(crate) async fn upload<B>(&self, path: &str, body: B) -> Result<Answer, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = http::Request::builder().method(Method::POST).uri(self.uri(path)?).body(body)?;
        self.exchange(&Http::builder(TokioExecutor::new()).build_http(), request).await
    }

    /// Whose functions it sees, as the server's own endpoints want it told.
    pub(crate) fn place(&self) -> String {
        let key = &self.access_key_id;
        let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
        let account = if is_account { format!("&account={key}") } else { String::new() };
        format!("region={}{account}", encoded(&self.region))
    }

    /// Whether an Updraft answers there.
    pub(crate) async fn is_up(&self) -> bool {
        self.own(Method::GET, "/_updraft/health").await.is_ok_and(|answer| answer.status.is_success())
    }

    fn uri(&self, path: &str) -> Result<Uri, Failure> {
        let endpoint = self.endpoint.trim_end_matches('/');
        if !endpoint.starts_with("http://") {
            return Err(format!("--endpoint {endpoint}: it must begin with http://").into());
        }
        Ok(format!("{endpoint}{path}").parse().map_err(|error| format!("--endpoint {endpoint}: {error}"))?)
    }

    async fn exchange<B>(&self, http: &Http<HttpConnector, B>, request: http::Request<B>) -> Result<Answer, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let endpoint = &self.endpoint;
        let response = http.request(request).await.map_err(|error| {
            let why = if error.is_connect() { String::new() } else { format!(" ({error})") };
            format!("no server answers at {endpoint}{why}; start one with `updraft serve`, or name it with --endpoint")
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{endpoint} hung up: {error}"))?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer, unless it is a refusal.
    pub(crate) fn accepted(self) -> Result<Answer, Failure> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(self.refusal().into()),
        }
    }

    /// The document in it, unless it is a refusal.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let accepted = self.accepted()?;
        let body: &[u8] = if accepted.body.is_empty() { b"null" } else { &accepted.body };
        Ok(serde_json::from_slice(body)?)
    }

    fn refusal(&self) -> Refusal {
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let code = self.header("x-amzn-errortype").map(str::to_owned).or_else(|| text("__type"));
        // Some protocols write the shape's whole name, some a link behind it.
        let code = code.map(|code| code.split([':', '#']).next_back().unwrap_or_default().to_owned());
        Refusal {
            code: code.filter(|code| !code.is_empty()).unwrap_or_else(|| self.status.to_string()),
            message: text("message")
                .or_else(|| text("Message"))
                .unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned()),
        }
    }
}

/// The code of a refusal, if that is what a failure is.
pub(crate) fn refusal_code(failure: &Failure) -> Option<&str> {
    failure.downcast_ref::<Refusal>().map(|refusal| refusal.code.as_str())
}

/// A name as it stands in a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(header: Option<&'static str>, body: &'static str) -> String {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(header));
        }
        Answer { status: StatusCode::BAD_REQUEST, headers, body: body.into() }.refusal().to_string()
    }

    #[test]
    fn refusals_are_read_in_every_protocol() {
        assert_eq!(refused(Some("ValidationException"), r#"{"message":"no"}"#), "ValidationException: no");
        assert_eq!(refused(None, r#"{"__type":"com.x#Gone","Message":"it went"}"#), "Gone: it went");
        assert_eq!(refused(None, "oh"), "400 Bad Request: oh");
    }

    #[test]
    fn names_are_encoded_for_paths() {
        assert_eq!(encoded("arn:aws:lambda:x:1:function:f"), "arn%3Aaws%3Alambda%3Ax%3A1%3Afunction%3Af");
        assert_eq!(encoded("a-b_c.d~$LATEST/é"), "a-b_c.d~%24LATEST%2F%C3%A9");
    }
}
