//! The condition keys of one request and their values.

use std::collections::HashMap;

use base::{CallerKind, Cx};

/// Condition keys (whatever their case) and values; numbers, dates and booleans as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(HashMap<String, Vec<String>>);

impl Context {
    /// No keys at all.
    pub fn new() -> Context {
        Context::default()
    }

    /// The global keys that a request context tells: time, address, transport, principal, region.
    ///
    /// Absent, as they need a look-up: `aws:PrincipalTag/…`, `aws:PrincipalOrgID`, `aws:MultiFactorAuthPresent`,
    /// `aws:SourceArn` and `aws:SourceAccount` (set by the service that calls on somebody's behalf), `aws:Resource…`.
    pub fn of(cx: &Cx) -> Context {
        let mut context = Context::new();
        let now = cx.now();
        context.set("aws:CurrentTime", now.to_date_time());
        context.set("aws:EpochTime", now.secs().to_string());
        context.set("aws:SecureTransport", cx.origin.tls.to_string());
        context.set("aws:RequestedRegion", cx.region.as_str());
        if let Some(address) = cx.origin.remote {
            context.set("aws:SourceIp", address.to_string());
        }
        if !cx.origin.user_agent.is_empty() {
            context.set("aws:UserAgent", cx.origin.user_agent.as_str());
        }
        context.add_caller(cx);
        context
    }

    fn add_caller(&mut self, cx: &Cx) {
        let caller = &cx.caller;
        let kind = match caller.kind {
            CallerKind::Root => "Account",
            CallerKind::User => "User",
            CallerKind::AssumedRole => "AssumedRole",
            CallerKind::Service => {
                self.set("aws:PrincipalIsAWSService", "true");
                self.set("aws:PrincipalServiceName", caller.arn.as_ref());
                return;
            }
            CallerKind::Anonymous => {
                self.set("aws:PrincipalType", "Anonymous");
                return;
            }
        };
        self.set("aws:PrincipalIsAWSService", "false");
        self.set("aws:PrincipalType", kind);
        self.set("aws:PrincipalArn", crate::principal::principal_arn(&caller.arn));
        self.set("aws:PrincipalAccount", caller.account.as_str());
        self.set("aws:userid", caller.user_id.as_ref());
        if let Some((_, path)) = caller.arn.split_once(":user/") {
            self.set("aws:username", path.rsplit('/').next().unwrap_or(path));
        }
    }

    /// Gives a key one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Gives a key a set of values, perhaps empty (`aws:TagKeys`).
    pub fn set_many(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.0.insert(key.to_ascii_lowercase(), values.into_iter().collect());
    }

    /// A key's values; none if the key is absent or its set is empty.
    pub(crate) fn values(&self, key: &str) -> &[String] {
        self.0.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value of a key that has exactly one: only those may stand in a variable.
    pub(crate) fn single(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            [only] => Some(only),
            _ => None,
        }
    }
}
