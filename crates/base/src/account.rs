//! A twelve-digit AWS account id.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A twelve-digit account id. Parsed at the edge; inside the house every `AccountId` is well formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId([u8; 12]);

impl AccountId {
    /// The account of the customary `test`/`test` credentials, as in LocalStack.
    pub const DEFAULT: AccountId = AccountId(*b"000000000000");

    /// Reads exactly twelve ASCII digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<AccountId> {
        let digits: [u8; 12] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(AccountId(digits))
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("000000000000")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        AccountId::parse(&text).ok_or_else(|| format!("'{text}' is not a twelve-digit account id"))
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> String {
        account.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::AccountId;

    #[test]
    fn twelve_digits_and_nothing_else() {
        assert_eq!(AccountId::parse("123456789012").map(|a| a.to_string()).as_deref(), Some("123456789012"));
        for bad in ["", "12345678901", "1234567890123", "12345678901a", "１２"] {
            assert_eq!(AccountId::parse(bad), None, "{bad}");
        }
    }
}
