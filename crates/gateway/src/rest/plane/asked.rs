//! A request below its stage, as methods see it: what a client sent, and what stands at the names in its path. Nothing is
//! decoded before somebody asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_TYPE, COOKIE, DATE, HOST, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, ORIGIN, PRAGMA, RANGE,
    REFERER, USER_AGENT, VIA,
};
use http::{HeaderMap, Method, Version};
use wire::route::percent;

use super::headers;

/// A request.
#[derive(Debug)]
pub(in crate::rest) struct Asked {
    pub(in crate::rest) method: Method,
    pub(in crate::rest) version: Version,
    /// The path below the stage, as it was sent.
    pub(in crate::rest) path: String,
    /// What follows the question mark, as it was sent.
    pub(in crate::rest) query: String,
    pub(in crate::rest) headers: HeaderMap,
    pub(in crate::rest) body: Bytes,
    /// What stands at the names in the resource's path, as it was sent.
    pub(in crate::rest) path_parameters: Vec<(String, String)>,
}

impl Asked {
    /// A header's value: the last, where there are several.
    pub(in crate::rest) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get_all(name).iter().next_back().map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// A header's value if it is one that can be compared.
    pub(in crate::rest) fn text(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All of a header's values, joined by commas.
    pub(in crate::rest) fn joined_header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// What stands at a name in the path.
    pub(in crate::rest) fn path_parameter(&self, name: &str) -> Option<&str> {
        self.path_parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The query string's names and values.
    pub(in crate::rest) fn query_pairs(&self) -> percent::Pairs<'_> {
        percent::pairs(&self.query)
    }

    /// A query parameter's value: the last, where there are several.
    pub(in crate::rest) fn query_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().into_iter().rfind(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All headers by the names that functions and templates see, each with its values.
    pub(in crate::rest) fn shown_headers(&self) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
        let mut shown: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
        for (name, value) in &self.headers {
            if !headers::is_of_gateway(name) {
                shown
                    .entry(shown_name(name, self.version))
                    .or_default()
                    .push(String::from_utf8_lossy(value.as_bytes()));
            }
        }
        shown
    }
}

/// A header's name as functions see it. HTTP/1.1 has names in the case in which they were sent, and clients send those of the
/// standards in capitals; the server below tells no case, so those get their customary one, all others none. HTTP/2 has no
/// capitals but in what API Gateway adds itself.
fn shown_name(name: &HeaderName, version: Version) -> &str {
    const CUSTOMARY: [(HeaderName, &str); 22] = [
        (ACCEPT, "Accept"),
        (ACCEPT_CHARSET, "Accept-Charset"),
        (ACCEPT_ENCODING, "Accept-Encoding"),
        (ACCEPT_LANGUAGE, "Accept-Language"),
        (AGE, "Age"),
        (AUTHORIZATION, "Authorization"),
        (CACHE_CONTROL, "Cache-Control"),
        (CONTENT_ENCODING, "Content-Encoding"),
        (CONTENT_TYPE, "Content-Type"),
        (COOKIE, "Cookie"),
        (DATE, "Date"),
        (HOST, "Host"),
        (IF_MATCH, "If-Match"),
        (IF_MODIFIED_SINCE, "If-Modified-Since"),
        (IF_NONE_MATCH, "If-None-Match"),
        (ORIGIN, "Origin"),
        (PRAGMA, "Pragma"),
        (RANGE, "Range"),
        (REFERER, "Referer"),
        (USER_AGENT, "User-Agent"),
        (VIA, "Via"),
        (http::header::FORWARDED, "Forwarded"),
    ];
    match name.as_str() {
        "x-amzn-trace-id" => return "X-Amzn-Trace-Id",
        "x-forwarded-for" => return "X-Forwarded-For",
        "x-forwarded-port" => return "X-Forwarded-Port",
        "x-forwarded-proto" => return "X-Forwarded-Proto",
        _ => {}
    }
    let of_gateway = [HOST, USER_AGENT].contains(name);
    let customary = CUSTOMARY.iter().find(|(known, _)| known == name).map(|(_, shown)| *shown);
    customary.filter(|_| version != Version::HTTP_2 || of_gateway).unwrap_or(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: Version) -> Asked {
        let request = http::Request::builder()
            .uri("/x?a=1&b=%2B+&a=2")
            .header("x-odd", "1")
            .header("X-Odd", "2")
            .header("content-type", "text/plain")
            .header("connection", "close")
            .header("host", "h");
        let (head, ()) = request.body(()).unwrap().into_parts();
        Asked {
            method: head.method,
            version,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
            path_parameters: vec![("id".to_owned(), "7".to_owned())],
        }
    }

    #[test]
    fn the_last_of_several_counts() {
        let asked = asked(Version::HTTP_11);
        assert_eq!((asked.header("X-Odd").as_deref(), asked.header("none").as_deref()), (Some("2"), None));
        assert_eq!(asked.joined_header("x-odd").as_deref(), Some("1,2"));
        assert_eq!(
            (asked.query_parameter("a").as_deref(), asked.query_parameter("b").as_deref()),
            (Some("2"), Some("+ "))
        );
        assert_eq!((asked.path_parameter("id"), asked.path_parameter("x")), (Some("7"), None));
    }

    #[test]
    fn names_have_their_customary_case() {
        let names = |version| asked(version).shown_headers().into_keys().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names(Version::HTTP_11), ["Content-Type", "Host", "x-odd"]);
        assert_eq!(names(Version::HTTP_2), ["Host", "content-type", "x-odd"]);
        assert_eq!(asked(Version::HTTP_11).shown_headers()["x-odd"], ["1", "2"]);
    }
}
