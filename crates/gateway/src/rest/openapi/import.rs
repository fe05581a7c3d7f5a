//! Reading a document: what the whole of it says. Its paths are read in `paths.rs`.

use std::collections::BTreeMap;

use base::Error;
use serde_json::Value;
use shape::Shape;

use super::extension::{
    API_KEY_SOURCE, BINARY_MEDIA_TYPES, DOCUMENTATION, DocumentationDocument, ENDPOINT_ACCESS_MODE,
    ENDPOINT_CONFIGURATION, GATEWAY_RESPONSES, GatewayResponseDocument, MINIMUM_COMPRESSION_SIZE, POLICY, PartDocument,
    REQUEST_VALIDATORS, SECURITY_POLICY, ValidatorDocument,
};
use super::paths::Paths;
use super::security::{self, Scheme};
use super::{Definition, Documentation, Settings, schema};
use crate::rest::error::bad;
use crate::rest::records::of_text;

/// A document's size. AWS's limit is 6 MB.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
/// References within each other.
const REFERENCES_MAX: usize = 16;
/// Warnings and errors that are told.
const WORDS_MAX: usize = 200;

/// What becomes of a document's base path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BasePath {
    /// Nothing.
    #[default]
    Ignore,
    /// It stands before all paths.
    Prepend,
    /// All of it but the first part does.
    Split,
}

/// How a document is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) base_path: BasePath,
    /// `ignore=documentation`
    pub(crate) without_documentation: bool,
}

impl Options {
    /// Reads the parameters of an import.
    pub(crate) fn of(parameters: &BTreeMap<String, String>) -> Result<Options, Error> {
        let base_path = match parameters.get("basepath").or_else(|| parameters.get("basePath")).map(String::as_str) {
            None => BasePath::default(),
            Some(mode) => match mode.to_lowercase().as_str() {
                "ignore" => BasePath::Ignore,
                "prepend" => BasePath::Prepend,
                "split" => BasePath::Split,
                _ => return Err(bad("Invalid basepath specified. Valid options are ignore, prepend, split")),
            },
        };
        let without_documentation = parameters.get("ignore").is_some_and(|what| what.contains("documentation"));
        Ok(Options { base_path, without_documentation })
    }
}

/// A document while it is read.
pub(super) struct Reader<'d> {
    pub(super) document: &'d Value,
    /// Whether it is Swagger 2.0.
    pub(super) is_swagger: bool,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
}

impl<'d> Reader<'d> {
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        if self.warnings.len() < WORDS_MAX {
            self.warnings.push(warning.into());
        }
    }

    pub(super) fn fail(&mut self, error: impl Into<String>) {
        if self.errors.len() < WORDS_MAX {
            self.errors.push(error.into());
        }
    }

    /// What a reference within the document leads to; the value itself if it is none.
    pub(super) fn resolved(&self, value: &'d Value) -> Option<&'d Value> {
        let mut value = value;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Some(value) };
            value = self.document.pointer(reference.strip_prefix('#')?)?;
        }
        None
    }
}

/// A body as a document: JSON or YAML.
fn parsed(body: &[u8]) -> Result<Value, Error> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Error::new(413, "RequestEntityTooLargeException", "Request Too Long"));
    }
    let text = std::str::from_utf8(body).map_err(|_| bad("Invalid OpenAPI input."))?;
    let limits = lang::document::Limits { bytes: BODY_BYTES_MAX, ..lang::document::Limits::default() };
    lang::document::read(text, &limits).ok().filter(Value::is_object).ok_or_else(|| bad("Invalid OpenAPI input."))
}

/// Reads a document.
///
/// # Errors
/// It is none, or says what cannot be.
pub(crate) fn read(body: &[u8], options: Options) -> Result<Definition, Error> {
    let document = parsed(body)?;
    let version = |name: &str| {
        document.get(name).map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned))
    };
    let is_swagger = match (version("swagger"), version("openapi")) {
        (Some(version), None) if version.starts_with('2') => true,
        (None, Some(version)) if version.starts_with("3.0") => false,
        (Some(version), None) | (None, Some(version)) => {
            return Err(bad(format!(
                "Unable to parse API definition because of an unsupported definition version {version}"
            )));
        }
        _ => return Err(bad("Invalid OpenAPI input.")),
    };
    let mut reader = Reader { document: &document, is_swagger, warnings: Vec::new(), errors: Vec::new() };
    let definition = whole(&mut reader, options)?;
    if reader.errors.is_empty() { Ok(definition) } else { Err(refusal(&reader.errors, &reader.warnings)) }
}

