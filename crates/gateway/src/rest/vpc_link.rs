//! VPC links: which an integration may name, and who uses one.

use store::Tx;

use super::error::bad;
use super::records::{Api, Home, Integration, REST_APIS, STAGES, Stage, Texts, VPC_LINKS};
use super::snapshot::Snapshot;
use super::stage::with_variables;
use crate::Failure;

/// Refuses an integration through a link that is not there, as version 2 does. What a stage variable names is known to stages alone.
pub(crate) fn check(tx: &Tx<'_>, home: &Home, integration: &Integration) -> Result<(), Failure> {
    let Some(link) = integration.connection_id.as_deref().filter(|link| !link.starts_with("${")) else { return Ok(()) };
    match link.is_empty() || tx.exists(VPC_LINKS, &home.below(link))? {
        true => Ok(()),
        false => Err(bad(format!("Invalid VpcLink identifier specified {link}")).into()),
    }
}

/// The methods of deployed stages that lead through a link, as AWS's refusal names them: `api:GET:resource:stage`.
pub(crate) fn users(tx: &Tx<'_>, home: &Home, link_id: &str) -> Result<Vec<String>, Failure> {
    let mut users = Vec::new();
    for (_, api) in tx.scan(REST_APIS, home.all())? {
        let at = home.api(&api.id);
        for (_, stage) in tx.scan(STAGES, at.all())? {
            users.extend(users_in(tx, &at, &stage.shown, link_id)?);
        }
    }
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

fn users_in(tx: &Tx<'_>, at: &Api, stage: &Stage, link_id: &str) -> Result<Vec<String>, Failure> {
    let mut users = Vec::new();
    let canary = stage.canary_settings.as_ref();
    let canary = canary.map(|canary| (&canary.deployment_id, canary.variables(stage.variables.as_ref())));
    for (deployment_id, variables) in [(&stage.deployment_id, stage.variables.clone())].into_iter().chain(canary) {
        let snapshot = Snapshot::of_deployment(tx, at, deployment_id)?.unwrap_or_default();
        let methods = methods_through(&snapshot, variables.as_ref(), link_id);
        users.extend(methods.map(|(verb, resource_id)| format!("{}:{verb}:{resource_id}:{}", at.id, stage.stage_name)));
    }
    Ok(users)
}

/// Names of methods with their resources' ids.
fn methods_through<'s>(
    snapshot: &'s Snapshot,
    variables: Option<&'s Texts>,
    link_id: &'s str,
) -> impl Iterator<Item = (&'s str, &'s str)> {
    snapshot.resources.iter().flat_map(move |resource| {
        let methods = resource.resource_methods.iter().flatten().filter(move |(_, method)| {
            let link = method.method_integration.as_ref().and_then(|one| one.connection_id.as_deref());
            link.is_some_and(|link| with_variables(link, variables) == link_id)
        });
        methods.map(|(verb, _)| (verb.as_str(), resource.id.as_str()))
    })
}
