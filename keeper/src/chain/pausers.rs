//! Who paused: told by the vault's events, which are looked for from the newest block back.

use super::{
    Block, Chain, ChainError,
    abi::IVault::{AssetPaused, IVaultEvents, Paused, Tripped},
};
use alloy::{
    primitives::Address,
    providers::Provider,
    rpc::types::Filter,
    sol_types::{SolEvent, SolEventInterface},
};

/// So many blocks are looked through: longer than a pause of some days lasts.
const BACK: u64 = 50_000;

impl Chain {
    /// Who let a pause end at `until` (unix seconds): of an asset, or of a scope. It is the vault itself where a limit
    /// tripped. None where no event of the last blocks says so. An ordinary read: nothing is decided by it.
    pub async fn paused_by(
        &self,
        asset: Option<Address>,
        until: u64,
        tip: Block,
    ) -> Result<Option<Address>, ChainError> {
        let oldest = tip.number.saturating_sub(BACK);
        let signatures = vec![Paused::SIGNATURE_HASH, AssetPaused::SIGNATURE_HASH, Tripped::SIGNATURE_HASH];
        let filter = Filter::new().address(self.vault).event_signature(signatures);
        let mut to = tip.number;
        loop {
            let from = (to + 1).saturating_sub(self.max_log_range.max(1)).max(oldest);
            let logs = self.provider.get_logs(&filter.clone().from_block(from).to_block(to)).await?;
            for log in logs.iter().rev() {
                let by = match IVaultEvents::decode_log(&log.inner).map(|event| event.data) {
                    Ok(IVaultEvents::Paused(e)) if asset.is_none() && e.until.to::<u64>() == until => e.by,
                    Ok(IVaultEvents::AssetPaused(e))
                        if asset == Some(e.asset) && e.until.to::<u64>() == until =>
                    {
                        e.by
                    }
                    Ok(IVaultEvents::Tripped(e)) if e.until.to::<u64>() == until => self.vault,
                    _ => continue,
                };
                return Ok(Some(by));
            }
            if from <= oldest {
                return Ok(None);
            }
            to = from - 1;
        }
    }
}