/// AWS's words for what cannot be imported.
pub(super) fn refusal(errors: &[String], warnings: &[String]) -> Error {
    let list = |words: &[String]| words.iter().map(|word| format!("\n\t{word}")).collect::<String>();
    let mut message = format!("Errors found during import:{}", list(errors));
    if !warnings.is_empty() {
        message.push_str(&format!("\nAdditionally, these warnings were found:{}", list(warnings)));
    }
    bad(message)
}

impl Definition {
    /// Refuses a document with warnings, if that is asked for.
    pub(crate) fn check_warnings(&self, fail_on_warnings: bool) -> Result<(), Error> {
        if !fail_on_warnings || self.warnings.is_empty() {
            return Ok(());
        }
        let list: String = self.warnings.iter().map(|word| format!("\n\t{word}")).collect();
        Err(bad(format!("Warnings found during import:{list}")))
    }
}

fn whole(reader: &mut Reader<'_>, options: Options) -> Result<Definition, Error> {
    let document = reader.document;
    let text =
        |at: &str| document.pointer(at).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let Some(title) = text("/info/title").filter(|title| !title.is_empty()) else {
        return Err(bad("Invalid OpenAPI input."));
    };
    let mut definition = Definition {
        title,
        description: text("/info/description"),
        version: text("/info/version"),
        settings: settings(reader),
        ..Definition::default()
    };
    definition.models = models(reader);
    for (name, validator) in members(document.get(REQUEST_VALIDATORS)) {
        match ValidatorDocument::read(validator, name) {
            Some(validator) => definition.request_validators.push(validator),
            None => {
                reader.fail(format!("Unable to create request validator '{name}': Invalid request validator specified"))
            }
        }
    }
    for (case, response) in members(document.get(GATEWAY_RESPONSES)) {
        match GatewayResponseDocument::read(response, case) {
            Some(response) => definition.gateway_responses.push(response),
            None => reader.fail(format!("Unable to put gateway response '{case}': Invalid gateway response specified")),
        }
    }
    let place = if reader.is_swagger { "/securityDefinitions" } else { "/components/securitySchemes" };
    let mut errors = Vec::new();
    let schemes = security::schemes(document.pointer(place), &mut errors);
    reader.errors.append(&mut errors);
    definition.authorizers = schemes
        .values()
        .filter_map(|scheme| match scheme {
            Scheme::Authorizer(authorizer) => Some((**authorizer).clone()),
            _ => None,
        })
        .collect();
    if !options.without_documentation {
        definition.documentation = documentation_of(reader);
    }
    let base_path = base_path(reader, options.base_path);
    Paths { reader, definition: &mut definition, schemes: &schemes, base_path }.read();
    definition.warnings = std::mem::take(&mut reader.warnings);
    Ok(definition)
}

/// The members of an object; none of anything else.
pub(super) fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn settings(reader: &mut Reader<'_>) -> Settings {
    let document = reader.document;
    let upper = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_uppercase);
    let texts =
        |value: &Value| value.as_array().map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    // Swagger has it at the top, OpenAPI 3 at a server.
    let endpoint = document
        .get(ENDPOINT_CONFIGURATION)
        .or_else(|| document.get("servers")?.as_array()?.iter().find_map(|server| server.get(ENDPOINT_CONFIGURATION)));
    let mut settings = Settings {
        policy: document.get(POLICY).filter(|policy| policy.is_object()).map(Value::to_string),
        binary_media_types: document.get(BINARY_MEDIA_TYPES).and_then(texts),
        minimum_compression_size: document
            .get(MINIMUM_COMPRESSION_SIZE)
            .and_then(Value::as_i64)
            .and_then(|size| i32::try_from(size).ok()),
        api_key_source: None,
        disable_execute_api_endpoint: endpoint
            .and_then(|endpoint| endpoint.get("disableExecuteApiEndpoint")?.as_bool()),
        vpc_endpoint_ids: endpoint.and_then(|endpoint| endpoint.get("vpcEndpointIds")).and_then(texts),
        security_policy: None,
        endpoint_access_mode: None,
    };
    let policy = document.get(SECURITY_POLICY).and_then(Value::as_str).map(str::to_owned);
    settings.api_key_source = reader.one_of("API key source", upper(API_KEY_SOURCE));
    settings.security_policy = reader.one_of("security policy", policy);
    settings.endpoint_access_mode = reader.one_of("endpoint access mode", upper(ENDPOINT_ACCESS_MODE));
    settings
}

