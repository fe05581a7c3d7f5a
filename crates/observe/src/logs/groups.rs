//! Finding groups and streams, and removing them with all that hangs below.

use base::{AccountId, Arn, Cx, Error};
use store::{Key, Scan, Tx};

use super::records::{EVENTS, GARBAGE, GROUPS, Garbage, Group, STREAMS, Stream, group_key, stream_key};
use super::{Logs, invalid, store_failed};

/// How many records one step of a removal takes.
const REMOVED_PER_STEP: usize = 2_000;

pub(super) fn no_group() -> Error {
    Error::new(400, "ResourceNotFoundException", "The specified log group does not exist.")
}

pub(super) fn no_stream() -> Error {
    Error::new(400, "ResourceNotFoundException", "The specified log stream does not exist.")
}

impl Logs {
    /// A group by its name.
    pub(super) async fn group(&self, cx: &Cx, name: &str) -> Result<Group, Error> {
        let found = self.store.get(GROUPS, &group_key(cx.account, &cx.region, name)).await.map_err(store_failed)?;
        found.ok_or_else(no_group)
    }

    /// A stream of a group.
    pub(super) async fn stream(&self, group: &Group, name: &str) -> Result<Stream, Error> {
        let found = self.store.get(STREAMS, &stream_key(&group.id, name)).await.map_err(store_failed)?;
        found.ok_or_else(no_stream)
    }
}

/// The group's name out of the two members that may carry it: a name, or an identifier that is a name or an ARN.
pub(super) fn name_of(name: Option<String>, identifier: Option<String>) -> Result<String, Error> {
    match (name, identifier) {
        (Some(_), Some(_)) => {
            Err(Error::validation("LogGroup name and LogGroup ARN are mutually exclusive parameters."))
        }
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(name_in_arn(&identifier).unwrap_or(identifier)),
        (None, None) => Err(invalid("Either logGroupName or logGroupIdentifier is required.")),
    }
}

/// `arn:aws:logs:region:account:log-group:NAME[:*]` → `NAME`.
pub(super) fn name_in_arn(arn: &str) -> Option<String> {
    let resource = Arn::parse(arn)?.resource;
    let name = resource.strip_prefix("log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned())
}

/// The ARN for permission checks and answers: without the `:*` that `arn` members carry.
pub(super) fn arn(cx: &Cx, name: &str) -> Arn {
    cx.arn("logs", format!("log-group:{name}"))
}

/// Forgets a group and marks its streams and events for removal.
pub(super) fn remove_group(tx: &mut Tx<'_>, key: &Key, group: &Group) -> store::Result<()> {
    tx.delete(GROUPS, key)?;
    tx.put(GARBAGE, &stream_key(&group.id, ""), &Garbage {})
}

/// Removes what was marked, in steps that hold nobody up. Safe to run twice.
pub(super) async fn sweep(logs: &Logs) -> store::Result<()> {
    let marked = logs.store.scan(GARBAGE, Scan::all().limit(1_000)).await?;
    for (mark, _) in marked {
        let Some((group, stream)) = mark.parts::<(String, String)>() else { continue };
        loop {
            let (group, stream, mark) = (group.clone(), stream.clone(), mark.clone());
            let done = logs.store.transact(move |tx| sweep_step(tx, &group, &stream, &mark)).await?;
            if done {
                break;
            }
        }
    }
    Ok(())
}

fn sweep_step(tx: &mut Tx<'_>, group: &str, stream: &str, mark: &Key) -> store::Result<bool> {
    let removed = if stream.is_empty() {
        tx.delete_range(EVENTS, Scan::under(group).limit(REMOVED_PER_STEP))?
            + tx.delete_range(STREAMS, Scan::under(group).limit(REMOVED_PER_STEP))?
    } else {
        tx.delete_range(EVENTS, Scan::under((group, stream)).limit(REMOVED_PER_STEP))?
    };
    if removed == 0 {
        tx.delete(GARBAGE, mark)?;
    }
    Ok(removed == 0)
}

/// Forgets all groups, or one account's.
pub(super) async fn reset(logs: &Logs, account: Option<AccountId>) -> Result<(), Error> {
    logs.flush().await;
    let all = match account {
        Some(account) => Scan::under(account.as_str()),
        None => Scan::all(),
    };
    let work = async {
        for (key, group) in logs.store.scan(GROUPS, all).await? {
            logs.store.transact(move |tx| remove_group(tx, &key, &group)).await?;
        }
        sweep(logs).await
    };
    work.await.map_err(store_failed)
}
