//! How much code an account stores in a region: AWS's quota counts every version of every function and layer, zipped.
//!
//! One counter for each account and region, changed in the transactions that bring code or take it away: adding up all
//! versions for each deployment would take longer the more there are.

use base::{AccountId, Error, Region};
use store::{Key, Scan, Tx};

use super::Lambda;
use super::error::Failure;
use super::records::{CODE_STORAGE, CodeStorageRecord, FUNCTIONS, LAYER_VERSIONS, VERSIONS};

fn key(account: AccountId, region: &Region) -> Key {
    Key::of((account.as_str(), region.as_str()))
}

/// Counts code that goes and code that comes.
pub(crate) fn count(
    tx: &mut Tx<'_>,
    account: AccountId,
    region: &Region,
    old_bytes: u64,
    new_bytes: u64,
) -> Result<(), Failure> {
    if old_bytes == new_bytes {
        return Ok(());
    }
    let key = key(account, region);
    let stored = tx.get(CODE_STORAGE, &key)?.unwrap_or_default().bytes;
    Ok(tx.put(CODE_STORAGE, &key, &CodeStorageRecord { bytes: (stored + new_bytes).saturating_sub(old_bytes) })?)
}

impl Lambda {
    /// What is stored, in bytes.
    pub(crate) async fn stored_code(&self, account: AccountId, region: &Region) -> Result<u64, Failure> {
        Ok(self.store.get(CODE_STORAGE, &key(account, region)).await?.unwrap_or_default().bytes)
    }

    /// Refuses code that would be more than the account may store. Looked at before the code is unpacked; two deployments
    /// at the same time may both pass, as on AWS.
    pub(crate) async fn admit_code(&self, account: AccountId, region: &Region, bytes: u64) -> Result<(), Failure> {
        let stored = self.stored_code(account, region).await?;
        if stored.saturating_add(bytes) > self.config.code_storage_bytes_max {
            let words = "Code storage limit exceeded.";
            return Err(Error::new(400, "CodeStorageExceededException", words).with("Type", "User").into());
        }
        Ok(())
    }

    /// Counts what was stored before there was a counter.
    pub(crate) async fn count_stored_code(&self) -> Result<(), Failure> {
        if !self.store.scan(CODE_STORAGE, Scan::all().limit(1)).await?.is_empty()
            || self.store.scan(FUNCTIONS, Scan::all().limit(1)).await?.is_empty()
        {
            return Ok(());
        }
        let counted = |tx: &mut Tx<'_>| {
            let functions = tx.scan(FUNCTIONS, Scan::all())?.into_iter();
            let mut all: Vec<(Key, u64)> =
                functions.map(|(key, function)| (key, function.latest.code.bytes())).collect();
            all.extend(tx.scan(VERSIONS, Scan::all())?.into_iter().map(|(key, version)| (key, version.code.bytes())));
            all.extend(tx.scan(LAYER_VERSIONS, Scan::all())?.into_iter().map(|(key, layer)| (key, layer.code.bytes())));
            for (key, bytes) in all {
                if let Some((account, region)) = place(&key) {
                    count(tx, account, &region, 0, bytes)?;
                }
            }
            Ok::<(), Failure>(())
        };
        self.store.transact(counted).await
    }
}

/// Whose a record of a function, version or layer version is: their keys are of three or four parts.
fn place(key: &Key) -> Option<(AccountId, Region)> {
    let (account, region) = match key.parts::<(String, String, String)>() {
        Some((account, region, _)) => (account, region),
        None => {
            let (account, region, ..) = key.parts::<(String, String, String, u64)>()?;
            (account, region)
        }
    };
    Some((AccountId::parse(&account)?, Region::parse(&region)?))
}
