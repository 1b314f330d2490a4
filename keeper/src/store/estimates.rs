//! What a payout of each asset was last estimated to cost, for readers.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::fees::{FeeEstimate, FeePolicy, Fees};
use alloy::primitives::Address;

/// An estimate as it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptEstimate {
    /// Gas of one payout, its share of the batch included.
    pub gas: u64,
    pub estimate: FeeEstimate,
    /// Unix milliseconds.
    pub at: i64,
}

impl Unit {
    /// [`Store::put_estimate`], together with a change.
    pub async fn put_estimate(&mut self, asset: Address, kept: &KeptEstimate) -> Result<(), StoreError> {
        put(self.connection(), asset, kept).await
    }
}

async fn put(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    asset: Address,
    kept: &KeptEstimate,
) -> Result<(), StoreError> {
    let fee = |wei: u128| i64::try_from(wei).unwrap_or(i64::MAX);
    let FeeEstimate { fees, base_fee, policy } = kept.estimate;
    sqlx::query(
        "INSERT INTO fee_estimates (asset, gas, base_fee, max_fee, priority_fee, policy, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (asset) DO UPDATE SET gas = excluded.gas, \
         base_fee = excluded.base_fee, max_fee = excluded.max_fee, priority_fee = excluded.priority_fee, \
         policy = excluded.policy, at = excluded.at",
    )
    .bind(sql::address(asset))
    .bind(sql::int(kept.gas))
    .bind(fee(base_fee))
    .bind(fee(fees.max_fee))
    .bind(fee(fees.priority_fee))
    .bind(policy.as_str())
    .bind(kept.at)
    .execute(executor)
    .await?;
    Ok(())
}

impl Store {
    /// Keeps an estimate over the one before. No audit entry: nothing is decided by it later.
    pub async fn put_estimate(&self, asset: Address, kept: &KeptEstimate) -> Result<(), StoreError> {
        put(&self.writer, asset, kept).await
    }

    /// The last estimate for an asset; none when nothing of it was estimated yet.
    pub async fn estimate(&self, asset: Address) -> Result<Option<KeptEstimate>, StoreError> {
        let row = sqlx::query(
            "SELECT gas, base_fee, max_fee, priority_fee, policy, at FROM fee_estimates WHERE asset = $1",
        )
        .bind(sql::address(asset))
        .fetch_optional(&self.reader)
        .await?;
        row.map(|r| {
            let fees =
                Fees { max_fee: r.uint("max_fee")?.into(), priority_fee: r.uint("priority_fee")?.into() };
            let policy = r.parsed("policy", FeePolicy::parse)?;
            let estimate = FeeEstimate { fees, base_fee: r.uint("base_fee")?.into(), policy };
            Ok(KeptEstimate { gas: r.uint("gas")?, estimate, at: r.int("at")? })
        })
        .transpose()
    }
}
