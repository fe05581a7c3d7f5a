//! Making a document an API's: over what is there, or in its place.
//!
//! All in one transaction: a document that cannot be imported changes nothing. What keeps its name or path keeps its id.

use std::collections::BTreeMap;

use base::{Cx, Error};
use store::{Record, Table, Tx};

use super::import::refusal;
use super::{Definition, Described, schema};
use crate::Failure;
use crate::rest::change::{Id, now};
use crate::rest::error::too_many;
use crate::rest::path_part::{PathPart, check_count, check_place, child_path};
use crate::rest::records::{
    AUTHORIZERS, Api, DOCUMENTATION_PARTS, DOCUMENTATION_VERSIONS, DocumentationPart, DocumentationVersion,
    DocumentationVersionRecord, GATEWAY_RESPONSES, MODELS, Method, Model, REQUEST_VALIDATORS, RESOURCES, Resource,
    RestApi,
};
use crate::rest::{api, authorizer, integration, method};

/// Documentation parts of an API. AWS's quota.
const DOCUMENTATION_PARTS_MAX: usize = 2_000;

/// What becomes of what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It stays where the document says nothing.
    #[default]
    Merge,
    /// It goes.
    Overwrite,
}

/// Makes a definition an API's. `api` is the record to be written, which the caller puts.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    at: &Api,
    api: &mut RestApi,
    definition: &Definition,
    mode: Mode,
    cx: &Cx,
) -> Result<(), Failure> {
    settings(at, api, definition, mode, cx)?;
    let resources: Vec<Resource> = values(tx.scan(RESOURCES, at.all())?);
    let names = Names {
        models: values(tx.scan(MODELS, at.all())?).into_iter().map(|model: Model| (model.name, model.id)).collect(),
        validators: values(tx.scan(REQUEST_VALIDATORS, at.all())?)
            .into_iter()
            .map(|validator| (validator.name.unwrap_or_default(), validator.id))
            .collect(),
        authorizers: values(tx.scan(AUTHORIZERS, at.all())?)
            .into_iter()
            .map(|authorizer| (authorizer.name, authorizer.id))
            .collect(),
    };
    if mode == Mode::Overwrite {
        api::delete_parts(tx, at)?;
    }
    let names = names.with(definition);
    parts(tx, at, definition, &names)?;
    let mut tree = Tree::of(resources, api, mode);
    let mut errors = Vec::new();
    for path in definition.paths.keys() {
        if let Err(error) = tree.grow(path) {
            errors.push(format!("Unable to create resource at path '{path}': {}", error.message));
        }
        check_count(tree.resources.len().saturating_sub(1))?;
    }
    for (path, methods) in &definition.paths {
        for (name, described) in methods {
            if let Some(resource) = tree.resources.get_mut(path)
                && let Err(error) = put_method(tx, at, resource, described, &names)?
            {
                // What is not built yet is no fault of the document's.
                if error.is_server_fault() {
                    return Err(error.into());
                }
                errors.push(format!("Unable to put method '{name}' on resource at path '{path}': {}", error.message));
            }
        }
    }
    if !errors.is_empty() {
        return Err(refusal(&errors, &definition.warnings).into());
    }
    for resource in tree.resources.values() {
        tx.put(RESOURCES, &at.below(&resource.id), resource)?;
    }
    document(tx, at, &definition.documentation.parts)?;
    if let Some(version) = &definition.documentation.version {
        freeze(tx, at, version, cx)?;
    }
    Ok(())
}

fn values<T>(found: Vec<(store::Key, T)>) -> Vec<T> {
    found.into_iter().map(|(_, value)| value).collect()
}

/// Ids of what has names.
struct Names {
    models: BTreeMap<String, String>,
    validators: BTreeMap<String, String>,
    authorizers: BTreeMap<String, String>,
}

