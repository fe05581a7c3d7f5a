//! ListCodeSigningConfigs.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{CODE_SIGNING, CodeSigningConfig, CodeSigningTarget};
use crate::lambda::error::Failure;
use crate::lambda::paging::{cut, page_size, read_marker};

/// Lists the code signing configurations.
#[derive(Shape, Default)]
#[shape(name = "ListCodeSigningConfigsRequest")]
pub struct ListCodeSigningConfigs {
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; never more than 50.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// A page of configurations.
#[derive(Shape, Debug, Default)]
pub struct ListCodeSigningConfigsResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The configurations.
    pub code_signing_configs: Option<Vec<CodeSigningConfig>>,
}

impl Operation<Lambda> for ListCodeSigningConfigs {
    const META: Meta = Meta::read("ListCodeSigningConfigs").http("GET", "/2020-04-22/code-signing-configs");
    type Output = ListCodeSigningConfigsResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListCodeSigningConfigsResponse, Error> {
        let size = page_size(self.max_items);
        let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str())).limit(size + 1);
        if let Some(marker) = read_marker(self.marker.as_deref())? {
            scan = scan.after(marker);
        }
        let found = lambda.store.scan(CODE_SIGNING, scan).await.map_err(Failure::from)?;
        let shown = found.into_iter().filter_map(|(key, record)| {
            let (_, _, id) = key.parts::<(String, String, String)>()?;
            let target = CodeSigningTarget { account: cx.account, region: cx.region.clone(), id };
            Some((key, target.shown(&record)))
        });
        let (configs, next_marker) = cut(shown.collect(), size);
        Ok(ListCodeSigningConfigsResponse { next_marker, code_signing_configs: Some(configs) })
    }
}
