//! The vault's swap door, as the keeper sees it. Ordinary reads: what is swapped is bounded by the vault itself.

use super::{
    Block, Chain, ChainError,
    abi::{ISwapSplitter, IVault},
    or_refusal,
    refusal::Refusal,
};
use crate::domain::amount::Amount;
use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

/// What the pending state makes of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swapped {
    pub spent: Amount,
    pub received: Amount,
}

/// The marks of an asset's float, and what may be sold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapRoom {
    /// Units that must stay in the float.
    pub min_float: Amount,
    /// Units above which the float is surplus, which is swept to cold.
    pub high_water: Amount,
    /// Units that may be sold now.
    pub left: Amount,
}

impl Chain {
    /// The marks of an asset's float, and what the vault lets be sold of it.
    pub async fn swap_room(&self, asset: Address, block: Block) -> Result<SwapRoom, ChainError> {
        let (vault, at) = (IVault::new(self.vault, self.provider.clone()), BlockId::number(block.number));
        let marks = vault.treasuryOf(asset).block(at).call().await?;
        let left = Amount(vault.swapLimitState(asset).block(at).call().await?.left);
        Ok(SwapRoom { min_float: Amount(marks.minFloat), high_water: Amount(marks.highWater), left })
    }

    /// What the vault would do with a swap on the pending state, or why it refuses it.
    pub async fn simulate_swap(
        &self,
        from: Address,
        calldata: &Bytes,
    ) -> Result<Result<Swapped, Refusal>, ChainError> {
        let request = TransactionRequest::default()
            .from(from)
            .to(self.vault)
            .input(calldata.clone().into())
            .gas_limit(super::TRANSACTION_GAS_CAP);
        match or_refusal(self.provider.call(request).block(BlockId::pending()).await)? {
            Ok(bytes) => {
                let said = IVault::swapCall::abi_decode_returns(&bytes);
                let said = said.map_err(alloy::contract::Error::from)?;
                Ok(Ok(Swapped { spent: Amount(said.spent), received: Amount(said.received) }))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The wrapped form of the chain's coin, as the splitter has it; none while the vault has no splitter.
    pub async fn wrapped_native(&self, block: Block) -> Result<Option<Address>, ChainError> {
        let at = BlockId::number(block.number);
        let splitter = IVault::new(self.vault, self.provider.clone()).splitter().block(at).call().await?;
        if splitter.is_zero() {
            return Ok(None);
        }
        Ok(Some(ISwapSplitter::new(splitter, self.provider.clone()).WETH().block(at).call().await?))
    }

    /// The least of `buy` that the vault lets a swap of `spent` bring, or why it lets none.
    pub async fn swap_bound(
        &self,
        sell: Address,
        buy: Address,
        spent: U256,
        block: Block,
    ) -> Result<Result<Amount, Refusal>, ChainError> {
        let call = IVault::swapBoundCall { sell, buy, spent };
        let request = TransactionRequest::default().to(self.vault).input(call.abi_encode().into());
        let answer = self.provider.call(request).block(BlockId::number(block.number)).await;
        match or_refusal(answer)? {
            Ok(bytes) => {
                let bound = IVault::swapBoundCall::abi_decode_returns(&bytes);
                Ok(Ok(Amount(bound.map_err(alloy::contract::Error::from)?)))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}
