//! awsQuery: a form in, XML out.
//!
//! `Filters.member.1.Values.member.2=x` is split at its dots into a tree first, which the schema then reads; so the order
//! of parameters means nothing, as on AWS.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base::Error;
use shape::{Kind, Member, Schema, Value};

use super::xml::{Style, Xml};
use super::{Answer, DEPTH_MAX, PARAMETERS_MAX, Reply, text};
use crate::route::percent;

const XML: &str = "text/xml";

#[derive(Default)]
struct Node<'a> {
    text: Option<Cow<'a, str>>,
    below: BTreeMap<String, Node<'a>>,
}

pub(super) fn decode(input: &'static Schema, query: Option<&str>, body: &[u8]) -> Result<Value, Error> {
    let form = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8"))?;
    let pairs = percent::pairs(query.unwrap_or_default()).into_iter().chain(percent::pairs(form));
    let mut root = Node::default();
    for (count, (key, value)) in pairs.enumerate() {
        if count == PARAMETERS_MAX {
            return Err(malformed(format!("more than {PARAMETERS_MAX} parameters")));
        }
        root.insert(&key, value)?;
    }
    structure(input.members(), &root).map_err(|error| match error.code.as_ref() {
        "SerializationException" => malformed(error.message),
        _ => error,
    })
}

/// What awsQuery services answer to a request of the wrong form.
fn malformed(message: impl Into<String>) -> Error {
    Error::new(400, "MalformedInput", message)
}

impl<'a> Node<'a> {
    fn insert(&mut self, key: &str, value: Cow<'a, str>) -> Result<(), Error> {
        let mut node = self;
        for (depth, part) in key.split('.').enumerate() {
            if depth == DEPTH_MAX {
                return Err(malformed(format!("a parameter nests deeper than {DEPTH_MAX}")));
            }
            if !node.below.contains_key(part) {
                node.below.insert(part.to_owned(), Node::default());
            }
            let Some(next) = node.below.get_mut(part) else {
                return Ok(());
            };
            node = next;
        }
        node.text = Some(value);
        Ok(())
    }

    /// The numbered nodes, in the order of their numbers.
    fn numbered(&self) -> Vec<&Node<'a>> {
        let mut found: Vec<(u64, &Node<'a>)> =
            self.below.iter().filter_map(|(key, node)| Some((key.parse().ok()?, node))).collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, node)| node).collect()
    }
}

fn structure(members: &'static [Member], node: &Node<'_>) -> Result<Value, Error> {
    let slot = |member: &'static Member| node.below.get(name_of(member)).map(|node| read(member, node)).transpose();
    members.iter().map(slot).collect::<Result<_, _>>().map(Value::Struct)
}

fn name_of(member: &Member) -> &'static str {
    member.xml_name.unwrap_or(member.name)
}

fn read(member: &'static Member, node: &Node<'_>) -> Result<Value, Error> {
    let style = Style::of(member);
    match member.target().kind {
        Kind::List(item) if member.flattened => list(item(), node, style),
        Kind::Map(item) if member.flattened => map(item(), node, style),
        _ => any(member.target(), node, style),
    }
}

fn any(schema: &'static Schema, node: &Node<'_>, style: Style) -> Result<Value, Error> {
    match schema.kind {
        Kind::Nullable(inner) => any(inner(), node, style),
        Kind::Struct(members) => structure(members, node),
        Kind::Union(members) => union(schema, members, node),
        // `Names=` alone, without numbers, is an empty list; so is a list whose wrapper has nothing inside.
        Kind::List(item) => node.below.get(style.item).map_or(Ok(Value::List(Vec::new())), |n| list(item(), n, style)),
        Kind::Map(item) => node.below.get("entry").map_or(Ok(Value::Map(Vec::new())), |n| map(item(), n, style)),
        _ if !node.below.is_empty() => Err(malformed("Start of structure or map found where not expected.")),
        _ => text::parse(schema, node.text.as_deref().unwrap_or_default(), style.timestamp),
    }
}

fn list(item: &'static Schema, node: &Node<'_>, style: Style) -> Result<Value, Error> {
    node.numbered().into_iter().map(|node| any(item, node, style.inside())).collect::<Result<_, _>>().map(Value::List)
}

fn map(item: &'static Schema, node: &Node<'_>, style: Style) -> Result<Value, Error> {
    let (key_name, value_name) = style.entry;
    let mut entries = BTreeMap::new();
    for entry in node.numbered() {
        let key = entry.below.get(key_name).and_then(|node| node.text.as_deref());
        let key = key.ok_or_else(|| malformed("a map's entry has no key"))?;
        if let Some(value) = entry.below.get(value_name) {
            entries.insert(key.to_owned(), any(item, value, style.inside())?);
        }
    }
    Ok(Value::Map(entries.into_iter().collect()))
}

fn union(schema: &'static Schema, members: &'static [Member], node: &Node<'_>) -> Result<Value, Error> {
    let mut set = members.iter().enumerate().filter_map(|(at, m)| Some((at, m, node.below.get(name_of(m))?)));
    match (set.next(), set.next()) {
        (Some((at, member, node)), None) => Ok(Value::Union(at, Box::new(read(member, node)?))),
        _ => Err(malformed(format!("Exactly one member of the union {} must be set", schema.name))),
    }
}

pub(super) fn encode(reply: &Reply<'_>, value: &Value) -> Answer {
    let Reply { operation, output, xml_namespace, request_id, .. } = *reply;
    let mut xml = Xml::default();
    xml.element(&format!("{operation}Response"), xml_namespace, |xml| {
        // AWS sends no result at all for operations that have no output shape, and an empty one for an empty shape.
        if output.name != <() as shape::Shape>::SCHEMA.name {
            xml.element(&format!("{operation}Result"), None, |xml| xml.members(output, value));
        }
        xml.element("ResponseMetadata", None, |xml| xml.text("RequestId", request_id));
    });
    Answer::new(200, XML, xml.into_bytes())
}

pub(super) fn encode_error(error: &Error, request_id: &str, xml_namespace: Option<&str>) -> Answer {
    let mut xml = Xml::default();
    xml.element("ErrorResponse", xml_namespace, |xml| {
        xml.element("Error", None, |xml| {
            xml.text("Type", if error.is_server_fault() { "Receiver" } else { "Sender" });
            xml.text("Code", error.query_code.unwrap_or(&error.code));
            if !error.message.is_empty() {
                xml.text("Message", &error.message);
            }
            // Lambda-style shapes have a `Type` of their own; here the name is the protocol's.
            for (name, value) in error.members.iter().filter(|(name, _)| *name != "Type") {
                xml.text(name, value);
            }
        });
        xml.text("RequestId", request_id);
    });
    Answer::new(error.status, XML, xml.into_bytes())
}
