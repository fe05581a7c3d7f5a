//! Usage plans, their keys, and what was used.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::change::{Id, now};
use crate::rest::error::{bad, conflict, missing};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::plan;
use crate::rest::records::{
    API_KEYS, ApiKey, ApiStage, Home, Mark, QuotaSettings, Texts, ThrottleSettings, USAGE, USAGE_PLAN_KEYS,
    USAGE_PLANS, UsageDay, UsagePlan, UsagePlanKey,
};
use crate::rest::{tags, usage};

/// Most days that one request may ask for.
const DAYS_MAX: i64 = 366;

/// Makes a usage plan.
#[derive(Shape)]
#[shape(name = "CreateUsagePlanRequest", rename_all = "camelCase")]
pub struct CreateUsagePlan {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The stages.
    pub api_stages: Option<Vec<ApiStage>>,
    /// How fast.
    pub throttle: Option<ThrottleSettings>,
    /// How often.
    pub quota: Option<QuotaSettings>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGateway> for CreateUsagePlan {
    const META: Meta = Meta::write("CreateUsagePlan").http("POST", "/usageplans").status(201);
    type Output = UsagePlan;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlan, Error> {
        tags::check(self.tags.as_ref())?;
        let made = plan::checked(UsagePlan {
            id: Id::Part.draw(),
            name: self.name,
            description: self.description,
            api_stages: Some(self.api_stages.unwrap_or_default()),
            throttle: self.throttle,
            quota: self.quota,
            product_code: None,
            tags: self.tags.filter(|tags| !tags.is_empty()),
        })?;
        let home = Home::of(cx);
        gateway
            .change_home(move |tx| {
                for stage in made.api_stages.iter().flatten() {
                    usage::check_stage(tx, &home, stage, None)?;
                }
                tx.put(USAGE_PLANS, &home.below(&made.id), &made)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Shows a usage plan.
#[derive(Shape)]
#[shape(name = "GetUsagePlanRequest", rename_all = "camelCase")]
pub struct GetUsagePlan {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
}

impl Operation<ApiGateway> for GetUsagePlan {
    const META: Meta = Meta::read("GetUsagePlan").http("GET", "/usageplans/{usageplanId}");
    type Output = UsagePlan;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlan, Error> {
        let mut found = gateway.found(USAGE_PLANS, Home::of(cx).below(&self.usage_plan_id), usage::no_plan).await?;
        found.tags.get_or_insert_default();
        Ok(found)
    }
}

/// Lists usage plans, or those that a key has.
#[derive(Shape)]
#[shape(name = "GetUsagePlansRequest", rename_all = "camelCase")]
pub struct GetUsagePlans {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// The key.
    #[shape(query = "keyId")]
    pub key_id: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetUsagePlans {
    const META: Meta = Meta::read("GetUsagePlans").http("GET", "/usageplans");
    type Output = UsagePlans;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlans, Error> {
        let home = Home::of(cx);
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = match &self.key_id {
            None => gateway.page(USAGE_PLANS, home.all(), position, limit).await?,
            Some(key_id) => {
                let plans = gateway.store.scan(USAGE_PLAN_KEYS, home.all()).await.map_err(Failure::from)?;
                let parts = plans.iter().filter_map(|(key, _)| key.parts::<(String, String, String, String)>());
                let of_key: Vec<String> = parts.filter(|parts| parts.3 == *key_id).map(|parts| parts.2).collect();
                let wanted = |plan: &UsagePlan| of_key.contains(&plan.id);
                gateway.page_of(USAGE_PLANS, home.all(), position, limit, wanted).await?
            }
        };
        Ok(UsagePlans { position, items })
    }
}

/// A page of usage plans.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct UsagePlans {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<UsagePlan>,
}

/// Deletes a usage plan that has no stages.
#[derive(Shape)]
#[shape(name = "DeleteUsagePlanRequest", rename_all = "camelCase")]
pub struct DeleteUsagePlan {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
}

impl Operation<ApiGateway> for DeleteUsagePlan {
    const META: Meta = Meta::write("DeleteUsagePlan").http("DELETE", "/usageplans/{usageplanId}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (home, id) = (Home::of(cx), self.usage_plan_id);
        gateway
            .change_home(move |tx| {
                let plan = tx.get(USAGE_PLANS, &home.below(&id))?.ok_or_else(usage::no_plan)?;
                if plan.api_stages.is_some_and(|stages| !stages.is_empty()) {
                    let words =
                        format!("Cannot delete Usage Plan {id} because there are API Stages associated with it");
                    return Err(bad(words).into());
                }
                tx.delete(USAGE_PLANS, &home.below(&id))?;
                tx.delete_range(USAGE_PLAN_KEYS, home.all_below(&id))?;
                tx.delete_range(USAGE, home.all_below(&id))?;
                Ok(())
            })
            .await
    }
}

/// Changes a usage plan.
#[derive(Shape)]
#[shape(name = "UpdateUsagePlanRequest", rename_all = "camelCase")]
pub struct UpdateUsagePlan {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateUsagePlan {
    const META: Meta = Meta::write("UpdateUsagePlan").http("PATCH", "/usageplans/{usageplanId}");
    type Output = UsagePlan;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlan, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (home, id) = (Home::of(cx), self.usage_plan_id);
        let mut changed = gateway
            .change_usage(move |tx| {
                let old = tx.get(USAGE_PLANS, &home.below(&id))?.ok_or_else(usage::no_plan)?;
                let mut new = old.clone();
                for change in &changes {
                    plan::apply(&mut new, change)?;
                }
                let new = plan::checked(new)?;
                for stage in new.api_stages.iter().flatten() {
                    usage::check_stage(tx, &home, stage, Some(&id))?;
                }
                let keys = usage::keys_of(tx, &home, &id)?;
                usage::unbind(tx, &home, &old, &keys)?;
                usage::bind(tx, &home, &new, &keys)?;
                tx.put(USAGE_PLANS, &home.below(&id), &new)?;
                let api_ids = usage::apis_of(&old).into_iter().chain(usage::apis_of(&new)).collect();
                Ok((new, api_ids))
            })
            .await?;
        changed.tags.get_or_insert_default();
        Ok(changed)
    }
}

/// A key of a plan as it is shown.
fn shown(key: ApiKey) -> UsagePlanKey {
    UsagePlanKey { id: key.id, r#type: "API_KEY".to_owned(), value: key.value, name: key.name }
}

fn no_plan_key() -> Error {
    missing("Invalid Usage Plan Key identifier specified")
}

/// Lets a key use a plan's stages.
#[derive(Shape)]
#[shape(name = "CreateUsagePlanKeyRequest", rename_all = "camelCase")]
pub struct CreateUsagePlanKey {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// The key.
    pub key_id: String,
    /// `API_KEY`.
    pub key_type: String,
}

impl Operation<ApiGateway> for CreateUsagePlanKey {
    const META: Meta = Meta::write("CreateUsagePlanKey").http("POST", "/usageplans/{usageplanId}/keys").status(201);
    type Output = UsagePlanKey;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlanKey, Error> {
        if self.key_type != "API_KEY" {
            return Err(bad(format!("Usage plan key type must be API_KEY, not {}", self.key_type)));
        }
        let (home, plan_id, key_id) = (Home::of(cx), self.usage_plan_id, self.key_id);
        gateway
            .change_usage(move |tx| {
                let plan = tx.get(USAGE_PLANS, &home.below(&plan_id))?.ok_or_else(usage::no_plan)?;
                let key = tx.get(API_KEYS, &home.below(&key_id))?.ok_or_else(usage::no_key)?;
                let at = home.deep(&plan_id, &key_id);
                if tx.exists(USAGE_PLAN_KEYS, &at)? {
                    let words = format!("Usage Plan Key already exists: {key_id} is in Usage Plan {plan_id}");
                    return Err(conflict(words).into());
                }
                usage::bind(tx, &home, &plan, std::slice::from_ref(&key_id))?;
                tx.put(USAGE_PLAN_KEYS, &at, &Mark {})?;
                Ok((shown(key), usage::apis_of(&plan)))
            })
            .await
    }
}

/// Shows a key of a plan.
#[derive(Shape)]
#[shape(name = "GetUsagePlanKeyRequest", rename_all = "camelCase")]
pub struct GetUsagePlanKey {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// The key.
    #[shape(label)]
    pub key_id: String,
}

impl Operation<ApiGateway> for GetUsagePlanKey {
    const META: Meta = Meta::read("GetUsagePlanKey").http("GET", "/usageplans/{usageplanId}/keys/{keyId}");
    type Output = UsagePlanKey;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlanKey, Error> {
        let home = Home::of(cx);
        gateway.found(USAGE_PLANS, home.below(&self.usage_plan_id), usage::no_plan).await?;
        gateway.found(USAGE_PLAN_KEYS, home.deep(&self.usage_plan_id, &self.key_id), no_plan_key).await?;
        gateway.found(API_KEYS, home.below(&self.key_id), no_plan_key).await.map(shown)
    }
}

/// Lists a plan's keys.
#[derive(Shape)]
#[shape(name = "GetUsagePlanKeysRequest", rename_all = "camelCase")]
pub struct GetUsagePlanKeys {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
    /// What the name begins with.
    #[shape(query = "name")]
    pub name_query: Option<String>,
}

impl Operation<ApiGateway> for GetUsagePlanKeys {
    const META: Meta = Meta::read("GetUsagePlanKeys").http("GET", "/usageplans/{usageplanId}/keys");
    type Output = UsagePlanKeys;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<UsagePlanKeys, Error> {
        let home = Home::of(cx);
        gateway.found(USAGE_PLANS, home.below(&self.usage_plan_id), usage::no_plan).await?;
        let marks = gateway.store.scan(USAGE_PLAN_KEYS, home.all_below(&self.usage_plan_id)).await;
        let ids: std::collections::BTreeSet<String> =
            marks.map_err(Failure::from)?.iter().map(|(key, _)| crate::rest::api::last(key)).collect();
        let name = self.name_query;
        let wanted = |key: &ApiKey| {
            let named = name.as_deref().is_none_or(|name| key.name.as_deref().unwrap_or_default().starts_with(name));
            named && ids.contains(&key.id)
        };
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page_of(API_KEYS, home.all(), position, limit, wanted).await?;
        Ok(UsagePlanKeys { position, items: items.into_iter().map(shown).collect() })
    }
}

/// A page of a plan's keys.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct UsagePlanKeys {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<UsagePlanKey>,
}

/// Takes a plan's stages from a key.
#[derive(Shape)]
#[shape(name = "DeleteUsagePlanKeyRequest", rename_all = "camelCase")]
pub struct DeleteUsagePlanKey {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// The key.
    #[shape(label)]
    pub key_id: String,
}

impl Operation<ApiGateway> for DeleteUsagePlanKey {
    const META: Meta =
        Meta::write("DeleteUsagePlanKey").http("DELETE", "/usageplans/{usageplanId}/keys/{keyId}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (home, plan_id, key_id) = (Home::of(cx), self.usage_plan_id, self.key_id);
        gateway
            .change_usage(move |tx| {
                let plan = tx.get(USAGE_PLANS, &home.below(&plan_id))?.ok_or_else(usage::no_plan)?;
                let at = home.deep(&plan_id, &key_id);
                if !tx.exists(USAGE_PLAN_KEYS, &at)? {
                    return Err(no_plan_key().into());
                }
                usage::unbind(tx, &home, &plan, std::slice::from_ref(&key_id))?;
                tx.delete(USAGE_PLAN_KEYS, &at)?;
                Ok(((), usage::apis_of(&plan)))
            })
            .await
    }
}

/// What keys used of a plan's quota.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct Usage {
    /// The plan.
    pub usage_plan_id: String,
    /// The first day.
    pub start_date: String,
    /// The last day.
    pub end_date: String,
    /// Where the page ended, if more follows.
    pub position: Option<String>,
    /// By key, for each day: how many requests it made, and how many it still might.
    #[shape(name = "values")]
    pub items: BTreeMap<String, Vec<Vec<i64>>>,
}

/// Shows what keys used of a plan's quota, day by day.
#[derive(Shape)]
#[shape(name = "GetUsageRequest", rename_all = "camelCase")]
pub struct GetUsage {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// The key.
    #[shape(query = "keyId")]
    pub key_id: Option<String>,
    /// The first day.
    #[shape(query = "startDate")]
    pub start_date: String,
    /// The last day.
    #[shape(query = "endDate")]
    pub end_date: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetUsage {
    const META: Meta = Meta::read("GetUsage").http("GET", "/usageplans/{usageplanId}/usage");
    type Output = Usage;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Usage, Error> {
        gateway.write_usage().await?;
        let (first, last) = (usage::read_day(&self.start_date)?, usage::read_day(&self.end_date)?);
        if last < first || (last.millis() - first.millis()) / usage::DAY_MS >= DAYS_MAX {
            return Err(bad("Invalid date range specified: startDate must not be after endDate, nor a year before it"));
        }
        let (home, plan_id) = (Home::of(cx), self.usage_plan_id.clone());
        let (key_id, position, limit) = (self.key_id, self.position, self.limit);
        let read = gateway.store.rehearse(move |tx| {
            let plan = tx.get(USAGE_PLANS, &home.below(&plan_id))?.ok_or_else(usage::no_plan)?;
            let mut keys = usage::keys_of(tx, &home, &plan_id)?;
            keys.retain(|key| key_id.as_ref().is_none_or(|wanted| wanted == key));
            let (keys, position) = crate::rest::paging::page_of_made(keys, position.as_deref(), limit)?;
            let mut items = BTreeMap::new();
            for key in keys {
                let days = usage::days(tx, &home, &plan, &key, first, last)?;
                items.insert(key, days);
            }
            Ok::<_, Failure>((items, position))
        });
        let (items, position) = read.await?;
        let (start_date, end_date) = (self.start_date, self.end_date);
        Ok(Usage { usage_plan_id: self.usage_plan_id, start_date, end_date, position, items })
    }
}

const USAGE_PATHS: Paths = Paths::replaced(&["/remaining"]);

/// Says how much of the present period's quota a key still has.
#[derive(Shape)]
#[shape(name = "UpdateUsageRequest", rename_all = "camelCase")]
pub struct UpdateUsage {
    /// The usage plan.
    #[shape(label, name = "usageplanId")]
    pub usage_plan_id: String,
    /// The key.
    #[shape(label)]
    pub key_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateUsage {
    const META: Meta = Meta::write("UpdateUsage").http("PATCH", "/usageplans/{usageplanId}/keys/{keyId}/usage");
    type Output = Usage;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Usage, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (home, plan_id, key_id) = (Home::of(cx), self.usage_plan_id.clone(), self.key_id);
        let today = usage::period_start(crate::rest::records::QuotaPeriodType::Day, now(cx));
        let changed = gateway.change_usage(move |tx| {
            let plan = tx.get(USAGE_PLANS, &home.below(&plan_id))?.ok_or_else(usage::no_plan)?;
            if !tx.exists(USAGE_PLAN_KEYS, &home.deep(&plan_id, &key_id))? {
                return Err(no_plan_key().into());
            }
            if plan.quota.is_none() {
                return Err(bad(format!("Usage Plan {plan_id} does not have a quota")).into());
            }
            for change in &changes {
                USAGE_PATHS.check(change)?;
                let at = usage::usage_key(&home, &plan_id, &key_id, today);
                let used = tx.get(USAGE, &at)?.map_or(0, |day| day.used);
                let remaining = change.number::<i64>()?;
                tx.put(USAGE, &at, &UsageDay { used, remaining })?;
            }
            let days = usage::days(tx, &home, &plan, &key_id, today, today)?;
            Ok((BTreeMap::from([(key_id.clone(), days)]), usage::apis_of(&plan)))
        });
        let (items, day) = (changed.await?, usage::day_text(today));
        let (start_date, end_date) = (day.clone(), day);
        Ok(Usage { usage_plan_id: self.usage_plan_id, start_date, end_date, position: None, items })
    }
}
