//! Which lanes this keeper works for: signs of life, leases kept, taken over and handed on.
//!
//! A keeper that cannot read the chain is of no use to its lanes: it lets its leases go, so that one that can takes
//! them. Lanes are spread evenly: each keeper has a share of the lanes that it has keys for, and hands on what is
//! beyond it when another has less than its own.

use crate::{
    stages::{Line, StageError, fence},
    store::{
        StoreError,
        leases::{LINE, LeaseRow, Peer, of_lane},
    },
};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A lease is renewed so many times while it lasts.
const RENEWALS: u32 = 4;

/// When the chain last answered this keeper.
#[derive(Debug, Default)]
pub struct ChainPulse(Mutex<Option<Instant>>);

impl ChainPulse {
    pub fn seen(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the chain answered within this time.
    fn within(&self, limit: Duration) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|at| at.elapsed() < limit)
    }
}

/// Keeps this keeper's leases until it is told to stop. Gives them up at the end.
pub async fn keep(line: &Line, pulse: &ChainPulse, stop: &CancellationToken) {
    let Some(tenure) = line.store.tenure() else { return };
    let pause = tenure.lease / RENEWALS;
    while !stop.is_cancelled() {
        // A database that does not answer is as good as one that says no: the leases run out by themselves.
        let ticked = match timeout(tenure.lease, tick(line, pulse)).await {
            Ok(ticked) => ticked.map_err(|e| e.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        };
        if let Err(error) = ticked {
            tracing::warn!(%error, "leases not renewed; without them this keeper pays nothing");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn tick(line: &Line, pulse: &ChainPulse) -> Result<(), StageError> {
    let Some(tenure) = line.store.tenure() else { return Ok(()) };
    match line.store.beat().await {
        Ok(()) if !tenure.is_suspect() => {}
        Ok(()) | Err(StoreError::WentBack) => {
            tracing::error!(
                "the database went back in time under this keeper, or another runs with a copy of its generation file"
            );
            for finding in fence::start(line).await? {
                tracing::warn!(%finding, "fencing before anything is paid");
            }
        }
        Err(error) => return Err(error.into()),
    }
    if !pulse.within(tenure.lease) {
        for name in tenure.names() {
            tracing::warn!(lease = %name, "the chain does not answer: the lease is left to another keeper");
            line.store.release_lease(&name).await?;
        }
        return Ok(());
    }
    line.store.renew_leases().await?;
    let own: Vec<String> = line.signers.lanes().map(of_lane).collect();
    let (peers, leases) = (line.store.peers().await?, line.store.leases().await?);
    let view = View { me: tenure.id(), own: &own, peers: &peers, leases: &leases };
    if let Some(name) = view.to_hand_on() {
        tracing::info!(lane = %name, "handed on to a keeper with fewer lanes");
        line.store.release_lease(&name).await?;
        return Ok(());
    }
    for name in view.to_take(tenure.lease).into_iter().filter(|name| !tenure.holds(name)) {
        take(line, &name).await?;
    }
    Ok(())
}

async fn take(line: &Line, name: &str) -> Result<(), StageError> {
    let Some(taken) = line.store.take_lease(name).await? else { return Ok(()) };
    if let Ok(lane) = name.parse()
        && let Err(error) = fence::adopt(line, lane).await
    {
        line.store.return_lease(taken).await?;
        return Err(error);
    }
    line.store.hold_lease(taken);
    tracing::info!(lease = %name, "taken");
    Ok(())
}

/// Who has what, and who could.
struct View<'a> {
    me: &'a str,
    /// The leases of the lanes that this keeper has keys for.
    own: &'a [String],
    peers: &'a [Peer],
    leases: &'a [LeaseRow],
}

/// Divisible by all numbers to 16, so that shares of that many keepers add up without fractions.
const WHOLE: u64 = 720_720;

impl View<'_> {
    /// What to take now: the line when it is free, and free lanes up to the share. One that nobody took for the time
    /// of a lease is taken beyond it: no share leaves a lane alone.
    fn to_take(&self, lease: Duration) -> Vec<String> {
        let patience = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let free = |l: &&LeaseRow| l.holder.as_deref().is_none_or(|holder| holder == self.me);
        let mut room = self.share(self.me).saturating_sub(self.count(self.me));
        let mut wanted = Vec::new();
        for lease in self.leases.iter().filter(free) {
            if lease.name == LINE {
                wanted.push(lease.name.clone());
            } else if self.own.contains(&lease.name) {
                let mine = lease.holder.is_some();
                let alone = self.contenders(&lease.name).count() < 2;
                if mine || alone || lease.free_for > patience {
                    wanted.push(lease.name.clone());
                } else if room > 0 {
                    room -= 1;
                    wanted.push(lease.name.clone());
                }
            }
        }
        wanted
    }

    /// A lane beyond the share, when another keeper that could work for it has less than its own.
    fn to_hand_on(&self) -> Option<String> {
        if self.count(self.me) <= self.share(self.me) {
            return None;
        }
        let poorer = |name: &str| self.contenders(name).any(|p| self.count(&p.id) < self.share(&p.id));
        let mine = self.leases.iter().filter(|l| l.holder.as_deref() == Some(self.me) && l.name != LINE);
        mine.map(|l| &l.name).find(|name| poorer(name)).cloned()
    }

    /// How many lanes a keeper should have: its part of each lane that it has a key for, rounded up.
    fn share(&self, keeper: &str) -> u64 {
        let Some(peer) = self.peers.iter().find(|p| p.id == keeper) else { return 0 };
        let lanes: HashSet<&str> = self.leases.iter().map(|l| l.name.as_str()).collect();
        let parts: u64 = peer
            .lanes
            .iter()
            .filter(|lane| lanes.contains(lane.as_str()))
            .map(|lane| WHOLE / (self.contenders(lane).count() as u64).max(1))
            .sum();
        parts.div_ceil(WHOLE)
    }

    fn count(&self, keeper: &str) -> u64 {
        self.leases.iter().filter(|l| l.name != LINE && l.holder.as_deref() == Some(keeper)).count() as u64
    }

    /// The live keepers that have a lane's key.
    fn contenders(&self, lane: &str) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(move |p| p.live && p.running && p.lanes.contains(lane))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str, lanes: &[&str]) -> Peer {
        Peer {
            id: id.to_owned(),
            generation: 1,
            beat: 1,
            live: true,
            running: true,
            retired: false,
            lanes: lanes.iter().map(|l| (*l).to_owned()).collect(),
        }
    }

    /// Lets the keepers act in turn until nothing changes; says who has which lane.
    fn settle(peers: &[Peer], lanes: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut leases: Vec<LeaseRow> = lanes
            .iter()
            .map(|(name, holder)| LeaseRow {
                name: (*name).to_owned(),
                holder: holder.map(str::to_owned),
                free_for: 0,
            })
            .collect();
        for _ in 0..20 {
            for peer in peers {
                let own: Vec<String> = peer.lanes.iter().cloned().collect();
                let view = View { me: &peer.id, own: &own, peers, leases: &leases };
                let (out, taken) = (view.to_hand_on(), view.to_take(Duration::from_secs(1)));
                for lease in &mut leases {
                    if out.as_ref() == Some(&lease.name) {
                        lease.holder = None;
                        lease.free_for = 1;
                    } else if out.is_none() && taken.contains(&lease.name) {
                        lease.holder = Some(peer.id.clone());
                    }
                    if lease.holder.is_none() {
                        lease.free_for += 300;
                    }
                }
            }
        }
        leases.into_iter().map(|l| l.holder.unwrap_or_default()).collect()
    }

    #[test]
    fn lanes_are_shared_out_and_none_stays_alone() {
        let both = [peer("a", &["1", "2"]), peer("b", &["1", "2"])];
        let all_of_a = [("1", Some("a")), ("2", Some("a"))];
        let mut held = settle(&both, &all_of_a);
        held.sort();
        assert_eq!(held, ["a", "b"]);

        let apart = [peer("a", &["1", "2"]), peer("b", &["3"])];
        assert_eq!(settle(&apart, &[("1", None), ("2", None), ("3", None)]), ["a", "a", "b"]);

        let mixed = [peer("a", &["1", "2", "3", "4"]), peer("b", &["1", "2"]), peer("c", &["3", "4"])];
        let held = settle(&mixed, &[("1", None), ("2", None), ("3", None), ("4", None)]);
        assert!(held.iter().all(|holder| !holder.is_empty()), "{held:?}");

        let mut gone = both.to_vec();
        gone[0].live = false;
        assert_eq!(settle(&gone[1..], &[("1", None), ("2", None)]), ["b", "b"]);
    }
}
