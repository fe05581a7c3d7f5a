//! A mapping template for a model: an example of it that goes through the lists of the input.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::schema;

/// Models within models: what names itself ends there.
const DEPTH_MAX: usize = 8;
/// A template's bytes; models that name each other often could fill any number.
const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// The template of a model among others.
pub(crate) fn template(name: &str, models: &BTreeMap<String, Option<String>>) -> String {
    let mut writer = Writer { models, out: "#set($inputRoot = $input.path('$'))\n".to_owned() };
    let schema = writer.named(name);
    writer.value(&schema, "$inputRoot", 0, 0);
    writer.out
}

struct Writer<'m> {
    models: &'m BTreeMap<String, Option<String>>,
    out: String,
}

impl Writer<'_> {
    fn named(&self, name: &str) -> Value {
        let schema = self.models.get(name).and_then(Option::as_deref);
        schema.and_then(|schema| serde_json::from_str(schema).ok()).unwrap_or_default()
    }

    fn value(&mut self, schema: &Value, place: &str, level: usize, depth: usize) {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(schema::referred);
        if depth > DEPTH_MAX || self.out.len() > TEMPLATE_BYTES_MAX {
            self.out.push_str("{ }");
            return;
        }
        if let Some(name) = reference {
            let named = self.named(name);
            return self.value(&named, place, level, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, place, level, depth),
            "array" => {
                let items = schema.get("items").cloned().unwrap_or_default();
                self.out.push_str("[\n##TODO: Update this foreach loop to reference array from input json\n");
                let _ = writeln!(self.out, "#foreach($elem in {place})");
                let _ = write!(self.out, "{:1$}", "", 2 * level + 1);
                self.value(&items, "$elem", level + 1, depth + 1);
                self.out.push_str("#if($foreach.hasNext),#end\n\n#end\n]");
            }
            "integer" => self.out.push_str("42"),
            "number" => self.out.push_str("3.14"),
            "boolean" => self.out.push_str("true"),
            _ => match schema.get("enum").and_then(|values| values.get(0)) {
                Some(first) => self.out.push_str(&first.to_string()),
                None => self.out.push_str("\"foo\""),
            },
        }
    }

    fn object(&mut self, schema: &Value, place: &str, level: usize, depth: usize) {
        let members = schema.get("properties").and_then(Value::as_object);
        self.out.push('{');
        for (at, (name, member)) in members.into_iter().flatten().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(self.out, "{comma}\n{:1$}{2} : ", "", 2 * level + 2, Value::from(name.as_str()));
            self.value(member, &format!("{place}.{name}"), level + 1, depth + 1);
        }
        let _ = write!(self.out, "\n{:1$}}}", "", 2 * level);
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("string")
        }
        _ if schema.get("items").is_some() => "array",
        _ if schema.get("enum").is_some() => "string",
        _ => "object",
    }
}
