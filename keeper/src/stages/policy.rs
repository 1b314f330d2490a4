//! Policy: a withdrawal is released, or refused with a reason.

use super::{Line, StageError, Worked};
use crate::{
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::NATIVE,
        fees::{Fees, within_share},
        reason::Code,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
    store::estimates::KeptEstimate,
};
use alloy::primitives::Address;

/// How many withdrawals one change covers.
const PAGE: usize = 2_000;

/// What policy says of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Release,
    /// Its fee is too high for its amount now.
    Hold,
    Refuse(Code),
}

/// Judges the oldest received withdrawals.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    if line.fenced().await? {
        return Ok(Worked::Idle);
    }
    let received = line.store.waiting(WithdrawalState::Received, PAGE).await?;
    if received.is_empty() {
        return Ok(Worked::Idle);
    }
    let listed = |asset| line.assets.get(asset).is_some();
    let fees = fees_of_payouts(line).await?;
    let too_dear = |w: &Withdrawal| fees.as_ref().is_some_and(|f| f.is_too_dear(w));
    let (mut released, mut held, mut refused) =
        (Vec::new(), Vec::new(), Vec::<(Code, Vec<Withdrawal>)>::new());
    for withdrawal in received {
        match decide(&withdrawal, line.chain.vault, listed(withdrawal.asset), too_dear(&withdrawal)) {
            Decision::Release => released.push(withdrawal),
            Decision::Hold => held.push(withdrawal),
            Decision::Refuse(code) => match refused.iter_mut().find(|(c, _)| *c == code) {
                Some((_, list)) => list.push(withdrawal),
                None => refused.push((code, vec![withdrawal])),
            },
        }
    }
    let detail = serde_json::json!({ "released": released.len(), "held": held.len() });
    let mut unit = line.unit("policy", "withdrawals.judged", detail).await?;
    unit.move_withdrawals(&released, WithdrawalState::Ready, None).await?;
    unit.move_withdrawals(&held, WithdrawalState::Held, Some(Code::FeeAboveShare)).await?;
    for (code, withdrawals) in &refused {
        unit.move_withdrawals(withdrawals, WithdrawalState::Rejected, Some(*code)).await?;
    }
    unit.commit().await?;
    Ok(Worked::Yes)
}

/// The rules. The chain owns what a depositor requested, so a request is never refused here.
pub fn decide(withdrawal: &Withdrawal, vault: Address, listed: bool, too_dear: bool) -> Decision {
    if withdrawal.door == Door::Request {
        return Decision::Release;
    }
    if !listed {
        return Decision::Refuse(Code::AssetNotListed);
    }
    let pointless = [Address::ZERO, vault, withdrawal.asset];
    if pointless.contains(&withdrawal.recipient) {
        return Decision::Refuse(Code::BadRecipient);
    }
    if too_dear {
        return Decision::Hold;
    }
    Decision::Release
}

/// What a payout of the chain's own coin costs now.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayoutFees {
    cost: Amount,
    max_share_bps: u64,
}

impl PayoutFees {
    /// Whether it costs more of its amount than the operator allows. Other assets have no price here to compare with.
    pub(super) fn is_too_dear(&self, withdrawal: &Withdrawal) -> bool {
        withdrawal.asset == NATIVE && !within_share(self.cost, withdrawal.amount, self.max_share_bps)
    }
}

/// None when no share is configured. What is paid is the base fee and the tip, so that is what is compared; what is
/// offered leaves room above it.
pub(super) async fn fees_of_payouts(line: &Line) -> Result<Option<PayoutFees>, StageError> {
    let max_share_bps = line.fees.max_share_bps;
    if max_share_bps == 0 {
        return Ok(None);
    }
    let estimate = line.fees_now(line.fees.policy).await?;
    let gas = line.gas.of_payout(NATIVE);
    let paid = estimate.base_fee.saturating_add(estimate.fees.priority_fee);
    let cost = Fees { max_fee: paid, priority_fee: 0 }.cost(gas);
    line.store.put_estimate(NATIVE, &KeptEstimate { gas, estimate, at: now_ms() }).await?;
    Ok(Some(PayoutFees { cost, max_share_bps }))
}
