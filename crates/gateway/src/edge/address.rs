//! Which requests go to an API: those to `{api}.execute-api.{region}.…`, and those below one of the path forms. Custom
//! domain names are found by the whole host name.

use base::Cx;
use http::Request;

/// Our path form: `/_aws/execute-api/{api}/{stage}/…`, as LocalStack has it too.
pub const PATH: &str = "/_aws/execute-api/";

/// The domain below which every name leads to the loopback address, from LocalStack; its users have it in their tools.
const WILDCARD_DOMAIN: &str = "localhost.localstack.cloud";

/// LocalStack's older path form: `/restapis/{api}/{stage}/_user_request_/…`, which the control plane's paths resemble.
const USER_REQUEST: &str = "_user_request_";

/// The address of an API, as a request has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The API's id.
    pub(crate) api_id: String,
    /// The region in the host name; the path forms have none.
    pub(crate) region: Option<String>,
    /// How much of the path leads to the API, in bytes; what follows begins with the stage, unless `stage` has it.
    pub(crate) prefix_bytes: usize,
    /// The stage, where it stands before the end of the prefix.
    pub(crate) stage: Option<String>,
    /// The part of the path that a custom domain name maps; none if the host is no custom domain name. Events then show the
    /// path as it was sent, and nothing of the stage.
    pub(crate) base_path: Option<String>,
}

impl Address {
    /// The API that a request is for, if it is for one.
    pub fn of<B>(request: &Request<B>) -> Option<Address> {
        host(request).and_then(by_host).or_else(|| by_path(request.uri().path()))
    }
}

/// An API's address as this caller is told it: one that leads here from where they are. AWS shows
/// `https://{id}.execute-api.{region}.amazonaws.com`; names below a name only lead here where somebody has said so, which is
/// known of LocalStack's domain alone. Elsewhere it is a path. `scheme` is that without TLS.
pub(crate) fn endpoint(cx: &Cx, scheme: &str, api_id: &str) -> String {
    let secure = if cx.origin.tls { "s" } else { "" };
    let host = cx.origin.host.as_str();
    match host.rfind(WILDCARD_DOMAIN) {
        Some(at) => format!("{scheme}{secure}://{api_id}.execute-api.{}.{}", cx.region, &host[at..]),
        None => format!("{scheme}{secure}://{host}{PATH}{api_id}"),
    }
}

/// The host name that a request was sent to, with its port.
pub(crate) fn host<B>(request: &Request<B>) -> Option<&str> {
    let header = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(|authority| authority.as_str()))
}

fn by_host(host: &str) -> Option<Address> {
    let mut labels = host.splitn(4, '.');
    let (id, service, third) = (labels.next()?, labels.next()?, labels.next()?);
    if service != "execute-api" || id.is_empty() {
        return None;
    }
    // `{api}.execute-api.localhost.localstack.cloud` has no region.
    let third = third.split(':').next().unwrap_or(third);
    let region = (third != "localhost").then(|| third.to_owned());
    Some(Address { api_id: id.to_owned(), region, prefix_bytes: 0, stage: None, base_path: None })
}

fn by_path(path: &str) -> Option<Address> {
    if let Some(rest) = path.strip_prefix(PATH) {
        let id = rest.split('/').next().filter(|id| !id.is_empty())?;
        return Some(Address {
            api_id: id.to_owned(),
            region: None,
            prefix_bytes: PATH.len() + id.len(),
            stage: None,
            base_path: None,
        });
    }
    let mut words = path.strip_prefix("/restapis/")?.splitn(4, '/');
    let (id, stage, marker) = (words.next()?, words.next()?, words.next()?);
    let prefix_bytes = "/restapis/".len() + id.len() + 1 + stage.len() + 1 + marker.len();
    let is_one = marker == USER_REQUEST && !id.is_empty() && !stage.is_empty();
    is_one.then(|| Address {
        api_id: id.to_owned(),
        region: None,
        prefix_bytes,
        stage: Some(stage.to_owned()),
        base_path: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, path: &str) -> Option<Address> {
        Address::of(&Request::builder().uri(path).header("host", host).body(()).unwrap())
    }

    #[test]
    fn hosts_and_paths_name_an_api() {
        let at = |region: Option<&str>, prefix_bytes, stage: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Some(Address {
                api_id: "abc".to_owned(),
                region: owned(region),
                prefix_bytes,
                stage: owned(stage),
                base_path: None,
            })
        };
        for host in ["abc.execute-api.eu-west-1.amazonaws.com", "abc.execute-api.eu-west-1.localhost:4566"] {
            assert_eq!(of(host, "/prod/x"), at(Some("eu-west-1"), 0, None), "{host}");
        }
        assert_eq!(of("abc.execute-api.localhost.localstack.cloud:4566", "/x"), at(None, 0, None));
        assert_eq!(of("localhost:4566", "/_aws/execute-api/abc/prod/x"), at(None, 21, None));
        assert_eq!(of("localhost:4566", "/restapis/abc/prod/_user_request_/x"), at(None, 33, Some("prod")));
        assert_eq!(of("localhost:4566", "/restapis/abc/prod/_user_request_"), at(None, 33, Some("prod")));
        for (host, path) in [
            ("localhost:4566", "/"),
            ("localhost:4566", "/_aws/execute-api/"),
            ("localhost:4566", "/restapis/abc/resources/xyz"),
            ("execute-api.us-east-1.amazonaws.com", "/"),
        ] {
            assert_eq!(of(host, path), None, "{host}{path}");
        }
    }
}