impl Names {
    /// With ids for what a definition brings.
    fn with(mut self, definition: &Definition) -> Names {
        for name in definition.models.keys() {
            self.models.entry(name.clone()).or_insert_with(|| Id::Part.draw());
        }
        for validator in &definition.request_validators {
            self.validators.entry(validator.name.clone().unwrap_or_default()).or_insert_with(|| Id::Part.draw());
        }
        for authorizer in &definition.authorizers {
            self.authorizers.entry(authorizer.name.clone()).or_insert_with(|| Id::Part.draw());
        }
        self
    }
}

fn settings(at: &Api, api: &mut RestApi, definition: &Definition, mode: Mode, cx: &Cx) -> Result<(), Error> {
    let overwrite = mode == Mode::Overwrite;
    let given = &definition.settings;
    api.name.clone_from(&definition.title);
    if overwrite || definition.description.is_some() {
        api.description.clone_from(&definition.description);
    }
    api.version = definition.version.clone().or(api.version.take());
    if let Some(policy) = api::checked_policy(given.policy.as_deref(), cx, &at.id)? {
        api.policy = Some(policy);
    }
    let keeps = |there: bool| overwrite || there;
    if keeps(given.binary_media_types.is_some()) {
        api.binary_media_types = given.binary_media_types.clone().filter(|types| !types.is_empty());
    }
    if keeps(given.minimum_compression_size.is_some()) {
        api.minimum_compression_size = api::checked_compression(given.minimum_compression_size)?;
    }
    api.api_key_source = given.api_key_source.unwrap_or(api.api_key_source);
    api.disable_execute_api_endpoint = given.disable_execute_api_endpoint.unwrap_or(api.disable_execute_api_endpoint);
    api.security_policy = given.security_policy.or(api.security_policy);
    api.endpoint_access_mode = api::checked_access_mode(given.endpoint_access_mode)?.or(api.endpoint_access_mode);
    if given.vpc_endpoint_ids.is_some() {
        api.endpoint_configuration.vpc_endpoint_ids.clone_from(&given.vpc_endpoint_ids);
    }
    Ok(())
}

