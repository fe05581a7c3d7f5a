//! What the data planes keep at hand of what is stored: by a key, made when it is first asked for, forgotten at once when
//! the control plane changes anything of its API. A request holds what it found to its end, so none sees half a change.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Values kept at hand, each cache for itself; a full one is emptied.
const KEPT_MAX: usize = 10_000;

/// Values by key that can be made again from the store.
pub(crate) struct Live<K, V> {
    values: RwLock<HashMap<K, Arc<V>>>,
    generation: AtomicU64,
}

impl<K, V> Default for Live<K, V> {
    fn default() -> Self {
        Live { values: RwLock::default(), generation: AtomicU64::new(0) }
    }
}

impl<K: Hash + Eq, V> Live<K, V> {
    /// The value of a key: the one at hand, or what `make` makes of the store. What was made while something changed is
    /// used, but not kept.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        make: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E> {
        if let Some(value) = self.at_hand(&key) {
            return Ok(Some(value));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let Some(value) = make.await?.map(Arc::new) else { return Ok(None) };
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::SeqCst) == generation {
            if values.len() >= KEPT_MAX {
                values.clear();
            }
            values.insert(key, value.clone());
        }
        Ok(Some(value))
    }

    /// The value of a key, if it is at hand.
    pub(crate) fn at_hand<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.values.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Forgets what of the store has changed. To be called after the change is stored, before it is answered.
    pub(crate) fn forget(&self, is_stale: impl Fn(&K) -> bool) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        values.retain(|key, _| !is_stale(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(value: u32) -> impl Future<Output = Result<Option<u32>, ()>> {
        std::future::ready(Ok(Some(value)))
    }

    #[tokio::test]
    async fn values_are_made_once_and_forgotten_by_key() {
        let live = Live::<&str, u32>::default();
        assert_eq!(live.get("a", made(1)).await, Ok(Some(Arc::new(1))));
        assert_eq!(live.get("b", made(2)).await, Ok(Some(Arc::new(2))));
        assert_eq!(live.get("a", made(3)).await, Ok(Some(Arc::new(1))));
        live.forget(|key| *key == "a");
        assert_eq!(live.get("a", made(4)).await, Ok(Some(Arc::new(4))));
        assert_eq!(live.get("b", made(5)).await, Ok(Some(Arc::new(2))));
    }

    #[tokio::test]
    async fn what_was_made_during_a_change_is_not_kept() {
        let live = Live::<&str, u32>::default();
        let making = async {
            live.forget(|_| true);
            Ok::<_, ()>(Some(1))
        };
        assert_eq!(live.get("a", making).await, Ok(Some(Arc::new(1))));
        assert_eq!(live.at_hand("a"), None);
    }
}
