//! Why a signature was refused, and how each protocol family says so.
//!
//! Codes and sentences are those that AWS's endpoints were seen to send. The families differ: restJson1 services
//! answer 403, the awsJson ones (DynamoDB, Logs, ECS, …) 400 for every authentication error, awsQuery has names
//! without `Exception`, and S3 has a vocabulary of its own.

use base::{Error, Timestamp};

use super::SKEW_MAX_MS;

/// How a service speaks of authentication errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// restJson1: Lambda, API Gateway.
    RestJson,
    /// awsJson1.0, awsJson1.1 and rpcv2Cbor: DynamoDB, CloudWatch Logs.
    AwsJson,
    /// awsQuery, ec2Query and restXml other than S3: IAM, STS, SNS.
    Query,
    /// S3.
    S3,
}

/// Why a request is not believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No signature where one is needed.
    #[error("request is unsigned")]
    MissingToken,
    /// Parts of the header or the query are missing; the words list them.
    #[error("incomplete signature: {words}")]
    Incomplete {
        /// AWS's sentences.
        words: String,
        /// In a query.
        presigned: bool,
    },
    /// Another algorithm than AWS4-HMAC-SHA256.
    #[error("unsupported algorithm {given}")]
    Algorithm {
        /// As sent.
        given: String,
        /// In a query.
        presigned: bool,
    },
    /// Signed by header and by query at once, or twice by header.
    #[error("more than one signature")]
    TwoMechanisms,
    /// A credential without its five parts.
    #[error("malformed credential {given}")]
    Credential {
        /// As sent.
        given: String,
        /// In a query.
        presigned: bool,
    },
    /// A scope that does not end in `aws4_request`.
    #[error("scope ends in {given}")]
    Terminator {
        /// As sent.
        given: String,
    },
    /// The scope's day is not the date's.
    #[error("scope's day {given} is not that of {signed_at}")]
    ScopeDate {
        /// The scope's day.
        given: String,
        /// The request's date.
        signed_at: String,
    },
    /// The scope's region is not this endpoint's.
    #[error("scope's region {given} is not {expected}")]
    Region {
        /// The scope's.
        given: String,
        /// The endpoint's.
        expected: String,
    },
    /// The scope's service is not this endpoint's.
    #[error("scope's service {given} is not {expected}")]
    Service {
        /// The scope's.
        given: String,
        /// The endpoint's.
        expected: String,
    },
    /// The list of signed headers lacks the host or is malformed.
    #[error("host is not signed")]
    HostNotSigned,
    /// `x-amz-*` headers beside the signed ones.
    #[error("headers not signed: {names}")]
    HeadersNotSigned {
        /// Their names, joined by commas.
        names: String,
    },
    /// A header that is said to be signed is not there.
    #[error("signed header {name} is absent")]
    SignedHeaderAbsent {
        /// Its name.
        name: String,
    },
    /// `X-Amz-Expires` is no number, negative or more than seven days.
    #[error("{words}")]
    Expires {
        /// S3's sentence.
        words: &'static str,
    },
    /// Signed more than 15 minutes ago.
    #[error("signed at {signed_at}, now {now}")]
    Expired {
        /// The request's date.
        signed_at: Timestamp,
        /// Ours.
        now: Timestamp,
    },
    /// Signed more than 15 minutes ahead of our clock.
    #[error("signed at {signed_at}, now {now}")]
    NotYet {
        /// The request's date.
        signed_at: Timestamp,
        /// Ours.
        now: Timestamp,
    },
    /// A presigned URL past its life.
    #[error("presigned URL has expired")]
    UrlExpired(UrlExpired),
    /// No such access key, or an inactive one.
    #[error("unknown access key {access_key_id}")]
    UnknownKey {
        /// As sent.
        access_key_id: String,
    },
    /// The session token is not this key's, or is missing for temporary credentials.
    #[error("session token is invalid")]
    InvalidToken,
    /// Temporary credentials past their life.
    #[error("session token has expired")]
    ExpiredToken,
    /// S3 needs `X-Amz-Content-Sha256`.
    #[error("x-amz-content-sha256 is missing")]
    ContentHashMissing,
    /// `X-Amz-Content-Sha256` is neither a hash nor one of the known words.
    #[error("x-amz-content-sha256 is malformed: {given}")]
    ContentHashMalformed {
        /// As sent.
        given: String,
    },
    /// The body is not the one that was signed.
    #[error("body's hash is not the declared one")]
    ContentHash(Box<ContentHash>),
    /// A chunk's or a trailer's signature is wrong.
    #[error("chunk signature is wrong")]
    ChunkMismatch,
    /// The signature is wrong.
    #[error("signature is wrong")]
    Mismatch(Box<Mismatch>),
}

/// A presigned URL's dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlExpired {
    /// `X-Amz-Date`.
    pub signed_at: Timestamp,
    /// Ours.
    pub now: Timestamp,
    /// `X-Amz-Expires`.
    pub expires_s: u32,
}

