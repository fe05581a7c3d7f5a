//! API keys.

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::api::checked_custom_id;
use crate::rest::change::{Id, now};
use crate::rest::csv;
use crate::rest::error::{bad, conflict};
use crate::rest::patch::{self, Change, Op, PatchOperation, Paths};
use crate::rest::records::{
    API_KEY_VALUES, API_KEYS, ApiKey, Home, Mark, StageKey, Text, Texts, USAGE_PLAN_KEYS, USAGE_PLANS,
};
use crate::rest::tags;
use crate::rest::usage::{self, no_key};

/// Characters of a value that AWS draws.
const VALUE_CHARACTERS: usize = 40;
/// AWS's bounds of values that users choose.
const VALUE_CHARACTERS_MIN: usize = 20;
const VALUE_CHARACTERS_MAX: usize = 128;
/// AWS's longest name.
const NAME_CHARACTERS_MAX: usize = 1_024;

/// Makes a key.
#[derive(Shape)]
#[shape(name = "CreateApiKeyRequest", rename_all = "camelCase")]
pub struct CreateApiKey {
    /// Its name.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether callers may use it.
    pub enabled: Option<bool>,
    /// Whether the id differs from the value.
    pub generate_distinct_id: Option<bool>,
    /// The key itself; a fresh one if it is absent.
    #[shape(sensitive)]
    pub value: Option<String>,
    /// Stages that it may be used with.
    pub stage_keys: Option<Vec<StageKey>>,
    /// Whose customer's it is.
    pub customer_id: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGateway> for CreateApiKey {
    const META: Meta = Meta::write("CreateApiKey").http("POST", "/apikeys").status(201);
    type Output = ApiKey;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ApiKey, Error> {
        tags::check(self.tags.as_ref())?;
        let custom = tags::custom_id(self.tags.as_ref()).map(checked_custom_id).transpose()?.map(str::to_owned);
        let value = match self.value.filter(|value| !value.is_empty()) {
            Some(value) => checked_value(value)?,
            None => base::id::lower_alphanumeric(VALUE_CHARACTERS),
        };
        let same = self.generate_distinct_id == Some(false);
        let stage_keys =
            self.stage_keys.unwrap_or_default().into_iter().map(|stage| {
                format!("{}/{}", stage.rest_api_id.unwrap_or_default(), stage.stage_name.unwrap_or_default())
            });
        let made = ApiKey {
            id: custom.unwrap_or_else(|| if same { value.clone() } else { Id::Api.draw() }),
            value: Some(value),
            name: self.name,
            customer_id: self.customer_id,
            description: self.description,
            enabled: self.enabled.unwrap_or(false),
            created_date: now(cx),
            last_updated_date: now(cx),
            stage_keys: stage_keys.collect(),
            tags: self.tags.filter(|tags| !tags.is_empty()),
        };
        check_name(made.name.as_deref())?;
        let home = Home::of(cx);
        gateway
            .change_home(move |tx| {
                put_new(tx, &home, &made)?;
                Ok(made.clone())
            })
            .await
    }
}

fn checked_value(value: String) -> Result<String, Error> {
    let characters = value.chars().count();
    if characters < VALUE_CHARACTERS_MIN {
        return Err(bad("API Key value should be at least 20 characters"));
    }
    if characters > VALUE_CHARACTERS_MAX {
        return Err(bad("API Key value should be at most 128 characters"));
    }
    Ok(value)
}

fn check_name(name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) if name.chars().count() > NAME_CHARACTERS_MAX => {
            Err(bad(format!("API Key name should be at most {NAME_CHARACTERS_MAX} characters")))
        }
        _ => Ok(()),
    }
}

fn put_new(tx: &mut Tx<'_>, home: &Home, made: &ApiKey) -> Result<(), Failure> {
    let value = home.below(made.value.as_deref().unwrap_or_default());
    if tx.exists(API_KEY_VALUES, &value)? || tx.exists(API_KEYS, &home.below(&made.id))? {
        return Err(conflict("API Key already exists").into());
    }
    tx.put(API_KEY_VALUES, &value, &Text(made.id.clone()))?;
    Ok(tx.put(API_KEYS, &home.below(&made.id), made)?)
}

/// A key as it is shown: the key itself only where it is asked for.
fn shown(mut key: ApiKey, with_value: Option<bool>) -> ApiKey {
    if !with_value.unwrap_or(false) {
        key.value = None;
    }
    key
}

/// Shows a key.
#[derive(Shape)]
#[shape(name = "GetApiKeyRequest", rename_all = "camelCase")]
pub struct GetApiKey {
    /// The key.
    #[shape(label, name = "api_Key")]
    pub api_key: String,
    /// Whether to show the key itself.
    #[shape(query = "includeValue")]
    pub include_value: Option<bool>,
}

