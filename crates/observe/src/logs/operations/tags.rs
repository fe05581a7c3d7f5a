//! Tags of log groups, by ARN and (older) by name.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::GroupName;
use crate::logs::records::Group;
use crate::logs::{Logs, groups, invalid};

/// The greatest number of tags of one resource.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<String, String>;

/// A resource's ARN.
#[derive(Shape, Clone, Debug)]
#[shape(name = "AmazonResourceName", length(1..=1011), pattern = r"[\w+=/:,.@-]*")]
pub struct ResourceArn(pub String);

impl ResourceArn {
    fn group(&self) -> Result<String, Error> {
        groups::name_in_arn(&self.0).ok_or_else(|| invalid("The specified resourceArn is not that of a log group."))
    }

    fn need(&self, need: &mut Authz) {
        if let Some(arn) = base::Arn::parse(&self.0) {
            need.on(arn);
        }
    }
}

/// Adds tags to a log group, over those of the same keys.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct TagResource {
    /// The group's ARN.
    pub resource_arn: ResourceArn,
    /// The tags.
    #[shape(length(1..=50))]
    pub tags: Tags,
}

impl Operation<Logs> for TagResource {
    const META: Meta = Meta::write("TagResource");
    type Output = ();

    fn authorize(&self, _: &Cx, need: &mut Authz) {
        self.resource_arn.need(need);
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        add(logs, cx, &self.resource_arn.group()?, self.tags).await
    }
}

/// Removes tags from a log group.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct UntagResource {
    /// The group's ARN.
    pub resource_arn: ResourceArn,
    /// Their keys.
    #[shape(length(0..=50))]
    pub tag_keys: Vec<String>,
}

impl Operation<Logs> for UntagResource {
    const META: Meta = Meta::write("UntagResource");
    type Output = ();

    fn authorize(&self, _: &Cx, need: &mut Authz) {
        self.resource_arn.need(need);
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        remove(logs, cx, &self.resource_arn.group()?, self.tag_keys).await
    }
}

/// Lists a log group's tags.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct ListTagsForResource {
    /// The group's ARN.
    pub resource_arn: ResourceArn,
}

/// A resource's tags.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct TagsResponse {
    /// The tags.
    pub tags: Tags,
}

impl Operation<Logs> for ListTagsForResource {
    const META: Meta = Meta::read("ListTagsForResource");
    type Output = TagsResponse;

    fn authorize(&self, _: &Cx, need: &mut Authz) {
        self.resource_arn.need(need);
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<TagsResponse, Error> {
        logs.flush().await;
        Ok(TagsResponse { tags: logs.group(cx, &self.resource_arn.group()?).await?.tags })
    }
}

/// Adds tags to a log group (older form of [`TagResource`]).
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct TagLogGroup {
    /// The group.
    pub log_group_name: GroupName,
    /// The tags.
    #[shape(length(1..=50))]
    pub tags: Tags,
}

impl Operation<Logs> for TagLogGroup {
    const META: Meta = Meta::write("TagLogGroup");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        add(logs, cx, &self.log_group_name.0, self.tags).await
    }
}

/// Removes tags from a log group (older form of [`UntagResource`]).
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct UntagLogGroup {
    /// The group.
    pub log_group_name: GroupName,
    /// Their keys.
    #[shape(length(1..))]
    pub tags: Vec<String>,
}

impl Operation<Logs> for UntagLogGroup {
    const META: Meta = Meta::write("UntagLogGroup");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        remove(logs, cx, &self.log_group_name.0, self.tags).await
    }
}

/// Lists a log group's tags (older form of [`ListTagsForResource`]).
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct ListTagsLogGroup {
    /// The group.
    pub log_group_name: GroupName,
}

impl Operation<Logs> for ListTagsLogGroup {
    const META: Meta = Meta::read("ListTagsLogGroup");
    type Output = TagsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<TagsResponse, Error> {
        logs.flush().await;
        Ok(TagsResponse { tags: logs.group(cx, &self.log_group_name.0).await?.tags })
    }
}

async fn add(logs: &Logs, cx: &Cx, name: &str, tags: Tags) -> Result<(), Error> {
    logs.change_group(cx, name, move |group: &mut Group| {
        group.tags.extend(tags.clone());
        if group.tags.len() > TAGS_MAX {
            return Err(Error::new(400, "TooManyTagsException", "The resource can have at most 50 tags."));
        }
        Ok(())
    })
    .await
}

async fn remove(logs: &Logs, cx: &Cx, name: &str, keys: Vec<String>) -> Result<(), Error> {
    logs.change_group(cx, name, move |group: &mut Group| {
        group.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
    .await
}
