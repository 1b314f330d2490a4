//! What a transaction offers for its gas, and what a withdrawal may cost. All in integers of wei.

use super::amount::Amount;
use alloy::primitives::U256;
use serde::Deserialize;

/// Wei per gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    pub max_fee: u128,
    pub priority_fee: u128,
}

/// How much is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeePolicy {
    /// The tip that half of the gas of recent blocks paid; the base fee may double.
    #[default]
    Normal,
    /// The tip that only a tenth of the gas exceeded; the base fee may triple.
    Urgent,
}

impl FeePolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Urgent => "urgent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Normal, Self::Urgent].into_iter().find(|p| p.as_str() == text)
    }

    fn base_fee_multiple(self) -> u128 {
        match self {
            Self::Normal => 2,
            Self::Urgent => 3,
        }
    }
}

/// The percentiles of the tips, weighted by gas, that a history is asked for.
pub const PERCENTILES: [u8; 2] = [50, 90];

/// What recent blocks took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeHistory {
    /// The base fee of the next block.
    pub next_base_fee: u128,
    /// Of each block, the tips at [`PERCENTILES`].
    pub tips: Vec<[u128; 2]>,
}

/// What to offer now, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeEstimate {
    pub fees: Fees,
    pub base_fee: u128,
    pub policy: FeePolicy,
}

impl FeeHistory {
    /// What `policy` offers: the median over the blocks that held anything of the tip at its percentile, and room for
    /// the base fee to rise. At most `ceiling`.
    pub fn estimate(&self, policy: FeePolicy, ceiling: u128) -> FeeEstimate {
        let column = usize::from(policy == FeePolicy::Urgent);
        let mut tips: Vec<u128> = self.tips.iter().map(|t| t[column]).filter(|tip| *tip > 0).collect();
        tips.sort_unstable();
        // One wei: some nodes take no transaction without a tip.
        let tip = tips.get(tips.len() / 2).copied().unwrap_or(1);
        let max_fee = self.next_base_fee.saturating_mul(policy.base_fee_multiple()).saturating_add(tip);
        let fees = Fees { max_fee, priority_fee: tip }.capped(ceiling);
        FeeEstimate { fees, base_fee: self.next_base_fee, policy }
    }
}

impl Fees {
    /// At most `ceiling` per gas, and no tip above the whole.
    pub fn capped(self, ceiling: u128) -> Self {
        let max_fee = self.max_fee.min(ceiling);
        Self { max_fee, priority_fee: self.priority_fee.min(max_fee) }
    }

    /// The least that nodes take in the place of a transaction with these: they ask for 10 % more in both fees; an
    /// eighth and one wei leave room for how they round.
    pub fn raised(self) -> Self {
        let raised = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        Self { max_fee: raised(self.max_fee), priority_fee: raised(self.priority_fee) }
    }

    /// The fees of a transaction that takes the place of one with `self`, when `now` is what is usual now. None when
    /// that is above `ceiling`: then no node would take it.
    pub fn replacement(self, now: Self, ceiling: u128) -> Option<Self> {
        let least = self.raised();
        let wanted = Self {
            max_fee: least.max_fee.max(now.max_fee),
            priority_fee: least.priority_fee.max(now.priority_fee),
        }
        .capped(ceiling);
        (wanted.max_fee >= least.max_fee && wanted.priority_fee >= least.priority_fee).then_some(wanted)
    }

    /// The most that `gas` can cost, in wei.
    pub fn cost(self, gas: u64) -> Amount {
        Amount(U256::from(self.max_fee) * U256::from(gas))
    }
}

