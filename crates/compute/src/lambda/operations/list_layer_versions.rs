//! ListLayerVersions, and what the two lists of layers show.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::configuration::Architecture;
use crate::lambda::error::Failure;
use crate::lambda::layer::{LayerName, LayerTarget};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::{LAYER_VERSIONS, LayerVersionRecord};
use crate::lambda::runtime;

/// Lists a layer's versions, the newest first.
#[derive(Shape, Default)]
#[shape(name = "ListLayerVersionsRequest")]
pub struct ListLayerVersions {
    /// Only versions that say they suit this instruction set.
    #[shape(query = "CompatibleArchitecture")]
    pub compatible_architecture: Option<Architecture>,
    /// Only versions that say they suit this runtime.
    #[shape(query = "CompatibleRuntime")]
    pub compatible_runtime: Option<String>,
    /// Which layer.
    #[shape(label)]
    pub layer_name: LayerName,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many.
    #[shape(query = "MaxItems", range(1..=50))]
    pub max_items: Option<i32>,
}

/// A page of versions.
#[derive(Shape, Debug, Default)]
pub struct ListLayerVersionsResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The versions.
    pub layer_versions: Option<Vec<LayerVersionsListItem>>,
}

/// A layer version in a list.
#[derive(Shape, Debug, Default)]
pub struct LayerVersionsListItem {
    /// The version.
    pub layer_version_arn: Option<String>,
    /// Its number.
    pub version: Option<i64>,
    /// The description, if it has one.
    pub description: Option<String>,
    /// When it was published.
    pub created_date: Option<String>,
    /// What its binaries were built for, if it was said.
    pub compatible_architectures: Option<Vec<Architecture>>,
    /// For which runtimes it is meant, if it was said.
    pub compatible_runtimes: Option<Vec<String>>,
    /// Its licence.
    pub license_info: Option<String>,
}

/// What a caller of the lists asks for.
pub(crate) struct Suits<'a> {
    pub(crate) architecture: Option<Architecture>,
    pub(crate) runtime: Option<&'a str>,
}

impl Operation<Lambda> for ListLayerVersions {
    const META: Meta = Meta::read("ListLayerVersions").http("GET", "/2018-10-31/layers/{LayerName}/versions");
    type Output = ListLayerVersionsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        if let Ok(target) = LayerTarget::of(cx, &self.layer_name) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListLayerVersionsResponse, Error> {
        let suits = Suits::new(self.compatible_architecture, self.compatible_runtime.as_deref())?;
        let target = LayerTarget::of(cx, &self.layer_name)?;
        let mut scan = target.versions().reverse();
        if let Some(marker) = read_marker(self.marker.as_deref())? {
            scan = scan.after(marker);
        }
        let size = page_size(self.max_items);
        let versions = lambda.store.scan(LAYER_VERSIONS, scan).await.map_err(Failure::from)?;
        let suiting = versions.into_iter().filter(|(_, version)| suits.match_version(version));
        let (versions, next_marker) = cut(suiting.take(size + 1).collect(), size);
        let shown = versions.into_iter().map(|version| LayerVersionsListItem::of(&target, version));
        Ok(ListLayerVersionsResponse { next_marker, layer_versions: Some(shown.collect()) })
    }
}

impl<'a> Suits<'a> {
    /// Refuses a runtime that AWS does not know.
    pub(crate) fn new(architecture: Option<Architecture>, runtime: Option<&'a str>) -> Result<Suits<'a>, Error> {
        if let Some(unknown) = runtime.filter(|name| !runtime::is_known(name)) {
            let constraint = format!("Member must satisfy enum value set: {}", runtime::names());
            let violation = shape::validate::violation(unknown, "compatibleRuntime", &constraint);
            return Err(Error::validation(shape::validate::sentence(&[violation])));
        }
        Ok(Suits { architecture, runtime })
    }

    /// A version that says nothing suits no filter.
    pub(crate) fn match_version(&self, version: &LayerVersionRecord) -> bool {
        let architectures = version.architectures.as_deref().unwrap_or_default();
        let runtimes = version.runtimes.as_deref().unwrap_or_default();
        self.architecture.is_none_or(|wanted| architectures.contains(&wanted))
            && self.runtime.is_none_or(|wanted| runtimes.iter().any(|name| name == wanted))
    }
}

impl LayerVersionsListItem {
    pub(crate) fn of(target: &LayerTarget, version: LayerVersionRecord) -> LayerVersionsListItem {
        let number = version.number as i64;
        LayerVersionsListItem {
            layer_version_arn: Some(target.version_arn(number).to_string()),
            version: Some(number),
            description: version.description,
            created_date: Some(version.created.to_lambda()),
            compatible_architectures: version.architectures,
            compatible_runtimes: version.runtimes,
            license_info: version.license,
        }
    }
}
