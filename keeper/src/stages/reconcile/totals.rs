//! The end of a full comparison: what the database has and the chain does not, the ledger against both, and the sums
//! against what the vault holds and owes.

use super::walk::{Flow, Walk};
use crate::{
    books::difference::{Class, Difference, Side},
    chain::Chain,
    domain::{
        amount::Amount,
        asset::{Asset, Assets},
        ledger::Account,
        withdrawal::{Door, WithdrawalState},
    },
    stages::StageError,
    store::{
        compare::{Moment, Record, RecordPosting},
        margin::PoolHeld,
    },
};
use alloy::primitives::{Address, U256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the ledger, the found payouts, the open swaps and the mined attempts add up to.
struct Sums {
    postings: BTreeMap<(Address, Account, Account), Amount>,
    unmatched: HashMap<(Address, WithdrawalState), Amount>,
    aside: HashMap<Address, Amount>,
    gas: Amount,
    pools: Vec<PoolHeld>,
}

impl Walk {
    /// Compares at block `at`, where the walk ended.
    pub(super) async fn finish(
        &mut self,
        chain: &Chain,
        assets: &Assets,
        moment: &mut Moment,
        at: u64,
    ) -> Result<(), StageError> {
        let reorged = self.reorged(chain, moment).await?;
        let before = self.differences.len();
        self.only_here(moment).await?;
        let unmatched = self.found_without_settlement(moment).await?;
        if reorged {
            // What went with the blocks is the same difference, seen from the other end.
            for difference in &mut self.differences[before..] {
                difference.class = Class::Reorged;
            }
        }
        self.ledger(moment).await?;
        let mut changed = moment.changed_changes().await?;
        // Where a withdrawal of it is named already, that is what was changed.
        changed.retain(|(_, about)| !about.iter().any(|row| self.odd.contains(row)));
        for (seq, _) in &changed {
            let what = "its transitions, postings or terms are not those that were made";
            self.say(Class::History, Side::Ledger, format!("change {seq}"), what);
        }
        let (postings, aside) = (moment.other_postings().await?, moment.set_aside().await?);
        let sums = Sums {
            postings,
            unmatched,
            aside,
            gas: moment.gas_booked().await?,
            pools: moment.pools_held().await?,
        };
        for asset in assets.iter() {
            let flow = self.flows.get(&asset.address).copied().unwrap_or_default();
            // Sums over rows that were changed, or over blocks that are gone, say nothing new.
            if changed.is_empty() && !reorged {
                self.sums(asset, &flow, &sums);
            }
            self.holdings(chain, asset, &flow, &sums, at, changed.is_empty()).await?;
        }
        self.claims(chain, assets, at).await?;
        if !reorged {
            self.compare_lanes(chain, moment, at).await?;
            self.compare_limits(chain, assets, at).await?;
        }
        Ok(())
    }

    /// Whether the last block in the books is gone from the chain.
    async fn reorged(&mut self, chain: &Chain, moment: &mut Moment) -> Result<bool, StageError> {
        let Some(cursor) = moment.cursor().await? else { return Ok(false) };
        let now = match chain.tip().await?.number {
            tip if tip < cursor.number => None,
            _ => Some(chain.block(cursor.number).await?.hash),
        };
        if now == Some(cursor.hash) {
            return Ok(false);
        }
        let what = match now {
            Some(now) => format!("it was final as {}, and is {now}", cursor.hash),
            None => format!("it was final as {}, and the chain does not reach it", cursor.hash),
        };
        self.say(Class::Reorged, Side::Chain, format!("block {}", cursor.number), what);
        Ok(true)
    }

    /// The batches here that the chain settled.
    fn settled_batches(&self) -> HashSet<i64> {
        self.runs.values().flat_map(|runs| runs.values()).filter_map(|run| run.batch).collect()
    }

    /// What the database says was paid, and no block does.
    async fn only_here(&mut self, moment: &mut Moment) -> Result<(), StageError> {
        let seen = self.settled_batches();
        for (batch, lane, first) in moment.final_batches().await? {
            if seen.contains(&batch) {
                continue;
            }
            let records = moment.records_of(batch).await?;
            for record in &records {
                self.not_on_chain(record);
            }
            if records.is_empty() {
                let what = format!(
                    "it is final, and the chain has no settlement of lane {lane} from number {first} on"
                );
                self.say(Class::MissingOnChain, Side::Records, format!("batch {batch}"), what);
            }
        }
        for record in moment.paid_by_nothing().await? {
            if record.batch.is_none_or(|batch| !seen.contains(&batch)) {
                self.not_on_chain(&record);
            }
        }
        let mut unpaid = Vec::new();
        let ended = &self.ended;
        moment
            .requests(|record| {
                let ends = record.state.is_terminal() && record.state != WithdrawalState::Rejected;
                if ends && record.request.is_none_or(|id| !ended.contains(&id)) {
                    unpaid.push(record);
                }
            })
            .await?;
        for record in unpaid {
            self.not_on_chain(&record);
        }
        Ok(())
    }

    async fn found_without_settlement(
        &mut self,
        moment: &mut Moment,
    ) -> Result<HashMap<(Address, WithdrawalState), Amount>, StageError> {
        let mut strays = Vec::new();
        let runs = &self.runs;
        let unmatched = moment
            .unmatched_sums(|lane, number| {
                let run = runs.get(&lane).and_then(|runs| runs.range(..=number).next_back());
                let settled =
                    run.is_some_and(|(first, run)| number < first + run.count && run.batch.is_none());
                if !settled {
                    strays.push((lane, number));
                }
                settled
            })
            .await?;
        for (lane, number) in strays {
            let what = "the books found it on chain, and no settlement that they do not know has this number";
            self.say(Class::MissingOnChain, Side::Records, format!("payout {lane}/{number}"), what);
        }
        Ok(unmatched)
    }

    /// Postings and transitions against the records.
    async fn ledger(&mut self, moment: &mut Moment) -> Result<(), StageError> {
        for (record, postings) in moment.at_odds().await? {
            if self.odd.insert(record.row) {
                let (class, side, what) = at_odds(&record, &postings);
                self.say(class, side, format!("withdrawal {}", record.id), what);
            }
        }
        for (row, state) in moment.without_record().await? {
            self.odd.insert(row);
            // One that was paid is missed by the chain too, and said so there.
            if WithdrawalState::parse(&state)
                .is_none_or(|s| !matches!(s, WithdrawalState::Paid | WithdrawalState::Claimable))
            {
                let what = format!("the ledger knows it as {state}, and it has no record");
                self.say(Class::MissingInDatabase, Side::Records, format!("withdrawal in row {row}"), what);
            }
        }
        Ok(())
    }

    /// Moves of money that are no withdrawal's: the events against the postings.
    fn sums(&mut self, asset: &Asset, flow: &Flow, sums: &Sums) {
        use Account::{
            Cash, Claims, Cold, Depositors, Float, Gas, Lost, Margin, Pools, Purse, Reserve, Swaps,
        };
        let posted = |debit, credit| sums.posted(asset, debit, credit);
        let unmatched = |state| sums.unmatched(asset, state);
        // Found payouts that were matched later were taken from the float and given back.
        let (gone, came) = (sums.gone(asset), sums.came(asset));
        let found = flow.swept.saturating_add(flow.sold).saturating_add(unmatched(WithdrawalState::Paid));
        let matched = gone.saturating_sub(found);
        let received = flow.refilled.saturating_add(flow.bought).saturating_add(matched);
        let ended = posted(Swaps, Cash).saturating_add(posted(Swaps, Float));
        let gas = if asset.is_native() { sums.gas.0 } else { U256::ZERO };
        let checks = [
            ("deposits", flow.deposited, posted(Cash, Depositors)),
            ("claims that were pulled", flow.claimed, posted(Claims, Cash)),
            ("sweeps, sales and payouts of a forgotten past", gone.max(found), gone),
            ("refills and purchases", came.max(received), came),
            (
                "claims of a forgotten past",
                unmatched(WithdrawalState::Claimable),
                posted(Float, Claims).saturating_sub(posted(Claims, Float)),
            ),
            ("what is set aside for swaps", sums.aside(asset), posted(Float, Swaps).saturating_sub(ended)),
            ("the reserve of what was swept", posted(Cold, Cash), posted(Float, Reserve)),
            ("the reserve that came back", posted(Cash, Cold), posted(Reserve, Float)),
            (
                "what margin pools owe",
                sums.pools(asset),
                posted(Pools, Margin).saturating_sub(posted(Margin, Pools)),
            ),
            ("gas", gas, posted(Gas, Purse)),
            ("write-offs", posted(Lost, Cash), posted(Float, Lost)),
        ];
        for (of, chain, ledger) in checks {
            let class = match ledger.cmp(&chain) {
                std::cmp::Ordering::Less => Class::MissingInDatabase,
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Greater => Class::MissingOnChain,
            };
            let what = format!(
                "{of}: all else leads to {}, the ledger has {}",
                asset.show(Amount(chain)),
                asset.show(Amount(ledger))
            );
            self.say(class, Side::Ledger, format!("{of} of {}", asset.symbol), what);
        }
    }

    /// What the vault holds and owes, against what its events lead to.
    async fn holdings(
        &mut self,
        chain: &Chain,
        asset: &Asset,
        flow: &Flow,
        sums: &Sums,
        at: u64,
        ledger_holds: bool,
    ) -> Result<(), StageError> {
        use Account::{Cash, Cold, Lost};
        let unmatched = sums.unmatched(asset, WithdrawalState::Paid);
        let gone = flow.swept.saturating_add(flow.sold).saturating_add(unmatched);
        let matched = sums.gone(asset).saturating_sub(gone);
        let received = sums.came(asset).saturating_sub(matched);
        let came = flow.deposited.saturating_add(received.max(flow.refilled.saturating_add(flow.bought)));
        let lost = sums.posted(asset, Lost, Cash);
        let left = [flow.paid_orders, flow.paid_requests, flow.claimed, flow.swept, flow.sold, lost];
        let expected = left.iter().fold(came, |sum, amount| sum.saturating_sub(*amount));
        let held = chain.vault_balance(asset.address, at).await?.0;
        let subject = format!("asset {}", asset.symbol);
        let named = self.not_written_off(asset, sums.posted(asset, Lost, Cash));
        if held.saturating_add(named) < expected && ledger_holds {
            let what = format!(
                "the vault holds {}, everything that is known leads to {}",
                asset.show(Amount(held)),
                asset.show(Amount(expected))
            );
            let lost = Amount(expected - held - named);
            self.differences.push(Difference::outflow(asset, lost, subject, what));
        } else if held > expected && ledger_holds {
            let more = asset.show(Amount(held - expected));
            let what = format!("the vault holds {more} more than everything that is known leads to");
            self.differences.push(Difference::new(Class::Donation, Side::Chain, subject, what).of(asset));
        }
        // Sweeps that were booked before there was an account of cold are on none.
        let swept = sums.posted(asset, Cold, Cash);
        let at_cold = swept.saturating_sub(sums.posted(asset, Cash, Cold));
        let cold = chain.at_cold(asset.address, at).await?.0;
        if swept == flow.swept && cold != at_cold && ledger_holds {
            let (cold, at_cold) = (asset.show(Amount(cold)), asset.show(Amount(at_cold)));
            let what = format!("the vault counts {cold} at cold, the ledger {at_cold}");
            self.say(Class::Amount, Side::Ledger, format!("cold of {}", asset.symbol), what);
        }
        let owed = flow.deposited.saturating_add(flow.kept_orders);
        let owed = owed.saturating_sub(flow.claimed).saturating_sub(flow.paid_requests);
        let owes = chain.liabilities(asset.address, at).await?.0;
        if owes != owed {
            let what = format!(
                "the vault owes depositors and claimants {}, its events lead to {}",
                asset.show(Amount(owes)),
                asset.show(Amount(owed))
            );
            self.say(Class::Amount, Side::Chain, format!("liabilities in {}", asset.symbol), what);
        }
        Ok(())
    }

    /// What left by transfers that nobody ordered and nobody has booked as lost. A write-off covers the oldest of them.
    fn not_written_off(&mut self, asset: &Asset, written_off: U256) -> U256 {
        let (mut covered, mut named) = (written_off, U256::ZERO);
        for (subject, amount) in self.unordered.remove(&asset.address).unwrap_or_default() {
            match covered.checked_sub(amount) {
                Some(rest) => {
                    covered = rest;
                    self.differences.retain(|d| d.class != Class::UnknownOutflow || d.subject != subject);
                }
                None => named = named.saturating_add(amount),
            }
        }
        named
    }

    async fn claims(&mut self, chain: &Chain, assets: &Assets, at: u64) -> Result<(), StageError> {
        for (asset, claims) in self.claims.clone() {
            for (recipient, expected) in claims {
                let claim = chain.claim(asset, recipient, at).await?;
                if claim.0 != expected {
                    let name = assets.get(asset).map_or_else(|| asset.to_string(), |a| a.symbol.clone());
                    let what =
                        format!("the vault keeps {claim} for {recipient}, its events lead to {expected}");
                    self.say(Class::Amount, Side::Chain, format!("claim of {recipient} in {name}"), what);
                }
            }
        }
        Ok(())
    }
}

impl Sums {
    fn posted(&self, asset: &Asset, debit: Account, credit: Account) -> U256 {
        self.postings.get(&(asset.address, debit, credit)).copied().unwrap_or_default().0
    }

    /// What left the vault for no depositor, withdrawal or claimant.
    fn gone(&self, asset: &Asset) -> U256 {
        let from = [Account::Float, Account::Swaps, Account::Cold];
        from.into_iter()
            .fold(U256::ZERO, |sum, debit| sum.saturating_add(self.posted(asset, debit, Account::Cash)))
    }

    /// What came into the vault from no depositor.
    fn came(&self, asset: &Asset) -> U256 {
        let back = self.posted(asset, Account::Cash, Account::Cold);
        self.posted(asset, Account::Cash, Account::Float).saturating_add(back)
    }

    fn aside(&self, asset: &Asset) -> U256 {
        self.aside.get(&asset.address).copied().unwrap_or_default().0
    }

    fn pools(&self, asset: &Asset) -> U256 {
        let of_asset = self.pools.iter().filter(|pool| pool.collateral == asset.address);
        of_asset.fold(U256::ZERO, |sum, pool| sum.saturating_add(pool.held.0))
    }

    fn unmatched(&self, asset: &Asset, state: WithdrawalState) -> U256 {
        self.unmatched.get(&(asset.address, state)).copied().unwrap_or_default().0
    }
}

/// What of a record and its postings does not fit.
fn at_odds(record: &Record, postings: &[RecordPosting]) -> (Class, Side, String) {
    let (owner, owed) = match record.door {
        Door::Order => (Account::Float, Account::Orders),
        Door::Request => (Account::Depositors, Account::Requests),
    };
    let end = match record.state {
        WithdrawalState::Paid => Some(Account::Cash),
        WithdrawalState::Claimable => Some(Account::Claims),
        WithdrawalState::Rejected | WithdrawalState::Cancelled => Some(owner),
        _ => None,
    };
    let wanted = [("received", Some((owner, owed))), (record.state.as_str(), end.map(|to| (owed, to)))];
    for (state, (debit, credit)) in wanted.into_iter().filter_map(|(state, sides)| Some((state, sides?))) {
        let Some(posting) = postings.iter().find(|p| p.to_state == state) else {
            return (
                Class::MissingInDatabase,
                Side::Ledger,
                format!("it is {}, and has no posting for {state}", record.state),
            );
        };
        let amount = record.amount.to_hex();
        if posting.amount != amount {
            let what = format!(
                "the record has {}, its posting for {state} {}",
                record.amount,
                shown(&posting.amount)
            );
            return (Class::Amount, Side::Ledger, what);
        }
        if posting.asset != format!("{:#x}", record.asset) {
            let what =
                format!("the record has {:#x}, its posting for {state} {}", record.asset, posting.asset);
            return (Class::Asset, Side::Ledger, what);
        }
        if (posting.debit.as_str(), posting.credit.as_str()) != (debit.as_str(), credit.as_str()) {
            let what =
                format!("its posting for {state} moves it from {} to {}", posting.credit, posting.debit);
            return (Class::State, Side::Ledger, what);
        }
    }
    let known = |p: &&RecordPosting| {
        p.to_state != "received" && (end.is_none() || p.to_state != record.state.as_str())
    };
    if let Some(other) = postings.iter().find(known) {
        let what =
            format!("the record is {}, and a posting says that it was {}", record.state, other.to_state);
        return (Class::State, Side::Records, what);
    }
    let wanted = 1 + usize::from(end.is_some());
    if postings.len() > wanted {
        let what = format!("it has {} postings, {wanted} would be right", postings.len());
        return (Class::MissingOnChain, Side::Ledger, what);
    }
    (
        Class::State,
        Side::Records,
        format!("the record is {}, its last transition led elsewhere", record.state),
    )
}

fn shown(hex: &str) -> String {
    Amount::from_hex(hex).map_or_else(|| hex.to_owned(), |amount| amount.to_string())
}