/// Whether a payout of `amount` may cost `cost`, both in units of its asset: at most `max_share_bps` ten-thousandths of it.
/// Zero sets no bound. Rounds against the payout: a cost at the bound passes, a wei above does not.
pub fn within_share(cost: Amount, amount: Amount, max_share_bps: u64) -> bool {
    if max_share_bps == 0 {
        return true;
    }
    let (Some(cost), Some(most)) =
        (cost.0.checked_mul(U256::from(10_000)), amount.0.checked_mul(U256::from(max_share_bps)))
    else {
        // An amount beyond 2^242 units is worth any fee; a cost beyond it is worth nothing.
        return cost.0 <= amount.0;
    };
    cost <= most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn history(next_base_fee: u128, tips: &[[u128; 2]]) -> FeeHistory {
        FeeHistory { next_base_fee, tips: tips.to_vec() }
    }

    #[test]
    fn the_policy_chooses_percentile_and_room() {
        let history = history(100, &[[3, 30], [0, 0], [1, 10], [2, 20]]);
        let normal = history.estimate(FeePolicy::Normal, 1_000);
        assert_eq!(normal.fees, Fees { max_fee: 202, priority_fee: 2 });
        let urgent = history.estimate(FeePolicy::Urgent, 1_000);
        assert_eq!(urgent.fees, Fees { max_fee: 320, priority_fee: 20 });
        assert_eq!(history.estimate(FeePolicy::Urgent, 15).fees, Fees { max_fee: 15, priority_fee: 15 });
    }

    #[test]
    fn empty_blocks_still_get_a_tip() {
        let estimate = history(7, &[[0, 0]]).estimate(FeePolicy::Normal, u128::MAX);
        assert_eq!(estimate.fees, Fees { max_fee: 15, priority_fee: 1 });
    }

    #[test]
    fn a_share_is_exact() {
        let wei = |n: u128| Amount::from(n);
        assert!(within_share(wei(100), wei(10_000), 100));
        assert!(!within_share(wei(101), wei(10_000), 100));
        assert!(within_share(wei(10), wei(10), 10_000));
        assert!(!within_share(wei(11), wei(10), 10_000));
        assert!(within_share(wei(u128::MAX), wei(1), 0));
        assert!(within_share(wei(1), Amount(U256::MAX), 1));
    }

    proptest! {
        #[test]
        fn a_replacement_is_one_that_nodes_take(max_fee: u128, tip: u128, now: (u128, u128), ceiling: u128) {
            let stuck = Fees { max_fee, priority_fee: tip.min(max_fee) };
            let now = Fees { max_fee: now.0, priority_fee: now.1.min(now.0) };
            if let Some(next) = stuck.replacement(now, ceiling) {
                prop_assert!(next.max_fee <= ceiling);
                prop_assert!(next.priority_fee <= next.max_fee);
                // 10 % more in both, without rounding in our favour.
                let enough = |new: u128, old: u128| U256::from(new) * U256::from(10) >= U256::from(old) * U256::from(11);
                prop_assert!(max_fee > u128::MAX / 2 || enough(next.max_fee, stuck.max_fee));
                prop_assert!(max_fee > u128::MAX / 2 || enough(next.priority_fee, stuck.priority_fee));
            } else {
                prop_assert!(stuck.raised().max_fee > ceiling || stuck.raised().priority_fee > ceiling);
            }
        }

        #[test]
        fn an_estimate_stays_under_the_ceiling(base: u128, tips: Vec<[u128; 2]>, ceiling: u128) {
            let history = FeeHistory { next_base_fee: base, tips };
            for policy in [FeePolicy::Normal, FeePolicy::Urgent] {
                let fees = history.estimate(policy, ceiling).fees;
                prop_assert!(fees.max_fee <= ceiling && fees.priority_fee <= fees.max_fee);
            }
        }

        #[test]
        fn replacements_end_at_the_ceiling(start in 1u128..1_000_000_000_000, ceiling in 1u128..1_000_000_000_000) {
            let mut fees = Fees { max_fee: start, priority_fee: start };
            let mut steps = 0;
            while let Some(next) = fees.replacement(Fees::default(), ceiling) {
                fees = next;
                steps += 1;
                prop_assert!(steps < 400);
            }
        }

        #[test]
        fn a_larger_amount_never_fares_worse(cost: u128, amount: u128, more: u128, bps in 0u64..20_000) {
            let larger = Amount(U256::from(amount) + U256::from(more));
            if within_share(Amount::from(cost), Amount::from(amount), bps) {
                prop_assert!(within_share(Amount::from(cost), larger, bps));
            }
        }
    }
}
