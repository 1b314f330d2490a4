//! Who paused what, beside the answers that tell it: the events are looked for once per pause, and nobody waits for it.

use crate::chain::{Block, Chain};
use alloy::primitives::Address;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A pause: its scope or asset by name, and its end in unix seconds.
type Key = (String, u64);

/// What is known. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Pausers(Arc<Mutex<HashMap<Key, Option<Address>>>>);

impl Pausers {
    /// None until it was found, which begins with the first question.
    pub(super) fn of(
        &self,
        chain: &Chain,
        (scope, until): (&str, u64),
        asset: Option<Address>,
        tip: Block,
    ) -> Option<Address> {
        let key = (scope.to_owned(), until);
        let mut known = self.known();
        if let Some(by) = known.get(&key) {
            return *by;
        }
        // What has ended is not asked for any more.
        known.retain(|(_, until), _| *until > tip.timestamp);
        known.insert(key.clone(), None);
        let (chain, found) = (chain.clone(), self.clone());
        tokio::spawn(async move {
            match chain.paused_by(asset, until, tip).await {
                Ok(by) => drop(found.known().insert(key, by)),
                Err(error) => {
                    tracing::debug!(%error, "who paused could not be read; asked again");
                    found.known().remove(&key);
                }
            }
        });
        None
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Option<Address>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
