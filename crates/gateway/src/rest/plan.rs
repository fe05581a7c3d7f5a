//! Usage plans: what AWS refuses of them, and the paths of their settings.

use base::Error;

use super::error::bad;
use super::patch::{Change, Op, bad_path};
use super::records::{ApiStage, QuotaPeriodType, ThrottleSettings, UsagePlan, of_text};
use super::usage::no_stage;

/// A plan as it is kept, or what AWS says against it.
pub(crate) fn checked(mut plan: UsagePlan) -> Result<UsagePlan, Error> {
    if plan.name.is_empty() {
        return Err(bad("Usage Plan name must be non-empty"));
    }
    plan.throttle = plan.throttle.filter(|throttle| *throttle != ThrottleSettings::default());
    if let Some(throttle) = &plan.throttle {
        check_throttle(throttle)?;
    }
    let stages = plan.api_stages.iter().flatten();
    stages.flat_map(|stage| stage.throttle.iter().flatten()).try_for_each(|(_, throttle)| check_throttle(throttle))?;
    if let Some(quota) = &mut plan.quota {
        let limit = quota.limit.unwrap_or_default();
        if limit <= 0 || quota.period.is_none() {
            return Err(bad("Usage Plan quota requires a limit greater than 0 and a period of DAY, WEEK or MONTH"));
        }
        let offset = *quota.offset.get_or_insert(0);
        if !(0..limit).contains(&offset) {
            return Err(bad("Usage Plan quota offset must be between 0 and the limit"));
        }
    }
    Ok(plan)
}

fn check_throttle(throttle: &ThrottleSettings) -> Result<(), Error> {
    if throttle.burst_limit.is_some_and(|burst| burst < 0) {
        return Err(bad("Usage Plan burst limit must be greater than or equal to 0"));
    }
    if throttle.rate_limit.is_some_and(|rate| rate.is_nan() || rate < 0.0) {
        return Err(bad("Usage Plan rate limit must be greater than or equal to 0"));
    }
    Ok(())
}

/// One change of a plan. Whether the whole is good is checked after all.
pub(crate) fn apply(plan: &mut UsagePlan, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["name"] => plan.name = change.text().unwrap_or_default(),
        ["description"] => change.set(&mut plan.description),
        ["productCode"] => change.set(&mut plan.product_code),
        ["throttle", rest @ ..] => change_throttle(&mut plan.throttle, change, rest)?,
        ["quota", rest @ ..] => change_quota(plan, change, rest)?,
        ["apiStages"] => change_stages(plan, change)?,
        ["apiStages", stage, "throttle", rest @ ..] => {
            let (api_id, name) = stage.split_once(':').ok_or_else(|| bad_path(&change.path))?;
            let stages = plan.api_stages.get_or_insert_default();
            let stage = stages.iter_mut().find(|one| is(one, api_id, name));
            let stage = stage.ok_or_else(|| no_stage(api_id, name, &plan.id))?;
            change_method_throttle(stage, change, rest)?;
        }
        _ => return Err(change.unknown()),
    }
    Ok(())
}

fn is(stage: &ApiStage, api_id: &str, name: &str) -> bool {
    stage.api_id.as_deref() == Some(api_id) && stage.stage.as_deref() == Some(name)
}

/// Stages are named in the value: `{api}:{stage}`.
fn change_stages(plan: &mut UsagePlan, change: &Change) -> Result<(), Error> {
    let value = change.text().unwrap_or_default();
    let Some((api_id, name)) = value.split_once(':') else {
        return Err(bad("Invalid API Stage specified"));
    };
    let stages = plan.api_stages.get_or_insert_default();
    let at = stages.iter().position(|one| is(one, api_id, name));
    match (change.op, at) {
        (Op::Add, None) => {
            let (api_id, stage) = (Some(api_id.to_owned()), Some(name.to_owned()));
            stages.push(ApiStage { api_id, stage, throttle: None });
        }
        (Op::Add, Some(_)) => {}
        (Op::Remove, Some(at)) => _ = stages.remove(at),
        (Op::Remove, None) => return Err(no_stage(api_id, name, &plan.id)),
        _ => change.only(&[Op::Add, Op::Remove])?,
    }
    Ok(())
}

fn change_throttle(throttle: &mut Option<ThrottleSettings>, change: &Change, parts: &[&str]) -> Result<(), Error> {
    let removes = change.op == Op::Remove;
    match parts {
        [] if removes => *throttle = None,
        ["rateLimit"] => {
            let rate = if removes { None } else { Some(change.number()?) };
            throttle.get_or_insert_default().rate_limit = rate;
        }
        ["burstLimit"] => {
            let burst = if removes { None } else { Some(change.number()?) };
            throttle.get_or_insert_default().burst_limit = burst;
        }
        _ => return Err(change.unknown()),
    }
    Ok(())
}

fn change_quota(plan: &mut UsagePlan, change: &Change, parts: &[&str]) -> Result<(), Error> {
    let quota = plan.quota.get_or_insert_default();
    match parts {
        [] if change.op == Op::Remove => plan.quota = None,
        ["limit"] => quota.limit = Some(change.number()?),
        ["offset"] => quota.offset = Some(change.number()?),
        ["period"] => {
            let words = "Invalid QuotaPeriodType specified. Valid options are DAY,WEEK,MONTH";
            let period = change.text().and_then(|text| of_text::<QuotaPeriodType>(&text));
            quota.period = Some(period.ok_or_else(|| bad(words))?);
        }
        _ => return Err(change.unknown()),
    }
    Ok(())
}

/// The throttle of one method: `{path}/{HTTP method}` with `~1` for slashes; or of all, as JSON.
fn change_method_throttle(stage: &mut ApiStage, change: &Change, parts: &[&str]) -> Result<(), Error> {
    let removes = change.op == Op::Remove;
    match parts {
        [] if removes => stage.throttle = None,
        [] => {
            let words = || bad(format!("Invalid value specified for path {}", change.path));
            let value = change.text().ok_or_else(words)?;
            stage.throttle = Some(serde_json::from_str(&value).map_err(|_| words())?);
        }
        [method] if removes => {
            if let Some(methods) = &mut stage.throttle {
                methods.remove(*method);
            }
        }
        [path @ .., setting @ ("rateLimit" | "burstLimit")] if !path.is_empty() => {
            let methods = stage.throttle.get_or_insert_default();
            let key = path.join("/");
            let mut throttle = methods.get(&key).copied();
            change_throttle(&mut throttle, change, &[setting])?;
            match throttle.filter(|throttle| *throttle != ThrottleSettings::default()) {
                Some(throttle) => _ = methods.insert(key, throttle),
                None => _ = methods.remove(&key),
            }
        }
        _ => return Err(change.unknown()),
    }
    stage.throttle = stage.throttle.take().filter(|methods| !methods.is_empty());
    Ok(())
}
