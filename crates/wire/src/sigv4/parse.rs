//! What a request claims about its signature: the `Authorization` header, or the query of a presigned URL.

use std::collections::HashMap;

use base::Timestamp;
use http::request::Parts;

use super::{
    ALGORITHM, EXPIRES_MAX_S, PayloadHash, Presented, Refusal, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER,
    STREAMING_UNSIGNED_TRAILER, Scope, UNSIGNED_PAYLOAD, canonical, hex,
};

/// Reads the signature of a request; `None` if it carries none of AWS's (no `Authorization`, or another scheme such as
/// `Bearer`, which is the application's affair).
pub fn parse(parts: &Parts) -> Result<Option<Presented>, Refusal> {
    let mut headers = parts.headers.get_all("authorization").iter().filter(|v| v.as_bytes().starts_with(b"AWS"));
    let authorization = headers.next();
    let query = presigned_query(parts);
    match (authorization, query) {
        (Some(_), Some(_)) => Err(Refusal::TwoMechanisms),
        (Some(_), None) if headers.next().is_some() => Err(Refusal::TwoMechanisms),
        (Some(value), None) => from_header(parts, value.to_str().unwrap_or_default()).map(Some),
        (None, Some(query)) => from_query(parts, &query).map(Some),
        (None, None) => Ok(None),
    }
}

/// The decoded `X-Amz-…` query parameters, if any of them says that the URL is presigned.
fn presigned_query(parts: &Parts) -> Option<HashMap<String, String>> {
    let raw = parts.uri.query()?;
    if !raw.contains("X-Amz-") {
        return None;
    }
    let decode = |text| String::from_utf8_lossy(&canonical::percent_decode(text, true)).into_owned();
    let pairs = raw.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query: HashMap<String, String> = pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .filter(|(name, _)| name.starts_with("X-Amz-"))
        .collect();
    ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"].iter().any(|n| query.contains_key(*n)).then_some(query)
}

fn from_header(parts: &Parts, authorization: &str) -> Result<Presented, Refusal> {
    let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if algorithm != ALGORITHM {
        return Err(Refusal::Algorithm { given: algorithm.to_owned(), presigned: false });
    }
    let fields: HashMap<&str, &str> = rest.split(',').filter_map(|field| field.trim().split_once('=')).collect();
    let date = header(parts, "x-amz-date").or_else(|| header(parts, "date"));
    let signed_at = date.and_then(|d| Timestamp::parse_basic(d).or_else(|| Timestamp::parse_http_date(d)));
    let (Some(credential), Some(signature), Some(signed_headers), Some(signed_at)) =
        (fields.get("Credential"), fields.get("Signature"), fields.get("SignedHeaders"), signed_at)
    else {
        return Err(incomplete_header(&fields, signed_at.is_some(), authorization));
    };
    let scope = Claim { credential, date: signed_at, presigned: false };
    let (access_key_id, scope) = scope.read()?;
    let payload = match header(parts, "x-amz-content-sha256") {
        None if scope.is_s3() => return Err(Refusal::ContentHashMissing),
        None => PayloadHash::OfBody,
        Some(text) => payload_hash(text)?,
    };
    let presented = Presented {
        access_key_id,
        scope,
        signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
        signature: (*signature).to_owned(),
        session_token: header(parts, "x-amz-security-token").map(str::to_owned),
        payload,
        signed_at,
        expires_s: None,
    };
    check_signed_headers(parts, &presented.signed_headers)?;
    Ok(presented)
}

/// AWS lists all that is missing, each with its own sentence.
fn incomplete_header(fields: &HashMap<&str, &str>, has_date: bool, authorization: &str) -> Refusal {
    let missing = ["Credential", "Signature", "SignedHeaders"].into_iter().filter(|name| !fields.contains_key(name));
    let mut words: Vec<String> =
        missing.map(|name| format!("Authorization header requires '{name}' parameter.")).collect();
    if !has_date {
        words.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned());
    }
    // AWS echoes the header's hash only, since a broken header may hold a secret in the wrong place.
    words.push(format!("(Hashed with SHA-256) Authorization={}", hex::sha256(authorization.as_bytes())));
    Refusal::Incomplete { words: words.join(" "), presigned: false }
}

