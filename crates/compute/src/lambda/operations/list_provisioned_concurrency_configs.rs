//! ListProvisionedConcurrencyConfigs.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Key;

use crate::lambda::Lambda;
use crate::lambda::name::{FunctionName, Qualifier, Target};
use crate::lambda::paging::{cut, page_size, read_marker};

use super::put_provisioned_concurrency_config::{ProvisionedConcurrencyConfig, ProvisionedConcurrencyStatus};

/// Lists the provisioned concurrency of a function's versions and aliases.
#[derive(Shape, Default)]
#[shape(name = "ListProvisionedConcurrencyConfigsRequest")]
pub struct ListProvisionedConcurrencyConfigs {
    /// Which function.
    #[shape(label)]
    pub function_name: FunctionName,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many.
    #[shape(query = "MaxItems", range(1..=50))]
    pub max_items: Option<i32>,
}

/// A page of configurations.
#[derive(Shape, Debug, Default)]
pub struct ListProvisionedConcurrencyConfigsResponse {
    /// The configurations.
    pub provisioned_concurrency_configs: Option<Vec<ProvisionedConcurrencyConfigListItem>>,
    /// There if more follow.
    pub next_marker: Option<String>,
}

/// How the provisioned concurrency of one version or alias stands.
#[derive(Shape, Debug, Default)]
pub struct ProvisionedConcurrencyConfigListItem {
    /// The function's ARN with version or alias.
    pub function_arn: Option<String>,
    /// How many environments are wanted.
    pub requested_provisioned_concurrent_executions: Option<i32>,
    /// How many are initialised.
    pub available_provisioned_concurrent_executions: Option<i32>,
    /// How many are there, those that initialise among them.
    pub allocated_provisioned_concurrent_executions: Option<i32>,
    /// What of it.
    pub status: Option<ProvisionedConcurrencyStatus>,
    /// Why it failed, if it did.
    pub status_reason: Option<String>,
    /// When the configuration was last changed.
    pub last_modified: Option<String>,
}

impl Operation<Lambda> for ListProvisionedConcurrencyConfigs {
    const META: Meta = Meta::read("ListProvisionedConcurrencyConfigs")
        .http("GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency?List=ALL");
    type Output = ListProvisionedConcurrencyConfigsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListProvisionedConcurrencyConfigsResponse, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        let marker = read_marker(self.marker.as_deref())?.and_then(|key| key.parts::<String>());
        lambda.function(&target).await?;
        let (record, size) = (lambda.concurrency(&target).await?, page_size(self.max_items));
        let rest = record.provisioned.iter().filter(|(name, _)| marker.as_ref().is_none_or(|marker| *name > marker));
        let shown = rest.take(size + 1).map(|(name, provisioned)| {
            let arn = target.qualified_arn(&Qualifier::parse(name)).to_string();
            let config = ProvisionedConcurrencyConfig::of(provisioned, lambda.fleet.standing(&arn));
            (Key::of(name.clone()), ProvisionedConcurrencyConfigListItem::of(arn, config))
        });
        let (configs, next_marker) = cut(shown.collect(), size);
        Ok(ListProvisionedConcurrencyConfigsResponse { provisioned_concurrency_configs: Some(configs), next_marker })
    }
}

impl ProvisionedConcurrencyConfigListItem {
    fn of(arn: String, config: ProvisionedConcurrencyConfig) -> ProvisionedConcurrencyConfigListItem {
        ProvisionedConcurrencyConfigListItem {
            function_arn: Some(arn),
            requested_provisioned_concurrent_executions: config.requested_provisioned_concurrent_executions,
            available_provisioned_concurrent_executions: config.available_provisioned_concurrent_executions,
            allocated_provisioned_concurrent_executions: config.allocated_provisioned_concurrent_executions,
            status: config.status,
            status_reason: config.status_reason,
            last_modified: config.last_modified,
        }
    }
}
