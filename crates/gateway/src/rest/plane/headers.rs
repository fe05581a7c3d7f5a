//! Headers that are not passed on as they are: API Gateway's own stand in their places ("Amazon API Gateway important notes").

use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, SERVER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA, WWW_AUTHENTICATE,
};

use crate::rest::records::IntegrationType;

/// What stands before the names of headers that keep their value, but not their name.
const REMAPPED: &str = "x-amzn-remapped-";

/// Headers of an answer whose names are API Gateway's own.
const OWN: [HeaderName; 13] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    SERVER,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
    WWW_AUTHENTICATE,
];

/// Headers of a request that API Gateway makes itself: an integration that maps one of them always fails.
const UNMAPPED: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// Those that it makes for AWS's own services.
const UNMAPPED_FOR_AWS: [HeaderName; 5] = [AUTHORIZATION, CONNECTION, EXPECT, PROXY_AUTHENTICATE, TE];

/// The name under which an integration's header leaves; none if it is no name at all.
pub(in crate::rest) fn of_answer(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_remapped = OWN.contains(&name)
        || matches!(name.as_str(), "content-md5" | "max-forwards" | "x-amzn-requestid" | "x-amz-apigw-id");
    match is_remapped {
        true => HeaderName::from_bytes(format!("{REMAPPED}{name}").as_bytes()).ok(),
        false => Some(name),
    }
}

/// The name under which a mapped header leaves; none if it is no name at all, or one that is mapped in vain.
pub(in crate::rest) fn of_mapping(name: &str) -> Option<HeaderName> {
    if name.eq_ignore_ascii_case(TRANSFER_ENCODING.as_str()) { None } else { of_answer(name) }
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

/// Whether an integration of this kind can have a header mapped into its request.
pub(in crate::rest) fn can_be_mapped(name: &HeaderName, kind: IntegrationType) -> bool {
    let is_aws = matches!(kind, IntegrationType::Aws | IntegrationType::AwsProxy);
    !(UNMAPPED.contains(name) || (is_aws && UNMAPPED_FOR_AWS.contains(name)))
}

/// Whether a header is mapped into a request in vain.
pub(in crate::rest) fn is_mapped_in_vain(name: &HeaderName) -> bool {
    [EXPECT, PROXY_AUTHENTICATE].contains(name)
}

/// Whether a client's header is for API Gateway alone: nothing that stands behind it hears of it.
pub(in crate::rest) fn is_of_gateway(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        PROXY_AUTHENTICATE,
        SERVER,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        WWW_AUTHENTICATE,
    ]
    .contains(name)
        || matches!(name.as_str(), "content-md5" | "max-forwards" | "keep-alive")
}

/// Whether a client's header is not passed on to a server: those, and what a server is told in API Gateway's own way.
pub(in crate::rest) fn ends_here(name: &HeaderName) -> bool {
    is_of_gateway(name) || [HOST, VIA].contains(name) || name == "x-amzn-trace-id"
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
        assert_eq!(of_mapping("Transfer-Encoding"), None);
        assert_eq!(of_mapping("Authorization").unwrap(), "x-amzn-remapped-authorization");
        let mut from = HeaderMap::new();
        from.insert(VIA, "1.1 x".parse().unwrap());
        from.insert(DATE, "today".parse().unwrap());
        assert_eq!(answer(&from).keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-amzn-remapped-date"]);
        assert!(ends_here(&HOST) && !ends_here(&USER_AGENT));
        assert!(is_of_gateway(&EXPECT) && !is_of_gateway(&HOST));
    }
}