fn from_query(parts: &Parts, query: &HashMap<String, String>) -> Result<Presented, Refusal> {
    let get = |name: &str| query.get(name).map(String::as_str);
    if let Some(given) = get("X-Amz-Algorithm").filter(|a| *a != ALGORITHM) {
        return Err(Refusal::Algorithm { given: given.to_owned(), presigned: true });
    }
    let (Some(_), Some(credential), Some(signature), Some(date), Some(signed_headers)) = (
        get("X-Amz-Algorithm"),
        get("X-Amz-Credential"),
        get("X-Amz-Signature"),
        get("X-Amz-Date"),
        get("X-Amz-SignedHeaders"),
    ) else {
        return Err(incomplete_query(query));
    };
    let Some(signed_at) = Timestamp::parse_basic(date) else {
        return Err(Refusal::Incomplete {
            words: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned(),
            presigned: true,
        });
    };
    let (access_key_id, scope) = Claim { credential, date: signed_at, presigned: true }.read()?;
    let expires_s = match get("X-Amz-Expires") {
        Some(text) => read_expires(text)?,
        // Outside S3 a URL without a life of its own has that of any signed request.
        None if !scope.is_s3() => (super::SKEW_MAX_MS / 1000) as u32,
        None => return Err(incomplete_query(query)),
    };
    let payload = match header(parts, "x-amz-content-sha256").or(get("X-Amz-Content-Sha256")) {
        Some(text) => payload_hash(text)?,
        None if scope.is_s3() => PayloadHash::Unsigned,
        None => PayloadHash::OfBody,
    };
    let presented = Presented {
        access_key_id,
        scope,
        signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
        signature: signature.to_owned(),
        session_token: get("X-Amz-Security-Token").map(str::to_owned),
        payload,
        signed_at,
        expires_s: Some(expires_s),
    };
    check_signed_headers(parts, &presented.signed_headers)?;
    Ok(presented)
}

fn incomplete_query(query: &HashMap<String, String>) -> Refusal {
    let needed = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let missing = needed.into_iter().filter(|name| !query.contains_key(*name));
    let mut words: Vec<String> =
        missing.map(|name| format!("AWS query-string parameters must include '{name}'.")).collect();
    words.push("Re-examine the query-string parameters.".to_owned());
    Refusal::Incomplete { words: words.join(" "), presigned: true }
}

fn read_expires(text: &str) -> Result<u32, Refusal> {
    let seconds: i64 = text.parse().map_err(|_| Refusal::Expires { words: "X-Amz-Expires should be a number" })?;
    match u32::try_from(seconds) {
        Ok(seconds) if seconds <= EXPIRES_MAX_S => Ok(seconds),
        Err(_) if seconds < 0 => Err(Refusal::Expires { words: "X-Amz-Expires must be non-negative" }),
        _ => Err(Refusal::Expires {
            words: "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
                    less than 604800 seconds",
        }),
    }
}

/// `Credential=AKID/20261122/us-east-1/lambda/aws4_request` and the date it must agree with.
struct Claim<'a> {
    credential: &'a str,
    date: Timestamp,
    presigned: bool,
}

impl Claim<'_> {
    fn read(&self) -> Result<(String, Scope), Refusal> {
        // From the right: nothing forbids a slash in a key id, but the scope has four parts.
        let mut fields = self.credential.rsplitn(5, '/');
        let mut next = || fields.next().filter(|f| !f.is_empty());
        let (Some(terminator), Some(service), Some(region), Some(date), Some(key)) =
            (next(), next(), next(), next(), next())
        else {
            return Err(Refusal::Credential { given: self.credential.to_owned(), presigned: self.presigned });
        };
        if terminator != "aws4_request" {
            return Err(Refusal::Terminator { given: terminator.to_owned() });
        }
        let signed_at = self.date.to_basic();
        if date != &signed_at[..8] {
            return Err(Refusal::ScopeDate { given: date.to_owned(), signed_at });
        }
        let scope = Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Ok((key.to_owned(), scope))
    }
}

fn payload_hash(text: &str) -> Result<PayloadHash, Refusal> {
    Ok(match text {
        UNSIGNED_PAYLOAD => PayloadHash::Unsigned,
        STREAMING_SIGNED => PayloadHash::SignedChunks { trailer: false },
        STREAMING_SIGNED_TRAILER => PayloadHash::SignedChunks { trailer: true },
        STREAMING_UNSIGNED_TRAILER => PayloadHash::UnsignedChunks,
        hash if hex::is_sha256(hash) => PayloadHash::Declared(hash.to_owned()),
        other => {
            return Err(Refusal::ContentHashMalformed { given: other.to_owned() });
        }
    })
}

/// The host and every `x-amz-*` header must be signed: an unsigned one could have been slipped in on the way.
fn check_signed_headers(parts: &Parts, signed: &[String]) -> Result<(), Refusal> {
    let well_formed = |n: &String| !n.is_empty() && !n.bytes().any(|b| b.is_ascii_uppercase() || b <= b' ');
    if !signed.iter().all(well_formed) || !signed.iter().any(|n| n == "host") {
        return Err(Refusal::HostNotSigned);
    }
    // CloudFront adds x-amz-cf-id on its way to an origin, after the client has signed.
    let must = |name: &&str| name.starts_with("x-amz-") && *name != "x-amz-cf-id";
    let mut unsigned: Vec<&str> = parts.headers.keys().map(|n| n.as_str()).filter(must).collect();
    unsigned.retain(|name| !signed.iter().any(|s| s == name));
    if unsigned.is_empty() {
        return Ok(());
    }
    unsigned.sort_unstable();
    Err(Refusal::HeadersNotSigned { names: unsigned.join(", ") })
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok().map(str::trim)
}