impl Operation<ApiGateway> for GetApiKey {
    const META: Meta = Meta::read("GetApiKey").http("GET", "/apikeys/{api_Key}");
    type Output = ApiKey;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ApiKey, Error> {
        let mut found = gateway.found(API_KEYS, Home::of(cx).below(&self.api_key), no_key).await?;
        found.tags.get_or_insert_default();
        Ok(shown(found, self.include_value))
    }
}

/// A page of keys.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct ApiKeys {
    /// What an import found.
    pub warnings: Option<Vec<String>>,
    /// Where the page ended, if more follows.
    pub position: Option<String>,
    /// The keys.
    #[shape(name = "item")]
    pub items: Vec<ApiKey>,
}

/// Lists keys.
#[derive(Shape)]
#[shape(name = "GetApiKeysRequest", rename_all = "camelCase")]
pub struct GetApiKeys {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
    /// What the name begins with.
    #[shape(query = "name")]
    pub name_query: Option<String>,
    /// Whose customer's it is.
    #[shape(query = "customerId")]
    pub customer_id: Option<String>,
    /// Whether to show the keys themselves.
    #[shape(query = "includeValues")]
    pub include_values: Option<bool>,
}

impl Operation<ApiGateway> for GetApiKeys {
    const META: Meta = Meta::read("GetApiKeys").http("GET", "/apikeys");
    type Output = ApiKeys;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ApiKeys, Error> {
        let (name, customer) = (self.name_query, self.customer_id);
        let wanted = |key: &ApiKey| {
            let named = name.as_deref().is_none_or(|name| key.name.as_deref().unwrap_or_default().starts_with(name));
            named && customer.as_ref().is_none_or(|customer| key.customer_id.as_ref() == Some(customer))
        };
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page_of(API_KEYS, Home::of(cx).all(), position, limit, wanted).await?;
        let items = items.into_iter().map(|key| shown(key, self.include_values)).collect();
        Ok(ApiKeys { warnings: None, position, items })
    }
}

/// Deletes a key, and takes it from its usage plans.
#[derive(Shape)]
#[shape(name = "DeleteApiKeyRequest", rename_all = "camelCase")]
pub struct DeleteApiKey {
    /// The key.
    #[shape(label, name = "api_Key")]
    pub api_key: String,
}

impl Operation<ApiGateway> for DeleteApiKey {
    const META: Meta = Meta::write("DeleteApiKey").http("DELETE", "/apikeys/{api_Key}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (home, id) = (Home::of(cx), self.api_key);
        gateway
            .change_usage(move |tx| {
                let key = tx.get(API_KEYS, &home.below(&id))?.ok_or_else(no_key)?;
                let mut api_ids = Vec::new();
                for (_, plan) in tx.scan(USAGE_PLANS, home.all())? {
                    let at = home.deep(&plan.id, &id);
                    if tx.exists(USAGE_PLAN_KEYS, &at)? {
                        usage::unbind(tx, &home, &plan, std::slice::from_ref(&id))?;
                        tx.delete(USAGE_PLAN_KEYS, &at)?;
                        api_ids.extend(usage::apis_of(&plan));
                    }
                }
                tx.delete(API_KEY_VALUES, &home.below(key.value.as_deref().unwrap_or_default()))?;
                tx.delete(API_KEYS, &home.below(&id))?;
                Ok(((), api_ids))
            })
            .await
    }
}

const PATHS: Paths = Paths {
    add: &["/stages", "/labels"],
    remove: &["/stages", "/labels"],
    replace: &["/name", "/description", "/enabled", "/customerId", "/value"],
};

/// Changes a key.
#[derive(Shape)]
#[shape(name = "UpdateApiKeyRequest", rename_all = "camelCase")]
pub struct UpdateApiKey {
    /// The key.
    #[shape(label, name = "api_Key")]
    pub api_key: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateApiKey {
    const META: Meta = Meta::write("UpdateApiKey").http("PATCH", "/apikeys/{api_Key}");
    type Output = ApiKey;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ApiKey, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (home, id, now) = (Home::of(cx), self.api_key, now(cx));
        let changed = gateway
            .change_usage(move |tx| {
                let mut key = tx.get(API_KEYS, &home.below(&id))?.ok_or_else(no_key)?;
                let old_value = key.value.clone().unwrap_or_default();
                for change in &changes {
                    PATHS.check(change)?;
                    apply(&mut key, change)?;
                }
                check_name(key.name.as_deref())?;
                let value = key.value.clone().unwrap_or_default();
                if value != old_value {
                    if tx.exists(API_KEY_VALUES, &home.below(&value))? {
                        return Err(conflict("API Key already exists").into());
                    }
                    tx.delete(API_KEY_VALUES, &home.below(&old_value))?;
                    tx.put(API_KEY_VALUES, &home.below(&value), &Text(id.clone()))?;
                }
                key.last_updated_date = now;
                tx.put(API_KEYS, &home.below(&id), &key)?;
                let api_ids = apis_of_key(tx, &home, &id)?;
                Ok((key, api_ids))
            })
            .await?;
        let mut changed = shown(changed, None);
        changed.tags.get_or_insert_default();
        Ok(changed)
    }
}

