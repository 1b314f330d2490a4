//! Limits: what was set, and how much may leave in a time, against what the vault's events lead to.
//!
//! The buckets are counted along with the events, because these tell all that they depend on: the limits, the prices and
//! until when they hold, what was taken and when. So two things are known of each: that nothing left that did not fit, and
//! where it stands. The times come with the logs; with an endpoint that leaves them out the limits are compared, and the
//! buckets are not.

use super::{
    bucket::{Bucket, Rate, Take},
    walk::Walk,
};
use crate::{
    books::difference::{Class, Side},
    chain::{Chain, VaultLog, abi::IVault, state::UsdLimit},
    domain::{amount::Amount, asset::Assets},
    stages::StageError,
};
use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The instant tier's bucket fills in a day.
const INSTANT_WINDOW: u32 = 86_400;

/// What the events tell of all limits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    assets: BTreeMap<Address, Limit>,
    usd: SetUsd,
    /// Over all assets, in USD.
    usd_bucket: Bucket,
    /// A log came without its time: no bucket is known any more.
    is_untimed: bool,
}

/// What let units out of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The keeper alone: the bucket of its tier counts too.
    Instant,
    /// Approved, announced or requested.
    Other,
    /// An owner's force-exit, which is counted, and refused by no bucket.
    Forced,
}

/// An asset's limits and buckets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Limit {
    set: Set,
    price: Price,
    /// The transaction that poked last, and the prices that held in it before that: a recipient that pokes while it is
    /// paid is logged before the payment.
    poked: Option<(B256, Vec<Price>)>,
    bucket: Bucket,
    instant: Bucket,
    swaps: SetSwaps,
    /// Of what is sold.
    swap_bucket: Bucket,
}

/// The rules of an asset's swaps as they were set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SetSwaps {
    /// Units.
    capacity: u128,
    /// Seconds.
    window: u32,
    slippage_bps: u16,
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

/// The limit over all assets as it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SetUsd {
    /// Whole USD.
    capacity: u32,
    /// Seconds.
    window: u32,
    hard_multiple: u8,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Price {
    /// USD per unit, times 10^decimals.
    value: U256,
    decimals: u8,
    /// Unix seconds.
    until: u32,
}

impl Price {
    fn holds(&self, at: u64) -> bool {
        at < u64::from(self.until)
    }
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

impl From<&IVault::SwapRules> for SetSwaps {
    fn from(rules: &IVault::SwapRules) -> Self {
        Self { capacity: rules.capacity, window: rules.window, slippage_bps: rules.slippageBps }
    }
}

impl SetSwaps {
    fn rate(&self) -> Rate {
        Rate { capacity: U256::from(self.capacity), window: self.window }
    }

    fn shown(&self) -> String {
        let Self { capacity, window, slippage_bps } = self;
        format!("{capacity} units in {window} s, {slippage_bps} bps of slippage")
    }
}

impl Limit {
    fn poke(&mut self, tx: B256, price: Price) {
        match &mut self.poked {
            Some((last, before)) if *last == tx => before.push(self.price),
            poked => *poked = Some((tx, vec![self.price])),
        }
        self.price = price;
    }

    /// The prices at which a transaction may have let something out.
    fn prices(&self, tx: B256) -> Vec<Price> {
        let before = self.poked.iter().filter(|(poked, _)| *poked == tx).flat_map(|(_, before)| before);
        before.copied().chain([self.price]).collect()
    }
}

impl Set {
    fn rate(&self, price: Price, at: u64) -> Rate {
        let share = if price.holds(at) { 100 } else { self.unpriced_share };
        Rate { capacity: self.capacity * U256::from(share) / U256::from(100), window: self.window }
    }

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

impl SetUsd {
    /// What units cost at a price: nothing without one.
    fn cost(&self, units: U256, price: Price, at: u64) -> Take {
        let capacity = U256::from(self.capacity) * U256::from(10).pow(U256::from(price.decimals));
        let value = if price.holds(at) { units.saturating_mul(price.value) } else { U256::ZERO };
        (value, Rate { capacity, window: self.window })
    }

