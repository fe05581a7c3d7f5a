//! Code signing: which publishers' signatures a function's packages must bear, and what happens to others.
//!
//! AWS Signer's format is not public, so no signature can be verified here, and none is pretended: a package without one is
//! untrusted, as on AWS; one that seems to have one is refused as not built, wherever it would have mattered.

use base::{AccountId, Arn, Cx, Error, Region};
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::{Key, Record, Scan, Table, Tx};

use super::Lambda;
use super::error::Failure;
use super::name::Target;
use super::records::{FunctionRecord, Mark};

/// Configurations by (account, region, id).
pub(crate) const CODE_SIGNING: Table<CodeSigningRecord> = Table::new("lambda.code-signing");
/// (account, region, id, function): which functions have which configuration.
pub(crate) const CODE_SIGNING_USES: Table<Mark> = Table::new("lambda.code-signing-uses");

/// The ARN of a configuration.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(0..=200),
    pattern = r"arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}"
)]
pub struct CodeSigningConfigArn(pub String);

impl From<&str> for CodeSigningConfigArn {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What becomes of a package that no allowed publisher signed.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeSigningPolicy {
    /// It is deployed, and the log says so.
    Warn,
    /// It is refused.
    Enforce,
}

/// What becomes of packages that fail.
#[derive(Shape, Clone, Debug, Default)]
pub struct CodeSigningPolicies {
    /// Warn by default.
    pub untrusted_artifact_on_deployment: Option<CodeSigningPolicy>,
}

/// Who may sign.
#[derive(Shape, Clone, Debug, Default)]
pub struct AllowedPublishers {
    /// AWS Signer's profiles.
    #[shape(length(1..=20))]
    pub signing_profile_version_arns: Vec<SigningProfileVersionArn>,
}

/// A version of a profile of AWS Signer.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    name = "Arn",
    length(0..=10_000),
    pattern = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
)]
pub struct SigningProfileVersionArn(pub String);

/// A configuration as it is shown.
#[derive(Shape, Clone, Debug, Default)]
pub struct CodeSigningConfig {
    /// Its id.
    pub code_signing_config_id: String,
    /// Its ARN.
    pub code_signing_config_arn: String,
    /// Free text, if there is any.
    pub description: Option<String>,
    /// Who may sign.
    pub allowed_publishers: AllowedPublishers,
    /// What becomes of other packages.
    pub code_signing_policies: CodeSigningPolicies,
    /// When it was last changed.
    pub last_modified: String,
}

/// A configuration as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CodeSigningRecord {
    pub(crate) description: Option<String>,
    pub(crate) publishers: Vec<String>,
    pub(crate) policy: CodeSigningPolicy,
    pub(crate) modified: base::Timestamp,
}

impl Record for CodeSigningRecord {}

/// A configuration, fully named. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeSigningTarget {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) id: String,
}

impl CodeSigningTarget {
    /// Reads an ARN that passed its shape's pattern. Other accounts' configurations are as if they were not there.
    pub(crate) fn of(arn: &CodeSigningConfigArn) -> Result<CodeSigningTarget, Error> {
        CodeSigningTarget::parse(&arn.0).ok_or_else(|| missing(&arn.0))
    }

    fn parse(arn: &str) -> Option<CodeSigningTarget> {
        let arn = Arn::parse(arn)?;
        let id = arn.resource.strip_prefix("code-signing-config:")?.to_owned();
        Some(CodeSigningTarget { account: AccountId::parse(&arn.account)?, region: Region::parse(&arn.region)?, id })
    }

    /// As [`CodeSigningTarget::of`], in the caller's own account and region.
    pub(crate) fn own(cx: &Cx, arn: &CodeSigningConfigArn) -> Result<CodeSigningTarget, Error> {
        let target = CodeSigningTarget::of(arn)?;
        let own = target.account == cx.account && target.region == cx.region;
        if own { Ok(target) } else { Err(missing(&arn.0)) }
    }

    /// A new one.
    pub(crate) fn new(cx: &Cx) -> CodeSigningTarget {
        let id = format!("csc-{}", base::id::lower_hex(17));
        CodeSigningTarget { account: cx.account, region: cx.region.clone(), id }
    }

