//! ListAliases.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::alias::{AliasConfiguration, alias_name, version_number};
use crate::lambda::error::{Failure, no_function};
use crate::lambda::name::{FunctionName, Target, VersionText};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::{ALIASES, FUNCTIONS};

/// Lists a function's aliases by name.
#[derive(Shape, Default)]
#[shape(name = "ListAliasesRequest")]
pub struct ListAliases {
    /// Of which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Only those that point at this version.
    #[shape(query = "FunctionVersion")]
    pub function_version: Option<VersionText>,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; AWS never returns more than 50.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// A page of aliases.
#[derive(Shape, Debug, Default)]
pub struct ListAliasesResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The aliases.
    pub aliases: Option<Vec<AliasConfiguration>>,
}

impl Operation<Lambda> for ListAliases {
    const META: Meta = Meta::read("ListAliases").http("GET", "/2015-03-31/functions/{FunctionName}/aliases");
    type Output = ListAliasesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListAliasesResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let marker = read_marker(self.marker.as_deref())?;
        let version = self.function_version.map(|version| version_number(&version.0)).transpose()?;
        let size = page_size(self.max_items);
        let snapshot = lambda.store.snapshot().map_err(Failure::from)?;
        if snapshot.get(FUNCTIONS, &target.key()).await.map_err(Failure::from)?.is_none() {
            return Err(no_function(&target.function_arn()));
        }
        let mut scan = Scan::under(target.parts());
        if version.is_none() {
            scan = scan.limit(size + 1);
        }
        if let Some(marker) = marker {
            scan = scan.after(marker);
        }
        let aliases = snapshot.scan(ALIASES, scan).await.map_err(Failure::from)?.into_iter();
        let wanted = aliases.filter(|(_, alias)| version.is_none_or(|version| alias.points_at(version)));
        let shown = wanted.filter_map(|(key, alias)| {
            let name = alias_name(&key)?;
            Some((key, AliasConfiguration::of(&target, &name, &alias)))
        });
        let (aliases, next_marker) = cut(shown.take(size + 1).collect(), size);
        Ok(ListAliasesResponse { next_marker, aliases: Some(aliases) })
    }
}
