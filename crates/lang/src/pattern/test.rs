//! What one value is tested for.

use std::net::IpAddr;

use serde_json::Value;

/// A test of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// Text, a boolean or null, exactly.
    Equals(Value),
    /// A number, whatever its form.
    Number(f64),
    Text(TextTest),
    /// None of these, and yet there.
    AnythingBut(Vec<Test>),
    /// Between bounds; each with whether it belongs to the range.
    Numeric {
        low: Option<(f64, bool)>,
        high: Option<(f64, bool)>,
    },
    /// An address of a network of so many bits.
    Cidr(IpAddr, u8),
    Exists(bool),
}

/// A test of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    Prefix(String),
    PrefixIgnoringCase(String),
    Suffix(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    /// The pieces between asterisks.
    Wildcard(Vec<String>),
}

impl Test {
    pub(super) fn holds(&self, leaf: &Value) -> bool {
        match self {
            Test::Equals(value) => value == leaf,
            Test::Number(number) => leaf.as_f64() == Some(*number),
            Test::Text(test) => leaf.as_str().is_some_and(|text| test.holds(text)),
            Test::AnythingBut(tests) => !tests.iter().any(|test| test.holds(leaf)),
            Test::Numeric { low, high } => leaf.as_f64().is_some_and(|number| {
                low.is_none_or(|(low, within)| number > low || within && number == low)
                    && high.is_none_or(|(high, within)| number < high || within && number == high)
            }),
            Test::Cidr(network, bits) => {
                let address = leaf.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| in_network(address, *network, *bits))
            }
            Test::Exists(there) => *there,
        }
    }

    /// Whether it holds for a field that is there, whatever is in it.
    pub(super) fn holds_for_present(&self) -> bool {
        *self == Test::Exists(true)
    }

    pub(super) fn holds_for_absent(&self) -> bool {
        *self == Test::Exists(false)
    }
}

impl TextTest {
    fn holds(&self, text: &str) -> bool {
        match self {
            TextTest::Prefix(prefix) => text.starts_with(prefix),
            TextTest::PrefixIgnoringCase(prefix) => {
                let beginning: String = text.chars().take(prefix.chars().count()).collect();
                same_ignoring_case(&beginning, prefix)
            }
            TextTest::Suffix(suffix) => text.ends_with(suffix),
            TextTest::SuffixIgnoringCase(suffix) => {
                let skipped = text.chars().count().checked_sub(suffix.chars().count());
                let end = skipped.map(|skipped| text.chars().skip(skipped).collect::<String>());
                end.is_some_and(|end| same_ignoring_case(&end, suffix))
            }
            TextTest::EqualsIgnoringCase(wanted) => same_ignoring_case(text, wanted),
            TextTest::Wildcard(pieces) => wildcard_holds(pieces, text),
        }
    }
}

fn same_ignoring_case(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The first piece begins the text, the last ends it, and the others lie between, in order: taking each at its first
/// place is enough, so the time is that of a few searches.
fn wildcard_holds(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}
