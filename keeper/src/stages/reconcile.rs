//! Reconcile: chain and books, compared to the unit at one final block.

use super::{Line, StageError};
use crate::{books::balances::Balances, chain::Block, clock::now_ms, store::progress::Verdict};

/// Compares, and keeps the verdict. To be called when the books are at `block` and the float was received.
pub async fn compare(line: &Line, balances: &Balances, block: Block) -> Result<Verdict, StageError> {
    let mut differences = Vec::new();
    for asset in line.assets.iter() {
        let sides = [
            (
                "balance",
                line.chain.vault_balance(asset.address, block.number).await?,
                balances.cash(asset.address),
            ),
            (
                "liabilities",
                line.chain.liabilities(asset.address, block.number).await?,
                balances.liabilities(asset.address),
            ),
        ];
        for (what, chain, books) in sides {
            if chain != books {
                differences.push(format!(
                    "{} {what}: the chain has {}, the books have {}",
                    asset.symbol,
                    chain.to_decimal(asset.decimals),
                    books.to_decimal(asset.decimals)
                ));
            }
        }
    }
    let verdict = Verdict { block: block.number, at: now_ms(), ok: differences.is_empty(), differences };
    if !verdict.ok {
        tracing::error!(block = block.number, differences = ?verdict.differences, "chain and books differ");
    }
    line.store.put_verdict(&verdict).await?;
    Ok(verdict)
}
