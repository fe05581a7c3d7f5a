//! Access logs: one line for each request, in a format of the user's (JSON, Common Log Format, XML, CSV: all are text with
//! `$context.…` in it), parsed once.

use std::sync::Arc;

use base::{AccountId, Arn, Region};
use cloud::ports::{LogDestination, LogEvent, LogSink};

use super::context::Context;

/// The longest line, in bytes: CloudWatch Logs takes no longer event.
const LINE_BYTES_MAX: usize = 256 * 1024 - 26;

/// The log stream, one of the names that AWS gives: the MD5 of `0`.
pub(crate) const STREAM: &str = "cfcd208495d565ef66e7dff9f98764da";

/// Where a stage's access log goes, and how its lines look.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: Format,
    to: LogDestination,
}

/// A line's format.
#[derive(Debug, PartialEq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    /// Values stand between quotes, and must not end them.
    quotes: Quotes,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The name after `$context.`.
    Fact(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    Json,
    Xml,
    None,
}

impl AccessLog {
    /// The access log with this destination, the ARN of a log group; none if it is no such ARN.
    pub(crate) fn new(destination: &str, format: &str) -> Option<AccessLog> {
        Some(AccessLog { format: Format::parse(format), to: log_group(destination)? })
    }

    /// Writes the line of a request that is over.
    pub(crate) fn write(&self, logs: &Arc<dyn LogSink>, context: &Context) {
        let message = self.format.line(context).into();
        logs.append_own(&self.to, vec![LogEvent { at: context.at(), message }]);
    }
}

/// The log group of an ARN, with or without `:*` at its end, in which access logs can be. None of other things' ARNs.
pub(crate) fn log_group(destination: &str) -> Option<LogDestination> {
    let arn = Arn::parse(destination).filter(|arn| arn.service == "logs")?;
    let group = arn.resource.strip_prefix("log-group:")?;
    let group = group.strip_suffix(":*").unwrap_or(group);
    if group.is_empty() {
        return None;
    }
    Some(LogDestination {
        account: AccountId::parse(&arn.account)?,
        region: Region::parse(&arn.region)?,
        group: group.into(),
        stream: STREAM.into(),
    })
}

impl Format {
    /// Reads a format. Whatever is no reference stands for itself.
    pub(crate) fn parse(text: &str) -> Format {
        const MARK: &str = "$context.";
        let mut pieces = Vec::new();
        let mut rest = text.trim();
        let quotes = match rest.as_bytes().first() {
            Some(b'{' | b'[') => Quotes::Json,
            Some(b'<') => Quotes::Xml,
            _ => Quotes::None,
        };
        while let Some((before, after)) = rest.split_once(MARK) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            // A full stop or colon at the end is the sentence's, not the name's.
            let name = after[..end].trim_end_matches(['.', ':', '-']);
            match name.is_empty() {
                true => pieces.push(Piece::Text(format!("{before}{MARK}"))),
                false => pieces.extend([Piece::Text(before.to_owned()), Piece::Fact(name.to_owned())]),
            }
            rest = &after[name.len()..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Format { pieces, quotes }
    }

    /// The line of a request. What is not known is a hyphen.
    pub(crate) fn line(&self, context: &Context) -> String {
        let mut line = String::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Fact(name) => match context.get(name) {
                    // The one value that brings its quotes along.
                    Some(value) if name == "error.messageString" => line.push_str(&value),
                    Some(value) => escape(&mut line, &value, self.quotes),
                    None if name == "error.messageString" && self.quotes == Quotes::Json => line.push_str("\"-\""),
                    None => line.push('-'),
                },
            }
        }
        let end = (0..=LINE_BYTES_MAX.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(end.unwrap_or_default());
        line
    }
}

/// Writes a value so that no caller's text can forge a line or end a quotation.
fn escape(line: &mut String, value: &str, quotes: Quotes) {
    for c in value.chars() {
        match (c, quotes) {
            ('"', Quotes::Json) => line.push_str("\\\""),
            ('\\', Quotes::Json) => line.push_str("\\\\"),
            ('<', Quotes::Xml) => line.push_str("&lt;"),
            ('&', Quotes::Xml) => line.push_str("&amp;"),
            ('"', Quotes::Xml) => line.push_str("&quot;"),
            (c, Quotes::Json) if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            (c, _) if c.is_control() => line.push(' '),
            (c, _) => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Timestamp;

    use super::*;

    fn context() -> Context {
        let mut context = Context::new(Timestamp::from_millis(1_583_348_638_390));
        context.set("requestId", "id".to_owned());
        context.set("identity.sourceIp", "10.0.0.1".to_owned());
        context.set("identity.userAgent", "a \"b\" <c>\n{}".to_owned());
        context.set("httpMethod", "GET");
        context.set("status", 200_u16);
        context
    }

    #[test]
    fn the_formats_of_awss_console() {
        for (format, line) in [
            (
                r#"$context.identity.sourceIp $context.identity.caller [$context.requestTime] "$context.httpMethod" $context.status"#,
                r#"10.0.0.1 - [04/Mar/2020:19:03:58 +0000] "GET" 200"#,
            ),
            ("$context.requestId,$context.status,$context.path\n", "id,200,-"),
            (r#"{"id":"$context.requestId","n":$context.status}"#, r#"{"id":"id","n":200}"#),
            (
                r#"<request id="$context.requestId"><n>$context.status</n></request>"#,
                r#"<request id="id"><n>200</n></request>"#,
            ),
            ("$context.status. $context. $contexts $context.requestId:", "200. $context. $contexts id:"),
        ] {
            assert_eq!(Format::parse(format).line(&context()), line);
        }
    }

    #[test]
    fn a_value_ends_no_line_and_no_quotation() {
        for (format, line) in [
            (r#"{"a":"$context.identity.userAgent"}"#, r#"{"a":"a \"b\" <c>\u000a{}"}"#),
            (r#"<a>$context.identity.userAgent</a>"#, "<a>a &quot;b&quot; &lt;c> {}</a>"),
            ("$context.identity.userAgent|", "a \"b\" <c> {}|"),
            (r#"{"e":$context.error.messageString}"#, r#"{"e":"-"}"#),
        ] {
            assert_eq!(Format::parse(format).line(&context()), line);
        }
        let mut long = context();
        long.set("path", "é".repeat(LINE_BYTES_MAX));
        assert!(Format::parse("$context.path").line(&long).len() <= LINE_BYTES_MAX);
    }

    #[test]
    fn destinations_are_log_groups() {
        let to = |arn: &str| log_group(arn).map(|to| to.group.to_string());
        assert_eq!(to("arn:aws:logs:us-east-1:123456789012:log-group:a/b"), Some("a/b".to_owned()));
        assert_eq!(to("arn:aws:logs:us-east-1:123456789012:log-group:a/b:*"), Some("a/b".to_owned()));
        for other in [
            "arn:aws:firehose:us-east-1:123456789012:deliverystream/amazon-apigateway-x",
            "arn:aws:logs:us-east-1:123456789012:log-group:",
            "arn:aws:logs:us-east-1::log-group:a",
            "",
            "a/b",
        ] {
            assert_eq!(to(other), None, "{other}");
        }
    }
}
