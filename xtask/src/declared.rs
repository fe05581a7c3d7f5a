//! Our declarations as `updraft __schemas` prints them: the reading side of `cloud::describe`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Failure;

#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    /// `lambda`.
    pub(crate) service: String,
    /// In botocore's spelling: `rest-json`, `json`, `query`, `rest-xml`, `smithy-rpc-v2-cbor`.
    pub(crate) protocol: String,
    pub(crate) operations: Vec<Operation>,
    /// Operations that answer `NotImplemented`.
    #[serde(default)]
    pub(crate) not_yet: Vec<String>,
    /// Structures, unions and enums by name.
    #[serde(default)]
    pub(crate) shapes: BTreeMap<String, Shape>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) http: Option<Http>,
    pub(crate) input: BTreeMap<String, Member>,
    pub(crate) output: BTreeMap<String, Member>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) status: Option<u16>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    /// Its shape's name.
    pub(crate) shape: String,
    /// `string`, `structure`, `list`, …
    pub(crate) kind: String,
    /// `body`, `uri`, `querystring`, `header`, `headers`, `payload`, `statusCode`.
    pub(crate) location: String,
    /// The name there.
    pub(crate) location_name: Option<String>,
    pub(crate) required: bool,
    /// The shape of a list's items or a map's values, where the description tells.
    #[serde(default)]
    pub(crate) item: Option<Item>,
}

/// What a list or map holds.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) shape: String,
    pub(crate) kind: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Shape {
    pub(crate) members: BTreeMap<String, Member>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
}

/// Reads the description from a file, or asks our own program for it.
pub(crate) fn load(root: &Path, file: Option<&str>) -> Result<Vec<Service>, Failure> {
    let text = match file {
        Some(file) => std::fs::read(file).map_err(|e| format!("{file}: {e}"))?,
        None => ask(root)?,
    };
    Ok(serde_json::from_slice(&text)?)
}

fn ask(root: &Path) -> Result<Vec<u8>, Failure> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output =
        Command::new(cargo).args(["run", "-q", "-p", "updraft", "--", "__schemas"]).current_dir(root).output()?;
    if !output.status.success() {
        return Err(format!("updraft __schemas: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(output.stdout)
}
