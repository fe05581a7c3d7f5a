//! ListLayers.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::{Key, Scan, Snapshot};

use crate::lambda::Lambda;
use crate::lambda::configuration::Architecture;
use crate::lambda::error::Failure;
use crate::lambda::layer::LayerTarget;
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::{LAYER_VERSIONS, LAYERS};

use super::list_layer_versions::{LayerVersionsListItem, Suits};

/// Lists the layers, each with the newest of its versions that suits.
#[derive(Shape, Default)]
#[shape(name = "ListLayersRequest")]
pub struct ListLayers {
    /// Only versions that say they suit this instruction set.
    #[shape(query = "CompatibleArchitecture")]
    pub compatible_architecture: Option<Architecture>,
    /// Only versions that say they suit this runtime.
    #[shape(query = "CompatibleRuntime")]
    pub compatible_runtime: Option<String>,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many.
    #[shape(query = "MaxItems", range(1..=50))]
    pub max_items: Option<i32>,
}

/// A page of layers.
#[derive(Shape, Debug, Default)]
pub struct ListLayersResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The layers.
    pub layers: Option<Vec<LayersListItem>>,
}

/// A layer in the list.
#[derive(Shape, Debug, Default)]
pub struct LayersListItem {
    /// Its name.
    pub layer_name: Option<String>,
    /// Its ARN.
    pub layer_arn: Option<String>,
    /// The newest version that suits.
    pub latest_matching_version: Option<LayerVersionsListItem>,
}

impl Operation<Lambda> for ListLayers {
    const META: Meta = Meta::read("ListLayers").http("GET", "/2018-10-31/layers");
    type Output = ListLayersResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListLayersResponse, Error> {
        let suits = Suits::new(self.compatible_architecture, self.compatible_runtime.as_deref())?;
        let marker = read_marker(self.marker.as_deref())?;
        let size = page_size(self.max_items);
        let snapshot = lambda.store.snapshot().map_err(Failure::from)?;
        let found = find(&snapshot, cx, marker, &suits, size + 1).await?;
        let (layers, next_marker) = cut(found, size);
        Ok(ListLayersResponse { next_marker, layers: Some(layers) })
    }
}

async fn find(
    snapshot: &Snapshot,
    cx: &Cx,
    marker: Option<Key>,
    suits: &Suits<'_>,
    count: usize,
) -> Result<Vec<(Key, LayersListItem)>, Failure> {
    let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str()));
    if let Some(marker) = marker {
        scan = scan.after(marker);
    }
    let mut found = Vec::new();
    for (key, _) in snapshot.scan(LAYERS, scan).await? {
        let Some((_, _, name)) = key.parts::<(String, String, String)>() else { continue };
        let layer = LayerTarget { account: cx.account, region: cx.region.clone(), name };
        let versions = snapshot.scan(LAYER_VERSIONS, layer.versions().reverse()).await?;
        let Some((_, version)) = versions.into_iter().find(|(_, version)| suits.match_version(version)) else {
            continue; // none of its versions is left, or none suits
        };
        let item = LayersListItem {
            layer_name: Some(layer.name.clone()),
            layer_arn: Some(layer.arn().to_string()),
            latest_matching_version: Some(LayerVersionsListItem::of(&layer, version)),
        };
        found.push((key, item));
        if found.len() == count {
            break;
        }
    }
    Ok(found)
}
