//! ListFunctionsByCodeSigningConfig.

use base::{Arn, Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::code_signing::{CODE_SIGNING_USES, CodeSigningConfigArn, CodeSigningTarget};
use crate::lambda::error::Failure;
use crate::lambda::paging::{cut, page_size, read_marker};

/// Lists the functions that have a code signing configuration.
#[derive(Shape, Default)]
#[shape(name = "ListFunctionsByCodeSigningConfigRequest")]
pub struct ListFunctionsByCodeSigningConfig {
    /// Which configuration.
    #[shape(label)]
    pub code_signing_config_arn: CodeSigningConfigArn,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; never more than 50.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// A page of functions.
#[derive(Shape, Debug, Default)]
pub struct ListFunctionsByCodeSigningConfigResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The functions' ARNs.
    pub function_arns: Option<Vec<String>>,
}

impl Operation<Lambda> for ListFunctionsByCodeSigningConfig {
    const META: Meta = Meta::read("ListFunctionsByCodeSigningConfig")
        .http("GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions");
    type Output = ListFunctionsByCodeSigningConfigResponse;

    fn authorize(&self, _cx: &Cx, need: &mut Authz) {
        if let Ok(target) = CodeSigningTarget::of(&self.code_signing_config_arn) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListFunctionsByCodeSigningConfigResponse, Error> {
        let target = CodeSigningTarget::own(cx, &self.code_signing_config_arn)?;
        lambda.code_signing(&target).await?;
        let size = page_size(self.max_items);
        let mut scan = target.uses().limit(size + 1);
        if let Some(marker) = read_marker(self.marker.as_deref())? {
            scan = scan.after(marker);
        }
        let found = lambda.store.scan(CODE_SIGNING_USES, scan).await.map_err(Failure::from)?;
        let arns = found.into_iter().filter_map(|(key, _)| {
            let (_, _, _, name) = key.parts::<(String, String, String, String)>()?;
            let arn = Arn::new("lambda", &target.region, target.account, format!("function:{name}"));
            Some((key, arn.to_string()))
        });
        let (arns, next_marker) = cut(arns.collect(), size);
        Ok(ListFunctionsByCodeSigningConfigResponse { next_marker, function_arns: Some(arns) })
    }
}
