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
    primitives::{Address, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

impl Chain {
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
