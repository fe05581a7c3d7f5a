//! An AWS region name such as `us-east-1`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest region name we take; AWS's longest today is 14 characters.
const LENGTH_MAX: usize = 32;

/// A region name. Any well-formed name is a region of its own: nothing is shared between two.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Arc<str>);

impl Region {
    /// Reads lower-case words joined by hyphens (`eu-central-1`, `us-gov-west-1`, `local`).
    pub fn parse(text: &str) -> Option<Region> {
        let shaped = !text.is_empty()
            && text.len() <= LENGTH_MAX
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.as_bytes()[0].is_ascii_lowercase();
        shaped.then(|| Region(text.into()))
    }

    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ARN partition this region lies in: `aws-cn` and `aws-us-gov` by prefix, else `aws`.
    pub fn partition(&self) -> &'static str {
        match () {
            () if self.0.starts_with("cn-") => "aws-cn",
            () if self.0.starts_with("us-gov-") => "aws-us-gov",
            () => "aws",
        }
    }
}

impl Default for Region {
    /// `us-east-1`, the region of every tool that names none.
    fn default() -> Self {
        Region("us-east-1".into())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Region {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Region::parse(&text).ok_or_else(|| format!("'{text}' is not a region name"))
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.as_str().to_owned()
    }
}
