//! Log groups: create, delete, describe, retention.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use super::{GroupIdentifier, GroupName, NewGroupName, check_length, place, token};
use crate::logs::records::{GROUPS, Group, STREAMS, group_key};
use crate::logs::{Logs, groups, invalid, retention, store_failed};

/// Groups of one answer, unless fewer are asked for.
const PAGE_MAX: usize = 50;

/// Makes a log group.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct CreateLogGroup {
    /// Its name.
    pub log_group_name: NewGroupName,
    /// A key to encrypt it with; refused, since there is no KMS yet.
    #[shape(length(0..=256))]
    pub kms_key_id: Option<String>,
    /// Tags.
    #[shape(length(1..=50))]
    pub tags: Option<BTreeMap<String, String>>,
    /// Its class.
    pub log_group_class: Option<LogGroupClass>,
    /// Protection against deletion; refused when asked for, since it is not built yet.
    pub deletion_protection_enabled: Option<bool>,
}

/// What a group's events cost and can do on AWS; here all classes can do the same.
#[derive(Shape, Clone, Debug, PartialEq, Eq)]
pub enum LogGroupClass {
    /// The default.
    #[shape(value = "STANDARD")]
    Standard,
    /// Cheaper, with fewer features on AWS.
    #[shape(value = "INFREQUENT_ACCESS")]
    InfrequentAccess,
    /// For delivery only.
    #[shape(value = "DELIVERY")]
    Delivery,
}

impl LogGroupClass {
    fn as_str(&self) -> &'static str {
        match self {
            LogGroupClass::Standard => "STANDARD",
            LogGroupClass::InfrequentAccess => "INFREQUENT_ACCESS",
            LogGroupClass::Delivery => "DELIVERY",
        }
    }

    fn parse(text: &str) -> LogGroupClass {
        match text {
            "INFREQUENT_ACCESS" => LogGroupClass::InfrequentAccess,
            "DELIVERY" => LogGroupClass::Delivery,
            _ => LogGroupClass::Standard,
        }
    }
}

impl Operation<Logs> for CreateLogGroup {
    const META: Meta = Meta::write("CreateLogGroup");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        check_length(&self.log_group_name.0)?;
        if self.kms_key_id.is_some() {
            return Err(Error::not_implemented("kmsKeyId of CreateLogGroup"));
        }
        if self.deletion_protection_enabled == Some(true) {
            return Err(Error::not_implemented("deletionProtectionEnabled of CreateLogGroup"));
        }
        let key = group_key(cx.account, &cx.region, &self.log_group_name.0);
        let group = Group {
            id: base::id::uuid(),
            created_ms: cx.now().millis(),
            // Groups of this class keep nothing for longer, and AWS says so.
            retention_days: (self.log_group_class == Some(LogGroupClass::Delivery)).then_some(2),
            tags: self.tags.unwrap_or_default(),
            class: self.log_group_class.map(|c| c.as_str().to_owned()),
        };
        match logs.store.transact(move |tx| tx.insert(GROUPS, &key, &group)).await {
            Err(store::Error::Exists(_)) => {
                Err(Error::new(400, "ResourceAlreadyExistsException", "The specified log group already exists"))
            }
            other => other.map_err(store_failed),
        }
    }
}

/// Deletes a log group with its streams and events.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DeleteLogGroup {
    /// Its name.
    pub log_group_name: GroupName,
}

impl Operation<Logs> for DeleteLogGroup {
    const META: Meta = Meta::write("DeleteLogGroup");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        logs.flush().await;
        let group = logs.group(cx, &self.log_group_name.0).await?;
        let key = group_key(cx.account, &cx.region, &self.log_group_name.0);
        logs.store.transact(move |tx| groups::remove_group(tx, &key, &group)).await.map_err(store_failed)?;
        // The name is free already; giving the space back need not succeed now, the sweeper goes over it again.
        if let Err(error) = groups::sweep(logs).await {
            tracing::warn!(%error, "a deleted log group's events will be removed later");
        }
        Ok(())
    }
}

/// Lists log groups in the order of their names.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DescribeLogGroups {
    /// Only those whose names begin with this.
    pub log_group_name_prefix: Option<GroupName>,
    /// Only those whose names contain this, whatever its case.
    #[shape(length(0..=512), pattern = r"[\.\-_/#A-Za-z0-9]*")]
    pub log_group_name_pattern: Option<String>,
    /// Continues after an earlier page.
    #[shape(length(1..))]
    pub next_token: Option<String>,
    /// At most so many.
    #[shape(range(1..=50))]
    pub limit: Option<i32>,
    /// Only those of this class.
    pub log_group_class: Option<LogGroupClass>,
    /// Only these.
    #[shape(length(1..=50))]
    pub log_group_identifiers: Option<Vec<GroupIdentifier>>,
}

/// A page of log groups.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DescribeLogGroupsResponse {
    /// The groups.
    pub log_groups: Vec<LogGroup>,
    /// There are more.
    pub next_token: Option<String>,
}

/// A log group as callers see it.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct LogGroup {
    /// Its name.
    pub log_group_name: String,
    /// When it was made, in milliseconds.
    pub creation_time: i64,
    /// How long events are kept; absent: for ever.
    pub retention_in_days: Option<i32>,
    /// How many metric filters it has.
    pub metric_filter_count: i32,
    /// Its ARN with `:*`.
    pub arn: String,
    /// Its size in bytes, with AWS's overhead of 26 bytes an event; AWS leaves it out where groups were sought by pattern.
    pub stored_bytes: Option<i64>,
    /// Its class.
    pub log_group_class: LogGroupClass,
    /// Its ARN.
    pub log_group_arn: String,
    /// Whether it is protected against deletion, which none is yet; left out like its size.
    pub deletion_protection_enabled: Option<bool>,
}

