//! VPC links: names of private HTTP targets.

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Texts;

/// A way to load balancers in a VPC.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct VpcLink {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The load balancer.
    pub target_arns: Vec<String>,
    /// Whether it stands.
    pub status: VpcLinkStatus,
    /// More of that.
    pub status_message: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Record for VpcLink {}

/// Whether a VPC link stands.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VpcLinkStatus {
    #[shape(value = "AVAILABLE")]
    Available,
    #[default]
    #[shape(value = "PENDING")]
    Pending,
    #[shape(value = "DELETING")]
    Deleting,
    #[shape(value = "FAILED")]
    Failed,
}
