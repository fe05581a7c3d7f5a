//! DeleteFunction.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{invalid, no_function};
use crate::lambda::name::{NamespacedFunctionName, Qualifier, QualifierText, Target};

/// Deletes a function with all its versions, or one published version.
#[derive(Shape, Default)]
#[shape(name = "DeleteFunctionRequest")]
pub struct DeleteFunction {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Which version, if not all.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
}

/// Nothing but a status.
#[derive(Shape, Debug, Default)]
pub struct DeleteFunctionResponse {
    /// 204. (202 is for functions on capacity providers.)
    #[shape(status_code)]
    pub status_code: Option<i32>,
}

impl Operation<Lambda> for DeleteFunction {
    const META: Meta = Meta::write("DeleteFunction").http("DELETE", "/2015-03-31/functions/{FunctionName}").status(204);
    type Output = DeleteFunctionResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<DeleteFunctionResponse, Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        let version = match &target.qualifier {
            None => None,
            Some(Qualifier::Version(number)) => Some(*number),
            Some(Qualifier::Latest) => {
                return Err(invalid("$LATEST version cannot be deleted without deleting the function."));
            }
            Some(Qualifier::Alias(_)) => return Err(invalid("Deletion of aliases is not currently supported.")),
        };
        let found = lambda.remove(&target, version).await?;
        // A version that is not there is deleted already, as on AWS; a function that is not there is an error.
        if !found && version.is_none() {
            return Err(no_function(&target.function_arn()));
        }
        Ok(DeleteFunctionResponse { status_code: Some(204) })
    }
}