/// Models, validators, authorizers and gateway responses.
fn parts(tx: &mut Tx<'_>, at: &Api, definition: &Definition, names: &Names) -> Result<(), Failure> {
    for (name, schema) in &definition.models {
        let model = Model {
            id: names.models.get(name).cloned().unwrap_or_default(),
            name: name.clone(),
            description: None,
            schema: Some(schema::stored(schema, &at.id)),
            content_type: "application/json".to_owned(),
        };
        tx.put(MODELS, &at.below(name), &model)?;
    }
    for validator in &definition.request_validators {
        let id = names.validators.get(validator.name.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        put_with_id(tx, REQUEST_VALIDATORS, at, &id, validator, |validator, id| validator.id = id)?;
    }
    for authorizer in &definition.authorizers {
        authorizer::check_built(authorizer)?;
        let id = names.authorizers.get(&authorizer.name).cloned().unwrap_or_default();
        put_with_id(tx, AUTHORIZERS, at, &id, authorizer, |authorizer, id| authorizer.id = id)?;
    }
    for response in &definition.gateway_responses {
        tx.put(GATEWAY_RESPONSES, &at.below(&response.response_type.name()), response)?;
    }
    Ok(())
}

fn put_with_id<R: Record + Clone>(
    tx: &mut Tx<'_>,
    table: Table<R>,
    at: &Api,
    id: &str,
    record: &R,
    name: impl FnOnce(&mut R, String),
) -> Result<(), Failure> {
    let mut record = record.clone();
    name(&mut record, id.to_owned());
    Ok(tx.put(table, &at.below(id), &record)?)
}

/// Resources by path, with those that are to be made.
struct Tree {
    resources: BTreeMap<String, Resource>,
    /// Ids of paths that were there before all was deleted.
    former: BTreeMap<String, String>,
}

impl Tree {
    fn of(resources: Vec<Resource>, api: &RestApi, mode: Mode) -> Tree {
        let root = Resource { id: api.root_resource_id.clone(), path: "/".to_owned(), ..Resource::default() };
        let mut tree = Tree { resources: BTreeMap::new(), former: BTreeMap::new() };
        tree.resources.insert("/".to_owned(), root);
        for resource in resources {
            match mode {
                Mode::Merge => {
                    tree.resources.insert(resource.path.clone(), resource);
                }
                Mode::Overwrite => {
                    tree.former.insert(resource.path, resource.id);
                }
            }
        }
        tree
    }

    /// Makes a path with all that leads to it.
    fn grow(&mut self, path: &str) -> Result<(), Error> {
        let mut parent = "/".to_owned();
        for text in path.split('/').filter(|part| !part.is_empty()) {
            let part = PathPart::read(text)?;
            let child = child_path(&parent, part.text());
            if !self.resources.contains_key(&child) {
                let Some(above) = self.resources.get(&parent) else { return Ok(()) };
                check_place(self.resources.values(), above, &part, None)?;
                let made = Resource {
                    id: self.former.get(&child).cloned().unwrap_or_else(|| Id::Part.draw()),
                    parent_id: Some(above.id.clone()),
                    path_part: Some(text.to_owned()),
                    path: child.clone(),
                    resource_methods: None,
                };
                self.resources.insert(child.clone(), made);
            }
            parent = child;
        }
        Ok(())
    }
}

/// Puts a method. The outer error ends the transaction, the inner one is told with others.
fn put_method(
    tx: &Tx<'_>,
    at: &Api,
    resource: &mut Resource,
    described: &Described,
    names: &Names,
) -> Result<Result<(), Error>, Failure> {
    let mut made = described.method.clone();
    made.authorizer_id = made.authorizer_id.and_then(|name| names.authorizers.get(&name).cloned());
    made.request_validator_id = made.request_validator_id.and_then(|name| names.validators.get(&name).cloned());
    let checked = method::check(tx, at, &mut made).and_then(|()| check_integration(tx, at, &mut made, &resource.id));
    match checked {
        Ok(()) => {}
        Err(Failure::Aws(error)) => return Ok(Err(error)),
        Err(failure) => return Err(failure),
    }
    resource.resource_methods.get_or_insert_default().insert(made.http_method.clone(), made);
    Ok(Ok(()))
}

fn check_integration(tx: &Tx<'_>, at: &Api, made: &mut Method, resource_id: &str) -> Result<(), Failure> {
    let Some(mut there) = made.method_integration.take() else { return Ok(()) };
    integration::check(tx, at, &mut there, made.request_parameters.as_ref())?;
    there.cache_namespace.get_or_insert_with(|| resource_id.to_owned());
    for response in there.integration_responses.iter().flatten().map(|(_, response)| response) {
        integration::check_response(made, response)?;
    }
    made.method_integration = Some(there);
    Ok(())
}

/// Puts what is said for people, each place's in the stead of what was said of it before. The ids of what was put.
pub(crate) fn document(tx: &mut Tx<'_>, at: &Api, parts: &[DocumentationPart]) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    if parts.is_empty() {
        return Ok(ids);
    }
    if parts.len() > DOCUMENTATION_PARTS_MAX {
        return Err(too_many("Maximum number of documentation parts for this API has been reached").into());
    }
    let known: Vec<DocumentationPart> = values(tx.scan(DOCUMENTATION_PARTS, at.all())?);
    for part in parts {
        let there = known.iter().find(|known| known.location == part.location);
        let id = there.map_or_else(|| Id::Part.draw(), |there| there.id.clone());
        put_with_id(tx, DOCUMENTATION_PARTS, at, &id, part, |part, id| part.id = id)?;
        ids.push(id);
    }
    Ok(ids)
}

/// Freezes the documentation as a version.
fn freeze(tx: &mut Tx<'_>, at: &Api, version: &str, cx: &Cx) -> Result<(), Failure> {
    let parts = values(tx.scan(DOCUMENTATION_PARTS, at.all())?);
    let shown = DocumentationVersion { version: version.to_owned(), created_date: now(cx), description: None };
    Ok(tx.put(DOCUMENTATION_VERSIONS, &at.below(version), &DocumentationVersionRecord { shown, parts })?)
}
