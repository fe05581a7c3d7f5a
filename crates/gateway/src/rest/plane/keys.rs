//! API keys of REST APIs: where a request has its key, and how it is refused without one that may be.

use super::Visit;
use super::live::LiveMethod;
use super::refusal::Refusal;
use crate::edge::keys::{KeyedStage, Ruling, not_needed};
use crate::rest::records::{ApiKeySourceType, GatewayResponseType as Case};

/// Lets a request in if it has a key where it needs one, and the key's plan allows it now.
pub(super) async fn check(visit: &mut Visit<'_>, method: &LiveMethod) -> Result<(), Refusal> {
    let http_method = &method.declared.http_method;
    if !method.declared.api_key_required {
        visit.log.info(|| {
            let path = visit.context.get("resourcePath").unwrap_or_default();
            not_needed(&format!("method '{http_method} {path}'"))
        });
        return Ok(());
    }
    let value = match visit.serving.api.api_key_source {
        ApiKeySourceType::Header => visit.asked.header("x-api-key").map(std::borrow::Cow::into_owned),
        ApiKeySourceType::Authorizer => visit.usage_key.clone(),
    };
    let gateway = visit.gateway;
    let stage = KeyedStage { api: &visit.stage.api, name: &visit.stage.name };
    let known = gateway.find_key(&mut visit.log, &visit.cx, stage, value.as_deref()).await;
    let Some((value, known)) = value.zip(known.map_err(Refusal::unread)?) else {
        return Err(Refusal::new(Case::InvalidApiKey, "Forbidden"));
    };
    visit.context.set("identity.apiKey", value);
    visit.context.set("identity.apiKeyId", known.id.clone());
    let name = format!("{}/{http_method}", visit.context.get("resourcePath").unwrap_or_default());
    let ruling = gateway.spend(&mut visit.log, &visit.cx, stage, &known, Some(&name)).await;
    match ruling.map_err(Refusal::unread)? {
        Ruling::Admitted => Ok(()),
        Ruling::Throttled => Err(Refusal::new(Case::Throttled, "Too Many Requests")),
        Ruling::UsedUp => Err(Refusal::new(Case::QuotaExceeded, "Limit Exceeded")),
    }
}
