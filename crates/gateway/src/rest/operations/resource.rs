//! Resources.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::{Mismatch, Schema, Shape, Value};
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::change::Id;
use crate::rest::error::{bad, no_resource};
use crate::rest::patch::{self, Change, PatchOperation, Paths};
use crate::rest::path_part::{PathPart, check_count, check_place, child_path};
use crate::rest::records::{Api, Home, Method, RESOURCES, Resource};

/// Adds a node to an API's tree.
#[derive(Shape)]
#[shape(name = "CreateResourceRequest", rename_all = "camelCase")]
pub struct CreateResource {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The node above.
    #[shape(label, name = "parent_id")]
    pub parent_id: String,
    /// The last part of the path.
    pub path_part: String,
}

impl Operation<ApiGateway> for CreateResource {
    const META: Meta =
        Meta::write("CreateResource").http("POST", "/restapis/{restapi_id}/resources/{parent_id}").status(201);
    type Output = ShownResource;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ShownResource, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let (parent_id, part) = (self.parent_id, self.path_part);
        let id = Id::Part.draw();
        let made = gateway
            .change_rest(&at, move |tx, at| {
                let parent = tx.get(RESOURCES, &at.below(&parent_id))?.ok_or_else(no_resource)?;
                let part = PathPart::read(&part)?;
                let all = resources(tx, at)?;
                check_count(all.len())?;
                check_place(&all, &parent, &part, None)?;
                let resource = Resource {
                    id: id.clone(),
                    parent_id: Some(parent.id.clone()),
                    path: child_path(&parent.path, part.text()),
                    path_part: Some(part.text().to_owned()),
                    resource_methods: None,
                };
                tx.put(RESOURCES, &at.below(&id), &resource)?;
                Ok(resource)
            })
            .await?;
        Ok(ShownResource::of(made, true))
    }
}

fn resources(tx: &Tx<'_>, at: &Api) -> Result<Vec<Resource>, Failure> {
    Ok(tx.scan(RESOURCES, at.all())?.into_iter().map(|(_, resource)| resource).collect())
}

/// Shows a resource.
#[derive(Shape)]
#[shape(name = "GetResourceRequest", rename_all = "camelCase")]
pub struct GetResource {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// What to show besides: `methods`, `apisummary`.
    #[shape(query = "embed")]
    pub embed: Option<Vec<String>>,
}

impl Operation<ApiGateway> for GetResource {
    const META: Meta = Meta::read("GetResource").http("GET", "/restapis/{restapi_id}/resources/{resource_id}");
    type Output = ShownResource;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ShownResource, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let resource = gateway.found(RESOURCES, at.below(&self.resource_id), no_resource).await?;
        Ok(ShownResource::of(resource, asks_for_methods(self.embed.as_deref())))
    }
}

fn asks_for_methods(embed: Option<&[String]>) -> bool {
    embed.is_some_and(|embed| embed.iter().any(|word| word == "methods"))
}

/// Lists an API's resources.
#[derive(Shape)]
#[shape(name = "GetResourcesRequest", rename_all = "camelCase")]
pub struct GetResources {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
    /// What to show besides: `methods`, `apisummary`.
    #[shape(query = "embed")]
    pub embed: Option<Vec<String>>,
}

impl Operation<ApiGateway> for GetResources {
    const META: Meta = Meta::read("GetResources").http("GET", "/restapis/{restapi_id}/resources");
    type Output = Resources;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Resources, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (items, position) = gateway.page(RESOURCES, at.all(), self.position.as_deref(), self.limit).await?;
        let whole = asks_for_methods(self.embed.as_deref());
        let items = items.into_iter().map(|resource| ShownResource::of(resource, whole)).collect();
        Ok(Resources { position, items })
    }
}

/// A page of resources.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Resources {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<ShownResource>,
}

/// Deletes a resource with all below it.
#[derive(Shape)]
#[shape(name = "DeleteResourceRequest", rename_all = "camelCase")]
pub struct DeleteResource {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
}

impl Operation<ApiGateway> for DeleteResource {
    const META: Meta =
        Meta::write("DeleteResource").http("DELETE", "/restapis/{restapi_id}/resources/{resource_id}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.resource_id);
        gateway
            .change_rest(&at, move |tx, at| {
                let root = tx.get(RESOURCES, &at.below(&id))?.ok_or_else(no_resource)?;
                if root.parent_id.is_none() {
                    return Err(bad("Root resource cannot be deleted.").into());
                }
                for id in subtree(&resources(tx, at)?, &root.id) {
                    tx.delete(RESOURCES, &at.below(&id))?;
                }
                Ok(())
            })
            .await
    }
}