/// What differs between a declared and a computed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHash {
    /// The header's.
    pub declared: String,
    /// Ours.
    pub computed: String,
}

/// What we signed, so that the author of a signer can find the difference. Holds nothing that the request did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Whose secret was used.
    pub access_key_id: String,
    /// As sent.
    pub signature: String,
    /// Ours.
    pub canonical_request: String,
    /// Ours.
    pub string_to_sign: String,
}

const DOES_NOT_MATCH: &str = "The request signature we calculated does not match the signature you provided. Check \
                              your AWS Secret Access Key and signing method. Consult the service documentation for \
                              details.";
const TOKEN_INVALID: &str = "The security token included in the request is invalid.";
const TOKEN_EXPIRED: &str = "The security token included in the request is expired";

impl Refusal {
    pub(super) fn content_hash(declared: &str, computed: String) -> Refusal {
        Refusal::ContentHash(Box::new(ContentHash { declared: declared.to_owned(), computed }))
    }

    /// AWS's error as a service of `family` sends it.
    pub fn to_error(&self, family: Family) -> Error {
        match family {
            Family::S3 => self.to_s3(),
            Family::RestJson => self.to_common(403, 403, "Exception"),
            Family::AwsJson => self.to_common(400, 400, "Exception"),
            Family::Query => self.to_common(403, 400, ""),
        }
    }

    /// All but S3: the same conditions and words, with statuses and endings of the family's own.
    fn to_common(&self, status: u16, incomplete_status: u16, ending: &str) -> Error {
        let named = |status: u16, name: &str, words: &str| Error::new(status, format!("{name}{ending}"), words);
        let query = ending.is_empty();
        match self {
            Refusal::MissingToken if query || status == 400 => {
                named(status, "MissingAuthenticationToken", "Request is missing Authentication Token")
            }
            Refusal::MissingToken => named(status, "MissingAuthenticationToken", "Missing Authentication Token"),
            Refusal::UnknownKey { .. } | Refusal::InvalidToken => {
                named(status, if query { "InvalidClientTokenId" } else { "UnrecognizedClient" }, TOKEN_INVALID)
            }
            Refusal::ExpiredToken => named(status, "ExpiredToken", TOKEN_EXPIRED),
            incomplete if incomplete.is_incomplete() => {
                named(incomplete_status, "IncompleteSignature", &incomplete.common_words())
            }
            other => {
                named(status, if query { "SignatureDoesNotMatch" } else { "InvalidSignature" }, &other.common_words())
            }
        }
    }

    fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Refusal::Incomplete { .. }
                | Refusal::Algorithm { .. }
                | Refusal::Credential { .. }
                | Refusal::TwoMechanisms
                | Refusal::Expires { .. }
        )
    }

    fn common_words(&self) -> String {
        const SKEW_MINUTES: i64 = SKEW_MAX_MS / 60_000;
        match self {
            Refusal::Incomplete { words, .. } => words.clone(),
            Refusal::Algorithm { given, .. } => format!("Unsupported AWS 'algorithm': '{given}'."),
            Refusal::Credential { given, .. } => format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{given}'"
            ),
            Refusal::TwoMechanisms => {
                "A request must not be signed both in its query string and in an Authorization header.".to_owned()
            }
            Refusal::Expires { words } => (*words).to_owned(),
            Refusal::Terminator { given } => {
                format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{given}'.")
            }
            Refusal::ScopeDate { given, signed_at } => format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{given}' \
                 != '{}', from '{signed_at}'.",
                &signed_at[..8]
            ),
            Refusal::Region { given, .. } => {
                format!("Credential should be scoped to a valid region, not '{given}'. ")
            }
            Refusal::Service { expected, .. } => {
                format!("Credential should be scoped to correct service: '{expected}'. ")
            }
            Refusal::HostNotSigned => {
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()
            }
            Refusal::Expired { signed_at, now } => expired_words(*signed_at, *now, SKEW_MINUTES),
            Refusal::UrlExpired(url) => expired_words(url.signed_at, url.now, i64::from(url.expires_s / 60)),
            Refusal::NotYet { signed_at, now } => format!(
                "Signature not yet current: {} is still later than {} ({} + {SKEW_MINUTES} min.)",
                signed_at.to_basic(),
                now.plus_millis(SKEW_MAX_MS).to_basic(),
                now.to_basic()
            ),
            Refusal::Mismatch(mismatch) => format!(
                "{DOES_NOT_MATCH}\n\nThe Canonical String for this request should have been\n'{}'\n\nThe \
                 String-to-Sign should have been\n'{}'\n",
                mismatch.canonical_request, mismatch.string_to_sign
            ),
            _ => DOES_NOT_MATCH.to_owned(),
        }
    }

    fn to_s3(&self) -> Error {
        match self {
            Refusal::MissingToken => denied("Access Denied"),
            Refusal::HeadersNotSigned { names } => {
                denied("There were headers present in the request which were not signed")
                    .with("HeadersNotSigned", names)
            }
            Refusal::SignedHeaderAbsent { .. } | Refusal::HostNotSigned | Refusal::ChunkMismatch => {
                Error::new(403, "SignatureDoesNotMatch", S3_DOES_NOT_MATCH)
            }
            Refusal::Mismatch(mismatch) => mismatch.to_s3(),
            Refusal::UnknownKey { access_key_id } => Error::new(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
            .with("AWSAccessKeyId", access_key_id),
            Refusal::InvalidToken => {
                Error::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
            }
            Refusal::ExpiredToken => Error::new(400, "ExpiredToken", "The provided token has expired."),
            Refusal::Expired { signed_at, now } | Refusal::NotYet { signed_at, now } => Error::new(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
            .with("RequestTime", signed_at.to_basic())
            .with("ServerTime", now.to_date_time())
            .with("MaxAllowedSkewMilliseconds", SKEW_MAX_MS.to_string()),
            Refusal::UrlExpired(url) => denied("Request has expired")
                .with("X-Amz-Expires", url.expires_s.to_string())
                .with("Expires", url.signed_at.plus_millis(i64::from(url.expires_s) * 1000).to_date_time())
                .with("ServerTime", url.now.to_date_time()),
            Refusal::ContentHashMissing => Error::new(
                400,
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            ),
            Refusal::ContentHashMalformed { given } => Error::new(
                400,
                "InvalidArgument",
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                 STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
            )
            .with("ArgumentName", "x-amz-content-sha256")
            .with("ArgumentValue", given),
            Refusal::ContentHash(hash) => Error::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
            .with("ClientComputedContentSHA256", &hash.declared)
            .with("S3ComputedContentSHA256", &hash.computed),
            Refusal::TwoMechanisms => Error::new(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified",
            )
            .with("ArgumentName", "Authorization"),
            malformed => malformed.to_s3_malformed(),
        }
    }

    /// S3's two codes for what cannot be read, one for the header and one for the query.
    fn to_s3_malformed(&self) -> Error {
        let query = |words: &str| Error::new(400, "AuthorizationQueryParametersError", words);
        let header = |words: String| {
            Error::new(400, "AuthorizationHeaderMalformed", format!("The authorization header is malformed; {words}"))
        };
        match self {
            Refusal::Incomplete { presigned: true, .. } => query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                 X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            ),
            Refusal::Algorithm { presigned: true, .. } => {
                query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")
            }
            Refusal::Algorithm { .. } => Error::new(400, "InvalidArgument", "Unsupported Authorization Type")
                .with("ArgumentName", "Authorization"),
            Refusal::Expires { words } => query(words),
            Refusal::Credential { presigned: true, .. } => query(
                "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            ),
            Refusal::Credential { .. } => header(
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                    .to_owned(),
            ),
            Refusal::Region { given, expected } => {
                header(format!("the region '{given}' is wrong; expecting '{expected}'")).with("Region", expected)
            }
            Refusal::Service { given, expected } => {
                header(format!("incorrect service \"{given}\". This endpoint belongs to \"{expected}\"."))
            }
            Refusal::Terminator { given } => {
                header(format!("incorrect terminal \"{given}\". This endpoint uses \"aws4_request\"."))
            }
            Refusal::ScopeDate { given, signed_at } => header(format!(
                "Invalid credential date \"{given}\". This date is not the same as X-Amz-Date: \"{}\".",
                &signed_at[..8]
            )),
            Refusal::Incomplete { words, .. } => header(words.clone()),
            other => header(other.to_string()),
        }
    }
}

const S3_DOES_NOT_MATCH: &str = "The request signature we calculated does not match the signature you provided. \
                                 Check your key and signing method.";

/// S3 says `AccessDenied`, without the JSON services' `Exception`.
fn denied(words: &str) -> Error {
    Error::new(403, "AccessDenied", words)
}

fn expired_words(signed_at: Timestamp, now: Timestamp, minutes: i64) -> String {
    format!(
        "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
        signed_at.to_basic(),
        now.plus_millis(-minutes * 60_000).to_basic(),
        now.to_basic()
    )
}

impl Mismatch {
    fn to_s3(&self) -> Error {
        let bytes = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        Error::new(403, "SignatureDoesNotMatch", S3_DOES_NOT_MATCH)
            .with("AWSAccessKeyId", &self.access_key_id)
            .with("StringToSign", &self.string_to_sign)
            .with("SignatureProvided", &self.signature)
            .with("StringToSignBytes", bytes(&self.string_to_sign))
            .with("CanonicalRequest", &self.canonical_request)
            .with("CanonicalRequestBytes", bytes(&self.canonical_request))
    }
}
