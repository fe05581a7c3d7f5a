//! `--keep-events`: how many of functions' events are kept for `updraft replay`, as a number, a size, or both.

use std::str::FromStr;
use std::time::Duration;

use compute::lambda::Keeping;
use serde::Deserialize;

/// Most events where only a size is given.
const EVENTS_MAX: u64 = 100_000;
/// Most bytes where only a number is given.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// No event is kept longer.
const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeepEvents(Keeping);

impl KeepEvents {
    pub(crate) fn keeping(self) -> Keeping {
        self.0
    }
}

impl FromStr for KeepEvents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "use a number of events such as 1000, a size such as 64MB, or both: 1000,64MB".to_owned();
        let (mut events, mut bytes) = (None, None);
        for part in text.split(',') {
            let at = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, unit) = part.split_at(at);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let shift = match unit.to_ascii_uppercase().as_str() {
                "" => None,
                "KB" | "K" => Some(10),
                "MB" | "M" => Some(20),
                "GB" | "G" => Some(30),
                _ => return Err(wrong()),
            };
            let (bound, value) = match shift {
                None => (&mut events, Some(number)),
                Some(shift) => (&mut bytes, number.checked_mul(1 << shift)),
            };
            if bound.is_some() || value.is_none_or(|value| value == 0) {
                return Err(wrong());
            }
            *bound = value;
        }
        let (events_max, bytes_max) = (events.unwrap_or(EVENTS_MAX), bytes.unwrap_or(BYTES_MAX));
        Ok(KeepEvents(Keeping { events_max, bytes_max, age_max: AGE_MAX }))
    }
}

impl TryFrom<String> for KeepEvents {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str) -> Option<(u64, u64)> {
        text.parse().ok().map(|KeepEvents(keeping)| (keeping.events_max, keeping.bytes_max))
    }

    #[test]
    fn a_number_a_size_or_both() {
        assert_eq!(bounds("1000"), Some((1000, BYTES_MAX)));
        assert_eq!(bounds("64MB"), Some((EVENTS_MAX, 64 << 20)));
        assert_eq!(bounds("10,2k"), Some((10, 2048)));
        assert_eq!(bounds("1g,5"), Some((5, 1 << 30)));
        for bad in
            ["", "0", "0MB", "MB", "-1", "1,2", "1MB,2MB", "1TB", "1 000", "99999999999999999999", "17179869184G"]
        {
            assert_eq!(bounds(bad), None, "{bad}");
        }
    }
}
