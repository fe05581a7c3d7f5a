//! GetFunction.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::configuration::FunctionConfiguration;
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};
use crate::lambda::records::Code;

use super::put_function_concurrency::Concurrency;

/// Returns a function's settings, a link to its code and its tags.
#[derive(Shape, Default)]
#[shape(name = "GetFunctionRequest")]
pub struct GetFunction {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

/// A function with all that belongs to it.
#[derive(Shape, Debug, Default)]
pub struct GetFunctionResponse {
    /// Its settings.
    pub configuration: Option<FunctionConfiguration>,
    /// Where its code is.
    pub code: Option<FunctionCodeLocation>,
    /// Its tags, if it has any.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its reservation, if it has one.
    pub concurrency: Option<Concurrency>,
}

/// Where a function's code can be fetched.
#[derive(Shape, Debug, Default)]
pub struct FunctionCodeLocation {
    /// `S3`, as AWS says of all zips, and `ECR` of all images.
    pub repository_type: Option<String>,
    /// A link that is good for ten minutes and needs no credentials.
    pub location: Option<String>,
    /// The image as the user named it.
    pub image_uri: Option<String>,
    /// The same by its content.
    pub resolved_image_uri: Option<String>,
}

impl FunctionCodeLocation {
    fn zip(location: String) -> FunctionCodeLocation {
        let repository_type = Some("S3".to_owned());
        FunctionCodeLocation { repository_type, location: Some(location), ..FunctionCodeLocation::default() }
    }
}

impl Operation<Lambda> for GetFunction {
    const META: Meta = Meta::read("GetFunction").http("GET", "/2015-03-31/functions/{FunctionName}");
    type Output = GetFunctionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<GetFunctionResponse, Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        let (function, version) = lambda.version(&target).await?;
        let reserved = lambda.concurrency(&target).await?.reserved;
        let code = match &version.code {
            Code::Zip { id, .. } => FunctionCodeLocation::zip(lambda.code_link(cx, *id)),
            Code::HotReload { directory } => FunctionCodeLocation::zip(format!("file://{directory}")),
            Code::Image(image) => FunctionCodeLocation {
                repository_type: Some("ECR".to_owned()),
                image_uri: Some(image.uri.clone()),
                resolved_image_uri: Some(image.resolved_uri.clone()),
                ..FunctionCodeLocation::default()
            },
        };
        Ok(GetFunctionResponse {
            configuration: Some(FunctionConfiguration::of(&target, target.qualifier.as_ref(), &version)),
            code: Some(code),
            tags: Some(function.tags).filter(|tags| !tags.is_empty()),
            concurrency: reserved.map(|r| Concurrency { reserved_concurrent_executions: Some(r as i32) }),
        })
    }
}
