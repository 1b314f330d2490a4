//! Policy: a withdrawal is released, or refused with a reason.

use super::{
    Line, StageError, Worked,
    price::{gas, guard},
};
use crate::{
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::NATIVE,
        fees::within_share,
        reason::Code,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
    store::estimates::KeptEstimate,
};
use alloy::primitives::{Address, U256};
use oracle_guard::{Action, Interval};
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;

/// How many withdrawals one change covers.
const PAGE: usize = 2_000;

/// An oracle may take so long; then the fees of its asset are not weighed.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let fees = fees_of_payouts(line, &received).await?;
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

/// What a payout costs now, in units of the asset that it pays: of the chain's coin, and of assets whose price is known.
#[derive(Clone, Debug)]
pub(super) struct PayoutFees {
    costs: HashMap<Address, Amount>,
    max_share_bps: u64,
}

impl PayoutFees {
    /// Whether it costs more of its amount than the operator allows. Never where the cost is not known.
    pub(super) fn is_too_dear(&self, withdrawal: &Withdrawal) -> bool {
        let cost = self.costs.get(&withdrawal.asset);
        cost.is_some_and(|cost| !within_share(*cost, withdrawal.amount, self.max_share_bps))
    }
}

/// For the assets of these withdrawals; none when no share is configured. What is paid is the base fee and the tip, so
/// that is what is compared; what is offered leaves room above it.
pub(super) async fn fees_of_payouts(
    line: &Line,
    withdrawals: &[Withdrawal],
) -> Result<Option<PayoutFees>, StageError> {
    let max_share_bps = line.fees.max_share_bps;
    if max_share_bps == 0 {
        return Ok(None);
    }
    let estimate = line.fees_now(line.fees.policy).await?;
    let paid = U256::from(estimate.base_fee.saturating_add(estimate.fees.priority_fee));
    let mut costs = HashMap::new();
    let mut coin = None;
    for asset in line.assets.iter().filter(|asset| withdrawals.iter().any(|w| w.asset == asset.address)) {
        let (mut of_coin, mut of_asset) = (None, None);
        if !asset.is_native() {
            if line.oracle.of(asset.address).is_none() || line.oracle.of(NATIVE).is_none() {
                continue;
            }
            of_coin = match coin {
                Some(known) => known,
                None => *coin.insert(price(line, NATIVE).await),
            };
            of_asset = price(line, asset.address).await;
        }
        let gas = line.gas.of_payout(asset.address);
        if let Some(cost) = gas::in_units(paid * U256::from(gas), asset, of_coin, of_asset) {
            costs.insert(asset.address, Amount(cost));
            line.store.put_estimate(asset.address, &KeptEstimate { gas, estimate, at: now_ms() }).await?;
        }
    }
    Ok(Some(PayoutFees { costs, max_share_bps }))
}

/// A price that may weigh a fee: none while the guard has none that is healthy, or does not answer. Then nothing is held
/// for its fee.
async fn price(line: &Line, asset: Address) -> Option<Interval> {
    match timeout(PATIENCE, guard::ask(line, asset)).await {
        Ok(Ok(opinion)) => {
            opinion.filter(|opinion| opinion.allows(Action::Swap)).and_then(|opinion| opinion.price)
        }
        Ok(Err(error)) => {
            tracing::warn!(%asset, %error, "the oracle guard could not be asked: fees of the asset are not weighed");
            None
        }
        Err(_) => {
            tracing::warn!(%asset, "the oracle guard did not answer in time: fees of the asset are not weighed");
            None
        }
    }
}
