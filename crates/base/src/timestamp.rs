//! Instants of wall-clock time in whole milliseconds, and the text forms AWS sends.

use std::fmt;

use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z, before it if negative. The finest unit any AWS API in scope shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// A timestamp's calendar fields in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, proleptic Gregorian.
    pub year: i64,
    /// 1–12.
    pub month: u32,
    /// 1–31.
    pub day: u32,
    /// 0–23.
    pub hour: u32,
    /// 0–59.
    pub minute: u32,
    /// 0–59.
    pub second: u32,
    /// 0–999.
    pub millisecond: u32,
    /// 0 = Sunday.
    pub weekday: u32,
}

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1000))
    }

    /// From fractional seconds since the epoch, as awsJson sends them.
    pub fn from_secs_f64(secs: f64) -> Timestamp {
        Timestamp((secs * 1000.0).round() as i64)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved by so many milliseconds.
    pub const fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    /// The calendar fields in UTC.
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(DAY_MS);
        let ms = self.0.rem_euclid(DAY_MS);
        // Days to civil date: Howard Hinnant's algorithm over 400-year eras that begin on 1 March.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u32,
            day: (day_of_year - (153 * month_index + 2) / 5 + 1) as u32,
            hour: (ms / 3_600_000) as u32,
            minute: (ms / 60_000 % 60) as u32,
            second: (ms / 1000 % 60) as u32,
            millisecond: (ms % 1000) as u32,
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }

    /// The instant of a UTC date and time; fields out of range are `None`.
    pub fn from_civil(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32, ms: u32) -> Option<Self> {
        let in_range = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        if !in_range || hour > 23 || minute > 59 || second > 60 || ms > 999 || year.abs() > 999_999 {
            return None;
        }
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let month_index = i64::from(if month > 2 { month - 3 } else { month + 9 });
        let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Timestamp(days * DAY_MS + seconds * 1000 + i64::from(ms)))
    }

    /// `2026-11-22T16:00:00Z`, with `.123` when the milliseconds are not zero (smithy `date-time`).
    pub fn to_date_time(self) -> String {
        let Civil { year, month, day, hour, minute, second, millisecond, .. } = self.civil();
        let fraction = if millisecond == 0 { String::new() } else { format!(".{millisecond:03}") };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    /// `2026-11-22T16:00:00.123+0000`, the form of Lambda's `LastModified`.
    pub fn to_lambda(self) -> String {
        let Civil { year, month, day, hour, minute, second, millisecond, .. } = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}+0000")
    }

    /// `2026-11-22T16:00:00+0000`: as Lambda shows the times of provisioned concurrency.
    pub fn to_lambda_seconds(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
    }

    /// `Sun, 22 Nov 2026 16:00:00 GMT` (smithy `http-date`, RFC 9110).
    pub fn to_http_date(self) -> String {
        let Civil { year, month, day, hour, minute, second, weekday, .. } = self.civil();
        let (weekday, month) = (WEEKDAYS[weekday as usize], MONTHS[month as usize - 1]);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }

    /// `22/Nov/2026:16:00:00 +0000`, the common log format's, as in requests' contexts.
    pub fn to_common_log(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil();
        format!("{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month as usize - 1])
    }

    /// `Sun Nov 22 16:00:00 UTC 2026`, as Java writes dates, and so API Gateway in the logs of tests.
    pub fn to_java_date(self) -> String {
        let Civil { year, month, day, hour, minute, second, weekday, .. } = self.civil();
        let (weekday, month) = (WEEKDAYS[weekday as usize], MONTHS[month as usize - 1]);
        format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}")
    }

    /// `20261122T160000Z`, the form of `X-Amz-Date`.
    pub fn to_basic(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`.
    pub fn parse_date_time(text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let mut ymd = date.splitn(3, '-').map(|p| p.parse::<u32>().ok());
        let (year, month, day) = (ymd.next()??, ymd.next()??, ymd.next()??);
        let zone_at = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at(zone_at);
        let (hms, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = hms.splitn(3, ':').map(|p| p.parse::<u32>().ok());
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let ms = parse_fraction_ms(fraction)?;
        let local = Timestamp::from_civil(i64::from(year), month, day, hour, minute, second, ms)?;
        Some(local.plus_millis(-parse_zone_ms(zone)?))
    }

    /// Reads `20261122T160000Z`.
    pub fn parse_basic(text: &str) -> Option<Timestamp> {
        if text.len() != 16 || !text.is_ascii() || &text[8..9] != "T" || !text.ends_with('Z') {
            return None;
        }
        let field = |from: usize, to: usize| text[from..to].parse::<u32>().ok();
        let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
        Timestamp::from_civil(i64::from(year), month, day, field(9, 11)?, field(11, 13)?, field(13, 15)?, 0)
    }

    /// Reads `Sun, 22 Nov 2026 16:00:00 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        let mut words = text.split_once(',')?.1.split_ascii_whitespace();
        let day = words.next()?.parse().ok()?;
        let month_name = words.next()?;
        let month = MONTHS.iter().position(|m| *m == month_name)? as u32 + 1;
        let year = words.next()?.parse().ok()?;
        let mut hms = words.next()?.splitn(3, ':');
        let (hour, minute) = (hms.next()?.parse().ok()?, hms.next()?.parse().ok()?);
        let (second, fraction) = hms.next().map(|s| s.split_once('.').unwrap_or((s, "")))?;
        Timestamp::from_civil(year, month, day, hour, minute, second.parse().ok()?, parse_fraction_ms(fraction)?)
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn days_in_month(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn parse_fraction_ms(digits: &str) -> Option<u32> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{digits:0<3}")[..3].parse().ok())?
}

fn parse_zone_ms(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.is_ascii() {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    Some(sign * (hours * 60 + minutes) * 60_000)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_date_time())
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn every_form_reads_back() {
        for ms in [0, 1_795_359_124_123, -1, 951_827_696_000, 4_102_444_799_999] {
            let t = Timestamp::from_millis(ms);
            assert_eq!(Timestamp::parse_date_time(&t.to_date_time()), Some(t), "{t}");
            let whole = Timestamp::from_secs(t.secs());
            assert_eq!(Timestamp::parse_http_date(&t.to_http_date()), Some(whole));
            assert_eq!(Timestamp::parse_basic(&t.to_basic()), Some(whole));
        }
        assert_eq!(Timestamp::from_millis(1_795_363_200_000).to_lambda(), "2026-11-22T16:00:00.000+0000");
        assert_eq!(Timestamp::from_millis(1_795_363_200_999).to_lambda_seconds(), "2026-11-22T16:00:00+0000");
        assert_eq!(Timestamp::from_millis(1_795_363_200_000).to_http_date(), "Sun, 22 Nov 2026 16:00:00 GMT");
        assert_eq!(Timestamp::from_millis(1_583_348_638_390).to_common_log(), "04/Mar/2020:19:03:58 +0000");
        assert_eq!(Timestamp::from_millis(1_481_159_580_000).to_java_date(), "Thu Dec 08 01:13:00 UTC 2016");
    }

    #[test]
    fn offsets_move_and_nonsense_is_refused() {
        let noon = Timestamp::parse_date_time("2026-11-22T12:00:00Z");
        assert_eq!(Timestamp::parse_date_time("2026-11-22T14:00:00+02:00"), noon);
        for bad in ["", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-22", "2026-11-22T24:00:00Z", "x"] {
            assert_eq!(Timestamp::parse_date_time(bad), None, "{bad}");
        }
    }
}
