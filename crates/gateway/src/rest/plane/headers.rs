//! Headers that are not passed on as they are: API Gateway's own stand in their places ("Amazon API Gateway important notes").

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, SERVER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA, WWW_AUTHENTICATE,
};

/// What stands before the names of headers that keep their value, but not their name.
const REMAPPED: &str = "x-amzn-remapped-";

/// The name under which an integration's header leaves; none if it is no name at all.
pub(in crate::rest) fn of_answer(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_remapped = [CONNECTION, CONTENT_LENGTH, DATE, SERVER, TRANSFER_ENCODING, USER_AGENT, WWW_AUTHENTICATE]
        .contains(&name)
        || matches!(name.as_str(), "content-md5" | "max-forwards" | "x-amzn-requestid" | "x-amz-apigw-id");
    match is_remapped {
        true => HeaderName::from_bytes(format!("{REMAPPED}{name}").as_bytes()).ok(),
        false => Some(name),
    }
}

/// What leaves of an HTTP server's headers.
pub(in crate::rest) fn answer(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len() + 4);
    for (name, value) in from {
        let is_dropped =
            [EXPECT, HOST, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA].contains(name);
        if let Some(name) = of_answer(name.as_str()).filter(|_| !is_dropped) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// Whether a client's header is for API Gateway, not for what stands behind it.
pub(in crate::rest) fn ends_here(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        HOST,
        PROXY_AUTHENTICATE,
        SERVER,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        VIA,
        WWW_AUTHENTICATE,
    ]
    .contains(name)
        || matches!(name.as_str(), "content-md5" | "max-forwards" | "keep-alive" | "x-amzn-trace-id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_gets_another_name() {
        let name = |text: &str| of_answer(text).map(|name| name.to_string());
        assert_eq!(name("Server").as_deref(), Some("x-amzn-remapped-server"));
        assert_eq!(name("X-Amzn-RequestId").as_deref(), Some("x-amzn-remapped-x-amzn-requestid"));
        assert_eq!(name("x-own").as_deref(), Some("x-own"));
        assert_eq!((name("a b"), name("")), (None, None));
        let mut from = HeaderMap::new();
        from.insert(VIA, "1.1 x".parse().unwrap());
        from.insert(DATE, "today".parse().unwrap());
        assert_eq!(answer(&from).keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-amzn-remapped-date"]);
        assert!(ends_here(&HOST) && !ends_here(&USER_AGENT));
    }
}
