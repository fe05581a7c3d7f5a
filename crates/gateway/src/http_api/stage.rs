//! Stages: what they may say, and what becomes of their settings when some are changed.

use std::collections::BTreeMap;

use base::{Arn, Error, Timestamp};
use store::{Key, Scan, Tx};

use super::api::check_tags;
use super::change;
use super::error::{bad, conflict, none, too_many};
use super::merge::set;
use super::records::{
    AccessLogSettings, Api, DEPLOYMENTS, LoggingLevel, ProtocolType, ROUTE_KEYS, RouteSettings, STAGES, Stage, Texts,
};
use super::route;
use super::snapshot::auto_deploy;
use crate::Failure;
use crate::edge::access_log::log_group;
use crate::edge::owner;
use crate::edge::throttle::{ACCOUNT, Limit};

/// Stages of an API (a quota of AWS).
const STAGES_MAX: usize = 10;

const NAME_CHARACTERS_MAX: usize = 128;
const VARIABLE_CHARACTERS_MAX: usize = 512;
const VARIABLES_MAX: usize = 100;

/// Characters of an access log's format (AWS: 3 KB).
const FORMAT_CHARACTERS_MAX: usize = 3000;

/// A stage of nothing but its name.
pub(crate) fn blank(stage_name: String, now: Timestamp) -> Stage {
    Stage {
        stage_name,
        access_log_settings: None,
        api_gateway_managed: None,
        auto_deploy: Some(false),
        client_certificate_id: None,
        created_date: now,
        default_route_settings: Some(RouteSettings {
            detailed_metrics_enabled: Some(false),
            ..RouteSettings::default()
        }),
        deployment_id: None,
        description: None,
        last_deployment_status_message: None,
        last_updated_date: now,
        route_settings: Some(BTreeMap::new()),
        stage_variables: Some(Texts::new()),
        tags: Some(Texts::new()),
    }
}

/// Adds a stage, and deploys if it is one that serves every change.
pub(crate) fn add(tx: &mut Tx<'_>, api: &Api, stage: Stage, now: Timestamp) -> Result<Stage, Failure> {
    let is_default = stage.stage_name == route::DEFAULT && api.protocol_type == ProtocolType::Http;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&stage.stage_name.len());
    let is_allowed = is_default || (fits && stage.stage_name.bytes().all(is_name));
    if !is_allowed {
        return Err(bad("Stage name only allows a-zA-Z0-9_-").into());
    }
    let at = change::stage(&api.api_id, &stage.stage_name);
    let others = tx.scan(STAGES, Scan::under(api.api_id.as_str()))?;
    if others.iter().any(|(_, other)| other.stage_name == stage.stage_name) {
        return Err(conflict("Stage already exists").into());
    }
    if others.len() >= STAGES_MAX {
        return Err(too_many("Stages").into());
    }
    at.put(tx, &settle(tx, api, stage)?)?;
    deployed(tx, api, &at, now)
}

/// Puts a changed stage in the place of what it was.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    api: &Api,
    before: &Stage,
    mut stage: Stage,
    now: Timestamp,
) -> Result<Stage, Failure> {
    stage.last_updated_date = now;
    let at = change::stage(&api.api_id, &stage.stage_name);
    at.put(tx, &settle(tx, api, stage)?)?;
    match before.auto_deploy {
        Some(true) => at.get(tx),
        _ => deployed(tx, api, &at, now),
    }
}

/// The stage once it serves what it must.
fn deployed(tx: &mut Tx<'_>, api: &Api, at: &change::Part<Stage>, now: Timestamp) -> Result<Stage, Failure> {
    if at.get(tx)?.auto_deploy == Some(true) {
        auto_deploy(tx, api, now)?;
    }
    at.get(tx)
}

/// Refuses what a stage cannot be, and says what AWS says of what was not given.
fn settle(tx: &Tx<'_>, api: &Api, mut stage: Stage) -> Result<Stage, Failure> {
    if let Some(id) = &stage.deployment_id
        && !tx.exists(DEPLOYMENTS, &Key::of((api.api_id.as_str(), id.as_str())))?
    {
        return Err(none("Deployment", id).into());
    }
    if stage.client_certificate_id.is_some() {
        return Err(Error::not_implemented("a client certificate of a WebSocket API").into());
    }
    let default = stage.default_route_settings.get_or_insert_default();
    default.detailed_metrics_enabled.get_or_insert(false);
    if api.protocol_type == ProtocolType::WebSocket {
        default.data_trace_enabled.get_or_insert(false);
        default.logging_level.get_or_insert(LoggingLevel::Off);
    }
    check_settings(api, default)?;
    for (key, settings) in stage.route_settings.iter().flatten() {
        check_settings(api, settings)?;
        if !tx.exists(ROUTE_KEYS, &Key::of((api.api_id.as_str(), key.as_str())))? {
            let message = format!("Unable to find Route by key {key} within the provided RouteSettings");
            return Err(Error::new(404, "NotFoundException", message).into());
        }
    }
    check_variables(stage.stage_variables.get_or_insert_default())?;
    check_tags(stage.tags.get_or_insert_default())?;
    if let Some(access_log) = &mut stage.access_log_settings {
        settle_access_log(access_log)?;
        check_owner(tx, api, access_log)?;
    }
    Ok(stage)
}

