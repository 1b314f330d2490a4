//! The statement of a day: what came in, what was paid, what it cost, and whether the books are proven.
//!
//! - [`html`]: the statement as one file that prints
//! - [`chart`]: its drawings

mod chart;
mod html;

use crate::{
    books::{
        balances::{Sum, Sums, add},
        difference::Difference,
    },
    clock::now_ms,
    deployment::Deployment,
    domain::{
        amount::Amount,
        asset::{Asset, NATIVE},
        batch::BatchKind,
        day::Day,
        forecast::percentile,
        ledger::Account,
        reason::Code,
        withdrawal::WithdrawalState,
    },
    store::{
        Store, StoreError,
        progress::Posting,
        statement::{DatedBatch, DatedMove, DatedPosting, Reader},
    },
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A day in figures. Amounts are whole coins as decimals, never rounded.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    pub day: String,
    /// RFC 3339.
    pub made_at: String,
    pub chain_id: u64,
    pub vault: Address,
    pub assets: Vec<AssetDay>,
    /// Of all batches that became final, in the chain's coin.
    pub fees: Fees,
    pub causes: Vec<Cause>,
    pub proof: Proof,
}

/// An asset's day.
#[derive(Clone, Debug, Serialize)]
pub struct AssetDay {
    pub symbol: String,
    pub address: Address,
    pub balances: Vec<Balance>,
    pub received: Count,
    pub paid: Count,
    pub claimable: Count,
    /// Claims that were pulled.
    pub claimed: Count,
    pub rejected: Count,
    pub cancelled: Count,
    /// All that left the vault in each hour.
    pub outflow: Vec<String>,
    /// The same in ten-thousandths of the largest hour, rounded down: for drawing.
    pub outflow_shares: Vec<u64>,
    pub fees: Fees,
    /// None when nothing became final.
    pub time_to_final: Option<Durations>,
}

/// How many, and what they add up to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Count {
    pub count: u64,
    pub amount: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Balance {
    pub account: &'static str,
    pub opening: String,
    /// What was added and taken away on the day.
    pub increase: String,
    pub decrease: String,
    pub closing: String,
}

/// What transactions cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fees {
    pub batches: u64,
    pub payouts: u64,
    pub gas: u64,
    /// In the chain's coin.
    pub fee: String,
    /// Batches whose cost no receipt told.
    pub unknown: u64,
}

/// From receipt until final, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Durations {
    pub count: u64,
    pub p50: i64,
    pub p90: i64,
    pub p99: i64,
    pub longest: i64,
    /// How many took no longer than each of [`EDGES`], and longer than the one before; the last: longer than all.
    pub buckets: Vec<u64>,
}

/// The edges of the drawing of times, in milliseconds.
pub const EDGES: [(i64, &str); 9] = [
    (5_000, "5 s"),
    (15_000, "15 s"),
    (30_000, "30 s"),
    (60_000, "1 min"),
    (300_000, "5 min"),
    (900_000, "15 min"),
    (3_600_000, "1 h"),
    (21_600_000, "6 h"),
    (86_400_000, "1 day"),
];

/// Why withdrawals failed or batches were held up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `rejected`, `cancelled`, `claimable`, or `batch`.
    pub what: String,
    pub code: String,
    pub count: u64,
}

/// Whether the books hold, when the statement is made.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// The last comparison of chain and books; none when there was none.
    pub reconciled: Option<Reconciled>,
    pub differences: Vec<Difference>,
    pub audit: Audit,
}

#[derive(Clone, Debug, Serialize)]
pub struct Reconciled {
    pub ok: bool,
    pub block: u64,
    pub at: String,
}

/// The audit chain, followed from its first change.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    pub changes: Option<i64>,
    pub head: Option<B256>,
    /// The first link that does not hold.
    pub broken: Option<String>,
}

