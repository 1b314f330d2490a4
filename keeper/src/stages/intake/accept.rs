//! Orders become withdrawals, once per idempotency key.
//!
//! A key whose payment the chain already shows, although the database forgot it, is recognised by its reference: the
//! withdrawal is stored and ends as paid (or claimable) in the same change, so that nothing is paid twice.

use super::FieldError;
use crate::{
    domain::{
        reason::Code,
        withdrawal::{Order, Reference, Withdrawal},
    },
    store::{
        Context, Store, StoreError, Unit, progress::FoundPayout, withdrawals::Accepted,
        withdrawals::NewWithdrawal,
    },
};
use std::collections::HashMap;

/// What becomes of the good ones when one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is stored.
    AllOrNothing,
    /// The good ones are.
    EachAlone,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Stored now. Already `paid` or `claimable` when the chain shows it so.
    New(Withdrawal),
    /// The same key with the same content was stored before.
    Repeated(Withdrawal),
    /// The key was used before for something else.
    Conflict(Withdrawal),
    /// The chain paid this key before, with other content.
    PaidOtherwise(Box<FoundPayout>),
    /// The key's reference is another withdrawal's.
    ReferenceTaken,
}

impl Answer {
    /// The stored withdrawal, unless the order was refused.
    pub fn withdrawal(&self) -> Option<&Withdrawal> {
        match self {
            Self::New(w) | Self::Repeated(w) => Some(w),
            Self::Conflict(_) | Self::PaidOtherwise(_) | Self::ReferenceTaken => None,
        }
    }

    /// Why the order was refused, if it was.
    pub fn refusal(&self) -> Option<FieldError> {
        let error = |code, message: String| Some(FieldError::new("idempotency_key", code, message));
        match self {
            Self::New(_) | Self::Repeated(_) => None,
            Self::Conflict(w) => error(
                "idempotency_conflict",
                format!(
                    "this idempotency key was used for withdrawal {} with another asset, recipient or amount; send the same content to repeat that one, or a new key for a new withdrawal",
                    w.id
                ),
            ),
            Self::PaidOtherwise(payout) => error(
                "paid_with_other_content",
                format!(
                    "a withdrawal with this idempotency key was paid on chain with another asset, recipient or amount, in transaction {}; send that content to see it, or a new key for a new withdrawal",
                    payout.tx
                ),
            ),
            Self::ReferenceTaken => error(
                "reference_taken",
                "the short reference of this idempotency key belongs to another withdrawal, which happens once in 2^64 times; send another key".to_owned(),
            ),
        }
    }
}

/// Stores orders in one change. The answers are in the order of `new`. Under [`Rule::AllOrNothing`] one refusal means
/// that nothing was stored, whatever the other answers say.
pub async fn accept(
    store: &Store,
    new: &[NewWithdrawal],
    actor: &str,
    rule: Rule,
) -> Result<Vec<Answer>, StoreError> {
    let mut unit = open(store, actor).await?;
    let answers = accept_in(&mut unit, new).await?;
    if rule == Rule::AllOrNothing && answers.iter().any(|a| a.refusal().is_some()) {
        return Ok(answers);
    }
    unit.commit().await?;
    Ok(answers)
}

/// Opens the change that orders are stored in.
pub(super) async fn open(store: &Store, actor: &str) -> Result<Unit, StoreError> {
    store.unit(Context::new(actor, "withdrawals.received", serde_json::json!({}))).await
}

/// Stores orders in an open change.
pub(super) async fn accept_in(unit: &mut Unit, new: &[NewWithdrawal]) -> Result<Vec<Answer>, StoreError> {
    let references: Vec<Reference> = new.iter().map(|w| w.id().reference()).collect();
    let found = unit.unmatched_by_reference(&references).await?;
    if found.is_empty() {
        let accepted = unit.accept_withdrawals(new).await?;
        return Ok(accepted.into_iter().map(Answer::from).collect());
    }
    accept_with_found(unit, new, &references, &found).await
}

/// The rare way: some of these were paid by a batch that the database does not know.
async fn accept_with_found(
    unit: &mut Unit,
    new: &[NewWithdrawal],
    references: &[Reference],
    found: &HashMap<Reference, FoundPayout>,
) -> Result<Vec<Answer>, StoreError> {
    // Looked at before anything is stored: one that the chain paid otherwise must never become payable.
    let paid_otherwise = |i: usize| found.get(&references[i]).filter(|payout| !agrees(payout, &new[i].order));
    let payable: Vec<NewWithdrawal> =
        (0..new.len()).filter(|i| paid_otherwise(*i).is_none()).map(|i| new[i].clone()).collect();
    let mut accepted = unit.accept_withdrawals(&payable).await?.into_iter();

    let mut answers = Vec::with_capacity(new.len());
    for (i, reference) in references.iter().enumerate() {
        if let Some(payout) = paid_otherwise(i) {
            answers.push(Answer::PaidOtherwise(Box::new(payout.clone())));
            continue;
        }
        answers.push(match (accepted.next(), found.get(reference)) {
            (Some(Accepted::New(withdrawal)), Some(payout)) => {
                Answer::New(heal(unit, withdrawal, payout).await?)
            }
            (Some(other), _) => other.into(),
            (None, _) => Answer::ReferenceTaken,
        });
    }
    Ok(answers)
}

fn agrees(payout: &FoundPayout, order: &Order) -> bool {
    (payout.asset, payout.recipient, payout.amount) == (order.asset, order.recipient, order.amount)
}

/// Ends a new withdrawal that the chain already paid.
async fn heal(
    unit: &mut Unit,
    withdrawal: Withdrawal,
    payout: &FoundPayout,
) -> Result<Withdrawal, StoreError> {
    let reason = Some(Code::HealedFromChain);
    unit.move_withdrawals(std::slice::from_ref(&withdrawal), payout.outcome, reason).await?;
    unit.match_found_payout(payout, withdrawal.row).await?;
    Ok(Withdrawal { state: payout.outcome, reason, ..withdrawal })
}

impl From<Accepted> for Answer {
    fn from(accepted: Accepted) -> Self {
        match accepted {
            Accepted::New(w) => Self::New(w),
            Accepted::Repeated(w) => Self::Repeated(w),
            Accepted::Conflict(w) => Self::Conflict(w),
            Accepted::ReferenceTaken => Self::ReferenceTaken,
        }
    }
}

#[cfg(test)]
mod tests;
