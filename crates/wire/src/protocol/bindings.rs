//! Members that travel in path labels, query string, headers and status: the `http…` traits of Smithy.
//!
//! Timestamps are `http-date` in headers and `date-time` elsewhere unless the member says otherwise.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use base::Error;
use http::HeaderMap;
use shape::{Kind, Member, Place, Schema, TimestampFormat, Value};

use super::{Answer, text};
use crate::route::{Labels, percent};

/// Fills the slots of all bound members.
pub(super) fn read(
    input: &'static Schema,
    labels: &Labels,
    head: &http::request::Parts,
    slots: &mut [Option<Value>],
) -> Result<(), Error> {
    let asks_query = input.members().iter().any(|m| matches!(m.place, Place::Query(_) | Place::QueryMap));
    let query = head.uri.query().filter(|_| asks_query).map(percent::pairs);
    for (member, slot) in input.members().iter().zip(slots) {
        match (member.place, &query) {
            (Place::Label, _) => {
                let found = labels.iter().find(|(name, _)| *name == member.name);
                *slot = found.map(|(_, found)| text::parse(member.target(), found, path_format(member))).transpose()?;
            }
            (Place::Query(key), Some(pairs)) => *slot = from_query(member, key, pairs)?,
            (Place::QueryMap, Some(pairs)) => *slot = Some(unbound_query(input, member, pairs)),
            (Place::Header(name), _) => *slot = from_headers(member, name, &head.headers)?,
            (Place::PrefixHeaders(prefix), _) => *slot = prefixed(prefix, &head.headers),
            _ => {}
        }
    }
    Ok(())
}

fn path_format(member: &Member) -> TimestampFormat {
    member.timestamp.unwrap_or(TimestampFormat::DateTime)
}

fn header_format(member: &Member) -> TimestampFormat {
    member.timestamp.unwrap_or(TimestampFormat::HttpDate)
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn from_query(member: &'static Member, key: &str, pairs: &[Pair<'_>]) -> Result<Option<Value>, Error> {
    let mut values = pairs.iter().filter(|(found, _)| found == key).map(|(_, value)| value.as_ref());
    let format = path_format(member);
    match member.target().kind {
        Kind::List(item) => {
            let items: Vec<Value> = values.map(|value| text::parse(item(), value, format)).collect::<Result<_, _>>()?;
            Ok((!items.is_empty()).then_some(Value::List(items)))
        }
        // `?Marker=` is an empty string, but an empty number is an absent one.
        Kind::String | Kind::Enum(_) => values.next().map(|v| text::parse(member.target(), v, format)).transpose(),
        _ => values.find(|v| !v.is_empty()).map(|v| text::parse(member.target(), v, format)).transpose(),
    }
}

/// All parameters that no other member claims; a key given twice makes a list where the map holds lists.
fn unbound_query(input: &Schema, member: &'static Member, pairs: &[Pair<'_>]) -> Value {
    let bound = |key: &str| input.members().iter().any(|m| matches!(m.place, Place::Query(name) if name == key));
    let lists = matches!(member.target().kind, Kind::Map(item) if matches!(item().kind, Kind::List(_)));
    let mut entries: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in pairs.iter().filter(|(key, _)| !bound(key)) {
        let value = Value::String(value.clone().into_owned());
        match entries.get_mut(key.as_ref()) {
            Some(Value::List(items)) => items.push(value),
            Some(_) => {}
            None => _ = entries.insert(key.clone().into_owned(), if lists { Value::List(vec![value]) } else { value }),
        }
    }
    Value::Map(entries.into_iter().collect())
}