impl Operation<Logs> for DescribeLogGroups {
    const META: Meta = Meta::read("DescribeLogGroups");
    type Output = DescribeLogGroupsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, "*"));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<DescribeLogGroupsResponse, Error> {
        if self.log_group_name_prefix.is_some() && self.log_group_name_pattern.is_some() {
            let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
            return Err(invalid(message));
        }
        logs.flush().await;
        let prefix = self.log_group_name_prefix.as_ref().map_or("", |p| p.0.as_str());
        let within = (cx.account.as_str(), cx.region.as_str());
        let mut scan = Scan::starting_with(within, prefix);
        if let Some(token) = &self.next_token {
            scan = scan.after(group_key(cx.account, &cx.region, &place(token)?));
        }
        let all = logs.store.scan(GROUPS, scan).await.map_err(store_failed)?;
        let limit = self.limit.map_or(PAGE_MAX, |l| l as usize);
        let mut page = Vec::new();
        let mut next_token = None;
        for (key, group) in all {
            let Some((_, _, name)) = key.parts::<(String, String, String)>() else { continue };
            if !self.wants(&name, &group) {
                continue;
            }
            if page.len() == limit {
                next_token = page.last().map(|last: &LogGroup| token(&last.log_group_name));
                break;
            }
            let mut described = describe(logs, cx, name, &group).await.map_err(store_failed)?;
            if self.log_group_name_pattern.is_some() {
                (described.stored_bytes, described.deletion_protection_enabled) = (None, None);
            }
            page.push(described);
        }
        Ok(DescribeLogGroupsResponse { log_groups: page, next_token })
    }
}

impl DescribeLogGroups {
    fn wants(&self, name: &str, group: &Group) -> bool {
        let pattern = self.log_group_name_pattern.as_ref().map(|p| p.to_lowercase());
        let class = group.class.as_deref().map_or(LogGroupClass::Standard, LogGroupClass::parse);
        let named = |identifier: &GroupIdentifier| {
            groups::name_in_arn(&identifier.0).as_deref().unwrap_or(&identifier.0) == name
        };
        pattern.is_none_or(|p| name.to_lowercase().contains(&p))
            && self.log_group_class.as_ref().is_none_or(|wanted| *wanted == class)
            && self.log_group_identifiers.as_ref().is_none_or(|wanted| wanted.iter().any(named))
    }
}

async fn describe(logs: &Logs, cx: &Cx, name: String, group: &Group) -> store::Result<LogGroup> {
    let streams = logs.store.scan(STREAMS, Scan::under(group.id.as_str())).await?;
    let arn = groups::arn(cx, &name).to_string();
    Ok(LogGroup {
        creation_time: group.created_ms,
        retention_in_days: group.retention_days,
        metric_filter_count: 0,
        arn: format!("{arn}:*"),
        stored_bytes: Some(streams.iter().map(|(_, s)| s.stored_bytes).sum()),
        deletion_protection_enabled: Some(false),
        log_group_class: group.class.as_deref().map_or(LogGroupClass::Standard, LogGroupClass::parse),
        log_group_arn: arn,
        log_group_name: name,
    })
}

/// Sets how long a group's events are kept. It is acted on at once: older events are no longer shown.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct PutRetentionPolicy {
    /// The group.
    pub log_group_name: GroupName,
    /// One of the numbers of days AWS offers.
    pub retention_in_days: i32,
}

impl Operation<Logs> for PutRetentionPolicy {
    const META: Meta = Meta::write("PutRetentionPolicy");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        if !retention::DAYS.contains(&self.retention_in_days) {
            let days = retention::DAYS.map(|d| d.to_string()).join(", ");
            let constraint = format!("Member must satisfy enum value set: [{days}]");
            let value = self.retention_in_days.to_string();
            let violation = shape::validate::violation(&value, "retentionInDays", &constraint);
            return Err(invalid(shape::validate::sentence(&[violation])));
        }
        set_retention(logs, cx, &self.log_group_name.0, Some(self.retention_in_days)).await
    }
}

/// Keeps a group's events for ever.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DeleteRetentionPolicy {
    /// The group.
    pub log_group_name: GroupName,
}

impl Operation<Logs> for DeleteRetentionPolicy {
    const META: Meta = Meta::write("DeleteRetentionPolicy");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        set_retention(logs, cx, &self.log_group_name.0, None).await
    }
}

async fn set_retention(logs: &Logs, cx: &Cx, name: &str, days: Option<i32>) -> Result<(), Error> {
    logs.change_group(cx, name, move |group| {
        group.retention_days = days;
        Ok(())
    })
    .await
}

impl Logs {
    /// Changes a group's record, if there is one.
    pub(super) async fn change_group(
        &self,
        cx: &Cx,
        name: &str,
        change: impl Fn(&mut Group) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.flush().await;
        let key = group_key(cx.account, &cx.region, name);
        let work = move |tx: &mut store::Tx<'_>| -> Result<Result<(), Error>, store::Error> {
            let Some(mut group) = tx.get(GROUPS, &key)? else { return Ok(Err(groups::no_group())) };
            if let Err(refused) = change(&mut group) {
                return Ok(Err(refused));
            }
            tx.put(GROUPS, &key, &group).map(Ok)
        };
        self.store.transact(work).await.map_err(store_failed)?
    }
}
