//! Margin pools: each holds at least what it says that it owes, and is booked as it stood.
//!
//! What a pool owes is one number, `held`: free and locked balances, pots, stranded withdrawals and the insurance fund. What
//! it has beyond that is a gift, which stays there and covers a later loss: nothing is to be done about it.

use crate::{
    books::difference::{Class, Difference, Side},
    chain::{Chain, ChainError},
    domain::asset::Assets,
    store::margin::PoolHeld,
};
use alloy::primitives::Address;

/// The vault has its own books: that a pool is short stops none of the vault's assets.
const NEXT_STEP: &str = "who may pauses the pool now; find what its collateral's contract took, or who changed the pool's code; \
     until somebody makes it good, who withdraws gets a share";

/// Compares at block `at`.
pub(super) async fn compare(
    chain: &Chain,
    assets: &Assets,
    pools: &[Address],
    at: u64,
) -> Result<Vec<Difference>, ChainError> {
    let mut short = Vec::new();
    for pool in pools {
        // One that was made later is not looked at.
        let Some(owes) = chain.margin_held(*pool, at).await? else { continue };
        let has = chain.balance(owes.collateral, *pool, at).await?;
        if has < owes.held {
            let show = |amount| assets.show(owes.collateral, amount);
            let what = format!("it holds {}, and owes {}", show(has), show(owes.held));
            let difference =
                Difference::new(Class::UnknownOutflow, Side::Chain, format!("pool {pool}"), what);
            short.push(Difference { next_step: NEXT_STEP.to_owned(), ..difference });
        }
    }
    Ok(short)
}

/// Compares what is booked of each pool with what it owed then. One that was not followed for long is not compared where the
/// endpoints do not keep the state of that block.
pub(super) async fn compare_books(chain: &Chain, assets: &Assets, booked: &[PoolHeld]) -> Vec<Difference> {
    let mut odd = Vec::new();
    for PoolHeld { pool, collateral, held, block } in booked {
        let owed = match chain.margin_held(*pool, *block).await {
            Ok(owed) => owed,
            Err(error) => {
                tracing::warn!(%pool, block, %error, "what is booked of this margin pool is not compared: its state then cannot be read");
                continue;
            }
        };
        if owed.as_ref().is_some_and(|owed| (owed.collateral, owed.held) == (*collateral, *held)) {
            continue;
        }
        let owed = owed.map_or_else(
            || "was not there".to_owned(),
            |o| format!("owed {}", assets.show(o.collateral, o.held)),
        );
        let what = format!("at block {block} it {owed}, the books have {}", assets.show(*collateral, *held));
        odd.push(Difference::new(Class::Amount, Side::Ledger, format!("pool {pool}"), what));
    }
    odd
}
