//! AWS's public API models, as they ship inside botocore: the oracle our declarations are compared with.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Failure;

/// A service's model.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) metadata: Metadata,
    pub(crate) operations: BTreeMap<String, Operation>,
    pub(crate) shapes: BTreeMap<String, Shape>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) protocol: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) http: Http,
    pub(crate) input: Option<Reference>,
    pub(crate) output: Option<Reference>,
    #[serde(default)]
    pub(crate) documentation: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) request_uri: String,
    /// Absent means 200.
    pub(crate) response_code: Option<u16>,
}

/// A use of a shape: a member, an item, an operation's input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    pub(crate) shape: String,
    pub(crate) location: Option<String>,
    pub(crate) location_name: Option<String>,
    #[serde(default)]
    pub(crate) documentation: String,
    #[serde(default)]
    pub(crate) idempotency_token: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) members: BTreeMap<String, Reference>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    /// The member that is the whole body.
    pub(crate) payload: Option<String>,
    /// A list's item.
    pub(crate) member: Option<Reference>,
    /// A map's value.
    pub(crate) value: Option<Reference>,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<String>,
    #[serde(default)]
    pub(crate) union: bool,
    #[serde(default)]
    pub(crate) document: bool,
    #[serde(default)]
    pub(crate) eventstream: bool,
    #[serde(default)]
    pub(crate) sensitive: bool,
    #[serde(default)]
    pub(crate) documentation: String,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) pattern: Option<String>,
}

impl Shape {
    /// The kind in the words of `updraft __schemas`.
    pub(crate) fn kind(&self) -> &str {
        match self.kind.as_str() {
            "structure" if self.document => "document",
            "structure" if self.eventstream => "eventstream",
            "structure" if self.union => "union",
            "character" => "string",
            other => other,
        }
    }
}

/// Services that botocore keeps under another name than the one in their ARNs.
const ALIASES: &[(&str, &str)] =
    &[("states", "stepfunctions"), ("email", "ses"), ("execute-api", "apigatewaymanagementapi")];

impl Model {
    /// The newest model of a service.
    pub(crate) fn load(service: &str) -> Result<Model, Failure> {
        let name = ALIASES.iter().find(|(ours, _)| *ours == service).map_or(service, |(_, theirs)| theirs);
        let folder = data_folder()?.join(name);
        let mut versions: Vec<PathBuf> = std::fs::read_dir(&folder)
            .map_err(|e| format!("botocore has no service {name}: {e}"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        versions.sort();
        let newest = versions.pop().ok_or_else(|| format!("botocore has no version of {name}"))?;
        Ok(serde_json::from_slice(&read_model(&newest)?)?)
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&Shape> {
        self.shapes.get(name)
    }
}

fn read_model(folder: &Path) -> Result<Vec<u8>, Failure> {
    let plain = folder.join("service-2.json");
    if plain.exists() {
        return Ok(std::fs::read(plain)?);
    }
    let packed = std::fs::File::open(folder.join("service-2.json.gz"))?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut text)?;
    Ok(text)
}

fn data_folder() -> Result<PathBuf, Failure> {
    let program = "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'data'))";
    let output = Command::new("python3").args(["-c", program]).output()?;
    if !output.status.success() {
        return Err("python3 cannot import botocore: pip install botocore".into());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The first sentence of a model's HTML documentation, as plain words.
pub(crate) fn first_sentence(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}
