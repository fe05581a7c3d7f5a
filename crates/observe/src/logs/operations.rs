//! The operations, one file for each noun.

mod events;
mod filter;
mod group;
mod metric_filter;
mod not_yet;
mod stream;
mod tags;

pub use events::{GetLogEvents, PutLogEvents};
pub use filter::FilterLogEvents;
pub use group::{CreateLogGroup, DeleteLogGroup, DeleteRetentionPolicy, DescribeLogGroups, PutRetentionPolicy};
pub use metric_filter::TestMetricFilter;
pub(super) use not_yet::NOT_YET;
pub use stream::{CreateLogStream, DeleteLogStream, DescribeLogStreams};
pub use tags::{ListTagsForResource, ListTagsLogGroup, TagLogGroup, TagResource, UntagLogGroup, UntagResource};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shape::Shape;

/// A log group's name.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogGroupName", length(1..=512), pattern = r"[\.\-_/#A-Za-z0-9]+")]
pub struct GroupName(pub String);

/// A log stream's name.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogStreamName", length(1..=512), pattern = "[^:*]*")]
pub struct StreamName(pub String);

/// A log group's name or ARN.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogGroupIdentifier", length(1..=2048), pattern = r"[\w#+=/:,.@-]*")]
pub struct GroupIdentifier(pub String);

/// A paging token: the last name or place of the page before, made opaque.
fn token(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

fn place(token: &str) -> Result<String, base::Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|b| String::from_utf8(b).ok());
    text.ok_or_else(|| super::invalid("The specified nextToken is invalid."))
}
