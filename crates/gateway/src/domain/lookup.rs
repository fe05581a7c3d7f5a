//! How a request's host and path find a stage: the domain name itself before the wildcard above it, the longest key that
//! the path begins with, segment by segment.

use std::sync::Arc;

use base::{AccountId, Region};
use store::{Key, Scan};

use super::{DOMAINS, MAPPINGS, Mapping, OWNERS, domain_key};
use crate::edge::live::Live;
use crate::{Failure, Gateway};

/// Domain names at hand, by the host that was asked for. That a host is for none is at hand, too: most are.
pub(crate) type CustomDomains = Live<String, Option<CustomDomain>>;

/// A domain name with all that it leads to.
#[derive(Debug)]
pub(crate) struct CustomDomain {
    pub(crate) region: Region,
    /// The longest keys first.
    mappings: Vec<Mapping>,
}

impl CustomDomain {
    /// The mapping that a path is for, and how many bytes of the path lead to it.
    pub(crate) fn find(&self, path: &str) -> Option<(&Mapping, usize)> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let is_before = |key: &str| {
            key.is_empty() || rest.strip_prefix(key).is_some_and(|after| after.is_empty() || after.starts_with('/'))
        };
        let mapping = self.mappings.iter().find(|mapping| is_before(&mapping.key))?;
        let prefix_bytes = if mapping.key.is_empty() { 0 } else { path.len() - rest.len() + mapping.key.len() };
        Some((mapping, prefix_bytes))
    }
}

impl Gateway {
    /// The custom domain name that a host (without its port) is for; none if nobody has claimed one.
    pub(crate) async fn custom_domain(&self, host: &str) -> Result<Arc<Option<CustomDomain>>, Failure> {
        if let Some(known) = self.custom_domains.at_hand(host) {
            return Ok(known);
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let read = async { Ok::<_, Failure>(Some(self.read_custom_domain(host.clone()).await?)) };
        let found = self.custom_domains.get(host.clone(), read).await?;
        Ok(found.unwrap_or_default())
    }

    async fn read_custom_domain(&self, host: String) -> Result<Option<CustomDomain>, Failure> {
        let state = self.store.snapshot()?;
        let wildcard = host.split_once('.').map(|(_, above)| format!("*.{above}"));
        for name in std::iter::once(host).chain(wildcard) {
            let Some(owner) = state.get(OWNERS, &Key::of(name.as_str())).await? else { continue };
            let place = AccountId::parse(&owner.account).zip(Region::parse(&owner.region));
            let Some((account, region)) = place else { continue };
            if state.get(DOMAINS, &domain_key(account, &region, &name)).await?.is_none() {
                continue;
            }
            let found = state.scan(MAPPINGS, Scan::under(name.as_str())).await?;
            let mut mappings: Vec<Mapping> = found.into_iter().map(|(_, mapping)| mapping).collect();
            mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.key.len()));
            return Ok(Some(CustomDomain { region, mappings }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_key_wins_segment_by_segment() {
        let mapping = |key: &str| Mapping {
            id: String::new(),
            key: key.to_owned(),
            api_id: format!("api-{key}"),
            stage: Some("prod".to_owned()),
        };
        let domain = |keys: &[&str]| CustomDomain {
            region: Region::parse("us-east-1").unwrap(),
            mappings: keys.iter().map(|key| mapping(key)).collect(),
        };
        let all = domain(&["orders/v1/items", "orders/v1", "orders", ""]);
        for (path, key, prefix) in [
            ("/orders/v1/items/7", "orders/v1/items", "/orders/v1/items"),
            ("/orders/v1/itemsets", "orders/v1", "/orders/v1"),
            ("/orders/v2", "orders", "/orders"),
            ("/orders", "orders", "/orders"),
            ("/order", "", ""),
            ("/", "", ""),
        ] {
            let (found, prefix_bytes) = all.find(path).unwrap();
            assert_eq!((found.key.as_str(), &path[..prefix_bytes]), (key, prefix), "{path}");
        }
        assert!(domain(&["orders"]).find("/other").is_none());
    }
}