    /// Its ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("code-signing-config:{}", self.id))
    }

    /// Its key in the store.
    pub(crate) fn key(&self) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.id.as_str()))
    }

    /// All keys of its functions.
    pub(crate) fn uses(&self) -> Scan {
        Scan::under((self.account.as_str(), self.region.as_str(), self.id.as_str()))
    }

    fn use_key(&self, function: &Target) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.id.as_str(), function.name.as_str()))
    }

    /// The configuration as it is shown.
    pub(crate) fn shown(&self, record: &CodeSigningRecord) -> CodeSigningConfig {
        let publishers = record.publishers.iter().cloned().map(SigningProfileVersionArn);
        CodeSigningConfig {
            code_signing_config_id: self.id.clone(),
            code_signing_config_arn: self.arn().to_string(),
            description: record.description.clone(),
            allowed_publishers: AllowedPublishers { signing_profile_version_arns: publishers.collect() },
            code_signing_policies: CodeSigningPolicies { untrusted_artifact_on_deployment: Some(record.policy) },
            last_modified: record.modified.to_lambda(),
        }
    }
}

/// AWS's 404 where a configuration itself is asked for.
pub(crate) fn missing(arn: &str) -> Error {
    let message = format!("The Lambda code signing configuration {arn} can not be found.");
    Error::new(404, "ResourceNotFoundException", message).capital()
}

/// AWS's 404 where a function is to have a configuration.
fn missing_for_function(arn: &str) -> Error {
    let message = format!(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    );
    Error::new(404, "CodeSigningConfigNotFoundException", message).capital().with("Type", "User")
}

impl Lambda {
    /// A configuration, or AWS's 404.
    pub(crate) async fn code_signing(&self, target: &CodeSigningTarget) -> Result<CodeSigningRecord, Failure> {
        let found = self.store.get(CODE_SIGNING, &target.key()).await?;
        found.ok_or_else(|| missing(&target.arn().to_string()).into())
    }

    /// Forgets all configurations, or one account's. The functions are gone already.
    pub(crate) async fn reset_code_signing(&self, account: Option<AccountId>) -> Result<(), Failure> {
        let scan = account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, _) in self.store.scan(CODE_SIGNING, scan).await? {
            self.store.transact(move |tx| tx.delete(CODE_SIGNING, &key).map_err(Failure::from)).await?;
        }
        Ok(())
    }
}

/// The configuration that a function is to have; AWS looks for it before it looks for the function.
pub(crate) fn existing(tx: &Tx<'_>, target: &Target, arn: &str) -> Result<CodeSigningTarget, Failure> {
    let config = CodeSigningTarget::parse(arn).filter(|config| config.account == target.account);
    let config = config.ok_or_else(|| missing_for_function(arn))?;
    if !tx.exists(CODE_SIGNING, &config.key())? {
        return Err(missing_for_function(arn).into());
    }
    Ok(config)
}

/// Gives a function a configuration, or none, in place of the one it had. Does not write the function's record.
pub(crate) fn assign(
    tx: &mut Tx<'_>,
    target: &Target,
    function: &mut FunctionRecord,
    config: Option<&str>,
) -> Result<(), Failure> {
    if let Some(old) = function.code_signing.as_deref().and_then(CodeSigningTarget::parse) {
        tx.delete(CODE_SIGNING_USES, &old.use_key(target))?;
    }
    if let Some(arn) = config {
        let new = existing(tx, target, arn)?;
        tx.put(CODE_SIGNING_USES, &new.use_key(target), &Mark {})?;
    }
    function.code_signing = config.map(str::to_owned);
    Ok(())
}

/// Decides, by the function's configuration, about packages that are about to be deployed. `looks_signed`: one of them
/// has what seems to be a signature.
pub(crate) fn admit(
    tx: &Tx<'_>,
    target: &Target,
    function: &FunctionRecord,
    looks_signed: bool,
) -> Result<(), Failure> {
    let Some(config) = function.code_signing.as_deref().and_then(CodeSigningTarget::parse) else {
        return Ok(());
    };
    let Some(record) = tx.get(CODE_SIGNING, &config.key())? else {
        return Err(missing_for_function(&config.arn().to_string()).into());
    };
    if looks_signed {
        return Err(Error::not_implemented("the verification of signed packages").into());
    }
    if record.policy == CodeSigningPolicy::Enforce {
        let message = format!(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client \
             is not configured to accept. Check the provided signature for {}.",
            target.name
        );
        return Err(Error::new(400, "CodeVerificationFailedException", message).capital().with("Type", "User").into());
    }
    let (function, config) = (target.function_arn(), config.arn());
    tracing::warn!(%function, %config, "admitted a package that none of the allowed publishers signed");
    Ok(())
}
