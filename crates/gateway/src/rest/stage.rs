//! Stages: what AWS refuses of them, and the paths of their settings, which are like no other noun's.

use base::{Arn, Error};
use store::Tx;

use super::error::bad;
use super::patch::{Change, Op};
use super::records::{
    Api, CLIENT_CERTIFICATES, CacheClusterSize, CacheClusterStatus, CanarySettings, DEPLOYMENTS,
    DOCUMENTATION_VERSIONS, MethodSetting, Stage, Texts, of_text,
};
use crate::Failure;
use crate::edge::access_log::AccessLog;

/// AWS's longest name.
const NAME_BYTES_MAX: usize = 128;

/// AWS's list of a stage's paths, with its own commas.
const PATHS: &str = "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, \
    /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, \
    /{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, \
    /{resourcePath}/{httpMethod}/logging/loglevel, \
    /{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, \
    /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, \
    /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, \
    /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, \
    /*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit \
    /*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, \
    /*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, \
    /variables/{variable_name}, /tracingEnabled]";

/// Refuses names that are none.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
        return Err(bad("Stage name only allows a-zA-Z0-9_"));
    }
    Ok(())
}

/// Refuses variables that are none.
pub(crate) fn check_variables(variables: &Texts) -> Result<(), Error> {
    for (name, value) in variables {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(bad(format!("Stage variable names must be alphanumeric including underscores: {name}")));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b" -._~:/?#&=,".contains(&byte);
        if !value.bytes().all(fits) {
            return Err(bad(format!(
                "Invalid stage variable value: {value}. Please use values with alphanumeric characters and the symbols ' ', \
                 -', '.', '_', ':', '/', '?', '&', '=', and ','."
            )));
        }
    }
    Ok(())
}

/// A canary as it is kept.
pub(crate) fn checked_canary(mut canary: CanarySettings) -> Result<CanarySettings, Error> {
    if !(0.0..=100.0).contains(&canary.percent_traffic) {
        return Err(bad("Percent traffic must be between 0.0 and 100.0"));
    }
    canary.stage_variable_overrides = canary.stage_variable_overrides.filter(|overrides| !overrides.is_empty());
    canary.stage_variable_overrides.as_ref().map_or(Ok(()), check_variables)?;
    Ok(canary)
}

/// The cache stands as soon as it is asked for; AWS's takes minutes. Half a gigabyte is the least.
pub(crate) fn settle_cache(stage: &mut Stage) {
    stage.cache_cluster_status = if stage.cache_cluster_enabled {
        stage.cache_cluster_size.get_or_insert(CacheClusterSize::Gigabytes0_5);
        CacheClusterStatus::Available
    } else {
        CacheClusterStatus::NotAvailable
    };
}

/// Refuses deployments that are not there.
pub(crate) fn check_deployments(tx: &Tx<'_>, at: &Api, stage: &Stage) -> Result<(), Failure> {
    let canary = stage.canary_settings.as_ref().map(|canary| canary.deployment_id.as_str());
    for id in [Some(stage.deployment_id.as_str()), canary].into_iter().flatten() {
        if !tx.exists(DEPLOYMENTS, &at.below(id))? {
            return Err(bad("Deployment id does not exist").into());
        }
    }
    Ok(())
}