    fn shown(&self) -> String {
        let Self { capacity, window, hard_multiple } = self;
        format!("{capacity} USD in {window} s, the hard multiple {hard_multiple}")
    }
}

impl Limits {
    /// Takes units at a time in unix seconds, and names each bucket that had less.
    fn take(&mut self, tx: B256, asset: Address, units: U256, way: Way, at: u64) -> Vec<&'static str> {
        let Self { assets, usd, usd_bucket, .. } = self;
        let limit = assets.entry(asset).or_default();
        let (set, prices) = (limit.set, limit.prices(tx));
        let mut over = Vec::new();
        if !limit.bucket.take(prices.iter().map(|price| (units, set.rate(*price, at))), at) {
            over.push("its limit");
        }
        let daily = Rate { capacity: set.instant_per_day, window: INSTANT_WINDOW };
        if way == Way::Instant && !limit.instant.take([(units, daily)], at) {
            over.push("the instant tier's");
        }
        if !usd_bucket.take(prices.iter().map(|price| usd.cost(units, *price, at)), at) {
            over.push("the limit in USD");
        }
        over
    }
}

impl Walk {
    pub(super) fn limits_set(&mut self, event: &IVault::LimitsSet) {
        if let Some(limits) = &mut self.limits {
            limits.assets.entry(event.asset).or_default().set = Set::from(&event.limits);
        }
    }

    pub(super) fn swap_rules_set(&mut self, event: &IVault::SwapRulesSet) {
        if let Some(limits) = &mut self.limits {
            limits.assets.entry(event.asset).or_default().swaps = SetSwaps::from(&event.rules);
        }
    }

    pub(super) fn usd_limit_set(&mut self, event: &IVault::UsdLimitSet) {
        if let Some(limits) = &mut self.limits {
            let IVault::UsdLimitSet { capacity, window, hardMultiple: hard_multiple, .. } = *event;
            limits.usd = SetUsd { capacity, window, hard_multiple };
        }
    }

    pub(super) fn poked(&mut self, tx: B256, event: &IVault::Poked) {
        if let Some(limits) = &mut self.limits {
            let price = Price { value: event.price, decimals: event.decimals, until: event.until };
            limits.assets.entry(event.asset).or_default().poke(tx, price);
        }
    }

    /// Counts units that left for a withdrawal.
    pub(super) fn let_out(&mut self, log: &VaultLog, asset: Address, units: U256, way: Way) {
        self.count(log, asset, units, |limits, at| {
            let over = limits.take(log.tx, asset, units, way, at);
            if way == Way::Forced { Vec::new() } else { over }
        });
    }

    /// Counts units that were sold.
    pub(super) fn swapped(&mut self, log: &VaultLog, asset: Address, units: U256) {
        self.count(log, asset, units, |limits, at| {
            let limit = limits.assets.entry(asset).or_default();
            let fits = limit.swap_bucket.take([(units, limit.swaps.rate())], at);
            if fits { Vec::new() } else { vec!["its limit of swaps"] }
        });
    }

