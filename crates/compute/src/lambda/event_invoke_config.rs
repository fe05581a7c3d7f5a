//! How a version or alias is invoked asynchronously: retries, age, destinations. Its limits, its record in the store, and
//! which destinations may be chosen; the operations are in `operations/*_function_event_invoke_config`, what acts on it is
//! in [`super::asynchronous`].

use base::{Arn, Error};
use shape::Shape;
use store::Tx;

use super::Lambda;
use super::asynchronous::function_of;
use super::configuration::DeadLetterConfig;
use super::error::{Failure, invalid, not_found};
use super::function::load;
use super::name::{NamespacedFunctionName, Qualifier, QualifierText, Target};
use super::records::{EVENT_INVOKE_CONFIGS, EventInvokeConfigRecord};

/// AWS's default and most retries of an event.
pub(crate) const RETRIES_MAX: u32 = 2;
/// AWS's default and longest age of an event, in seconds.
pub(crate) const EVENT_AGE_SECS_MAX: u32 = 21_600;

/// Where records of events go.
#[derive(Shape, Clone, Debug, Default)]
pub struct DestinationConfig {
    /// Of those that went well.
    pub on_success: Option<OnSuccess>,
    /// Of those that did not.
    pub on_failure: Option<OnFailure>,
}

/// Where records of successes go.
#[derive(Shape, Clone, Debug, Default)]
pub struct OnSuccess {
    /// A queue, topic, function or event bus.
    pub destination: Option<DestinationArn>,
}

/// Where records of failures go.
#[derive(Shape, Clone, Debug, Default)]
pub struct OnFailure {
    /// A queue, topic, function, event bus or bucket.
    pub destination: Option<DestinationArn>,
}

/// The ARN of a destination; empty for none.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(0..=350),
    pattern = r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
)]
pub struct DestinationArn(pub String);

impl DestinationConfig {
    /// The destinations of successes and failures, if there are any.
    pub(crate) fn arns(&self) -> [Option<&str>; 2] {
        let on_success = self.on_success.as_ref().and_then(|on| on.destination.as_ref());
        let on_failure = self.on_failure.as_ref().and_then(|on| on.destination.as_ref());
        [on_success, on_failure].map(|arn| arn.map(|arn| arn.0.as_str()).filter(|arn| !arn.is_empty()))
    }

    /// Both members are always shown, empty if there is no destination.
    fn shown(record: &EventInvokeConfigRecord) -> DestinationConfig {
        let arn = |arn: &Option<String>| arn.clone().map(DestinationArn);
        DestinationConfig {
            on_success: Some(OnSuccess { destination: arn(&record.on_success) }),
            on_failure: Some(OnFailure { destination: arn(&record.on_failure) }),
        }
    }
}

/// A configuration as the operations show it.
#[derive(Shape, Clone, Debug, Default)]
pub struct FunctionEventInvokeConfig {
    /// When it was last changed.
    pub last_modified: Option<base::Timestamp>,
    /// What it is for, with its qualifier.
    pub function_arn: Option<String>,
    /// Retries, if set.
    pub maximum_retry_attempts: Option<i32>,
    /// The longest age, if set.
    pub maximum_event_age_in_seconds: Option<i32>,
    /// Destinations.
    pub destination_config: Option<DestinationConfig>,
}

impl FunctionEventInvokeConfig {
    pub(crate) fn of(target: &Target, record: &EventInvokeConfigRecord) -> FunctionEventInvokeConfig {
        FunctionEventInvokeConfig {
            last_modified: Some(record.modified),
            function_arn: Some(target.arn().to_string()),
            maximum_retry_attempts: record.maximum_retry_attempts.map(|n| n as i32),
            maximum_event_age_in_seconds: record.maximum_event_age_secs.map(|n| n as i32),
            destination_config: Some(DestinationConfig::shown(record)),
        }
    }
}

/// What Put and Update want set; what is absent stays, or for Put goes.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) maximum_retry_attempts: Option<i32>,
    pub(crate) maximum_event_age_in_seconds: Option<i32>,
    pub(crate) destination_config: Option<DestinationConfig>,
}

impl Wanted {
    /// Refuses what asks for nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Wanted { maximum_retry_attempts, maximum_event_age_in_seconds, destination_config } = self;
        if maximum_retry_attempts.is_none() && maximum_event_age_in_seconds.is_none() && destination_config.is_none() {
            return Err(invalid("You must specify at least one of error handling or destination setting."));
        }
        Ok(())
    }

    /// An older configuration with these changes.
    pub(crate) fn over(&self, older: EventInvokeConfigRecord, now: base::Timestamp) -> EventInvokeConfigRecord {
        let number = |n: i32| u32::try_from(n).unwrap_or_default();
        let mut record = EventInvokeConfigRecord {
            modified: now,
            maximum_retry_attempts: self.maximum_retry_attempts.map(number).or(older.maximum_retry_attempts),
            maximum_event_age_secs: self.maximum_event_age_in_seconds.map(number).or(older.maximum_event_age_secs),
            ..older
        };
        if let Some(destinations) = &self.destination_config {
            let [on_success, on_failure] = destinations.arns().map(|arn| arn.map(str::to_owned));
            (record.on_success, record.on_failure) = (on_success, on_failure);
        }
        record
    }
}

