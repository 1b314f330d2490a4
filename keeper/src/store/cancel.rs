//! Taking an order back before it is in a batch.

use super::{Context, Store, StoreError, Unit, sql::Columns, withdrawals::by_id};
use crate::domain::{
    reason::Code,
    withdrawal::{Door, Withdrawal, WithdrawalId, WithdrawalState},
};

/// What became of the wish to take a withdrawal back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is never paid, now or since it was taken back before.
    Done(Withdrawal),
    /// It is in a batch, or ended.
    TooLate(Withdrawal),
    /// Its owner takes it back on chain.
    OnChain(Withdrawal),
    /// What was sent before is not known yet: it may be paid.
    Fenced,
    Unknown,
}

impl Store {
    /// Takes an order back that is in no batch. Only for a keeper that works for a lane or leads: its leases prove that the
    /// database is the one it has always been.
    pub async fn cancel(&self, id: &WithdrawalId) -> Result<Cancelled, StoreError> {
        let context = Context::new("api", "withdrawal.cancelled", serde_json::json!({ "id": id.as_str() }));
        let mut unit = self.unit(context).await?;
        let found = by_id(unit.connection(), id).await?;
        let Some(mut withdrawal) = found else { return Ok(Cancelled::Unknown) };
        if withdrawal.reason == Some(Code::CancelledByCaller) {
            return Ok(Cancelled::Done(withdrawal));
        }
        if withdrawal.door == Door::Request {
            return Ok(Cancelled::OnChain(withdrawal));
        }
        if withdrawal.state.is_terminal() || withdrawal.state == WithdrawalState::Batched {
            return Ok(Cancelled::TooLate(withdrawal));
        }
        unit.require_any().await?;
        if unit.is_fenced().await? {
            return Ok(Cancelled::Fenced);
        }
        let (to, why) = (WithdrawalState::Cancelled, Some(Code::CancelledByCaller));
        unit.move_withdrawals(std::slice::from_ref(&withdrawal), to, why).await?;
        unit.commit().await?;
        (withdrawal.state, withdrawal.reason) = (to, why);
        Ok(Cancelled::Done(withdrawal))
    }
}

impl Unit {
    pub(super) async fn is_fenced(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT count(*) AS n FROM lanes WHERE fencing_since IS NOT NULL")
            .fetch_one(self.connection())
            .await?;
        Ok(row.int("n")? > 0)
    }
}
