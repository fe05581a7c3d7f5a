//! ListFunctionUrlConfigs.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Key;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::name::{Qualifier, Target};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::FUNCTIONS;
use crate::lambda::url::{self, FunctionUrlConfig, FunctionUrlFunctionName};

/// Lists the URLs of a function and its aliases.
#[derive(Shape)]
#[shape(name = "ListFunctionUrlConfigsRequest")]
pub struct ListFunctionUrlConfigs {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionUrlFunctionName,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many.
    #[shape(query = "MaxItems", range(1..=50))]
    pub max_items: Option<i32>,
}

/// A page of URLs.
#[derive(Shape, Debug, Default)]
pub struct ListFunctionUrlConfigsResponse {
    /// The URLs.
    pub function_url_configs: Option<Vec<FunctionUrlConfig>>,
    /// There if more follow.
    pub next_marker: Option<String>,
}

impl Operation<Lambda> for ListFunctionUrlConfigs {
    const META: Meta = Meta::read("ListFunctionUrlConfigs").http("GET", "/2021-10-31/functions/{FunctionName}/urls");
    type Output = ListFunctionUrlConfigsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListFunctionUrlConfigsResponse, Error> {
        let target = url::target(cx, &self.function_name, None)?.function();
        let (marker, size) = (read_marker(self.marker.as_deref())?, page_size(self.max_items));
        let function = lambda.store.get(FUNCTIONS, &target.key()).await.map_err(Failure::from)?;
        let urls = function.ok_or_else(url::no_owner)?.urls.into_iter().map(|(alias, record)| {
            let owner = match alias.as_str() {
                "" => target.clone(),
                _ => Target { qualifier: Some(Qualifier::Alias(alias.clone())), ..target.clone() },
            };
            (Key::of(alias), FunctionUrlConfig::of(cx, &owner, &record).whole())
        });
        let after = urls.filter(|(key, _)| marker.as_ref().is_none_or(|marker| key.as_bytes() > marker.as_bytes()));
        let (shown, next_marker) = cut(after.take(size + 1).collect(), size);
        Ok(ListFunctionUrlConfigsResponse { function_url_configs: Some(shown), next_marker })
    }
}