/// The version or alias whose configuration is meant: `$LATEST` if none is named.
pub(crate) fn configured(
    cx: &base::Cx,
    function: &NamespacedFunctionName,
    qualifier: Option<&QualifierText>,
) -> Result<Target, Error> {
    let target = Target::own(cx, function, qualifier)?;
    Ok(Target { qualifier: target.qualifier.or(Some(Qualifier::Latest)), ..target })
}

/// AWS's words for a missing function here, which differ from elsewhere.
pub(crate) fn no_function() -> Error {
    not_found("The function doesn't exist.")
}

/// AWS's words where there is no configuration.
pub(crate) fn no_config(target: &Target) -> Error {
    not_found(format!("The function {} doesn't have an EventInvokeConfig", target.arn()))
}

impl Lambda {
    /// The configuration that events for this version or alias go by.
    pub(crate) async fn event_invoke_config(
        &self,
        target: &Target,
    ) -> Result<Option<EventInvokeConfigRecord>, Failure> {
        Ok(self.store.get(EVENT_INVOKE_CONFIGS, &target.event_invoke_config_key()).await?)
    }

    /// Refuses to configure what is not there.
    pub(crate) async fn check_configurable(&self, target: &Target) -> Result<(), Failure> {
        match self.version(target).await {
            Ok(_) => Ok(()),
            Err(Failure::Aws(error)) if error.status == 404 => Err(no_function().into()),
            Err(failure) => Err(failure),
        }
    }

    /// Writes a configuration: changed from the present one, or made from nothing with `changed` from an empty one.
    pub(crate) async fn write_event_invoke_config(
        &self,
        target: &Target,
        change: impl Fn(Option<EventInvokeConfigRecord>) -> Result<EventInvokeConfigRecord, Error> + Send + 'static,
    ) -> Result<FunctionEventInvokeConfig, Failure> {
        let written = target.clone();
        let write = move |tx: &mut Tx<'_>| {
            load(tx, &written).map_err(|_| Failure::from(no_function()))?;
            let key = written.event_invoke_config_key();
            let record = change(tx.get(EVENT_INVOKE_CONFIGS, &key)?)?;
            tx.put(EVENT_INVOKE_CONFIGS, &key, &record)?;
            Ok::<_, Failure>(record)
        };
        let record = self.store.transact(write).await?;
        Ok(FunctionEventInvokeConfig::of(target, &record))
    }

    /// Refuses destinations that AWS refuses, and those of services that do not stand yet.
    pub(crate) async fn check_destinations(&self, target: &Target, config: &DestinationConfig) -> Result<(), Failure> {
        let [on_success, on_failure] = config.arns();
        let unusable = || {
            let part = |name: &str, kind: &str, arn: Option<&str>| match arn {
                Some(arn) => format!("{name}={kind}(destination={arn})"),
                None => format!("{name}=null"),
            };
            let success = part("onSuccess", "OnSuccess", on_success);
            let failure = part("onFailure", "OnFailure", on_failure);
            invalid(format!("The provided destination config DestinationConfig({success}, {failure}) is invalid."))
        };
        for (arn, is_failure) in [(on_success, false), (on_failure, true)] {
            let Some(text) = arn else { continue };
            let arn = Arn::parse(text).ok_or_else(unusable)?;
            match arn.service.as_str() {
                "lambda" => self.check_function_destination(target, &arn).await?,
                "sqs" if arn.resource.ends_with(".fifo") => return Err(unusable().into()),
                "sqs" | "sns" | "events" => self.check_target_stands(&arn)?,
                "s3" if is_failure => self.check_target_stands(&arn)?,
                _ => return Err(unusable().into()),
            }
        }
        Ok(())
    }

    async fn check_function_destination(&self, target: &Target, arn: &Arn) -> Result<(), Failure> {
        let missing = || Failure::from(invalid(format!("The destination ARN {arn} is invalid.")));
        let destination = function_of(arn).ok_or_else(missing)?;
        if destination.function() == target.function() {
            return Err(invalid("You can't specify the function as a destination for itself.").into());
        }
        match self.version(&destination).await {
            Ok(_) => Ok(()),
            Err(Failure::Aws(error)) if error.status == 404 => Err(missing()),
            Err(failure) => Err(failure),
        }
    }

    /// Refuses a dead letter queue that is neither queue nor topic, or whose service does not stand yet.
    pub(crate) fn check_dead_letters(&self, config: Option<&DeadLetterConfig>) -> Result<(), Error> {
        let target = config.and_then(|config| config.target_arn.as_deref()).filter(|arn| !arn.is_empty());
        let Some(target) = target else { return Ok(()) };
        match Arn::parse(target) {
            Some(arn) if arn.service == "sqs" || arn.service == "sns" => self.check_target_stands(&arn),
            _ => Err(invalid(format!(
                "The provided dead letter target ARN {target} is neither an SQS queue nor an SNS topic."
            ))),
        }
    }

    /// Refuses a target whose service does not stand, by name.
    pub(crate) fn check_target_stands(&self, arn: &Arn) -> Result<(), Error> {
        match self.targets.find(&arn.service) {
            Some(_) => Ok(()),
            None => Err(Error::not_implemented(format!("delivery to {arn}: the service {}", arn.service))),
        }
    }
}
