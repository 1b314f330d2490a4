//! Cold, where surplus goes and refills come from. Ordinary reads: nothing is paid by them.

use super::{
    Block, Chain, ChainError,
    abi::{IERC20, IVault},
};
use crate::domain::amount::Amount;
use alloy::{eips::BlockId, primitives::Address};

/// How much of an asset the float should hold at least, how much the vault counts at cold, and how much may leave at once.
/// Units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub min_float: Amount,
    pub at_cold: Amount,
    pub capacity: Amount,
}

impl Chain {
    /// What a refill from cold is bounded by; none where cold has nothing of the asset, or the vault takes none of it.
    pub async fn marks(&self, asset: Address, block: Block) -> Result<Option<Marks>, ChainError> {
        let (vault, at) = (IVault::new(self.vault, self.provider.clone()), BlockId::number(block.number));
        let of = vault.treasuryOf(asset).block(at).call().await?;
        if of.coldBalance.is_zero() || !vault.assetConfig(asset).block(at).call().await?.listed {
            return Ok(None);
        }
        let capacity = Amount(vault.assetLimits(asset).block(at).call().await?.capacity);
        Ok(Some(Marks { min_float: Amount(of.minFloat), at_cold: Amount(of.coldBalance), capacity }))
    }

    /// What the vault counts as swept to cold and not refilled since.
    pub async fn at_cold(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        let vault = IVault::new(self.vault, self.provider.clone());
        Ok(Amount(vault.treasuryOf(asset).block(BlockId::number(at)).call().await?.coldBalance))
    }

    /// The address that sweeps go to; none when none is set.
    pub async fn cold(&self) -> Result<Option<Address>, ChainError> {
        let cold = IVault::new(self.vault, self.provider.clone()).cold().call().await?;
        Ok((!cold.is_zero()).then_some(cold))
    }

    /// How much of a token the vault may take from an account.
    pub async fn allowance(&self, token: Address, owner: Address) -> Result<Amount, ChainError> {
        Ok(Amount(IERC20::new(token, self.provider.clone()).allowance(owner, self.vault).call().await?))
    }
}
