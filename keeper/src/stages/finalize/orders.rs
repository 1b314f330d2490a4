//! Settlements of orders: ours, and those that these books do not know.

use super::{Range, outcome};
use crate::{
    chain::{
        VaultLog,
        abi::IVault::Announced,
        calldata::{self, Payout, Settled},
    },
    domain::{
        amount::Amount,
        announcement::Announcement,
        batch::BatchState,
        lane::Head,
        reason::Code,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    stages::StageError,
    store::{Unit, progress::FoundPayout},
};

pub(super) async fn settled(
    range: &Range,
    unit: &mut Unit,
    log: &VaultLog,
    settled: Settled,
    head: Head,
) -> Result<(), StageError> {
    match unit.batch_by_head(settled.lane, head).await? {
        Some(batch) if batch.state == BatchState::Final => Ok(()),
        // The head is the hash of the calldata: this is our batch, to the bit.
        Some(batch) if batch.state != BatchState::Dissolved => {
            let failed = range.failed(log.tx, settled.lane);
            let (mut paid, mut claimable) = (Vec::new(), Vec::new());
            for (withdrawal, number) in unit.withdrawals_of(batch.row).await?.into_iter().zip(settled.first..)
            {
                if failed.contains(&number) { claimable.push(withdrawal) } else { paid.push(withdrawal) }
            }
            unit.move_withdrawals(&paid, WithdrawalState::Paid, None).await?;
            unit.move_withdrawals(&claimable, WithdrawalState::Claimable, Some(Code::PushFailed)).await?;
            range.close(unit, &batch, log).await
        }
        _ => heal(range, unit, log, settled).await,
    }
}

/// The chain shows a settlement that these books do not know, because they went back in time. Its references say
/// which withdrawals it paid: those that are here are done, the others are kept until their clients ask again.
async fn heal(range: &Range, unit: &mut Unit, log: &VaultLog, settled: Settled) -> Result<(), StageError> {
    let Some(payouts) = calldata::payouts(range.calldata(log.tx)?) else {
        tracing::error!(tx = %log.tx, lane = %settled.lane, "a settlement that cannot be read: not sent by a keeper");
        return Ok(());
    };
    range.forgotten(unit, log.tx)?;
    let tier = calldata::tier(range.calldata(log.tx)?);
    let failed = range.failed(log.tx, settled.lane);
    let references: Vec<_> = payouts.iter().map(|p| p.reference).collect();
    let known = unit.withdrawals_by_reference(&references).await?;
    tracing::warn!(
        tx = %log.tx, payouts = payouts.len(), known = known.len(),
        "healing: the chain shows a settlement that the books do not know"
    );
    for (payout, number) in payouts.iter().zip(settled.first..) {
        if payout.amount.is_zero() {
            continue;
        }
        let found = FoundPayout {
            lane: settled.lane,
            number,
            reference: payout.reference,
            asset: payout.asset,
            recipient: payout.recipient,
            amount: payout.amount,
            outcome: outcome(failed.contains(&number)),
            tx: log.tx,
            block: log.block,
            tier,
        };
        match known.get(&payout.reference).filter(|w| is_of(w, payout)) {
            Some(withdrawal) => {
                let healed = std::slice::from_ref(withdrawal);
                unit.end_withdrawals(healed, found.outcome, Some(Code::HealedFromChain)).await?;
                unit.put_found_payout(&found, Some(withdrawal.row)).await?;
            }
            None => {
                unit.put_found_payout(&found, None).await?;
            }
        }
    }
    Ok(())
}

/// The chain holds an order announced: by a batch of ours, or by one that these books forgot.
pub(super) async fn announced(
    range: &Range,
    unit: &mut Unit,
    log: &VaultLog,
    event: &Announced,
) -> Result<(), StageError> {
    let payout = Payout {
        asset: event.asset,
        recipient: event.recipient,
        amount: Amount(event.amount),
        reference: event.r#ref,
    };
    let known = unit.withdrawals_by_reference(&[payout.reference]).await?;
    if let Some(order) = known.get(&payout.reference).filter(|w| is_of(w, &payout)) {
        let announcement = Announcement {
            id: event.id,
            withdrawal: order.row,
            lane: event.lane,
            payable_from: event.payableFrom.to(),
            vetoed_by: None,
            lapsed: false,
        };
        unit.announced(order, &announcement).await?;
    }
    match unit.batch_by_attempt(log.tx).await? {
        Some(batch) => range.close(unit, &batch, log).await,
        None => Ok(()),
    }
}

/// Whether the payout is the withdrawal's. One that ended before was paid otherwise: then this is another payment,
/// and stays unmatched for a person to see.
fn is_of(withdrawal: &Withdrawal, payout: &Payout) -> bool {
    !withdrawal.state.is_terminal()
        && withdrawal.asset == payout.asset
        && withdrawal.recipient == payout.recipient
        && withdrawal.amount == payout.amount
}
