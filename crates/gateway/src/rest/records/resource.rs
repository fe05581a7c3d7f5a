//! Resources: the tree of an API's paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Method;

/// A node of the tree.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// The node above; the root has none.
    pub parent_id: Option<String>,
    /// The last part of the path: `pets`, `{id}`, `{proxy+}`.
    pub path_part: Option<String>,
    /// The whole path.
    pub path: String,
    /// Its methods. Absent where there are none, and in answers that did not ask for them.
    pub resource_methods: Option<BTreeMap<String, Method>>,
}

impl Record for Resource {}

impl Resource {
    /// One of its methods.
    pub(crate) fn method(&self, http_method: &str) -> Option<&Method> {
        self.resource_methods.as_ref()?.get(http_method)
    }
}
