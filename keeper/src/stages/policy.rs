//! Policy: a withdrawal is released, or refused with a reason.

use super::{Line, StageError, Worked};
use crate::domain::{
    reason::Code,
    withdrawal::{Door, Withdrawal, WithdrawalState},
};
use alloy::primitives::Address;

/// How many withdrawals one change covers.
const PAGE: usize = 2_000;

/// What policy says of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Release,
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
    let (mut released, mut refused) = (Vec::new(), Vec::<(Code, Vec<Withdrawal>)>::new());
    for withdrawal in received {
        match decide(&withdrawal, line.chain.vault, listed(withdrawal.asset)) {
            Decision::Release => released.push(withdrawal),
            Decision::Refuse(code) => match refused.iter_mut().find(|(c, _)| *c == code) {
                Some((_, list)) => list.push(withdrawal),
                None => refused.push((code, vec![withdrawal])),
            },
        }
    }
    let detail = serde_json::json!({ "released": released.len() });
    let mut unit = line.unit("policy", "withdrawals.judged", detail).await?;
    unit.move_withdrawals(&released, WithdrawalState::Ready, None).await?;
    for (code, withdrawals) in &refused {
        unit.move_withdrawals(withdrawals, WithdrawalState::Rejected, Some(*code)).await?;
    }
    unit.commit().await?;
    Ok(Worked::Yes)
}

/// The rules. The chain owns what a depositor requested, so a request is never refused here.
pub fn decide(withdrawal: &Withdrawal, vault: Address, listed: bool) -> Decision {
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
    Decision::Release
}