/// One change of a stage.
pub(crate) fn apply(tx: &Tx<'_>, at: &Api, stage: &mut Stage, change: &Change) -> Result<(), Failure> {
    match change.parts().as_slice() {
        ["canarySettings", rest @ ..] => change_canary(stage, change, rest)?,
        _ if change.op == Op::Copy => promote(stage, change)?,
        ["deploymentId"] => stage.deployment_id = change.text().unwrap_or_default(),
        ["description"] => change.set(&mut stage.description),
        ["tracingEnabled"] => stage.tracing_enabled = change.flag(),
        ["documentationVersion"] => {
            change.set(&mut stage.documentation_version);
            if let Some(version) = &stage.documentation_version
                && !tx.exists(DOCUMENTATION_VERSIONS, &at.below(version))?
            {
                return Err(bad("Invalid Documentation version specified").into());
            }
        }
        ["clientCertificateId"] => {
            change.set(&mut stage.client_certificate_id);
            if let Some(id) = &stage.client_certificate_id
                && !tx.exists(CLIENT_CERTIFICATES, &at.home.below(id))?
            {
                return Err(bad("Invalid client certificate identifier specified").into());
            }
        }
        ["cacheClusterEnabled"] => {
            stage.cache_cluster_enabled = change.flag();
            settle_cache(stage);
        }
        ["cacheClusterSize"] => {
            let size = change.text().and_then(|text| of_text::<CacheClusterSize>(&text));
            stage.cache_cluster_size = Some(size.ok_or_else(|| bad("Invalid cache cluster size specified"))?);
        }
        ["accessLogSettings", rest @ ..] => change_access_log(stage, change, rest)?,
        ["variables", name] => change_variable(&mut stage.variables, change, name)?,
        _ => change_method_setting(stage, change)?,
    }
    check_deployments(tx, at, stage)
}

fn unknown(change: &Change) -> Error {
    bad(format!("Invalid method setting path: {}. Must be one of: {PATHS}", change.path))
}

/// What AWS says where something that is not there is to be removed, whatever it is.
fn nothing_there(path: &str) -> Error {
    let path = path.trim_matches('/');
    bad(format!("Cannot remove method setting {path} because there is no method setting for this method "))
}

fn change_variable(variables: &mut Option<Texts>, change: &Change, name: &str) -> Result<(), Error> {
    if change.op == Op::Remove {
        if let Some(variables) = variables {
            variables.remove(name);
        }
    } else {
        let variable = Texts::from([(name.to_owned(), change.value.clone().unwrap_or_default())]);
        check_variables(&variable)?;
        variables.get_or_insert_default().extend(variable);
    }
    *variables = variables.take().filter(|variables| !variables.is_empty());
    Ok(())
}

fn change_access_log(stage: &mut Stage, change: &Change, parts: &[&str]) -> Result<(), Error> {
    if change.op == Op::Remove {
        stage.access_log_settings = None;
        return Ok(());
    }
    let settings = stage.access_log_settings.get_or_insert_default();
    match parts {
        ["format"] => change.set(&mut settings.format),
        ["destinationArn"] => {
            settings.destination_arn = Some(checked_destination(change.text().unwrap_or_default())?);
        }
        _ => return Err(unknown(change)),
    }
    Ok(())
}

/// Where an access log may go.
fn checked_destination(text: String) -> Result<String, Error> {
    let arn = Arn::parse(&text).ok_or_else(|| bad("Invalid ARN specified in the request"))?;
    match arn.service.as_str() {
        "logs" if AccessLog::new(&text, "").is_some() => Ok(text),
        "logs" => Err(bad("Invalid ARN specified in the request")),
        "firehose" => Err(Error::not_implemented("an access log that goes to Firehose")),
        _ => Err(bad("Access Log destination must be a CloudWatch Logs log group or a Firehose stream")),
    }
}

/// Makes the canary, or a part of it, the stage's own.
fn promote(stage: &mut Stage, change: &Change) -> Result<(), Error> {
    let from = change.from.as_deref().unwrap_or_default();
    let known = ["/canarySettings/deploymentId", "/canarySettings/stageVariableOverrides"].contains(&from);
    if !known || !["/deploymentId", "/variables"].contains(&change.path.as_str()) {
        return Err(bad(format!(
            "Invalid copy operation with path: {} and from {from}. Valid copy:path are [/deploymentId, /variables] and valid \
             copy:from are [/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]",
            change.path
        )));
    }
    let Some(canary) = &stage.canary_settings else {
        return Err(bad("Promotion not available. Canary does not exist."));
    };
    if change.path == "/deploymentId" {
        stage.deployment_id.clone_from(&canary.deployment_id);
    } else if let Some(overrides) = canary.stage_variable_overrides.clone() {
        stage.variables.get_or_insert_default().extend(overrides);
    }
    Ok(())
}

