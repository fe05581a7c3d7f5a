//! OpenAPI 3.0 definitions of HTTP APIs: what one may say (`definition`), how it becomes an API (`import`) and an API one
//! (`export`).

mod definition;
mod export;
mod import;
#[cfg(test)]
mod tests;

use base::Error;

use super::error::bad;
use definition::Definition;

pub(crate) use export::{Export, Format};
pub(crate) use import::{BasePath, Plan};

/// The version of AWS's extensions that there is.
pub(crate) const EXPORT_VERSION: &str = "1.0";

/// Reads a definition and plans the API that it describes.
pub(crate) fn plan(body: &str, base_path: BasePath) -> Result<Plan, Error> {
    let refuse = |why: String| bad(format!("Invalid OpenAPI input. {why}"));
    let document = lang::document::read(body, &lang::document::Limits::default());
    let document = document.map_err(|error| refuse(error.to_string()))?;
    if document.get("swagger").is_some() {
        return Err(refuse("Only OpenAPI 3.0 is supported on protocolType HTTP".to_owned()));
    }
    let definition: Definition = serde_json::from_value(document).map_err(|error| refuse(error.to_string()))?;
    if !definition.openapi.starts_with("3.0") {
        return Err(refuse(format!("OpenAPI version {} is not supported", definition.openapi)));
    }
    import::plan(definition, base_path)
}
