//! `new-op`: the skeleton of an operation out of AWS's model. It compiles once its shapes are there, answers
//! `NotImplemented`, and everything the model knows is already in its attributes.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use crate::botocore::{Model, Reference, Shape, first_sentence};
use crate::{Arguments, Failure};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let [service, operation] = arguments.words.as_slice() else {
        return Err("name a service and an operation: cargo xtask new-op lambda GetFunction".into());
    };
    let model = Model::load(service)?;
    let text = scaffold(&model, service, operation, arguments.has("shapes"))?;
    match arguments.value("to") {
        None => print!("{text}"),
        Some(file) if std::path::Path::new(file).exists() => return Err(format!("{file} is there already").into()),
        Some(file) => std::fs::write(file, text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn scaffold(model: &Model, service: &str, operation: &str, with_shapes: bool) -> Result<String, Failure> {
    let found = model.operations.get(operation);
    let declared = found.ok_or_else(|| format!("AWS's {service} has no operation {operation}"))?;
    let empty = Shape { kind: "structure".to_owned(), ..Shape::default() };
    let shape = |reference: &Option<Reference>| reference.as_ref().and_then(|r| model.shape(&r.shape));
    let mut writer = Writer { model, text: String::new(), wanted: BTreeSet::new(), with_rules: true };
    writer.structure(operation, shape(&declared.input).unwrap_or(&empty), &declared.documentation);
    let output = shape(&declared.output).filter(|s| !s.members.is_empty());
    let output_name = output.map_or("()".to_owned(), |_| format!("{operation}Response"));
    if let Some(output) = output {
        writer.with_rules = false;
        writer.structure(&output_name, output, &format!("What {operation} answers."));
    }
    let implementation = implementation(model, service, operation, &output_name);
    let nested = if with_shapes { writer.nested() } else { writer.list_nested() };
    Ok(format!(
        "//! {operation}.\n\nuse base::{{Cx, Error}};\nuse cloud::{{Authz, Meta, Operation}};\nuse shape::Shape;\n\n{}{implementation}{nested}",
        writer.text
    ))
}

fn implementation(model: &Model, service: &str, operation: &str, output: &str) -> String {
    let http = &model.operations[operation].http;
    let access =
        if ["Get", "List", "Describe"].iter().any(|verb| operation.starts_with(verb)) { "read" } else { "write" };
    let mut meta = format!("Meta::{access}(\"{operation}\")");
    if model.metadata.protocol.starts_with("rest-") {
        let _ = write!(meta, ".http(\"{}\", \"{}\")", http.method, http.request_uri);
        if let Some(status) = http.response_code.filter(|code| *code != 200) {
            let _ = write!(meta, ".status({status})");
        }
    }
    let service = camel(service);
    format!(
        "impl Operation<{service}> for {operation} {{\n    const META: Meta = {meta};\n    type Output = {output};\n\n    \
         fn authorize(&self, cx: &Cx, need: &mut Authz) {{\n        need.on(cx.arn(\"\", \"\"));\n    }}\n\n    \
         async fn run(self, _service: &{service}, _cx: &Cx) -> Result<{output}, Error> {{\n        \
         Err(Error::not_implemented(\"{operation}\"))\n    }}\n}}\n"
    )
}

struct Writer<'a> {
    model: &'a Model,
    text: String,
    /// Structures, unions and enums that what is written refers to.
    wanted: BTreeSet<String>,
    /// Rules bind what comes in; what goes out is ours.
    with_rules: bool,
}

impl Writer<'_> {
    fn structure(&mut self, name: &str, shape: &Shape, documentation: &str) {
        let camel_case = shape.members.keys().all(|n| n.starts_with(|c: char| c.is_ascii_lowercase()));
        let rename = camel_case && !shape.members.is_empty();
        doc(&mut self.text, "", documentation);
        self.text.push_str("#[derive(Shape)]\n");
        if rename {
            self.text.push_str("#[shape(rename_all = \"camelCase\")]\n");
        }
        let _ = writeln!(self.text, "pub struct {name} {{");
        for (member, reference) in &shape.members {
            self.member(member, reference, shape, rename);
        }
        self.text.push_str("}\n\n");
    }

    fn member(&mut self, name: &str, reference: &Reference, parent: &Shape, rename: bool) {
        doc(&mut self.text, "    ", &reference.documentation);
        let field = snake(name);
        let mut words = Vec::new();
        let spoken = if rename { small_first(&camel(&field)) } else { camel(&field) };
        if spoken != name {
            words.push(format!("name = {name:?}"));
        }
        words.extend(place(name, reference, parent));
        if reference.idempotency_token {
            words.push("idempotency_token".to_owned());
        }
        if let Some(shape) = self.model.shape(&reference.shape).filter(|_| self.with_rules) {
            words.extend(rules(shape));
        }
        if !words.is_empty() {
            let _ = writeln!(self.text, "    #[shape({})]", words.join(", "));
        }
        let kind = self.rust_type(&reference.shape);
        let required = parent.required.iter().any(|r| r == name);
        let kind = if required { kind } else { format!("Option<{kind}>") };
        let raw = if matches!(field.as_str(), "type" | "match" | "ref" | "use" | "loop" | "self") { "r#" } else { "" };
        let _ = writeln!(self.text, "    pub {raw}{field}: {kind},");
    }

    fn rust_type(&mut self, name: &str) -> String {
        let Some(shape) = self.model.shape(name) else {
            return name.to_owned();
        };
        let mut held = |reference: &Option<Reference>| match reference {
            Some(reference) => self.rust_type(&reference.shape),
            None => "String".to_owned(),
        };
        match shape.kind() {
            "list" => format!("Vec<{}>", held(&shape.member)),
            "map" => format!("std::collections::BTreeMap<String, {}>", held(&shape.value)),
            "string" if shape.values.is_empty() => "String".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "float" => "f32".to_owned(),
            "double" => "f64".to_owned(),
            "boolean" => "bool".to_owned(),
            "timestamp" => "base::Timestamp".to_owned(),
            "blob" => "bytes::Bytes".to_owned(),
            "document" => "serde_json::Value".to_owned(),
            _ => {
                self.wanted.insert(name.to_owned());
                name.to_owned()
            }
        }
    }

    /// Only the names of what is still to be declared or imported.
    fn list_nested(&self) -> String {
        if self.wanted.is_empty() {
            return String::new();
        }
        let names: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
        format!("\n// Shapes to declare or import: {}.\n", names.join(", "))
    }

    /// The declarations of all that is reachable.
    fn nested(&self) -> String {
        let mut writer =
            Writer { model: self.model, text: "\n".to_owned(), wanted: self.wanted.clone(), with_rules: true };
        let mut done = BTreeSet::new();
        while let Some(name) = writer.wanted.iter().find(|n| !done.contains(*n)).cloned() {
            done.insert(name.clone());
            let Some(shape) = self.model.shape(&name) else { continue };
            match shape.values.is_empty() {
                true => writer.structure(&name, shape, &shape.documentation),
                false => writer.enumeration(&name, shape),
            }
        }
        writer.text
    }

    fn enumeration(&mut self, name: &str, shape: &Shape) {
        doc(&mut self.text, "", &shape.documentation);
        let _ = writeln!(self.text, "#[derive(Shape, Clone, Debug, PartialEq, Eq)]\npub enum {name} {{");
        for value in &shape.values {
            let variant = camel(&value.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
            let variant = if value.starts_with(|c: char| c.is_ascii_digit()) { format!("V{variant}") } else { variant };
            let _ = writeln!(self.text, "    /// `{value}`.\n    #[shape(value = {value:?})]\n    {variant},");
        }
        self.text.push_str("}\n\n");
    }
}

fn place(name: &str, reference: &Reference, parent: &Shape) -> Option<String> {
    let at = reference.location_name.as_deref().unwrap_or(name);
    Some(match reference.location.as_deref() {
        Some("uri") => "label".to_owned(),
        Some("querystring") => format!("query = {at:?}"),
        Some("header") => format!("header = {at:?}"),
        Some("headers") => format!("prefix_headers = {at:?}"),
        Some("statusCode") => "status_code".to_owned(),
        _ if parent.payload.as_deref() == Some(name) => "payload".to_owned(),
        _ => return None,
    })
}

fn rules(shape: &Shape) -> Vec<String> {
    let mut words = Vec::new();
    let end = |bound: Option<f64>| bound.map_or(String::new(), |n| format!("{}", n as i64));
    if shape.min.is_some() || shape.max.is_some() {
        let numeric = matches!(shape.kind(), "integer" | "long" | "float" | "double");
        let range = match shape.max {
            Some(_) => format!("{}..={}", end(shape.min.or(Some(0.0))), end(shape.max)),
            None => format!("{}..", end(shape.min)),
        };
        words.push(format!("{}({range})", if numeric { "range" } else { "length" }));
    }
    if let Some(pattern) = &shape.pattern {
        words.push(format!("pattern = r#\"{pattern}\"#"));
    }
    if shape.sensitive {
        words.push("sensitive".to_owned());
    }
    words
}

fn doc(text: &mut String, indent: &str, html: &str) {
    let sentence = first_sentence(html);
    let sentence = if sentence.is_empty() { "Say what it is.".to_owned() } else { sentence };
    let _ = writeln!(text, "{indent}/// {sentence}");
}

/// `FunctionName` → `function_name`, `KMSKeyArn` → `kms_key_arn`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (at, c) in letters.iter().enumerate() {
        let after_small = at > 0 && !letters[at - 1].is_uppercase();
        let before_small = at > 0 && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && at > 0 && (after_small || before_small) && !text.ends_with('_') {
            text.push('_');
        }
        text.extend(c.to_lowercase().map(|c| if c.is_alphanumeric() { c } else { '_' }));
    }
    text
}

