//! What may be done with a price, by action.

use crate::{Reason, Reasons};
use serde::{Deserialize, Serialize};

/// What needs, or does not need, a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Action {
    /// The recipient gets the asset that was asked for. No price is needed, so none stops it; without one the asset's
    /// tighter unit limit counts.
    Payout = 0,
    /// One asset for another.
    Swap = 1,
    /// Opening or increasing a position, or taking collateral out.
    Margin = 2,
    Liquidation = 3,
    /// Paying back, or adding collateral: never stopped by a sick feed or a grace period.
    Repayment = 4,
}

impl Action {
    pub const ALL: [Self; 5] = [Self::Payout, Self::Swap, Self::Margin, Self::Liquidation, Self::Repayment];

    /// The asset's reasons that do not stop it.
    pub const fn tolerates(self) -> Reasons {
        match self {
            Self::Payout | Self::Repayment => Reasons::OF_ASSETS,
            // Our own bound at fault comes with a source that is left out: were it not tolerated like that, making the
            // source fail altogether would bring a swap back.
            Self::Swap => Reasons::of(&[Reason::Dropped, Reason::OwnBound]),
            Self::Margin => Reasons::NONE,
            Self::Liquidation => Reasons::of(&[Reason::Dropped, Reason::OwnBound, Reason::OffPeg]),
        }
    }

    /// Whether it may go on for these reasons.
    pub fn allowed(self, reasons: Reasons) -> bool {
        !reasons.without(self.tolerates()).intersects(Reasons::OF_ASSETS)
    }
}
