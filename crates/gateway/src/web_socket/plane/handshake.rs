//! The opening handshake (RFC 6455, section 4.2): what a client must send, and how the agreement looks.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use shape::Body;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wire::protocol::Answer;

use crate::edge::refusal;

/// A handshake that can be agreed to.
pub(super) struct Handshake {
    accept: HeaderValue,
}

impl Handshake {
    /// Reads a request's; the refusal if it is none.
    pub(super) fn of(head: &Parts) -> Result<Handshake, Box<Answer>> {
        let asks = head.method == Method::GET
            && head.version == Version::HTTP_11
            && lists(&head.headers, &CONNECTION, "upgrade")
            && lists(&head.headers, &UPGRADE, "websocket");
        if !asks {
            let mut answer = refusal(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
            answer.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            answer.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            return Err(Box::new(answer));
        }
        if head.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let mut answer = refusal(StatusCode::BAD_REQUEST, "Bad Request");
            answer.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Err(Box::new(answer));
        }
        let bad = || Box::new(refusal(StatusCode::BAD_REQUEST, "Bad Request"));
        let key = head.headers.get(SEC_WEBSOCKET_KEY).ok_or_else(bad)?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| bad())?;
        Ok(Handshake { accept })
    }

    /// The answer by which the connection becomes a WebSocket, in the subprotocol that the backend chose if it did.
    pub(super) fn agree(self, subprotocol: Option<HeaderValue>) -> Answer {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        Answer { status: StatusCode::SWITCHING_PROTOCOLS, headers, body: Body::default() }
    }
}

/// Whether a header that is a list has this word, in whatever case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(headers: &[(&str, &str)]) -> Result<Handshake, Box<Answer>> {
        let mut request = Request::get("/prod");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Handshake::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_handshake_is_agreed_to_or_refused_with_its_status() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = of(&good).ok().unwrap().agree(Some(HeaderValue::from_static("chat")));
        assert_eq!(answer.status, 101);
        // The example of RFC 6455, section 1.3.
        assert_eq!(answer.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers["sec-websocket-protocol"], "chat");
        for (missing, status) in [(0, 426), (1, 426), (2, 400), (3, 400)] {
            let mut headers = good.to_vec();
            headers.remove(missing);
            assert_eq!(of(&headers).err().unwrap().status, status);
        }
        assert_eq!(of(&[good[0], good[1], ("sec-websocket-version", "8"), good[3]]).err().unwrap().status, 400);
    }
}