/// `function_name` → `FunctionName`.
fn camel(name: &str) -> String {
    let words = name.split(['_', '-']);
    words.map(|word| word[..word.len().min(1)].to_uppercase() + word.get(1..).unwrap_or_default()).collect()
}

fn small_first(name: &str) -> String {
    name[..name.len().min(1)].to_lowercase() + name.get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{scaffold, snake};
    use crate::botocore::Model;

    #[test]
    fn an_operation_is_sketched_from_its_model() {
        let model: Model = serde_json::from_str(include_str!("../tests/model.json")).unwrap();
        let text = scaffold(&model, "sample", "GetThing", true).unwrap();
        for line in [
            "//! GetThing.",
            "/// Gets a thing.",
            "pub struct GetThing {",
            "    #[shape(label, length(1..=64), pattern = r#\"[a-z]+\"#)]\n    pub name: String,",
            "    #[shape(query = \"Qualifier\")]\n    pub qualifier: Option<String>,",
            "    const META: Meta = Meta::read(\"GetThing\").http(\"GET\", \"/things/{Name}\").status(202);",
            "    type Output = GetThingResponse;",
            "    pub parts: Option<Vec<Part>>,",
            "Err(Error::not_implemented(\"GetThing\"))",
            "pub struct Part {",
            "pub enum Colour {",
        ] {
            assert!(text.contains(line), "{line}\n---\n{text}");
        }
        assert!(scaffold(&model, "sample", "Nothing", false).is_err());
    }

    #[test]
    fn names_become_fields() {
        for (name, field) in [
            ("FunctionName", "function_name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("restApiId", "rest_api_id"),
            ("VpcId", "vpc_id"),
            ("x-amz-id", "x_amz_id"),
        ] {
            assert_eq!(snake(name), field);
        }
    }
}
