//! Which requests go to a function's URL: those to `{id}.lambda-url.{region}.…`, and those below [`PATH`].

use http::Request;

/// The path form: `/_aws/lambda-url/{id}/…`, for clients that cannot be sent to a host name.
pub const PATH: &str = "/_aws/lambda-url/";

/// The address of a function's URL, as a request has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL's id.
    pub(crate) id: String,
    /// The region in the host name; the path form has none.
    pub(crate) region: Option<String>,
    /// How much of the path leads to the URL, in bytes.
    pub(crate) prefix_bytes: usize,
}

impl Address {
    /// The URL that a request is for, if it is for one.
    pub fn of<B>(request: &Request<B>) -> Option<Address> {
        let header = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
        let host = header.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
        host.and_then(by_host).or_else(|| by_path(request.uri().path()))
    }
}

fn by_host(host: &str) -> Option<Address> {
    let mut labels = host.splitn(4, '.');
    let (id, service, region) = (labels.next()?, labels.next()?, labels.next()?);
    if service != "lambda-url" || id.is_empty() {
        return None;
    }
    let region = region.split(':').next().unwrap_or(region);
    Some(Address { id: id.to_owned(), region: Some(region.to_owned()), prefix_bytes: 0 })
}

fn by_path(path: &str) -> Option<Address> {
    let id = path.strip_prefix(PATH)?.split('/').next().filter(|id| !id.is_empty())?;
    Some(Address { id: id.to_owned(), region: None, prefix_bytes: PATH.len() + id.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, path: &str) -> Option<(String, Option<String>, usize)> {
        let request = Request::builder().uri(path).header("host", host).body(()).unwrap();
        Address::of(&request).map(|a| (a.id, a.region, a.prefix_bytes))
    }

    #[test]
    fn hosts_and_paths_name_a_url() {
        let region = || Some("eu-west-1".to_owned());
        for host in [
            "abc.lambda-url.eu-west-1.on.aws",
            "abc.lambda-url.eu-west-1.localhost:4566",
            "abc.lambda-url.eu-west-1:80",
        ] {
            assert_eq!(of(host, "/x"), Some(("abc".to_owned(), region(), 0)), "{host}");
        }
        assert_eq!(of("localhost:4566", "/_aws/lambda-url/abc/x/y"), Some(("abc".to_owned(), None, 20)));
        assert_eq!(of("localhost:4566", "/_aws/lambda-url/abc"), Some(("abc".to_owned(), None, 20)));
        for (host, path) in [
            ("localhost:4566", "/"),
            ("localhost:4566", "/_aws/lambda-url/"),
            ("lambda.us-east-1.amazonaws.com", "/2015-03-31/functions"),
            ("lambda-url.us-east-1.on.aws", "/"),
        ] {
            assert_eq!(of(host, path), None, "{host}{path}");
        }
    }
}