/// The named schemas, with references to each other. AWS leaves out what it cannot name.
fn models(reader: &mut Reader<'_>) -> BTreeMap<String, Value> {
    let place = if reader.is_swagger { "/definitions" } else { "/components/schemas" };
    let document = reader.document;
    let given = document.pointer(place);
    let mut models = BTreeMap::new();
    for (name, schema) in members(given) {
        if !schema::is_model_name(name) {
            reader.warn(format!("Model name must be alphanumeric: {name}"));
            continue;
        }
        let schema = reader.schema(schema);
        models.insert(name.clone(), schema);
    }
    models
}

impl Reader<'_> {
    /// One of a set, where something is said; what is none of it fails the document.
    fn one_of<T: Shape>(&mut self, what: &str, said: Option<String>) -> Option<T> {
        let said = said?;
        let one = of_text(&said);
        if one.is_none() {
            self.fail(format!("Invalid {what} specified: {said}"));
        }
        one
    }

    /// A schema with references as they are between documents and records. Those to what is no model are taken out.
    pub(super) fn schema(&mut self, schema: &Value) -> Value {
        let place = if self.is_swagger { "/definitions" } else { "/components/schemas" };
        let document = self.document;
        let mut missing = Vec::new();
        let mut rewrite = |reference: &str| {
            let name = schema::referred(reference).unwrap_or(reference);
            let known = document.pointer(place).is_some_and(|models| models.get(name).is_some());
            if known && schema::is_model_name(name) {
                return Some(format!("{}{name}", schema::DEFINITIONS));
            }
            missing.push(name.to_owned());
            None
        };
        let schema = schema::rewritten(schema, &mut rewrite);
        for name in missing {
            let words = format!("Reference to model '{name}' not found. Ignoring.");
            if !self.warnings.contains(&words) {
                self.warn(words);
            }
        }
        schema
    }
}

/// What stands before all paths.
fn base_path(reader: &Reader<'_>, mode: BasePath) -> String {
    let document = reader.document;
    let base_path = if reader.is_swagger {
        document.get("basePath").and_then(Value::as_str).unwrap_or_default().to_owned()
    } else {
        server_path(document.pointer("/servers/0"))
    };
    let parts: Vec<&str> = base_path.split('/').filter(|part| !part.is_empty()).collect();
    let kept = match mode {
        BasePath::Ignore => &[],
        BasePath::Prepend => &parts[..],
        BasePath::Split => parts.get(1..).unwrap_or_default(),
    };
    kept.iter().map(|part| format!("/{part}")).collect()
}

/// A server's path: its variable `basePath` if it has one, else the path of its URL.
fn server_path(server: Option<&Value>) -> String {
    let Some(server) = server else { return String::new() };
    if let Some(path) = server.pointer("/variables/basePath/default").and_then(Value::as_str) {
        return path.to_owned();
    }
    let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
    match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| path.to_owned()).unwrap_or_default(),
        None => url.to_owned(),
    }
}

fn documentation_of(reader: &mut Reader<'_>) -> Documentation {
    let Some(document) = reader.document.get(DOCUMENTATION) else { return Documentation::default() };
    match serde_json::from_value::<DocumentationDocument>(document.clone()) {
        Ok(document) => Documentation {
            version: document.version.map(|version| version.0).filter(|version| !version.is_empty()),
            parts: document.documentation_parts.into_iter().map(PartDocument::read).collect(),
        },
        Err(_) => {
            reader.fail("Unable to parse API definition because of a malformed documentation");
            Documentation::default()
        }
    }
}

/// The documentation alone, which need not be in a whole API's document.
///
/// # Errors
/// It is no document, or its documentation is none.
pub(crate) fn documentation(body: &[u8]) -> Result<Documentation, Error> {
    let document = parsed(body)?;
    let mut reader = Reader { document: &document, is_swagger: true, warnings: Vec::new(), errors: Vec::new() };
    let documentation = documentation_of(&mut reader);
    if document.get(DOCUMENTATION).is_none() || !reader.errors.is_empty() {
        return Err(bad(
            "Unable to build importer with provided documentation. Please specify x-amazon-apigateway-documentation",
        ));
    }
    Ok(documentation)
}
