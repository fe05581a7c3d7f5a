//! PutRuntimeManagementConfig, and what it shares with its reading counterpart.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::lambda::Lambda;
use crate::lambda::configuration::RuntimeVersionConfig;
use crate::lambda::error::{Failure, invalid, no_function};
use crate::lambda::function::{check_settled, load};
use crate::lambda::name::{NamespacedFunctionName, Qualifier, QualifierText, Target};
use crate::lambda::records::{FUNCTIONS, RuntimeManagement, VERSIONS, VersionRecord};

/// Says when a version gets newer builds of its runtime. Ours has one build of each, the host's interpreter, so that all
/// ways amount to the same until that is replaced; what is asked for is kept and shown, and no other build can be named.
#[derive(Shape)]
#[shape(name = "PutRuntimeManagementConfigRequest")]
pub struct PutRuntimeManagementConfig {
    /// Which.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// `$LATEST`, the default, or a published version.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// When.
    pub update_runtime_on: UpdateRuntimeOn,
    /// The build to use, with `Manual`.
    #[shape(
        length(26..=2048),
        pattern = r"((arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}::runtime:.+)|(arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:runtime/[A-Za-z0-9_.-]{1,128}/version/[A-Za-z0-9_.-]{1,128}))"
    )]
    pub runtime_version_arn: Option<String>,
}

/// When a version gets a newer build of its runtime.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateRuntimeOn {
    /// When there is one.
    Auto,
    /// Never by itself: it has the build that was named.
    Manual,
    /// When the function is updated.
    FunctionUpdate,
}

/// How a version's runtime is managed.
#[derive(Shape, Debug, Default)]
#[shape(name = "PutRuntimeManagementConfigResponse")]
pub struct RuntimeManagementConfig {
    /// When it gets newer builds.
    pub update_runtime_on: Option<UpdateRuntimeOn>,
    /// The function's ARN with the version.
    pub function_arn: Option<String>,
    /// The build that was named.
    pub runtime_version_arn: Option<String>,
}

impl RuntimeManagementConfig {
    pub(super) fn of(target: &Target, management: &RuntimeManagement) -> RuntimeManagementConfig {
        let (on, arn) = match management {
            RuntimeManagement::Auto => (UpdateRuntimeOn::Auto, None),
            RuntimeManagement::FunctionUpdate => (UpdateRuntimeOn::FunctionUpdate, None),
            RuntimeManagement::Manual(arn) => (UpdateRuntimeOn::Manual, Some(arn.clone())),
        };
        RuntimeManagementConfig {
            update_runtime_on: Some(on),
            function_arn: Some(target.arn().to_string()),
            runtime_version_arn: arn,
        }
    }
}

impl Operation<Lambda> for PutRuntimeManagementConfig {
    const META: Meta = Meta::write("PutRuntimeManagementConfig")
        .http("PUT", "/2021-07-20/functions/{FunctionName}/runtime-management-config");
    type Output = RuntimeManagementConfig;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<RuntimeManagementConfig, Error> {
        let target = managed_version(cx, &self.function_name, self.qualifier.as_ref())?;
        let management = match (self.update_runtime_on, self.runtime_version_arn) {
            (UpdateRuntimeOn::Auto, _) => RuntimeManagement::Auto,
            (UpdateRuntimeOn::FunctionUpdate, _) => RuntimeManagement::FunctionUpdate,
            (UpdateRuntimeOn::Manual, Some(arn)) => RuntimeManagement::Manual(arn),
            (UpdateRuntimeOn::Manual, None) => {
                return Err(invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual."));
            }
        };
        let (version, new) = (target.clone(), management.clone());
        lambda.store.transact(move |tx| write(tx, &version, &new)).await?;
        Ok(RuntimeManagementConfig::of(&target, &management))
    }
}

/// The version that is meant, `$LATEST` if none is named. Aliases have no runtime of their own.
pub(super) fn managed_version(
    cx: &Cx,
    function: &NamespacedFunctionName,
    qualifier: Option<&QualifierText>,
) -> Result<Target, Error> {
    let target = Target::own(cx, function, qualifier)?;
    match &target.qualifier {
        None => Ok(target.qualified(Qualifier::Latest)),
        Some(Qualifier::Alias(_)) => Err(no_function(&target.arn())),
        Some(_) => Ok(target),
    }
}

fn write(tx: &mut Tx<'_>, target: &Target, management: &RuntimeManagement) -> Result<(), Failure> {
    let mut function = load(tx, target).map_err(|_| no_function(&target.arn()))?;
    match &target.qualifier {
        Some(Qualifier::Version(number)) => {
            let key = target.version_key(*number);
            let mut version = tx.get(VERSIONS, &key)?.ok_or_else(|| no_function(&target.arn()))?;
            manage(target, &mut version, management)?;
            Ok(tx.put(VERSIONS, &key, &version)?)
        }
        _ => {
            check_settled(target, &function.latest)?;
            manage(target, &mut function.latest, management)?;
            Ok(tx.put(FUNCTIONS, &target.key(), &function)?)
        }
    }
}

fn manage(target: &Target, version: &mut VersionRecord, management: &RuntimeManagement) -> Result<(), Error> {
    if let RuntimeManagement::Manual(asked) = management {
        let there = RuntimeVersionConfig::of(&target.region, &version.settings.runtime).runtime_version_arn;
        if there.as_ref() != Some(asked) {
            let runtime = &version.settings.runtime;
            return Err(invalid(format!("Runtime version {asked} was not found for the runtime {runtime}.")));
        }
    }
    version.runtime_management = management.clone();
    Ok(())
}
