//! Limits: what was set, and how much may leave in a time, against what the vault's events lead to.
//!
//! The bucket of each asset's units is counted along with the events exactly as `contracts/libraries/Bucket.sol` counts it,
//! because they tell all that it depends on: the limits, until when the asset has a price, what was taken and when. So two
//! things are known of it: that nothing left that did not fit, and where it stands. The times come with the logs; with an
//! endpoint that leaves them out the limits are compared, and the buckets are not. The buckets in USD and of the instant
//! tier are not counted.

use super::walk::Walk;
use crate::{
    books::difference::{Class, Side},
    chain::{Chain, VaultLog, abi::IVault},
    domain::{amount::Amount, asset::Assets},
    stages::StageError,
};
use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ticks per second, in powers of two.
const TICK_BITS: usize = 16;

/// What the events tell of the limits of all assets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    buckets: BTreeMap<Address, Bucket>,
    /// A log came without its time: no bucket is known any more.
    is_untimed: bool,
}

/// The limits of an asset as they were set. Units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Set {
    capacity: U256,
    /// Seconds.
    window: u32,
    /// Percent.
    unpriced_share: u8,
    instant_per_payout: U256,
    instant_per_day: U256,
    approved_per_payout: u128,
}

/// The bucket of an asset's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    set: Set,
    /// Unix seconds.
    priced_until: u32,
    /// Ticks.
    full_at: U256,
}

impl From<&IVault::AssetLimits> for Set {
    fn from(limits: &IVault::AssetLimits) -> Self {
        Self {
            capacity: limits.capacity,
            window: limits.window,
            unpriced_share: limits.unpricedShare,
            instant_per_payout: limits.instantPerPayout,
            instant_per_day: limits.instantPerDay,
            approved_per_payout: limits.approvedPerPayout,
        }
    }
}

impl Bucket {
    /// Takes units at a time in unix seconds. False when they did not fit: then it is empty.
    fn take(&mut self, units: U256, at: u64) -> bool {
        if units.is_zero() {
            return true;
        }
        let mut capacity = self.set.capacity;
        if at >= u64::from(self.priced_until) {
            capacity = capacity * U256::from(self.set.unpriced_share) / U256::from(100);
        }
        let now = U256::from(at) << TICK_BITS;
        let span = U256::from(self.set.window) << TICK_BITS;
        let empty = now + span;
        // No bucket holds more than 128 bits.
        let fits = !capacity.is_zero() && units.bit_len() <= 128;
        let next = fits.then(|| self.full_at.max(now) + (units * span).div_ceil(capacity));
        let next = next.filter(|next| *next <= empty);
        self.full_at = next.unwrap_or(empty);
        next.is_some()
    }

    /// Unix seconds, rounded up, as the vault says it.
    fn full_at(&self) -> U256 {
        self.full_at.div_ceil(U256::ONE << TICK_BITS)
    }
}

impl Walk {
    pub(super) fn limits_set(&mut self, event: &IVault::LimitsSet) {
        if let Some(limits) = &mut self.limits {
            limits.buckets.entry(event.asset).or_default().set = Set::from(&event.limits);
        }
    }

    pub(super) fn poked(&mut self, event: &IVault::Poked) {
        if let Some(limits) = &mut self.limits {
            limits.buckets.entry(event.asset).or_default().priced_until = event.until;
        }
    }

    /// Counts units that left. What an owner forces out leaves whatever the bucket holds.
    pub(super) fn let_out(&mut self, log: &VaultLog, asset: Address, units: U256, is_forced: bool) {
        let Some(limits) = &mut self.limits else { return };
        let Some(at) = log.timestamp else {
            limits.is_untimed = true;
            return;
        };
        let fits = limits.buckets.entry(asset).or_default().take(units, at);
        if !fits && !is_forced && !limits.is_untimed {
            let what = format!("{units} units left, and the limit had less");
            let subject = format!("limit of {asset} in transaction {}", log.tx);
            self.say(Class::State, Side::Chain, subject, what);
        }
    }

    /// Compares at block `at`, where the walk ended.
    pub(super) async fn compare_limits(
        &mut self,
        chain: &Chain,
        assets: &Assets,
        at: u64,
    ) -> Result<(), StageError> {
        let Some(limits) = self.limits.clone() else { return Ok(()) };
        for asset in assets.iter() {
            let says = chain.limits(asset.address, at).await?;
            let bucket = limits.buckets.get(&asset.address).copied().unwrap_or_default();
            let set = Set::from(&says.set);
            let what = if set != bucket.set {
                format!("the vault has {}, its events set {}", set.shown(), bucket.set.shown())
            } else if says.full_at != bucket.full_at() && !limits.is_untimed {
                format!(
                    "the vault's bucket is full at {} (unix seconds), what left leads to {}",
                    says.full_at,
                    bucket.full_at()
                )
            } else {
                continue;
            };
            self.say(Class::State, Side::Chain, format!("limit of {}", asset.symbol), what);
        }
        Ok(())
    }
}

impl Set {
    fn shown(&self) -> String {
        let Self {
            capacity,
            window,
            unpriced_share,
            instant_per_payout,
            instant_per_day,
            approved_per_payout,
        } = self;
        format!(
            "{} units in {window} s ({unpriced_share}% without a price), {} at once and {} in a day, {approved_per_payout} \
             approved",
            Amount(*capacity),
            Amount(*instant_per_payout),
            Amount(*instant_per_day)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        let set = Set {
            capacity: U256::from(100),
            window: 3_600,
            unpriced_share: 50,
            instant_per_payout: U256::from(10),
            instant_per_day: U256::from(50),
            approved_per_payout: 100,
        };
        Bucket { set, priced_until: u32::MAX, full_at: U256::ZERO }
    }

    fn take(bucket: &mut Bucket, units: u64, at: u64) -> bool {
        bucket.take(U256::from(units), at)
    }

    #[test]
    fn what_is_taken_comes_back_in_its_time() {
        let mut one = bucket();
        assert!(take(&mut one, 0, 1_000) && one.full_at().is_zero(), "nothing fits always");
        assert!(take(&mut one, 50, 1_000));
        assert_eq!(one.full_at(), U256::from(2_800));
        assert!(take(&mut one, 50, 1_000), "the other half");
        assert_eq!(one.full_at(), U256::from(4_600));
        let mut early = one;
        assert!(!take(&mut early, 1, 1_035), "a unit comes back in 36 seconds");
        assert_eq!(early.full_at(), U256::from(1_035 + 3_600), "then it is empty");
        assert!(take(&mut one, 1, 1_036));
        assert!(take(&mut one, 100, 1_036 + 3_600), "it is full");
    }

    #[test]
    fn a_cost_is_rounded_up_in_ticks() {
        let mut one = bucket();
        one.set.capacity = U256::from(7 * 3_600);
        assert!(take(&mut one, 1, 10));
        assert_eq!(one.full_at, (U256::from(10) << TICK_BITS) + U256::from(65_536_u64.div_ceil(7)));
        assert_eq!(one.full_at(), U256::from(11), "and said in whole seconds");
    }

    #[test]
    fn without_a_price_a_share_counts_and_without_limits_nothing() {
        let mut one = Bucket { priced_until: 1_000, ..bucket() };
        let mut priced = one;
        assert!(take(&mut priced, 51, 999));
        let mut unpriced = one;
        assert!(!take(&mut unpriced, 51, 1_000));
        assert!(take(&mut one, 50, 1_000));
        assert!(!take(&mut Bucket::default(), 1, 1_000));
        assert!(!bucket().take(U256::MAX, 1_000), "more than any bucket holds");
    }
}
