//! What the chain alone decides is booked, when nothing in the books contradicts it.

use super::walk::Walk;
use crate::{
    domain::{reason::Code, withdrawal::WithdrawalId},
    stages::{Line, StageError},
};

/// Ends withdrawals that the chain paid in a block that the books have passed. One whose postings say already that it
/// ended was changed by hand, and is left to a person.
pub(super) async fn late(line: &Line, walk: &mut Walk) -> Result<(), StageError> {
    for (subject, to) in &walk.late {
        let Some(id) = subject.strip_prefix("withdrawal ").and_then(WithdrawalId::parse) else { continue };
        let Some(withdrawal) = line.store.withdrawal(&id).await? else { continue };
        if withdrawal.state.is_terminal()
            || line.store.moment().await?.ended_in_ledger(withdrawal.row).await?
        {
            continue;
        }
        let detail = serde_json::json!({ "withdrawal": id, "outcome": to });
        let mut unit = line.unit("reconcile", "withdrawal.healed", detail).await?;
        unit.end_withdrawals(std::slice::from_ref(&withdrawal), *to, Some(Code::HealedFromChain)).await?;
        unit.commit().await?;
        for difference in walk.differences.iter_mut().filter(|d| d.subject == *subject) {
            difference.healed = true;
        }
    }
    Ok(())
}
