//! Asking one registry: redirects followed a few times, a login or a token where it wants one,
//! and an end to waiting. Answers are read by blocking code, no faster than it keeps them and never beyond their bound.

use std::io::{self, Read};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{Request, StatusCode};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::{Ask, Error, Login, Pieces, Way};

/// Redirects of one request.
const REDIRECTS_MAX: usize = 3;
/// How long a connection or the next piece of an answer may take.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the whole image may take: 10 GB at 11 MB/s.
const PULL_MAX: Duration = Duration::from_secs(900);
/// Largest answer with a token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// One image's requests.
pub(super) struct Exchange<'a> {
    home: Address,
    /// What a token must allow.
    scope: String,
    login: Option<&'a Login>,
    ask: &'a Ask,
    /// What the registry wanted to see, once it said so. Nobody else gets it.
    authorization: Option<HeaderValue>,
    runtime: &'a Handle,
    deadline: Instant,
}

/// The answer with a token; registries differ in its name, and some give both.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// How the registry wants to be asked.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl<'a> Exchange<'a> {
    pub(super) fn new(home: Address, repository: &str, way: &Way<'a>) -> Exchange<'a> {
        let Way { login, ask, runtime } = *way;
        Exchange {
            home,
            scope: format!("repository:{repository}:pull"),
            login: login.filter(|login| !login.username.is_empty()),
            ask,
            authorization: None,
            runtime,
            deadline: Instant::now() + PULL_MAX,
        }
    }

    /// What is at a path, of which no more than `bytes_max` is read.
    pub(super) fn get(&mut self, path: &str, accept: &'static str, bytes_max: u64) -> Result<Content<'a>, Error> {
        let runtime = self.runtime;
        let answer = runtime.block_on(self.authorized(path, accept))?;
        let declared = answer.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > bytes_max) {
            return Err(crate::Error::refused(format!("{path} has more than {bytes_max} bytes")).into());
        }
        Ok(Content { answer, present: Bytes::new(), left: bytes_max, runtime, deadline: self.deadline })
    }

    /// Asks, and once more with what the registry wants to see: a token may have ended meanwhile.
    async fn authorized(&mut self, path: &str, accept: &'static str) -> Result<Answer, Error> {
        let home = self.home.clone();
        let mut answer = self.followed(home.clone(), path, accept, self.authorization.clone()).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let challenge = Challenge::of(&answer.headers)
                .ok_or_else(|| Error::Denied("it does not say how it wants to be asked".to_owned()))?;
            drop(answer);
            self.authorization = Some(self.answer_to(challenge).await?);
            answer = self.followed(home, path, accept, self.authorization.clone()).await?;
        }
        answer.accepted()
    }

    async fn answer_to(&self, challenge: Challenge) -> Result<HeaderValue, Error> {
        let (realm, service) = match challenge {
            Challenge::Basic => {
                return self.basic().ok_or_else(|| Error::Denied("it wants a name and a password".to_owned()));
            }
            Challenge::Bearer { realm, service } => (realm, service),
        };
        let (address, mut path) = self.home.follow(&realm)?;
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&format!("scope={}", encoded(&self.scope)));
        service.iter().for_each(|service| path.push_str(&format!("&service={}", encoded(service))));
        let mut answer = self.followed(address, &path, "application/json", self.basic()).await?.accepted()?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.piece(self.deadline).await.map_err(unreachable)? {
            if (bytes.len() + piece.len()) as u64 > TOKEN_BYTES_MAX {
                return Err(Error::Unreachable(format!("a token of more than {TOKEN_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&piece);
        }
        let token: Token = serde_json::from_slice(&bytes).map_err(unreachable)?;
        let token = token.token.or(token.access_token).and_then(|token| secret(format!("Bearer {token}")));
        token.ok_or_else(|| Error::Unreachable("no token, or one that no header can have".to_owned()))
    }

    fn basic(&self) -> Option<HeaderValue> {
        let Login { username, password, .. } = self.login?;
        secret(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    }

    /// Asks an address, and where it redirects to.
    async fn followed(
        &self,
        mut address: Address,
        path: &str,
        accept: &'static str,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        let (first, mut path) = (address.clone(), path.to_owned());
        for _ in 0..=REDIRECTS_MAX {
            // Who redirects elsewhere has signed the link, or does not want us to be known there.
            let authorization = authorization.clone().filter(|_| address == first);
            let answer = self.asked(&address, &path, accept, authorization).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let link = answer.headers.get(LOCATION).and_then(|link| link.to_str().ok()).unwrap_or_default();
            (address, path) = address.follow(link)?;
        }
        Err(Error::Unreachable(format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    async fn asked(
        &self,
        address: &Address,
        path: &str,
        accept: &'static str,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        let request = Request::get(address.url(path)?)
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("updraft/", env!("CARGO_PKG_VERSION")));
        let mut request = request.body(()).map_err(unreachable)?;
        authorization.into_iter().for_each(|value| _ = request.headers_mut().insert(AUTHORIZATION, value));
        let until = self.deadline.min(Instant::now() + WAIT_MAX);
        let answer = timeout_at(until, (self.ask)(request)).await.map_err(|_| unreachable("it does not answer"))?;
        let (head, pieces) = answer.map_err(unreachable)?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, pieces })
    }
}

fn unreachable(error: impl ToString) -> Error {
    Error::Unreachable(error.to_string())
}

/// A header that is not shown where headers are.
fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    pieces: Pieces,
}

impl Answer {
    fn accepted(self) -> Result<Answer, Error> {
        match self.status {
            StatusCode::OK => Ok(self),
            StatusCode::NOT_FOUND => Err(Error::Absent),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(Error::Denied(status.to_string())),
            status => Err(Error::Unreachable(format!("it answers {status}"))),
        }
    }

    async fn piece(&mut self, deadline: Instant) -> io::Result<Option<Bytes>> {
        let broken = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("the registry broke off: {why}"));
        let until = deadline.min(Instant::now() + WAIT_MAX);
        let piece = timeout_at(until, self.pieces.next()).await.map_err(|_| broken("it took too long".into()))?;
        piece.transpose().map_err(|error| broken(error.to_string()))
    }
}

/// An answer's content, for blocking code.
pub(super) struct Content<'a> {
    answer: Answer,
    present: Bytes,
    /// How much more it may have.
    left: u64,
    runtime: &'a Handle,
    deadline: Instant,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.present.is_empty() {
            let Some(piece) = self.runtime.block_on(self.answer.piece(self.deadline))? else { return Ok(0) };
            let left = self.left.checked_sub(piece.len() as u64);
            self.left = left.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the registry sends more than was to be expected")
            })?;
            self.present = piece;
        }
        let count = self.present.len().min(buffer.len());
        self.present.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Challenge {
    /// What the registry's headers ask for; a token before a password.
    fn of(headers: &HeaderMap) -> Option<Challenge> {
        let all = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let read: Vec<Challenge> = all.filter_map(Challenge::read).collect();
        let (bearer, basic): (Vec<_>, Vec<_>) = read.into_iter().partition(|one| *one != Challenge::Basic);
        bearer.into_iter().chain(basic).next()
    }

    fn read(text: &str) -> Option<Challenge> {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        let (mut realm, mut service, mut rest) = (None, None, rest.trim());
        while let Some((name, after)) = rest.split_once('=') {
            let (value, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
            rest = next.trim_start_matches([',', ' ']);
        }
        scheme.eq_ignore_ascii_case("bearer").then_some(Challenge::Bearer { realm: realm?, service })
    }
}

/// As it stands in a query.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[test]
    fn challenges_are_read_in_any_order_and_quoting() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        let read = Challenge::read;
        assert_eq!(
            read(r#"Bearer realm="http://a/t",service="s",scope="repository:x:pull,push""#),
            bearer("http://a/t", Some("s"))
        );
        assert_eq!(read(r#"bearer service=s, realm="/t""#), bearer("/t", Some("s")));
        assert_eq!(read(r#"Basic realm="x""#), Some(Challenge::Basic));
        for text in ["", "Digest realm=\"x\"", "Bearer", "Bearer service=\"s\"", "Bearer realm=\"open"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
