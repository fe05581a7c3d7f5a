//! Cross-origin resource sharing: what a URL's configuration tells browsers. A URL without one says nothing of its own, and
//! the function may.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use shape::Shape;

/// A URL's settings for browsers.
#[derive(Shape, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// Whether cookies and other credentials may come along.
    pub allow_credentials: Option<bool>,
    /// Headers that requests may have.
    #[shape(length(0..=100))]
    pub allow_headers: Option<Vec<CorsHeader>>,
    /// Methods that requests may have; `*` is all.
    #[shape(length(0..=6))]
    pub allow_methods: Option<Vec<CorsMethod>>,
    /// Pages that may send requests; `*` is all.
    #[shape(length(0..=100))]
    pub allow_origins: Option<Vec<CorsOrigin>>,
    /// Headers of answers that pages may see.
    #[shape(length(0..=100))]
    pub expose_headers: Option<Vec<CorsHeader>>,
    /// How many seconds browsers may remember all this.
    #[shape(range(0..=86_400))]
    pub max_age: Option<i32>,
}

/// A header's name.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Header", length(0..=1024), pattern = ".*")]
pub struct CorsHeader(pub String);

/// A method. AWS allows six characters, which is how it refuses `OPTIONS`.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Method", length(0..=6), pattern = ".*")]
pub struct CorsMethod(pub String);

/// An origin: scheme, host and perhaps port.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Origin", length(1..=253), pattern = ".*")]
pub struct CorsOrigin(pub String);

/// Whether a request is a browser's question before the real one.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers of the answer to a preflight request: none for pages and methods that are not allowed.
pub(super) fn preflight(cors: &Cors, head: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.to_str().ok());
    if !asked.is_some_and(|method| allows_method(cors, method)) || !allow_origin(cors, head, &mut headers) {
        return headers;
    }
    let methods = cors.allow_methods.iter().flatten().map(|CorsMethod(method)| method.as_str());
    let names = cors.allow_headers.iter().flatten().map(|CorsHeader(name)| name.as_str());
    set(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, list(methods));
    set(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, list(names));
    set(&mut headers, ACCESS_CONTROL_MAX_AGE, cors.max_age.map(|seconds| seconds.to_string()));
    headers
}

/// Puts a URL's headers into an answer, over those that the function may have set.
pub(super) fn apply(cors: &Cors, head: &Parts, headers: &mut HeaderMap) {
    let theirs: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    theirs.iter().for_each(|name| _ = headers.remove(name));
    if head.headers.contains_key(ORIGIN) && allow_origin(cors, head, headers) {
        let names = cors.expose_headers.iter().flatten().map(|CorsHeader(name)| name.as_str());
        set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, list(names));
    }
}

/// Allows the page that asks, if it may; whether it may. Credentials need it named, also where all are allowed.
fn allow_origin(cors: &Cors, head: &Parts, headers: &mut HeaderMap) -> bool {
    let Some(origin) = head.headers.get(ORIGIN) else { return false };
    let mut allowed = cors.allow_origins.iter().flatten().map(|CorsOrigin(origin)| origin.as_str());
    let credentials = cors.allow_credentials == Some(true);
    let everybody = allowed.clone().any(|origin| origin == "*");
    if !everybody && !allowed.any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes())) {
        return false;
    }
    if everybody && !credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn allows_method(cors: &Cors, asked: &str) -> bool {
    cors.allow_methods.iter().flatten().any(|CorsMethod(method)| method == "*" || method.eq_ignore_ascii_case(asked))
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Option<String> {
    let items: Vec<&str> = items.collect();
    (!items.is_empty()).then(|| items.join(","))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors {
            allow_credentials: Some(credentials),
            allow_headers: Some(vec![CorsHeader("x-one".into()), CorsHeader("x-two".into())]),
            allow_methods: Some(vec![CorsMethod("GET".into()), CorsMethod("POST".into())]),
            allow_origins: Some(origins.iter().map(|origin| CorsOrigin((*origin).to_owned())).collect()),
            expose_headers: Some(vec![CorsHeader("x-seen".into())]),
            max_age: Some(60),
        }
    }

    fn request(method: &str, origin: &str, asked: Option<&str>) -> Parts {
        let mut request = http::Request::builder().method(method).header("origin", origin);
        if let Some(asked) = asked {
            request = request.header("access-control-request-method", asked);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
        let mut all: Vec<_> =
            headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
        all.sort();
        all
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_preflight_request_is_told_all() {
        let asked = request("OPTIONS", "https://a.example", Some("POST"));
        assert!(is_preflight(&asked));
        let told = preflight(&cors(&["https://a.example"], true), &asked);
        let all = [
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "x-one,x-two"),
            ("access-control-allow-methods", "GET,POST"),
            ("access-control-allow-origin", "https://a.example"),
            ("access-control-max-age", "60"),
            ("vary", "Origin"),
        ];
        assert_eq!(shown(&told), pairs(&all));
    }

    #[test]
    fn other_pages_and_methods_are_told_nothing() {
        let of =
            |origin, method| preflight(&cors(&["https://a.example"], true), &request("OPTIONS", origin, Some(method)));
        assert!(of("https://b.example", "POST").is_empty());
        assert!(of("https://a.example", "DELETE").is_empty());
        assert!(!is_preflight(&request("OPTIONS", "https://a.example", None)));
        assert!(!is_preflight(&request("GET", "https://a.example", Some("GET"))));
    }

    #[test]
    fn everybody_is_a_star_unless_credentials_come_along() {
        let asked = request("GET", "https://a.example", None);
        let mut headers = HeaderMap::new();
        apply(&cors(&["*"], false), &asked, &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-expose-headers"], "x-seen");
        headers.clear();
        apply(&cors(&["*"], true), &asked, &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    }

    #[test]
    fn the_functions_own_headers_give_way() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://mine.example"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("5"));
        apply(&cors(&["https://a.example"], false), &request("GET", "https://b.example", None), &mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