/// The ids of a resource and all below it.
fn subtree(all: &[Resource], root: &str) -> Vec<String> {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in all {
        children.entry(resource.parent_id.as_deref().unwrap_or_default()).or_default().push(&resource.id);
    }
    let (mut found, mut next) = (Vec::new(), vec![root]);
    while let Some(id) = next.pop() {
        found.push(id.to_owned());
        next.extend(children.get(id).into_iter().flatten());
    }
    found
}

const PATHS: Paths = Paths::replaced(&["/parentId", "/pathPart"]);

/// Renames or moves a resource, with all below it.
#[derive(Shape)]
#[shape(name = "UpdateResourceRequest", rename_all = "camelCase")]
pub struct UpdateResource {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The resource.
    #[shape(label, name = "resource_id")]
    pub resource_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateResource {
    const META: Meta = Meta::write("UpdateResource").http("PATCH", "/restapis/{restapi_id}/resources/{resource_id}");
    type Output = ShownResource;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ShownResource, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.resource_id);
        let changed = gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(RESOURCES, &at.below(&id))? {
                    return Err(no_resource().into());
                }
                for change in &changes {
                    PATHS.check(change)?;
                    apply(tx, at, &id, change)?;
                }
                tx.get(RESOURCES, &at.below(&id))?.ok_or_else(|| no_resource().into())
            })
            .await?;
        Ok(ShownResource::of(changed, true))
    }
}

fn apply(tx: &mut Tx<'_>, at: &Api, id: &str, change: &Change) -> Result<(), Failure> {
    let all = resources(tx, at)?;
    let found = |id: &str| all.iter().find(|one| one.id == id).ok_or_else(no_resource);
    let mut resource = found(id)?.clone();
    let Some(parent_id) = resource.parent_id.clone() else {
        return Err(bad(format!("Root resource cannot update its {}.", change.path.trim_start_matches('/'))).into());
    };
    let value = change.value.clone().unwrap_or_default();
    let (parent, part) = if change.path == "/parentId" {
        let parent = found(&value)?;
        if subtree(&all, id).contains(&parent.id) {
            return Err(bad("Resources cannot be cyclical.").into());
        }
        (parent, PathPart::read(resource.path_part.as_deref().unwrap_or_default())?)
    } else {
        let part = PathPart::read(&value)?;
        let has_children = all.iter().any(|one| one.parent_id.as_deref() == Some(id));
        if part.is_greedy() && has_children {
            return Err(bad(format!("Cannot create a child of a resource with a greedy path variable: {value}")).into());
        }
        (found(&parent_id)?, part)
    };
    check_place(&all, parent, &part, Some(id))?;
    resource.parent_id = Some(parent.id.clone());
    resource.path = child_path(&parent.path, part.text());
    resource.path_part = Some(part.text().to_owned());
    move_paths(tx, at, &all, resource)
}

/// Writes a resource whose path has changed, and all below it.
fn move_paths(tx: &mut Tx<'_>, at: &Api, all: &[Resource], moved: Resource) -> Result<(), Failure> {
    let mut next = vec![moved];
    while let Some(resource) = next.pop() {
        for child in all.iter().filter(|one| one.parent_id.as_deref() == Some(&resource.id)) {
            let path = child_path(&resource.path, child.path_part.as_deref().unwrap_or_default());
            next.push(Resource { path, ..child.clone() });
        }
        tx.put(RESOURCES, &at.below(&resource.id), &resource)?;
    }
    Ok(())
}

/// A resource as it is shown: its methods whole, or no more than that they are there.
#[derive(Shape, Default)]
#[shape(name = "Resource", rename_all = "camelCase")]
pub struct ShownResource {
    /// Its id.
    pub id: String,
    /// The node above; the root has none.
    pub parent_id: Option<String>,
    /// The last part of the path.
    pub path_part: Option<String>,
    /// The whole path.
    pub path: String,
    /// Its methods.
    pub resource_methods: Option<BTreeMap<String, ShownMethod>>,
}

impl ShownResource {
    fn of(resource: Resource, whole: bool) -> ShownResource {
        let shown = |method: Method| ShownMethod(whole.then_some(method));
        let methods = resource.resource_methods.filter(|methods| !methods.is_empty());
        ShownResource {
            id: resource.id,
            parent_id: resource.parent_id,
            path_part: resource.path_part,
            path: resource.path,
            resource_methods: methods
                .map(|methods| methods.into_iter().map(|(name, method)| (name, shown(method))).collect()),
        }
    }
}

/// A method, or `{}` in its place.
pub struct ShownMethod(Option<Method>);

impl Shape for ShownMethod {
    const SCHEMA: &'static Schema = Method::SCHEMA;

    fn from_value(value: Value) -> Result<Self, Mismatch> {
        Method::from_value(value).map(|method| ShownMethod(Some(method)))
    }

    fn into_value(self) -> Value {
        let nothing = || Value::Struct(Method::SCHEMA.members().iter().map(|_| None).collect());
        self.0.map_or_else(nothing, Method::into_value)
    }
}
