//! Values as XML elements, for awsQuery (and restXml when it comes).

use shape::{Kind, Member, Schema, TimestampFormat, Value};

use super::text;

/// An XML document in the making.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn into_bytes(self) -> bytes::Bytes {
        self.0.into()
    }

    /// An element around what `inside` writes; the namespace only at the root.
    pub(super) fn element(&mut self, name: &str, namespace: Option<&str>, inside: impl FnOnce(&mut Xml)) {
        self.0.push('<');
        self.0.push_str(name);
        if let Some(namespace) = namespace {
            self.0.push_str(" xmlns=\"");
            self.escape(namespace);
            self.0.push('"');
        }
        self.0.push('>');
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element of text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.element(name, None, |xml| xml.escape(text));
    }

    /// Control characters that XML 1.0 cannot carry become U+FFFD; a carriage return is kept from being normalized away.
    fn escape(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#xD;"),
                '\t' | '\n' => self.0.push(letter),
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
    }

    /// The members of a structure or the one of a union, each an element, without an element around them.
    pub(super) fn members(&mut self, schema: &Schema, value: &Value) {
        match (schema.kind, value) {
            (Kind::Struct(members), Value::Struct(slots)) => {
                for (member, slot) in members.iter().zip(slots) {
                    if let Some(value) = slot {
                        self.member(member, value);
                    }
                }
            }
            (Kind::Union(members), Value::Union(at, value)) => self.member(&members[*at], value),
            _ => {}
        }
    }

    fn member(&mut self, member: &Member, value: &Value) {
        let name = member.xml_name.unwrap_or(member.name);
        let style = Style::of(member);
        let schema = member.target();
        match (schema.kind, value) {
            (Kind::List(item), Value::List(items)) if member.flattened => {
                self.items(name, item(), items, style);
            }
            (Kind::Map(item), Value::Map(entries)) if member.flattened => {
                self.entries(name, item(), entries, style);
            }
            _ => self.any(name, schema, value, style),
        }
    }

    fn any(&mut self, name: &str, schema: &Schema, value: &Value, style: Style) {
        match (schema.kind, value) {
            (Kind::Nullable(inner), value) => self.any(name, inner(), value, style),
            (Kind::List(item), Value::List(items)) => {
                self.element(name, None, |xml| xml.items(style.item, item(), items, style));
            }
            (Kind::Map(item), Value::Map(entries)) => {
                self.element(name, None, |xml| xml.entries("entry", item(), entries, style));
            }
            (Kind::Struct(_) | Kind::Union(_), value) => {
                self.element(name, None, |xml| xml.members(schema, value));
            }
            (_, value) => self.text(name, &text::render(value, style.timestamp).unwrap_or_default()),
        }
    }

    fn items(&mut self, name: &str, item: &Schema, items: &[Value], style: Style) {
        for value in items {
            self.any(name, item, value, style.inside());
        }
    }

    fn entries(&mut self, name: &str, item: &Schema, entries: &[(String, Value)], style: Style) {
        for (key, value) in entries {
            self.element(name, None, |xml| {
                xml.text(style.entry.0, key);
                xml.any(style.entry.1, item, value, style.inside());
            });
        }
    }
}

/// How a member wants its list's or map's insides called, shared with the reading side.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) item: &'static str,
    pub(super) entry: (&'static str, &'static str),
    pub(super) timestamp: TimestampFormat,
}

impl Style {
    pub(super) fn of(member: &Member) -> Style {
        Style {
            item: member.item_name.unwrap_or("member"),
            entry: member.entry_names.unwrap_or(("key", "value")),
            timestamp: member.timestamp.unwrap_or(TimestampFormat::DateTime),
        }
    }

    /// For a list inside a list: only the timestamp format goes on.
    pub(super) fn inside(self) -> Style {
        Style { item: "member", entry: ("key", "value"), timestamp: self.timestamp }
    }
}
