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

use base::Error;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shape::Shape;

use super::invalid;

/// Characters of a group's or stream's name; AWS's number.
const NAME_CHARS_MAX: usize = 512;

/// A log group's name.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogGroupName", length(1..=512), pattern = r"[\.\-_/#A-Za-z0-9]+")]
pub struct GroupName(pub String);

/// A log stream's name.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogStreamName", length(1..=512), pattern = "[^:*]*")]
pub struct StreamName(pub String);

/// The name of a log group to be: its length has a refusal of its own.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogGroupName", length(1..), pattern = r"[\.\-_/#A-Za-z0-9]+")]
pub struct NewGroupName(pub String);

/// The name of a log stream to be: its length has a refusal of its own.
#[derive(Shape, Clone, Debug)]
#[shape(name = "LogStreamName", length(1..), pattern = "[^:*]*")]
pub struct NewStreamName(pub String);

/// Refuses a name that is too long for a new group or stream.
fn check_length(name: &str) -> Result<(), Error> {
    match name.chars().count() {
        ..=NAME_CHARS_MAX => Ok(()),
        _ => Err(invalid(format!(
            "Invalid LogGroup or LogStream, both must have length less than or equal to {NAME_CHARS_MAX}."
        ))),
    }
}

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
