//! ListVersionsByFunction.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::configuration::FunctionConfiguration;
use crate::lambda::error::{Failure, no_function};
use crate::lambda::name::{NamespacedFunctionName, Qualifier, Target};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::{FUNCTIONS, VERSIONS};

/// Lists a function's versions: `$LATEST`, then the published ones from the oldest.
#[derive(Shape, Default)]
#[shape(name = "ListVersionsByFunctionRequest")]
pub struct ListVersionsByFunction {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; AWS never returns more than 50.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// A page of versions.
#[derive(Shape, Debug, Default)]
pub struct ListVersionsByFunctionResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The versions.
    pub versions: Option<Vec<FunctionConfiguration>>,
}

impl Operation<Lambda> for ListVersionsByFunction {
    const META: Meta =
        Meta::read("ListVersionsByFunction").http("GET", "/2015-03-31/functions/{FunctionName}/versions");
    type Output = ListVersionsByFunctionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListVersionsByFunctionResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let marker = read_marker(self.marker.as_deref())?;
        let size = page_size(self.max_items);
        let snapshot = lambda.store.snapshot().map_err(Failure::from)?;
        let function = snapshot.get(FUNCTIONS, &target.key()).await.map_err(Failure::from)?;
        let latest = function.ok_or_else(|| no_function(&target.function_arn()))?.latest;
        let mut scan = Scan::under(target.parts()).limit(size + 1);
        let mut records = Vec::new();
        match marker {
            Some(marker) => scan = scan.after(marker),
            None => records.push((target.version_key(0), latest)),
        }
        records.extend(snapshot.scan(VERSIONS, scan).await.map_err(Failure::from)?);
        let (versions, next_marker) = cut(records, size);
        let shown = versions.iter().map(|version| {
            let qualifier = Qualifier::parse(&version.version());
            FunctionConfiguration::listed(&target, Some(&qualifier), version)
        });
        Ok(ListVersionsByFunctionResponse { next_marker, versions: Some(shown.collect()) })
    }
}
