//! ListFunctionEventInvokeConfigs.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::event_invoke_config::{FunctionEventInvokeConfig, no_function};
use crate::lambda::name::{NamespacedFunctionName, Qualifier, Target};
use crate::lambda::paging::{cut, page_size, read_marker};
use crate::lambda::records::EVENT_INVOKE_CONFIGS;

/// Lists how a function's versions and aliases are invoked asynchronously, those that say something of their own.
#[derive(Shape, Default)]
#[shape(name = "ListFunctionEventInvokeConfigsRequest")]
pub struct ListFunctionEventInvokeConfigs {
    /// Which function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many.
    #[shape(query = "MaxItems", range(1..=50))]
    pub max_items: Option<i32>,
}

/// A page of configurations.
#[derive(Shape, Debug, Default)]
pub struct ListFunctionEventInvokeConfigsResponse {
    /// The configurations.
    pub function_event_invoke_configs: Option<Vec<FunctionEventInvokeConfig>>,
    /// There if more follow.
    pub next_marker: Option<String>,
}

impl Operation<Lambda> for ListFunctionEventInvokeConfigs {
    const META: Meta = Meta::read("ListFunctionEventInvokeConfigs")
        .http("GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config/list");
    type Output = ListFunctionEventInvokeConfigsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListFunctionEventInvokeConfigsResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let (size, marker) = (page_size(self.max_items), read_marker(self.marker.as_deref())?);
        lambda.function(&target).await.map_err(|_| no_function())?;
        let parts = (target.account.as_str(), target.region.as_str(), target.name.as_str());
        let mut scan = Scan::under(parts).limit(size + 1);
        if let Some(marker) = marker {
            scan = scan.after(marker);
        }
        let records = lambda.store.scan(EVENT_INVOKE_CONFIGS, scan).await.map_err(Failure::from)?;
        let shown = records.into_iter().map(|(key, record)| {
            let qualifier = key.parts::<(String, String, String, String)>().map(|(.., qualifier)| qualifier);
            let qualifier = Qualifier::parse(&qualifier.unwrap_or_default());
            let shown =
                FunctionEventInvokeConfig::of(&Target { qualifier: Some(qualifier), ..target.clone() }, &record);
            (key, shown)
        });
        let (configs, next_marker) = cut(shown.collect(), size);
        Ok(ListFunctionEventInvokeConfigsResponse { function_event_invoke_configs: Some(configs), next_marker })
    }
}
