//! Cross-origin resource sharing: what settings tell browsers, worked out once. What has no settings says nothing of its own,
//! and the function may.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

/// Settings for browsers, whatever shape they are kept in.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether cookies and other credentials may come along.
    pub credentials: bool,
    /// Pages that may send requests: `https://a.example`, `https://*` for all of a scheme, `*` for all.
    pub origins: Vec<String>,
    /// Methods that requests may have; `*` is all.
    pub methods: Vec<String>,
    /// Headers that requests may have.
    pub headers: Vec<String>,
    /// Headers of answers that pages may see.
    pub exposed: Vec<String>,
    /// How many seconds browsers may remember all this.
    pub max_age_secs: Option<i32>,
}

/// What settings tell browsers.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    credentials: bool,
    origins: Vec<String>,
    everybody: bool,
    methods: Vec<String>,
    methods_header: Option<HeaderValue>,
    headers_header: Option<HeaderValue>,
    exposed_header: Option<HeaderValue>,
    max_age_header: Option<HeaderValue>,
}

/// Whether a request is a browser's question before the real one.
pub fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Policy {
    /// What these settings tell.
    pub fn new(settings: Settings) -> Policy {
        Policy {
            credentials: settings.credentials,
            everybody: settings.origins.iter().any(|origin| origin == "*"),
            origins: settings.origins,
            methods_header: list(&settings.methods),
            methods: settings.methods,
            headers_header: list(&settings.headers),
            exposed_header: list(&settings.exposed),
            max_age_header: settings.max_age_secs.map(HeaderValue::from),
        }
    }

    /// The headers of the answer to a preflight request: none for pages and methods that are not allowed.
    pub fn preflight(&self, head: &Parts) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.to_str().ok());
        if !asked.is_some_and(|method| self.allows_method(method)) || !self.allow_origin(head, &mut headers) {
            return headers;
        }
        set(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, self.methods_header.as_ref());
        set(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, self.headers_header.as_ref());
        set(&mut headers, ACCESS_CONTROL_MAX_AGE, self.max_age_header.as_ref());
        headers
    }

    /// Puts the settings' headers into an answer, over those that a function or server may have set.
    pub fn apply(&self, head: &Parts, headers: &mut HeaderMap) {
        let theirs: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        theirs.iter().for_each(|name| _ = headers.remove(name));
        if head.headers.contains_key(ORIGIN) && self.allow_origin(head, headers) {
            set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed_header.as_ref());
        }
    }

    /// Allows the page that asks, if it may; whether it may. Credentials need it named, also where all are allowed.
    fn allow_origin(&self, head: &Parts, headers: &mut HeaderMap) -> bool {
        let Some(origin) = head.headers.get(ORIGIN) else { return false };
        if !self.everybody && !self.origins.iter().any(|allowed| is_of(origin.as_bytes(), allowed)) {
            return false;
        }
        if self.everybody && !self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    fn allows_method(&self, asked: &str) -> bool {
        self.methods.iter().any(|method| method == "*" || method.eq_ignore_ascii_case(asked))
    }
}

fn is_of(origin: &[u8], allowed: &str) -> bool {
    match allowed.strip_suffix('*').filter(|scheme| scheme.ends_with("://")) {
        Some(scheme) => origin.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme.as_bytes())),
        None => origin.eq_ignore_ascii_case(allowed.as_bytes()),
    }
}

fn list(items: &[String]) -> Option<HeaderValue> {
    if items.is_empty() { None } else { HeaderValue::from_str(&items.join(",")).ok() }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Policy {
        Policy::new(Settings {
            credentials,
            headers: vec!["x-one".to_owned(), "x-two".to_owned()],
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            exposed: vec!["x-seen".to_owned()],
            max_age_secs: Some(60),
        })
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
        let told = cors(&["https://a.example"], true).preflight(&asked);
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
            |origin, method| cors(&["https://a.example"], true).preflight(&request("OPTIONS", origin, Some(method)));
        assert!(of("https://b.example", "POST").is_empty());
        assert!(of("https://a.example", "DELETE").is_empty());
        assert!(!is_preflight(&request("OPTIONS", "https://a.example", None)));
        assert!(!is_preflight(&request("GET", "https://a.example", Some("GET"))));
    }

    #[test]
    fn everybody_is_a_star_unless_credentials_come_along() {
        let asked = request("GET", "https://a.example", None);
        let mut headers = HeaderMap::new();
        cors(&["*"], false).apply(&asked, &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-expose-headers"], "x-seen");
        headers.clear();
        cors(&["*"], true).apply(&asked, &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    }

    #[test]
    fn the_functions_own_headers_give_way() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://mine.example"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("5"));
        cors(&["https://a.example"], false).apply(&request("GET", "https://b.example", None), &mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn a_scheme_may_stand_for_all_of_its_origins() {
        let of = |origin| cors(&["https://*"], false).preflight(&request("OPTIONS", origin, Some("GET")));
        assert_eq!(of("https://any.example:8443")[ACCESS_CONTROL_ALLOW_ORIGIN], "https://any.example:8443");
        assert!(of("http://any.example").is_empty());
        assert!(of("null").is_empty());
    }
}