/// The APIs that a key may use.
fn apis_of_key(tx: &Tx<'_>, home: &Home, key_id: &str) -> Result<Vec<String>, Failure> {
    let mut api_ids = Vec::new();
    for (_, plan) in tx.scan(USAGE_PLANS, home.all())? {
        if tx.exists(USAGE_PLAN_KEYS, &home.deep(&plan.id, key_id))? {
            api_ids.extend(usage::apis_of(&plan));
        }
    }
    Ok(api_ids)
}

fn apply(key: &mut ApiKey, change: &Change) -> Result<(), Error> {
    match change.path.as_str() {
        "/name" => change.set(&mut key.name),
        "/description" => change.set(&mut key.description),
        "/customerId" => change.set(&mut key.customer_id),
        "/enabled" => key.enabled = change.flag(),
        "/value" => key.value = Some(checked_value(change.text().unwrap_or_default())?),
        _ => {
            let stage = change.text().ok_or_else(|| bad("Invalid stage specified"))?;
            key.stage_keys.retain(|one| *one != stage);
            if change.op == Op::Add {
                key.stage_keys.push(stage);
            }
        }
    }
    Ok(())
}

/// What was imported.
#[derive(Shape, Default)]
#[shape(rename_all = "camelCase")]
pub struct ApiKeyIds {
    /// The ids of the keys.
    pub ids: Vec<String>,
    /// Lines that were left out, and why.
    pub warnings: Vec<String>,
}

/// Formats of key files.
#[derive(Shape, Clone, Copy, Debug)]
pub enum ApiKeysFormat {
    /// Lines with commas; the first one names the columns.
    #[shape(value = "csv")]
    Csv,
}

/// Makes keys out of a file with lines of names, values and usage plans.
#[derive(Shape)]
#[shape(name = "ImportApiKeysRequest", rename_all = "camelCase")]
pub struct ImportApiKeys {
    /// The document.
    #[shape(payload)]
    pub body: Bytes,
    /// Its format.
    #[shape(query = "format")]
    pub format: ApiKeysFormat,
    /// Whether a warning is a failure.
    #[shape(query = "failonwarnings")]
    pub fail_on_warnings: Option<bool>,
}

impl Operation<ApiGateway> for ImportApiKeys {
    const META: Meta = Meta::write("ImportApiKeys").http("POST", "/apikeys?mode=import").status(201);
    type Output = ApiKeyIds;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ApiKeyIds, Error> {
        let ApiKeysFormat::Csv = self.format;
        let (rows, strict) = (csv::keys(&self.body)?, self.fail_on_warnings.unwrap_or(false));
        let (home, now) = (Home::of(cx), now(cx));
        gateway
            .change_usage(move |tx| {
                let (mut done, mut api_ids) = (ApiKeyIds::default(), Vec::new());
                for row in &rows {
                    match import(tx, &home, row, now) {
                        Ok((id, of_plans)) => {
                            done.ids.push(id);
                            api_ids.extend(of_plans);
                        }
                        Err(Failure::Aws(error)) if !strict => done.warnings.push(error.message),
                        Err(failure) => return Err(failure),
                    }
                }
                Ok((done, api_ids))
            })
            .await
    }
}

/// Makes the key of one line, and gives it to its plans: all or nothing.
fn import(
    tx: &mut Tx<'_>,
    home: &Home,
    row: &csv::KeyRow,
    now: base::Timestamp,
) -> Result<(String, Vec<String>), Failure> {
    let value = checked_value(row.value.clone())?;
    let made = ApiKey {
        id: Id::Api.draw(),
        value: Some(value),
        name: Some(row.name.clone()),
        description: row.description.clone(),
        enabled: row.enabled,
        created_date: now,
        last_updated_date: now,
        ..ApiKey::default()
    };
    let mut plans = Vec::new();
    for plan_id in &row.plan_ids {
        plans.push(tx.get(USAGE_PLANS, &home.below(plan_id))?.ok_or_else(usage::no_plan)?);
    }
    put_new(tx, home, &made)?;
    let mut api_ids = Vec::new();
    for plan in &plans {
        usage::bind(tx, home, plan, std::slice::from_ref(&made.id))?;
        tx.put(USAGE_PLAN_KEYS, &home.deep(&plan.id, &made.id), &Mark {})?;
        api_ids.extend(usage::apis_of(plan));
    }
    Ok((made.id, api_ids))
}
