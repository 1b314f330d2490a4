//! A token bucket, counted along with the events exactly as `contracts/libraries/Bucket.sol` counts it.

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

/// Ticks per second, in powers of two.
const TICK_BITS: usize = 16;

/// How much may leave in a time, in what the bucket counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) capacity: U256,
    /// Seconds.
    pub(super) window: u32,
}

/// What is taken, and from how much: in a bucket of USD both depend on the price.
pub(super) type Take = (U256, Rate);

/// When a bucket is full, in ticks. Not always can events tell the price at which something left; then it is one of two
/// moments, until the bucket is full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    earliest: U256,
    latest: U256,
}

impl Bucket {
    /// Takes at a time in unix seconds, in one of the `ways` that it may have been. False when it did not fit in any:
    /// then the bucket is empty.
    pub(super) fn take(&mut self, ways: impl IntoIterator<Item = Take>, at: u64) -> bool {
        let before = *self;
        let mut after: Option<Self> = None;
        let mut fitted = false;
        for (amount, rate) in ways {
            let (earliest, fits) = next(before.earliest, amount, rate, at);
            let (latest, _) = next(before.latest, amount, rate, at);
            fitted |= fits;
            let was = after.unwrap_or(Self { earliest, latest });
            after = Some(Self { earliest: was.earliest.min(earliest), latest: was.latest.max(latest) });
        }
        *self = after.unwrap_or(before);
        fitted
    }

    /// Whether it is full then, in unix seconds, rounded up as the vault says it.
    pub(super) fn is_full_at(&self, second: U256) -> bool {
        (self.earliest()..=seconds(self.latest)).contains(&second)
    }

    /// Unix seconds, rounded up.
    pub(super) fn earliest(&self) -> U256 {
        seconds(self.earliest)
    }
}

fn seconds(ticks: U256) -> U256 {
    ticks.div_ceil(U256::ONE << TICK_BITS)
}

/// When a bucket is full after that, in ticks, and whether it held as much: if not, it is empty.
fn next(full_at: U256, amount: U256, rate: Rate, at: u64) -> (U256, bool) {
    if amount.is_zero() {
        return (full_at, true);
    }
    let now = U256::from(at) << TICK_BITS;
    let span = U256::from(rate.window) << TICK_BITS;
    let empty = now + span;
    // No bucket holds more than 160 bits, and up to there nothing overflows.
    let fits = !rate.capacity.is_zero() && amount.bit_len() <= 160;
    let next = fits.then(|| full_at.max(now) + (amount * span).div_ceil(rate.capacity));
    next.filter(|next| *next <= empty).map_or((empty, false), |next| (next, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { capacity: U256::from_limbs([100, 0, 0, 0]), window: 3_600 };

    fn take(bucket: &mut Bucket, units: u64, at: u64) -> bool {
        bucket.take([(U256::from(units), RATE)], at)
    }

    #[test]
    fn what_is_taken_comes_back_in_its_time() {
        let mut one = Bucket::default();
        assert!(take(&mut one, 0, 1_000) && one.earliest().is_zero(), "nothing fits always");
        assert!(take(&mut one, 50, 1_000));
        assert_eq!(one.earliest(), U256::from(2_800));
        assert!(take(&mut one, 50, 1_000), "the other half");
        assert_eq!(one.earliest(), U256::from(4_600));
        let mut early = one;
        assert!(!take(&mut early, 1, 1_035), "a unit comes back in 36 seconds");
        assert_eq!(early.earliest(), U256::from(1_035 + 3_600), "then it is empty");
        assert!(take(&mut one, 1, 1_036));
        assert!(take(&mut one, 100, 1_036 + 3_600), "it is full");
        assert!(!one.take([(U256::MAX, RATE)], 9_999), "more than any bucket holds");
        assert!(!take(&mut Bucket::default(), 101, 1_000));
        let none = Rate { capacity: U256::ZERO, ..RATE };
        assert!(!Bucket::default().take([(U256::ONE, none)], 1_000), "without a limit nothing fits");
    }

    #[test]
    fn a_cost_is_rounded_up_in_ticks() {
        let mut one = Bucket::default();
        let rate = Rate { capacity: U256::from(7 * 3_600), ..RATE };
        assert!(one.take([(U256::ONE, rate)], 10));
        assert_eq!(one.earliest, (U256::from(10) << TICK_BITS) + U256::from(65_536_u64.div_ceil(7)));
        assert_eq!(one.earliest(), U256::from(11), "and said in whole seconds");
    }

    #[test]
    fn two_ways_are_one_again_when_it_is_full() {
        let mut one = Bucket::default();
        let ways = [10, 90].map(|units| (U256::from(units), RATE));
        assert!(one.take(ways, 1_000));
        assert!(one.is_full_at(U256::from(1_360)) && one.is_full_at(U256::from(1_000 + 3_240)));
        assert!(!one.is_full_at(U256::from(1_359)) && !one.is_full_at(U256::from(1_000 + 3_241)));
        assert!(take(&mut one, 80, 1_000), "it may have been the less");
        assert!(!take(&mut one, 20, 1_000), "in no way");
        assert!(take(&mut one, 100, 4_600));
        assert_eq!(one.earliest, one.latest);
    }
}
