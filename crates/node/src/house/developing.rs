//! What `updraft dev`, `events` and `replay` ask a node for, beside AWS's own operations.

use base::{AccountId, Cx, Region};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compute::lambda::KeptEvent;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use wire::protocol::Answer;
use wire::route::percent;

use super::{House, Message, json, refusal};

/// Most events listed at a time, and how many if nothing is said.
const LISTED_MAX: usize = 1_000;
const LISTED: usize = 20;

/// A list of kept events, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptEvents {
    /// What is known of each.
    pub events: Vec<KeptEvent>,
}

/// A kept event with its contents, in base64: an answer may be anything.
#[derive(Debug, Serialize, Deserialize)]
pub struct WholeEvent {
    /// What is known of it.
    pub head: KeptEvent,
    /// The event.
    pub event: String,
    /// The answer, if one was kept.
    pub answer: Option<String>,
}

impl House {
    /// Starts an environment of `?function=` (`?account=`, `?region=`) ahead of any request, for a debugger to attach to.
    pub(super) async fn start_ahead(&self, query: &str) -> Answer {
        let (Some(function), Some(account), Some(region)) =
            (percent::find(query, "function"), account(query), self.region(query))
        else {
            let words = "function is a name, account a twelve-digit number, region a region";
            return refusal(StatusCode::BAD_REQUEST, words);
        };
        let cx = Cx::internal(account, region, base::Clock::system());
        match self.lambda.start_ahead(&cx, &function).await {
            Ok(()) => json(StatusCode::OK, &Message { message: "started" }),
            Err(error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                refusal(status, &error.to_string())
            }
        }
    }

    /// The kept events of `?account=`, of `?function=` if it is given, at most `?limit=`.
    pub(super) async fn kept_events(&self, query: &str) -> Answer {
        let limit = percent::find(query, "limit").map_or(Some(LISTED), |limit| limit.parse().ok());
        let (Some(account), Some(limit)) = (account(query), limit) else {
            return refusal(StatusCode::BAD_REQUEST, "account is a twelve-digit number, limit a number");
        };
        if !self.lambda.keeps_events() {
            return keeps_none();
        }
        let function = percent::find(query, "function");
        match self.lambda.kept_events(account, function.as_deref(), limit.min(LISTED_MAX)).await {
            Ok(events) => json(StatusCode::OK, &KeptEvents { events }),
            Err(error) => unreadable(&error),
        }
    }

    /// The kept event of `?request=`.
    pub(super) async fn kept_event(&self, query: &str) -> Answer {
        if !self.lambda.keeps_events() {
            return keeps_none();
        }
        let request_id = percent::find(query, "request").unwrap_or_default();
        match self.lambda.kept_event(&request_id).await {
            Ok(Some(whole)) => {
                let answer = whole.answer.map(|answer| STANDARD.encode(answer));
                let event = STANDARD.encode(whole.event);
                json(StatusCode::OK, &WholeEvent { head: whole.head, event, answer })
            }
            Ok(None) => refusal(StatusCode::NOT_FOUND, &format!("no event of the request '{request_id}' is kept")),
            Err(error) => unreadable(&error),
        }
    }

    fn region(&self, query: &str) -> Option<Region> {
        percent::find(query, "region").map_or(Some(self.config.region.clone()), |text| Region::parse(&text))
    }
}

fn account(query: &str) -> Option<AccountId> {
    percent::find(query, "account").map_or(Some(AccountId::DEFAULT), |text| AccountId::parse(&text))
}

fn keeps_none() -> Answer {
    refusal(
        StatusCode::CONFLICT,
        "this server keeps no events; start it with --keep-events 1000 (a number, or a size such as 64MB)",
    )
}

fn unreadable(error: &store::Error) -> Answer {
    tracing::error!(%error, "kept events cannot be read");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "kept events cannot be read; the log says why")
}
