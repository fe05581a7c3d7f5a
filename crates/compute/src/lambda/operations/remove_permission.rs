//! RemovePermission.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::not_found;
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};
use crate::lambda::records::FUNCTIONS;

use super::add_permission::change_policy;

/// Takes a permission back.
#[derive(Shape, Default)]
#[shape(name = "RemovePermissionRequest")]
pub struct RemovePermission {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// The statement's id.
    #[shape(label, length(1..=100), pattern = r"([a-zA-Z0-9-_.]+)")]
    pub statement_id: String,
    /// The policy of this version or alias, not the function's.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// The revision that the caller has seen.
    #[shape(query = "RevisionId")]
    pub revision_id: Option<String>,
}

impl Operation<Lambda> for RemovePermission {
    const META: Meta = Meta::write("RemovePermission")
        .http("DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = Target::own(cx, &self.function_name, self.qualifier.as_ref())?;
        let (function, revision_id) = (target.clone(), base::id::uuid());
        let removed = lambda.store.transact(move |tx| {
            if !tx.exists(FUNCTIONS, &function.key())? {
                return Err(not_found(format!("No policy found for: {}", function.arn())).into());
            }
            change_policy(tx, &function, self.revision_id.as_deref(), &revision_id, |record, qualifier| {
                let Some(policy) = record.policies.get_mut(&qualifier) else {
                    return Err(not_found("No policy is associated with the given resource.").into());
                };
                policy.remove(&self.statement_id)?;
                if policy.is_empty() {
                    record.policies.remove(&qualifier);
                }
                Ok(())
            })
        });
        let removed = removed.await;
        lambda.forget(&target);
        Ok(removed?)
    }
}
