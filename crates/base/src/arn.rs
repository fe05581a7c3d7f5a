//! Amazon Resource Names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `arn:partition:service:region:account:resource`. Region and account may be empty, as in S3's and IAM's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The service's signing name: `lambda`, `logs`, `iam`.
    pub service: String,
    /// The region, empty for global services.
    pub region: String,
    /// The account's twelve digits, empty where the service has none in its names.
    pub account: String,
    /// All that follows the fifth colon, colons included.
    pub resource: String,
}

impl Arn {
    /// A name in one region and account.
    pub fn new(service: &str, region: &crate::Region, account: crate::AccountId, resource: impl Into<String>) -> Arn {
        Arn {
            partition: region.partition().to_owned(),
            service: service.to_owned(),
            region: region.to_string(),
            account: account.to_string(),
            resource: resource.into(),
        }
    }

    /// Splits at the first five colons; `None` if there are fewer or a mandatory part is empty.
    pub fn parse(text: &str) -> Option<Arn> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().map(str::to_owned);
        let (prefix, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let whole = prefix == "arn" && !partition.is_empty() && !service.is_empty() && !resource.is_empty();
        whole.then_some(Arn { partition, service, region, account, resource })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl TryFrom<String> for Arn {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Arn::parse(&text).ok_or_else(|| format!("'{text}' is not an ARN"))
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> String {
        arn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Arn;

    #[test]
    fn reads_back_what_it_writes_and_refuses_fragments() {
        for good in ["arn:aws:lambda:us-east-1:000000000000:function:f:1", "arn:aws:s3:::bucket/key:with:colons"] {
            assert_eq!(Arn::parse(good).map(|a| a.to_string()).as_deref(), Some(good));
        }
        for bad in
            ["", "arn:aws:lambda", "arn:aws:lambda:us-east-1:0", "nra:aws:a:b:c:d", "arn::a:b:c:d", "arn:aws:a:b:c:"]
        {
            assert_eq!(Arn::parse(bad), None, "{bad}");
        }
    }
}
