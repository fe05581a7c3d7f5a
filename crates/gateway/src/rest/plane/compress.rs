//! Compression, where an API has a minimum size for it: answers for callers that take it, bodies that callers have compressed.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use wire::body::gzip;

use super::asked::Asked;
use super::proxied::Answered;
use super::refusal::Refusal;
use crate::rest::records::RestApi;

/// Whether the API compresses answers, from how many bytes.
fn minimum(api: &RestApi) -> Option<usize> {
    api.minimum_compression_size.and_then(|bytes| usize::try_from(bytes).ok())
}

/// Compresses an answer if its caller takes it. A body that somebody has encoded already stays as it is.
pub(super) fn answer(api: &RestApi, asked: &Asked, answered: &mut Answered) {
    let Some(minimum) = minimum(api) else { return };
    if answered.body.is_empty() || answered.body.len() < minimum || answered.headers.contains_key(CONTENT_ENCODING) {
        return;
    }
    let accepted = asked.text(ACCEPT_ENCODING).unwrap_or_default();
    let Some(encoding) = chosen(accepted) else { return };
    if let Some(body) = encoded(encoding, &answered.body) {
        answered.body = body;
        answered.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
}

/// The encoding that a caller takes; those that it says it does not (`q=0`) are none.
fn chosen(accepted: &str) -> Option<&'static str> {
    let is_taken = |wanted: &str| {
        accepted.split(',').map(str::trim).any(|one| {
            let (name, quality) = one.split_once(';').unwrap_or((one, ""));
            let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
            (name.trim().eq_ignore_ascii_case(wanted) || name.trim() == "*") && !refused
        })
    };
    ["gzip", "deflate"].into_iter().find(|name| is_taken(name))
}

fn encoded(encoding: &str, body: &[u8]) -> Option<Bytes> {
    let level = Compression::fast();
    let bytes = match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), level);
            encoder.write_all(body).ok()?;
            encoder.finish().ok()?
        }
        _ => {
            let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 2), level);
            encoder.write_all(body).ok()?;
            encoder.finish().ok()?
        }
    };
    Some(bytes.into())
}

/// Inflates a body that its caller has compressed, within a limit.
pub(super) fn body(api: &RestApi, asked: &mut Asked, bytes_max: usize) -> Result<(), Refusal> {
    if minimum(api).is_none() {
        return Ok(());
    }
    let inflated = match asked.text(CONTENT_ENCODING) {
        Some("gzip") => gzip::decode(&asked.body, bytes_max).map_err(|error| match error {
            gzip::Error::TooLarge { .. } => Refusal::too_large(),
            gzip::Error::Malformed => Refusal::malformed(),
        })?,
        Some("deflate") => inflated(&asked.body, bytes_max)?,
        _ => return Ok(()),
    };
    asked.body = inflated;
    asked.headers.remove(CONTENT_ENCODING);
    Ok(())
}

/// `deflate`: zlib's format.
fn inflated(body: &[u8], bytes_max: usize) -> Result<Bytes, Refusal> {
    let mut inflated = Vec::new();
    let mut decoder = ZlibDecoder::new(body).take(bytes_max as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(|_| Refusal::malformed())?;
    if inflated.len() > bytes_max { Err(Refusal::too_large()) } else { Ok(inflated.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_choose_encodings() {
        for (accepted, encoding) in [
            ("gzip, deflate, br", Some("gzip")),
            ("deflate", Some("deflate")),
            ("GZIP;q=0.5", Some("gzip")),
            ("gzip;q=0, deflate", Some("deflate")),
            ("*", Some("gzip")),
            ("br", None),
            ("", None),
        ] {
            assert_eq!(chosen(accepted), encoding, "{accepted}");
        }
    }

    #[test]
    fn what_is_compressed_inflates() {
        let text = vec![b'x'; 10_000];
        let small = encoded("gzip", &text).unwrap();
        assert!(small.len() < 200);
        assert_eq!(gzip::decode(&small, 20_000).unwrap(), text);
    }

    #[test]
    fn what_inflates_to_too_much_or_nothing_is_refused() {
        let small = encoded("deflate", &[b'x'; 1_000]).unwrap();
        assert_eq!(inflated(&small, 1_000).unwrap().len(), 1_000);
        assert_eq!(inflated(&small, 999), Err(Refusal::too_large()));
        assert_eq!(inflated(b"plain", 999), Err(Refusal::malformed()));
        assert_eq!(inflated(&small[..small.len() / 2], 1_000), Err(Refusal::malformed()));
    }
}