fn change_canary(stage: &mut Stage, change: &Change, parts: &[&str]) -> Result<(), Error> {
    if parts.is_empty() && change.op == Op::Remove {
        stage.canary_settings = None;
        return Ok(());
    }
    let known = matches!(parts, ["percentTraffic" | "deploymentId" | "useStageCache"] | ["stageVariableOverrides", _]);
    match change.op {
        Op::Copy => return promote(stage, change),
        Op::Replace if known || parts == ["stageVariableOverrides"] => {}
        Op::Replace => return Err(unknown(change)),
        Op::Remove if parts.first() == Some(&"stageVariableOverrides") && known => {}
        op if known => {
            let op = super::records::text_of(op);
            return Err(bad(format!("Invalid {op} operation with path: {}", change.path)));
        }
        _ => return Err(nothing_there(&change.path)),
    }
    let mut canary = stage
        .canary_settings
        .clone()
        .unwrap_or_else(|| CanarySettings { deployment_id: stage.deployment_id.clone(), ..CanarySettings::default() });
    match parts {
        ["percentTraffic"] => canary.percent_traffic = change.number()?,
        ["deploymentId"] => canary.deployment_id = change.text().unwrap_or_default(),
        ["useStageCache"] => canary.use_stage_cache = change.flag(),
        ["stageVariableOverrides", name] => change_variable(&mut canary.stage_variable_overrides, change, name)?,
        _ => {
            let words = || bad("Invalid value specified for path /canarySettings/stageVariableOverrides");
            let value = change.text().unwrap_or_else(|| "{}".to_owned());
            canary.stage_variable_overrides = Some(serde_json::from_str(&value).map_err(|_| words())?);
        }
    }
    stage.canary_settings = Some(checked_canary(canary)?);
    Ok(())
}

/// What remains of a path without its setting, `pets~1{id}/GET`: how the setting is keyed. AWS takes the path as it was
/// written, escaped or not, and names one method or, with all resources, all of them; `ANY` is not among them.
fn setting_key(path: &str) -> Option<String> {
    let key = path.strip_prefix('/')?;
    let (resource, method) = key.rsplit_once('/')?;
    let fits = if resource == "*" {
        method == "*"
    } else {
        matches!(method, "GET" | "PUT" | "POST" | "DELETE" | "PATCH" | "OPTIONS" | "HEAD")
    };
    fits.then(|| key.to_owned())
}

fn change_method_setting(stage: &mut Stage, change: &Change) -> Result<(), Error> {
    if change.op == Op::Remove {
        let key = change.path.strip_prefix('/').unwrap_or(&change.path);
        return stage.method_settings.remove(key).map(drop).ok_or_else(|| nothing_there(&change.path));
    }
    let mut parts = change.path.rsplitn(3, '/');
    let (name, group, rest) = (parts.next(), parts.next(), parts.next());
    let key = rest.and_then(setting_key).ok_or_else(|| unknown(change))?;
    let mut setting = stage.method_settings.get(&key).cloned().unwrap_or_default();
    set(&mut setting, group.unwrap_or_default(), name.unwrap_or_default(), change)?;
    stage.method_settings.insert(key, setting);
    Ok(())
}

