//! Bars as SVG, in whole numbers.

use crate::domain::amount::Amount;
use alloy::primitives::U256;
use maud::{Markup, html};

/// What a full bar is.
pub(super) const FULL: u64 = 10_000;

/// How much of `most` an amount is, in ten-thousandths, rounded down.
pub(super) fn share(amount: Amount, most: Amount) -> u64 {
    if most.is_zero() {
        return 0;
    }
    // As many bits are dropped of both as keep the product within 256.
    let drop = most.0.bit_len().saturating_sub(200);
    let (amount, most) = (amount.0 >> drop, most.0 >> drop);
    (amount * U256::from(FULL) / most).saturating_to()
}

/// One bar: its height of [`FULL`], what stands under it, and what it says.
pub(super) struct Bar {
    pub share: u64,
    pub label: String,
    pub says: String,
}

const HEIGHT: u64 = 120;
const WIDTH: u64 = 720;

/// Bars beside each other, over their labels.
pub(super) fn bars(about: &str, bars: &[Bar]) -> Markup {
    let step = WIDTH / (bars.len() as u64).max(1);
    let view = format!("0 0 {WIDTH} {}", HEIGHT + 24);
    html! {
        svg viewBox=(view) role="img" aria-label=(about) {
            line class="axis" x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (i, bar) in bars.iter().enumerate() {
                @let x = i as u64 * step;
                @let height = if bar.share == 0 { 0 } else { (bar.share * HEIGHT / FULL).max(1) };
                rect x=(x + 2) y=(HEIGHT - height) width=(step.saturating_sub(4)) height=(height) { title { (bar.says) } }
                text x=(x + step / 2) y=(HEIGHT + 16) { (bar.label) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_for_small_and_for_the_largest_amounts() {
        let units = |n: u64| Amount(U256::from(n));
        assert_eq!(share(units(0), units(0)), 0);
        assert_eq!(share(units(1), units(3)), 3_333);
        assert_eq!(share(Amount(U256::MAX), Amount(U256::MAX)), FULL);
        assert_eq!(share(Amount(U256::MAX >> 1), Amount(U256::MAX)), FULL / 2 - 1);
    }
}