/// Makes the statement of a day. `progress` hears how many changes of the audit of how many are followed.
pub async fn of(
    store: &Store,
    deployment: &Deployment,
    day: Day,
    progress: impl Fn(u64, u64),
) -> Result<Statement, StoreError> {
    let mut read = Read { from: day.bounds().0, ..Read::default() };
    store.day(day, &mut read).await?;
    let verdict = store.last_verdict().await?;
    let audit = match store.follow_audit(progress, |_| {}).await? {
        Ok(whole) => Audit { changes: Some(whole.changes), head: Some(whole.head), broken: None },
        Err(broken) => Audit { changes: None, head: None, broken: Some(broken.to_string()) },
    };
    let differences = store.open_differences().await?;
    let time = crate::api::view::time;
    Ok(Statement {
        day: day.to_string(),
        made_at: time(now_ms()),
        chain_id: deployment.chain_id,
        vault: deployment.vault,
        assets: deployment.assets.iter().map(|asset| read.of_asset(asset)).collect(),
        fees: fees(&read.batches),
        causes: read.causes(),
        proof: Proof {
            reconciled: verdict.map(|v| Reconciled { ok: v.ok, block: v.block, at: time(v.at) }),
            differences,
            audit,
        },
    })
}

impl Statement {
    /// The statement as a file that needs nothing else.
    pub fn html(&self) -> String {
        html::page(self).into_string()
    }
}

/// What was read of a day.
#[derive(Default)]
struct Read {
    /// The day's first moment.
    from: i64,
    opening: Sums,
    closing: Sums,
    claimed: HashMap<Address, (u64, Amount)>,
    outflow: HashMap<Address, [Amount; 24]>,
    moves: Vec<DatedMove>,
    batches: Vec<DatedBatch>,
    troubles: BTreeMap<String, u64>,
}

const HOUR_MS: i64 = 3_600_000;

impl Reader for Read {
    fn posting(&mut self, dated: DatedPosting) {
        let DatedPosting { at, asset, debit, credit, amount } = dated;
        let posting = Posting { asset, debit, credit, amount };
        add(&mut self.closing, posting);
        if at < self.from {
            add(&mut self.opening, posting);
            return;
        }
        if credit != Account::Cash {
            return;
        }
        let hour = usize::try_from((at - self.from) / HOUR_MS).unwrap_or(0).min(23);
        let hours = self.outflow.entry(asset).or_insert([Amount::ZERO; 24]);
        hours[hour] = hours[hour] + amount;
        if debit == Account::Claims {
            let claimed = self.claimed.entry(asset).or_default();
            *claimed = (claimed.0 + 1, claimed.1 + amount);
        }
    }

    fn moved(&mut self, moved: DatedMove) {
        self.moves.push(moved);
    }

    fn batch(&mut self, batch: DatedBatch) {
        self.batches.push(batch);
    }

    fn trouble(&mut self, reason: &str) {
        let code = Code::of_reason(reason).map_or("other", Code::as_str);
        *self.troubles.entry(code.to_owned()).or_default() += 1;
    }
}

impl Read {
    fn of_asset(&self, asset: &Asset) -> AssetDay {
        let shown = |amount: Amount| amount.to_decimal(asset.decimals);
        let count = |to: WithdrawalState| {
            let of: Vec<_> = self.moves.iter().filter(|m| m.asset == asset.address && m.to == to).collect();
            Count { count: of.len() as u64, amount: shown(of.iter().map(|m| m.amount).sum()) }
        };
        let (claims, pulled) = self.claimed.get(&asset.address).copied().unwrap_or_default();
        let hours = self.outflow.get(&asset.address).copied().unwrap_or([Amount::ZERO; 24]);
        let most = hours.into_iter().max().unwrap_or_default();
        let of_asset = |b: &&DatedBatch| b.asset == asset.address && is_payment(b.kind);
        AssetDay {
            symbol: asset.symbol.clone(),
            address: asset.address,
            balances: Account::ALL.into_iter().map(|account| self.balance(asset, account)).collect(),
            received: count(WithdrawalState::Received),
            paid: count(WithdrawalState::Paid),
            claimable: count(WithdrawalState::Claimable),
            claimed: Count { count: claims, amount: shown(pulled) },
            rejected: count(WithdrawalState::Rejected),
            cancelled: count(WithdrawalState::Cancelled),
            outflow: hours.into_iter().map(shown).collect(),
            outflow_shares: hours.into_iter().map(|amount| chart::share(amount, most)).collect(),
            fees: fees(self.batches.iter().filter(of_asset)),
            time_to_final: self.durations(asset.address),
        }
    }

