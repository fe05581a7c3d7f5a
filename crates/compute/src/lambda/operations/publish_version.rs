//! PublishVersion.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::configuration::FunctionConfiguration;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::function::{Stamp, check_revision, check_settled, load, publish};
use crate::lambda::name::{FunctionName, Qualifier, Target};
use crate::lambda::records::{FUNCTIONS, VersionRecord};

/// Makes an immutable copy of `$LATEST` under the next number, or returns the last one if nothing changed since.
#[derive(Shape, Default)]
#[shape(name = "PublishVersionRequest")]
pub struct PublishVersion {
    /// Which.
    #[shape(label)]
    pub function_name: FunctionName,
    /// The code that the caller means to publish.
    pub code_sha256: Option<String>,
    /// The version's own description.
    #[shape(length(0..=256))]
    pub description: Option<String>,
    /// The revision that the caller has seen.
    pub revision_id: Option<String>,
    /// Not built yet.
    pub publish_to: Option<String>,
}

impl Operation<Lambda> for PublishVersion {
    const META: Meta =
        Meta::write("PublishVersion").http("POST", "/2015-03-31/functions/{FunctionName}/versions").status(201);
    type Output = FunctionConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<FunctionConfiguration, Error> {
        let target = Target::own(cx, &self.function_name, None)?.function();
        if self.publish_to.is_some() {
            return Err(Error::not_implemented("lambda's setting PublishTo"));
        }
        // A version counts although it shares its package with $LATEST.
        let bytes = lambda.function(&target).await?.latest.code.bytes();
        lambda.admit_code(cx.account, &cx.region, bytes).await?;
        let (function, stamp) = (target.clone(), Stamp::new(cx));
        let published = lambda.store.transact(move |tx| self.write(tx, &function, &stamp)).await;
        lambda.forget(&target);
        let version = published?;
        if version.is_settling() {
            lambda.settle_later(&target, version.number);
        }
        Ok(FunctionConfiguration::of(&target, Some(&Qualifier::Version(version.number)), &version))
    }
}

impl PublishVersion {
    fn write(&self, tx: &mut Tx<'_>, target: &Target, stamp: &Stamp) -> Result<VersionRecord, Failure> {
        let mut function = load(tx, target)?;
        check_revision(&function.latest, self.revision_id.as_deref())?;
        check_settled(target, &function.latest)?;
        let present = function.latest.code.sha256();
        if let Some(asked) = self.code_sha256.as_ref().filter(|asked| **asked != present) {
            return Err(invalid(format!(
                "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({present}). Please try again \
                 with the CodeSHA256 in $LATEST."
            ))
            .into());
        }
        let version = publish(tx, target, &mut function, self.description.as_deref(), stamp)?;
        tx.put(FUNCTIONS, &target.key(), &function)?;
        Ok(version)
    }
}
