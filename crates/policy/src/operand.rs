//! What condition operators compare besides texts: numbers, dates and address ranges.

use std::net::IpAddr;

use base::Timestamp;

/// A finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|n: &f64| plain && n.is_finite())
}

/// An ISO 8601 date, with or without its time of day, or seconds since the epoch.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Timestamp::from_secs(seconds));
    }
    Timestamp::parse_date_time(text)
        .or_else(|| Timestamp::parse_date_time(&format!("{text}T00:00:00Z")))
        .or_else(|| Timestamp::parse_date_time(&format!("{}:00Z", text.strip_suffix('Z')?)))
}

/// An address range such as `10.0.0.0/8`; a bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cidr {
    bits: u128,
    prefix: u32,
    v4: bool,
}

impl Cidr {
    pub(crate) fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let (bits, v4) = widen(address.parse().ok()?);
        let longest = if v4 { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits.parse().ok().filter(|p| *p <= longest && !digits.starts_with('+'))?,
        };
        Some(Cidr { bits, prefix: prefix + if v4 { 96 } else { 0 }, v4 })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (bits, v4) = widen(address);
        let differing = if self.prefix == 0 { 0 } else { (bits ^ self.bits) >> (128 - self.prefix) };
        v4 == self.v4 && differing == 0
    }
}

/// Both kinds of address in 128 bits; an IPv4 address in IPv6's clothes counts as IPv4.
fn widen(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), true),
        IpAddr::V6(v6) => (u128::from(v6), false),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cidr, date, number};

    #[test]
    fn ranges_hold_their_addresses() {
        let within = |range: &str, address: &str| Cidr::parse(range).unwrap().contains(address.parse().unwrap());
        for (range, address) in [
            ("10.0.0.0/8", "10.255.1.2"),
            ("0.0.0.0/0", "1.2.3.4"),
            ("1.2.3.4", "1.2.3.4"),
            ("2001:db8::/32", "2001:db8:1::1"),
            ("::/0", "::1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1"),
        ] {
            assert!(within(range, address), "{range} {address}");
        }
        for (range, address) in
            [("10.0.0.0/8", "11.0.0.1"), ("0.0.0.0/0", "::1"), ("::/0", "1.2.3.4"), ("1.2.3.4/32", "1.2.3.5")]
        {
            assert!(!within(range, address), "{range} {address}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "x"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_and_numbers_have_several_forms() {
        for same in
            ["2026-11-22T00:00:00Z", "2026-11-22", "2026-11-22T00:00Z", "1795305600", "2026-11-22T01:00:00+01:00"]
        {
            assert_eq!(date(same), date("2026-11-22"), "{same}");
        }
        assert_eq!(date("soon"), None);
        assert_eq!(number("1e3"), number("1000"));
        for bad in ["", "inf", "NaN", "ten", "1 "] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
