//! What the management API has on AWS and ours has not yet.

use cloud::NotYet;

pub(super) const NOT_YET: &[NotYet] = &[
    NotYet::http("DeleteConnection", "DELETE", "/@connections/{connectionId}"),
    NotYet::http("GetConnection", "GET", "/@connections/{connectionId}"),
    NotYet::http("PostToConnection", "POST", "/@connections/{connectionId}"),
];