fn set(setting: &mut MethodSetting, group: &str, name: &str, change: &Change) -> Result<(), Error> {
    match (group, name) {
        ("metrics", "enabled") => setting.metrics_enabled = change.flag(),
        ("logging", "dataTrace") => setting.data_trace_enabled = change.flag(),
        ("logging", "loglevel") => {
            let level = change.text().filter(|level| matches!(level.as_str(), "OFF" | "ERROR" | "INFO"));
            let words = "Invalid logging level specified. Must be one of [OFF, ERROR, INFO]";
            setting.logging_level = Some(level.ok_or_else(|| bad(words))?);
        }
        ("throttling", "burstLimit") => setting.throttling_burst_limit = change.number()?,
        ("throttling", "rateLimit") => setting.throttling_rate_limit = change.number()?,
        ("caching", "enabled") => setting.caching_enabled = change.flag(),
        ("caching", "ttlInSeconds") => {
            let seconds = change.number()?;
            if !(0..=3_600).contains(&seconds) {
                return Err(bad("Cache TTL must be between 0 and 3600 seconds"));
            }
            setting.cache_ttl_in_seconds = seconds;
        }
        ("caching", "dataEncrypted") => setting.cache_data_encrypted = change.flag(),
        ("caching", "requireAuthorizationForCacheControl") => {
            setting.require_authorization_for_cache_control = change.flag();
        }
        ("caching", "unauthorizedCacheControlHeaderStrategy") => {
            let strategy = change.text().and_then(|text| of_text(&text));
            let words = "Invalid UnauthorizedCacheControlHeaderStrategy specified. Valid options are \
                         FAIL_WITH_403,SUCCEED_WITH_RESPONSE_HEADER,SUCCEED_WITHOUT_RESPONSE_HEADER";
            setting.unauthorized_cache_control_header_strategy = strategy.ok_or_else(|| bad(words))?;
        }
        _ => return Err(unknown(change)),
    }
    Ok(())
}

impl Stage {
    /// The settings of a method: its own, else those of all. The path is the resource's.
    pub(crate) fn setting(&self, path: &str, http_method: &str) -> Option<&MethodSetting> {
        self.own_setting(path, http_method).or_else(|| self.method_settings.get("*/*"))
    }

    /// The settings of this one method.
    pub(crate) fn own_setting(&self, path: &str, http_method: &str) -> Option<&MethodSetting> {
        let is_own = |key: &str| {
            key.rsplit_once('/').is_some_and(|(resource, method)| {
                let resource = resource.replace("~1", "/").replace("~0", "~");
                method == http_method && resource.trim_matches('/') == path.trim_matches('/')
            })
        };
        self.method_settings.iter().find(|(key, _)| is_own(key)).map(|(_, setting)| setting)
    }
}

/// Puts stage variables where `${stageVariables.name}` stands; nothing where there is no such variable.
pub(crate) fn with_variables(text: &str, variables: Option<&Texts>) -> String {
    const MARK: &str = "${stageVariables.";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push_str(MARK);
            rest = after;
            continue;
        };
        out.push_str(variables.and_then(|variables| variables.get(name)).map_or("", String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_keyed_by_path_and_method() {
        for path in ["/*/*", "/pets/GET", "/~1pets~1{id}/POST", "/a/{proxy+}/GET", "/~1/GET"] {
            assert_eq!(setting_key(path).as_deref(), Some(&path[1..]));
        }
        for path in ["/pets/ANY", "/pets/*", "/*/GET", "/GET", "", "pets/GET"] {
            assert_eq!(setting_key(path), None, "{path}");
        }
    }

    #[test]
    fn settings_are_found_however_they_were_written() {
        let setting = |burst| MethodSetting { throttling_burst_limit: burst, ..MethodSetting::default() };
        let keys = [("*/*", 1), ("~1pets~1{id}/GET", 2), ("~1/GET", 3), ("a/b/PUT", 4)];
        let method_settings = keys.into_iter().map(|(key, burst)| (key.to_owned(), setting(burst))).collect();
        let stage = Stage { method_settings, ..Stage::default() };
        for (path, method, burst) in
            [("/pets/{id}", "GET", 2), ("/pets/{id}", "PUT", 1), ("/", "GET", 3), ("/a/b", "PUT", 4), ("/x", "GET", 1)]
        {
            assert_eq!(stage.setting(path, method).map(|found| found.throttling_burst_limit), Some(burst), "{path}");
        }
    }
}
