//! ListFunctions.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::{Key, Scan, Snapshot};

use crate::lambda::configuration::FunctionConfiguration;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::name::{Qualifier, Target};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::{FUNCTIONS, VERSIONS, VersionRecord};
use crate::lambda::{Lambda, target_of};

/// Lists the functions of a region, by name; with `ALL`, their published versions as well.
#[derive(Shape, Default)]
#[shape(name = "ListFunctionsRequest")]
pub struct ListFunctions {
    /// The region whose functions' replicas at the edge are listed: there are none. `ALL` means functions and replicas.
    #[shape(query = "MasterRegion", pattern = r"ALL|[a-z]{2}(-gov)?-[a-z]+-\d{1}")]
    pub master_region: Option<String>,
    /// Whether published versions are listed too.
    #[shape(query = "FunctionVersion")]
    pub function_version: Option<FunctionVersion>,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; AWS never returns more than 50.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// Which versions to list.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionVersion {
    /// All.
    #[shape(value = "ALL")]
    All,
}

/// A page of functions.
#[derive(Shape, Debug, Default)]
pub struct ListFunctionsResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The functions.
    pub functions: Option<Vec<FunctionConfiguration>>,
}

impl Operation<Lambda> for ListFunctions {
    const META: Meta = Meta::read("ListFunctions").http("GET", "/2015-03-31/functions");
    type Output = ListFunctionsResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListFunctionsResponse, Error> {
        let marker = read_marker(self.marker.as_deref())?;
        let size = page_size(self.max_items);
        if self.master_region.is_some() && self.function_version.is_none() {
            return Err(invalid("FunctionVersion must be ALL if MasterRegion is set."));
        }
        if self.master_region.is_some_and(|region| region != "ALL") {
            return Ok(ListFunctionsResponse { next_marker: None, functions: Some(Vec::new()) });
        }
        let snapshot = lambda.store.snapshot().map_err(Failure::from)?;
        let items = match self.function_version {
            None => latest(&snapshot, cx, marker, size + 1).await?,
            Some(FunctionVersion::All) => all(&snapshot, cx, marker, size + 1).await?,
        };
        let (functions, next_marker) = cut(items, size);
        Ok(ListFunctionsResponse { next_marker, functions: Some(functions) })
    }
}

type Items = Vec<(Key, FunctionConfiguration)>;

async fn latest(snapshot: &Snapshot, cx: &Cx, marker: Option<Key>, count: usize) -> Result<Items, Failure> {
    let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str())).limit(count);
    if let Some(marker) = marker {
        scan = scan.after(marker);
    }
    let functions = snapshot.scan(FUNCTIONS, scan).await?;
    let shown = functions.into_iter().filter_map(|(key, function)| {
        let target = target_of(&key)?;
        Some((key, FunctionConfiguration::listed(&target, None, &function.latest)))
    });
    Ok(shown.collect())
}

/// Keys here are those of versions, `$LATEST` being number 0.
async fn all(snapshot: &Snapshot, cx: &Cx, marker: Option<Key>, count: usize) -> Result<Items, Failure> {
    let after = marker.and_then(|key| key.parts::<(String, String, String, u64)>());
    let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str())).limit(count + 1);
    if let Some((account, region, name, _)) = &after {
        scan = scan.from(Key::of((account.as_str(), region.as_str(), name.as_str())));
    }
    let mut items = Vec::new();
    for (key, function) in snapshot.scan(FUNCTIONS, scan).await? {
        let Some(target) = target_of(&key) else { continue };
        let seen = after.as_ref().filter(|(_, _, name, _)| *name == target.name).map(|(_, _, _, number)| *number);
        if seen.is_none() {
            items.push(item(&target, &function.latest));
        }
        let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str(), target.name.as_str())).limit(count);
        if let Some(number) = seen {
            scan = scan.after(target.version_key(number));
        }
        let versions = snapshot.scan(VERSIONS, scan).await?;
        items.extend(versions.iter().map(|(_, version)| item(&target, version)));
        if items.len() >= count {
            items.truncate(count);
            break;
        }
    }
    Ok(items)
}

fn item(target: &Target, version: &VersionRecord) -> (Key, FunctionConfiguration) {
    let qualifier = match version.number {
        0 => Qualifier::Latest,
        number => Qualifier::Version(number),
    };
    (target.version_key(version.number), FunctionConfiguration::listed(target, Some(&qualifier), version))
}
