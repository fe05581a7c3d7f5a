//! The request context: who asks, for which account and region, when, and under which id.
//!
//! Made once per request by the front desk and handed down explicitly as the first argument; there are no task-locals.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{AccountId, Arn, Clock, Region, Timestamp};

/// Everything an operation may know about the request besides its input. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cx {
    /// The id that the response header, the audit record and (for Lambda) the log lines carry.
    pub request_id: Arc<str>,
    /// The account whose resources are meant.
    pub account: AccountId,
    /// The region whose resources are meant, from the signature's scope or the host.
    pub region: Region,
    /// Who asks.
    pub caller: Caller,
    /// How the request reached us.
    pub origin: Arc<Origin>,
    /// When: read the time through [`Cx::now`].
    pub clock: Clock,
}

impl Cx {
    /// A context for work the house does on its own behalf (timers, queues), as the account's root.
    pub fn internal(account: AccountId, region: Region, clock: Clock) -> Cx {
        Cx {
            request_id: crate::id::uuid().into(),
            caller: Caller::root(account),
            origin: Arc::default(),
            account,
            region,
            clock,
        }
    }

    /// The present time by this request's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ARN of one of this account's resources in this region.
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> Arn {
        Arn::new(service, &self.region, self.account, resource)
    }
}

/// The authenticated principal behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account the principal belongs to.
    pub account: AccountId,
    /// The principal's ARN: `arn:aws:iam::…:root`, `…:user/name`, `arn:aws:sts::…:assumed-role/role/session`.
    pub arn: Arc<str>,
    /// The unique id as STS's `UserId` shows it (`AKIA…`, `AROA…:session`, the account id for root).
    pub user_id: Arc<str>,
    /// What kind of principal this is.
    pub kind: CallerKind,
    /// The access key that signed, if the request was signed.
    pub access_key_id: Option<Arc<str>>,
}

/// Kinds of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// The account itself: everything is allowed unless an organization says otherwise.
    Root,
    /// An IAM user.
    User,
    /// A role's temporary credentials.
    AssumedRole,
    /// An AWS service acting on its own behalf (`lambda.amazonaws.com`).
    Service,
    /// Nobody: an unsigned request.
    Anonymous,
}

impl Caller {
    /// The root of an account.
    pub fn root(account: AccountId) -> Caller {
        Caller {
            account,
            arn: format!("arn:aws:iam::{account}:root").into(),
            user_id: account.as_str().into(),
            kind: CallerKind::Root,
            access_key_id: None,
        }
    }

    /// An unsigned request's caller.
    pub fn anonymous(account: AccountId) -> Caller {
        Caller {
            account,
            arn: "*".into(),
            user_id: "anonymous".into(),
            kind: CallerKind::Anonymous,
            access_key_id: None,
        }
    }
}

/// How a request reached us.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The peer's address; none for calls inside the house.
    pub remote: Option<IpAddr>,
    /// The `Host` the caller used: returned URLs must use it too.
    pub host: String,
    /// True if the request came over TLS.
    pub tls: bool,
    /// True if the request came out of a function's sandbox.
    pub from_sandbox: bool,
    /// The caller's `User-Agent`.
    pub user_agent: String,
    /// The caller's `X-Amzn-Trace-Id`, if any.
    pub trace_id: Option<String>,
}