fn check_settings(api: &Api, settings: &RouteSettings) -> Result<(), Failure> {
    let logs = settings.logging_level.is_some_and(|level| level != LoggingLevel::Off);
    if api.protocol_type == ProtocolType::Http && (logs || settings.data_trace_enabled == Some(true)) {
        return Err(bad("Execution logs are not supported on protocolType HTTP").into());
    }
    let is_negative = settings.throttling_burst_limit.is_some_and(|burst| burst < 0)
        || settings.throttling_rate_limit.is_some_and(|rate| rate.is_nan() || rate < 0.0);
    match is_negative {
        true => Err(bad("Throttling limits must not be negative").into()),
        false => Ok(()),
    }
}

fn check_variables(variables: &Texts) -> Result<(), Failure> {
    if variables.len() > VARIABLES_MAX {
        return Err(bad(format!("A stage can have at most {VARIABLES_MAX} variables")).into());
    }
    for (name, value) in variables {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(bad(format!("Invalid stage variable name: {name}")).into());
        }
        let is_value = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b);
        if value.len() > VARIABLE_CHARACTERS_MAX || !value.bytes().all(is_value) {
            return Err(bad(format!(
                "Stage variable value for {name} must satisfy the regular expression [A-Za-z0-9-._~:/?#&=,]+"
            ))
            .into());
        }
    }
    Ok(())
}

/// AWS takes a log group's ARN with and without `:*` at its end, and shows it without.
fn settle_access_log(settings: &mut AccessLogSettings) -> Result<(), Failure> {
    let (Some(destination), Some(format)) = (&mut settings.destination_arn, &settings.format) else {
        return Err(bad("Access Log value missing. Expected destinationArn and format.").into());
    };
    if let Some(shorter) = destination.strip_suffix(":*") {
        *destination = shorter.to_owned();
    }
    let is_stream =
        |arn: &Arn| arn.service == "firehose" && arn.resource.starts_with("deliverystream/amazon-apigateway-");
    if Arn::parse(destination).as_ref().is_some_and(is_stream) {
        return Err(Error::not_implemented("access logs in delivery streams").into());
    }
    if log_group(destination).is_none() {
        return Err(
            bad("Invalid ARN specified in the request. ARN must be that of a log group or a delivery stream").into()
        );
    }
    if format.len() > FORMAT_CHARACTERS_MAX {
        return Err(bad(format!("Access log format must not be longer than {FORMAT_CHARACTERS_MAX} characters")).into());
    }
    if !["requestId", "extendedRequestId"].iter().any(|id| format.contains(&format!("$context.{id}"))) {
        return Err(bad(
            "Access log format must contain at least one of $context.requestId and $context.extendedRequestId",
        )
        .into());
    }
    Ok(())
}

/// Nobody writes into another account's log groups.
fn check_owner(tx: &Tx<'_>, api: &Api, settings: &AccessLogSettings) -> Result<(), Failure> {
    let to = settings.destination_arn.as_deref().and_then(log_group);
    let place = owner::of(tx, &api.api_id)?.and_then(|owner| owner.place());
    match to.zip(place) {
        Some((to, (account, _))) if to.account != account => {
            Err(bad("Invalid ARN specified in the request. The log group must be the API's own account's").into())
        }
        _ => Ok(()),
    }
}

/// The settings of a route in a stage: its own, and where those say nothing the stage's for all.
pub(crate) fn settings_of(stage: &Stage, route_key: &str) -> RouteSettings {
    let mut settings = stage.default_route_settings.clone().unwrap_or_default();
    if let Some(own) = stage.route_settings.as_ref().and_then(|all| all.get(route_key)) {
        merge_settings(&mut settings, own);
    }
    settings
}

/// How many requests settings let come; none if they say nothing. Who says only one of rate and burst has the account's default
/// of the other.
pub(crate) fn limit(settings: &RouteSettings) -> Option<Limit> {
    let RouteSettings { throttling_burst_limit: burst, throttling_rate_limit: rate, .. } = settings;
    if burst.is_none() && rate.is_none() {
        return None;
    }
    Some(Limit {
        rate: rate.unwrap_or(ACCOUNT.rate),
        burst: burst.map_or(ACCOUNT.burst, |burst| u32::try_from(burst).unwrap_or(0)),
    })
}

/// Changes settings member by member.
pub(crate) fn merge_settings(settings: &mut RouteSettings, given: &RouteSettings) {
    set(&mut settings.data_trace_enabled, &given.data_trace_enabled);
    set(&mut settings.detailed_metrics_enabled, &given.detailed_metrics_enabled);
    set(&mut settings.logging_level, &given.logging_level);
    set(&mut settings.throttling_burst_limit, &given.throttling_burst_limit);
    set(&mut settings.throttling_rate_limit, &given.throttling_rate_limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routes_settings_are_its_own_and_else_the_stages() {
        let common = RouteSettings {
            detailed_metrics_enabled: Some(true),
            throttling_rate_limit: Some(5.0),
            ..RouteSettings::default()
        };
        let own = RouteSettings { throttling_burst_limit: Some(2), ..RouteSettings::default() };
        let stage = Stage {
            default_route_settings: Some(common.clone()),
            route_settings: Some([("GET /own".to_owned(), own)].into()),
            ..blank("dev".to_owned(), Timestamp::from_millis(0))
        };
        assert_eq!(settings_of(&stage, "GET /other"), common);
        let merged = settings_of(&stage, "GET /own");
        assert_eq!(merged, RouteSettings { throttling_burst_limit: Some(2), ..common.clone() });
        assert_eq!(limit(&merged), Some(Limit { rate: 5.0, burst: 2 }));
        assert_eq!(limit(&common), Some(Limit { rate: 5.0, burst: ACCOUNT.burst }));
        assert_eq!(limit(&RouteSettings::default()), None);
    }
}