    /// Has buckets `take` units at the time of their log, and says which had less.
    fn count(
        &mut self,
        log: &VaultLog,
        asset: Address,
        units: U256,
        take: impl FnOnce(&mut Limits, u64) -> Vec<&'static str>,
    ) {
        let Some(limits) = &mut self.limits else { return };
        let Some(at) = log.timestamp else {
            limits.is_untimed = true;
            return;
        };
        let over = take(limits, at);
        if limits.is_untimed {
            return;
        }
        for bucket in over {
            let what = format!("{units} units left, and {bucket} had less");
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
        let stands = |bucket: &Bucket, name: &str, full_at: U256| {
            (!limits.is_untimed && !bucket.is_full_at(full_at)).then(|| {
                format!(
                    "the vault's {name} is full at {full_at} (unix seconds), what left leads to {}",
                    bucket.earliest()
                )
            })
        };
        let otherwise =
            |on_chain: String, set: String| format!("the vault has {on_chain}, its events set {set}");
        for asset in assets.iter() {
            let says = chain.limits(asset.address, at).await?;
            let limit = limits.assets.get(&asset.address).cloned().unwrap_or_default();
            let set = Set::from(&says.set);
            let what = (set != limit.set)
                .then(|| otherwise(set.shown(), limit.set.shown()))
                .or_else(|| stands(&limit.bucket, "bucket", says.full_at))
                .or_else(|| stands(&limit.instant, "bucket of the instant tier", says.instant_full_at));
            if let Some(what) = what {
                self.say(Class::State, Side::Chain, format!("limit of {}", asset.symbol), what);
            }
            let swaps = SetSwaps::from(&says.swaps);
            let what = (swaps != limit.swaps)
                .then(|| otherwise(swaps.shown(), limit.swaps.shown()))
                .or_else(|| stands(&limit.swap_bucket, "bucket of swaps", says.swaps_full_at));
            if let Some(what) = what {
                self.say(Class::State, Side::Chain, format!("limit of swaps from {}", asset.symbol), what);
            }
        }
        let UsdLimit { capacity, window, hard_multiple, full_at } = chain.usd_limit(at).await?;
        let set = SetUsd { capacity, window, hard_multiple };
        let what = (set != limits.usd)
            .then(|| otherwise(set.shown(), limits.usd.shown()))
            .or_else(|| stands(&limits.usd_bucket, "bucket", full_at));
        if let Some(what) = what {
            self.say(Class::State, Side::Chain, "limit in USD".to_owned(), what);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSET: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    /// Two assets that bound one another by a limit of 100 USD in an hour: a unit of the first is worth 2 USD.
    fn limits() -> Limits {
        let set = Set {
            capacity: U256::from(100),
            window: 3_600,
            unpriced_share: 50,
            instant_per_payout: U256::from(10),
            instant_per_day: U256::from(24),
            approved_per_payout: 100,
        };
        let price = |value: u64| Price { value: U256::from(value), decimals: 1, until: 5_000 };
        let limit = |value| Limit { set, price: price(value), ..Limit::default() };
        Limits {
            assets: [(ASSET, limit(20)), (OTHER, limit(10))].into(),
            usd: SetUsd { capacity: 100, window: 3_600, hard_multiple: 2 },
            ..Limits::default()
        }
    }

    fn take(limits: &mut Limits, tx: u8, asset: Address, units: u64, way: Way, at: u64) -> Vec<&'static str> {
        limits.take(B256::repeat_byte(tx), asset, U256::from(units), way, at)
    }

    #[test]
    fn each_bucket_counts_what_is_its_own() {
        let mut all = limits();
        assert!(take(&mut all, 1, ASSET, 24, Way::Instant, 1_000).is_empty());
        assert_eq!(take(&mut all, 2, ASSET, 1, Way::Instant, 1_000), ["the instant tier's"]);
        assert!(take(&mut all, 3, OTHER, 50, Way::Other, 1_000).is_empty(), "48 + 2 + 50 USD of 100");
        assert_eq!(take(&mut all, 4, OTHER, 1, Way::Other, 1_000), ["the limit in USD"]);
        assert_eq!(all.usd_bucket.earliest(), U256::from(4_600));
        let [one, other] = [ASSET, OTHER].map(|asset| all.assets[&asset].bucket.earliest());
        assert_eq!((one, other), (U256::from(1_900), U256::from(1_000 + 51 * 36)));
        assert_eq!(all.assets[&OTHER].instant, Bucket::default(), "the keeper paid none of it alone");
    }

    #[test]
    fn without_a_price_a_share_counts_and_nothing_in_usd() {
        let mut all = limits();
        assert_eq!(take(&mut all, 1, ASSET, 51, Way::Forced, 5_000), ["its limit"]);
        assert_eq!(take(&mut limits(), 1, ASSET, 50, Way::Other, 5_000), [""; 0]);
        assert_eq!(all.usd_bucket, Bucket::default());
    }

    #[test]
    fn a_price_that_came_in_the_same_transaction_may_have_been_there_or_not() {
        let mut all = limits();
        let (tx, price) = (B256::repeat_byte(9), Price { value: U256::from(40), decimals: 1, until: 9_000 });
        all.assets.get_mut(&ASSET).unwrap().poke(tx, price);
        assert!(take(&mut all, 9, ASSET, 10, Way::Other, 1_000).is_empty());
        for seconds in [20 * 36, 40 * 36] {
            assert!(all.usd_bucket.is_full_at(U256::from(1_000 + seconds)));
        }
        assert!(take(&mut all, 10, ASSET, 1, Way::Other, 1_000).is_empty());
        let latest = U256::from(1_000 + 44 * 36);
        assert!(all.usd_bucket.is_full_at(latest) && !all.usd_bucket.is_full_at(latest + U256::ONE));
        assert!(all.usd_bucket.is_full_at(U256::from(1_000 + 24 * 36)), "then by the new price alone");
    }
}