fn from_headers(member: &'static Member, name: &str, headers: &HeaderMap) -> Result<Option<Value>, Error> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let format = header_format(member);
    let Some(first) = values.next() else { return Ok(None) };
    let Kind::List(item) = member.target().kind else {
        // An empty header is an absent one, as for AWS's own clients, but for text.
        let keep = !first.is_empty() || matches!(member.target().kind, Kind::String | Kind::Enum(_));
        return keep.then(|| text::parse(member.target(), first.trim(), format)).transpose();
    };
    let dates = matches!(item().kind, Kind::Timestamp) && format == TimestampFormat::HttpDate;
    let mut items = Vec::new();
    for line in std::iter::once(first).chain(values) {
        for part in split_list(&line, dates) {
            items.push(text::parse(item(), &part, format)?);
        }
    }
    Ok((!items.is_empty()).then_some(Value::List(items)))
}

/// Splits a header's list at its commas: not those inside quotes, nor, in dates, the one after the weekday.
fn split_list(line: &str, dates: bool) -> Vec<String> {
    let (mut parts, mut part, mut commas) = (Vec::new(), String::new(), 0);
    let (mut quoted, mut was_quoted) = (false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted || part.trim().is_empty() => {
                if !quoted {
                    part.clear();
                }
                (quoted, was_quoted) = (!quoted, true);
            }
            '\\' if quoted => part.extend(letters.next()),
            ',' if !quoted => {
                commas += 1;
                if dates && commas % 2 == 1 {
                    part.push(letter);
                    continue;
                }
                push_part(&mut parts, &mut part, was_quoted);
                was_quoted = false;
            }
            _ => part.push(letter),
        }
    }
    push_part(&mut parts, &mut part, was_quoted);
    parts
}

fn push_part(parts: &mut Vec<String>, part: &mut String, was_quoted: bool) {
    let part = std::mem::take(part);
    if was_quoted {
        parts.push(part);
    } else if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
}

fn prefixed(prefix: &str, headers: &HeaderMap) -> Option<Value> {
    let entries: Vec<(String, Value)> = headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str();
            let rest = name.get(prefix.len()..).filter(|_| name[..prefix.len()].eq_ignore_ascii_case(prefix))?;
            Some((rest.to_owned(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
        })
        .collect();
    (!entries.is_empty()).then_some(Value::Map(entries))
}

/// Writes all bound members of an output into the answer.
pub(super) fn write(output: &Schema, value: &Value, answer: &mut Answer) {
    let Value::Struct(slots) = value else { return };
    for (member, slot) in output.members().iter().zip(slots) {
        let Some(value) = slot else { continue };
        match (member.place, value) {
            (Place::StatusCode, Value::Int(code)) => {
                let code = u16::try_from(*code).ok().and_then(|code| http::StatusCode::from_u16(code).ok());
                answer.status = code.unwrap_or(answer.status);
            }
            (Place::Header(name), Value::List(items)) => {
                answer.set(name, &join_list(items, header_format(member)));
            }
            (Place::Header(name), value) => {
                if let Some(words) = text::render(value, header_format(member)) {
                    answer.set(name, &words);
                }
            }
            (Place::PrefixHeaders(prefix), Value::Map(entries)) => {
                for (key, value) in entries {
                    if let Some(words) = text::render(value, header_format(member)) {
                        answer.set(&format!("{prefix}{key}"), &words);
                    }
                }
            }
            _ => {}
        }
    }
}

fn join_list(items: &[Value], format: TimestampFormat) -> String {
    let mut line = String::new();
    for item in items {
        let Some(words) = text::render(item, format) else {
            continue;
        };
        if !line.is_empty() {
            line.push_str(", ");
        }
        let plain = matches!(item, Value::Timestamp(_)) || !words.contains(['"', ',']) && words.trim() == words;
        match plain {
            true => line.push_str(&words),
            false => _ = write!(line, "\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::split_list;

    #[test]
    fn header_lists_split_at_the_right_commas() {
        assert_eq!(split_list("a, b ,c", false), ["a", "b", "c"]);
        assert_eq!(split_list(r#""b,c", "\"def\"", a"#, false), ["b,c", "\"def\"", "a"]);
        assert_eq!(
            split_list("Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT", true),
            ["Mon, 16 Dec 2019 23:48:18 GMT", "Mon, 16 Dec 2019 23:48:18 GMT"]
        );
        assert!(split_list("", false).is_empty());
    }
}
