//! How large a request's head is, as API Gateway counts it.

use http::Version;
use http::request::Parts;

/// A request line and the values of its headers together: AWS's 10,240 bytes, for REST and HTTP APIs alike ("Total combined size of
/// request line and header values"). What is more is answered with 431.
pub(crate) const HEAD_BYTES_MAX: usize = 10_240;

/// How much of [`HEAD_BYTES_MAX`] a request takes, as its client sent it. Headers' names are free.
pub(crate) fn head_bytes(head: &Parts) -> usize {
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    // Between the three parts of a request line is a space each; of HTTP/2 it would have been one.
    let version = if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" };
    let line = head.method.as_str().len() + path + version.len() + 2;
    line + head.headers.values().map(http::HeaderValue::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn lines_and_values_count() {
        let request =
            Request::get("/a/b?c=1").header("host", "abc").header("x-some-name", "de").header("x-some-name", "f");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(head_bytes(&head), "GET /a/b?c=1 HTTP/1.1".len() + 6);
    }
}
