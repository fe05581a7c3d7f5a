//! One line of an access log, in the combined format of nginx and Apache with `$request_time` at its end:
//!
//! `198.51.100.7 - ada [20/Nov/2026:16:42:10 +0000] "GET /maps HTTP/1.1" 200 5120 "-" "Mozilla/5.0" 0.042`

/// What the summary needs of a line. Borrows from it: nothing is copied.
#[derive(Debug, PartialEq)]
pub struct Entry<'a> {
    pub client: &'a str,
    /// `20/Nov/2026:16`
    pub hour: &'a str,
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    pub status: u16,
    pub bytes: u64,
    pub seconds: f64,
}

impl<'a> Entry<'a> {
    /// `None` if the line is in another format.
    pub fn parse(line: &'a str) -> Option<Entry<'a>> {
        let (client, rest) = line.split_once(' ')?;
        let (time, rest) = rest.split_once('[')?.1.split_once(']')?;
        let (request, rest) = quoted(rest)?;
        let mut words = request.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (numbers, rest) = rest.split_once('"')?;
        let mut numbers = numbers.split_ascii_whitespace();
        let status = numbers.next()?.parse().ok()?;
        let bytes = match numbers.next()? {
            "-" => 0,
            bytes => bytes.parse().ok()?,
        };
        let seconds = rest.rsplit(' ').next()?.parse().ok()?;
        Some(Entry {
            client,
            hour: time.get(..14)?,
            method,
            path: target.split('?').next()?,
            status,
            bytes,
            seconds,
        })
    }
}

/// The text of the first pair of quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.split_once('"')?.1.split_once('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line() {
        let line = r#"198.51.100.7 - ada [20/Nov/2026:16:42:10 +0000] "GET /maps?x=1 HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11)" 0.042"#;
        let entry = Entry::parse(line).unwrap();
        assert_eq!((entry.client, entry.hour, entry.method, entry.path), ("198.51.100.7", "20/Nov/2026:16", "GET", "/maps"));
        assert_eq!((entry.status, entry.bytes, entry.seconds), (200, 5120, 0.042));
    }

    #[test]
    fn refuses_other_lines() {
        for line in ["", "hello", r#"1.2.3.4 - - [x] "GET / HTTP/1.1" 200 1 "-" "-" 0.1"#, r#"1.2.3.4 - - [20/Nov/2026:16:42:10 +0000] "GET" 200"#] {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
    }
}