    fn balance(&self, asset: &Asset, account: Account) -> Balance {
        let sum = |sums: &Sums| sums.get(&(asset.address, account)).copied().unwrap_or_default();
        let (opening, closing) = (sum(&self.opening), sum(&self.closing));
        let shown = |amount: Amount| amount.to_decimal(asset.decimals);
        let (debits, credits) =
            (closing.debits.saturating_sub(opening.debits), closing.credits.saturating_sub(opening.credits));
        let (increase, decrease) = if account.is_debit() { (debits, credits) } else { (credits, debits) };
        Balance {
            account: account.as_str(),
            opening: balance(opening, account, asset),
            increase: shown(increase),
            decrease: shown(decrease),
            closing: balance(closing, account, asset),
        }
    }

    fn durations(&self, asset: Address) -> Option<Durations> {
        let is_final = |m: &&DatedMove| matches!(m.to, WithdrawalState::Paid | WithdrawalState::Claimable);
        let of = self.moves.iter().filter(|m| m.asset == asset).filter(is_final);
        let mut sorted: Vec<i64> = of.map(|m| m.took_ms).collect();
        sorted.sort_unstable();
        let mut buckets = vec![0; EDGES.len() + 1];
        for took in &sorted {
            buckets[EDGES.partition_point(|(edge, _)| edge < took)] += 1;
        }
        Some(Durations {
            count: sorted.len() as u64,
            p50: percentile(&sorted, 50)?,
            p90: percentile(&sorted, 90)?,
            p99: percentile(&sorted, 99)?,
            longest: sorted.last().copied()?,
            buckets,
        })
    }

    /// The most frequent first.
    fn causes(&self) -> Vec<Cause> {
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for moved in &self.moves {
            let failed = [WithdrawalState::Claimable, WithdrawalState::Rejected, WithdrawalState::Cancelled];
            if failed.contains(&moved.to) {
                let code = moved.reason.map_or("none", Code::as_str);
                *counts.entry((moved.to.as_str().to_owned(), code.to_owned())).or_default() += 1;
            }
        }
        counts.extend(self.troubles.iter().map(|(code, n)| (("batch".to_owned(), code.clone()), *n)));
        let mut causes: Vec<_> =
            counts.into_iter().map(|((what, code), count)| Cause { what, code, count }).collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        causes
    }
}

fn balance(sum: Sum, account: Account, asset: &Asset) -> String {
    let (plus, minus) =
        if account.is_debit() { (sum.debits, sum.credits) } else { (sum.credits, sum.debits) };
    let sign = if plus < minus { "-" } else { "" };
    let size = plus.saturating_sub(minus) + minus.saturating_sub(plus);
    format!("{sign}{}", size.to_decimal(asset.decimals))
}

fn is_payment(kind: BatchKind) -> bool {
    matches!(kind, BatchKind::Orders | BatchKind::Requests)
}

fn fees<'a>(batches: impl IntoIterator<Item = &'a DatedBatch>) -> Fees {
    let (mut fees, mut paid) = (Fees::default(), Amount::ZERO);
    for batch in batches {
        fees.batches += 1;
        fees.payouts += if is_payment(batch.kind) { batch.payouts } else { 0 };
        fees.gas += batch.gas_used;
        fees.unknown += u64::from(batch.fee.is_none());
        paid = paid + batch.fee.unwrap_or_default();
    }
    fees.fee = paid.to_decimal(COIN_DECIMALS);
    fees
}

/// Of the chain's coin, whatever its name: fees are in it.
const COIN_DECIMALS: u8 = 18;

/// The name of the chain's coin in this deployment.
fn coin(statement: &Statement) -> &str {
    statement.assets.iter().find(|a| a.address == NATIVE).map_or("ETH", |a| &a.symbol)
}
