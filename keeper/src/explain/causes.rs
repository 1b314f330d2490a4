//! Why a withdrawal is where it is now.

use super::{Cause, Explainer, LinkName};
use crate::{
    api::view::from_seconds,
    chain::abi::IVault::Scope,
    chain::{
        Block, ChainError,
        state::{AssetState, SCOPES, VaultState},
    },
    clock::rfc3339,
    domain::{
        amount::Amount,
        asset::NATIVE,
        batch::{Attempt, AttemptState, Batch},
        reason::Code,
        withdrawal::{Door, Withdrawal},
    },
    store::{
        StoreError,
        leases::{LINE, of_lane},
    },
};
use alloy::primitives::{Address, utils::format_ether};

const NOTHING: &str = "nothing: it goes on by itself";

/// What keeps an answer from being had.
enum Miss {
    Store(StoreError),
    Chain(ChainError),
}

impl From<StoreError> for Miss {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ChainError> for Miss {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl Explainer {
    /// Why `withdrawal` is at the link `here`. A chain that does not answer is a cause, not an error.
    pub(super) async fn cause(
        &self,
        here: LinkName,
        withdrawal: &Withdrawal,
        batch: Option<&Batch>,
    ) -> Result<Cause, StoreError> {
        match self.look(here, withdrawal, batch).await {
            Ok(cause) => Ok(cause),
            Err(Miss::Store(error)) => Err(error),
            Err(Miss::Chain(error)) => Ok(Cause::new(
                Code::ChainUnreachable,
                error.to_string(),
                "endpoints at chain.rpc_urls that answer and agree; GET /v1/health/ready shows each",
            )),
        }
    }

    async fn look(
        &self,
        here: LinkName,
        withdrawal: &Withdrawal,
        batch: Option<&Batch>,
    ) -> Result<Cause, Miss> {
        if let Some(cause) = self.nobody_works(here, batch).await? {
            return Ok(cause);
        }
        let tip = self.chain.tip().await?;
        match (here, batch) {
            (LinkName::Policy, _) => self.at_policy(withdrawal, tip).await,
            (LinkName::Signature | LinkName::Broadcast | LinkName::Chain, Some(batch)) => {
                self.on_its_way(here, batch, tip).await
            }
            (LinkName::Books, Some(batch)) => self.at_the_books(batch, tip).await,
            _ => self.at_the_batch(withdrawal, batch, tip).await,
        }
    }

    /// Before anything else: whether somebody would do the next step.
    async fn nobody_works(&self, here: LinkName, batch: Option<&Batch>) -> Result<Option<Cause>, StoreError> {
        let lane = batch.and_then(|b| b.content).map(|content| content.lane);
        let needed = match (here, lane) {
            (LinkName::Signature | LinkName::Broadcast | LinkName::Chain, Some(lane)) => of_lane(lane),
            _ => LINE.to_owned(),
        };
        let leases = self.store.leases().await?;
        if let Some(free) = leases.iter().find(|lease| lease.name == needed && lease.holder.is_none()) {
            let found = format!("no running keeper holds the lease of {}", free.name);
            let frees = match lane {
                Some(lane) => format!("`spillway run` with the key of lane {lane}"),
                None => "`spillway run`".to_owned(),
            };
            return Ok(Some(Cause::new(Code::KeeperDown, found, frees)));
        }
        let lanes = self.store.lanes().await?;
        let fenced: Vec<_> =
            lanes.iter().filter(|l| l.fencing_since.is_some()).map(|l| l.address.to_string()).collect();
        let held_up = !fenced.is_empty() && here <= LinkName::Batch;
        Ok(held_up.then(|| {
            let found = format!("the next number of {} is being voided", fenced.join(", "));
            Cause::new(Code::Fenced, found, "final blocks: the voids must be in one")
        }))
    }

    async fn at_policy(&self, withdrawal: &Withdrawal, tip: Block) -> Result<Cause, Miss> {
        match withdrawal.reason {
            Some(Code::FeeAboveShare) => {
                let kept = self.store.estimate(withdrawal.asset).await?;
                let cost =
                    kept.map(|kept| kept.estimate.fees.cost(kept.gas).to_decimal(18)).unwrap_or_default();
                let found = format!(
                    "a payout costs up to {cost}; fees.max_share_bps = {} allows less of {}",
                    self.fees.max_share_bps,
                    self.assets.show(withdrawal.asset, withdrawal.amount)
                );
                Ok(Cause::new(Code::FeeAboveShare, found, "a lower base fee, or the end of fees.hold"))
            }
            Some(Code::FloatInsufficient) => {
                let float = self.chain.float(withdrawal.asset, tip.number).await?;
                self.asked_from_cold(withdrawal, self.short(withdrawal, float)).await
            }
            Some(Code::RefillFailed) => {
                let float = self.chain.float(withdrawal.asset, tip.number).await?;
                let short = self.short(withdrawal, float);
                let why = self.store.refill_trouble(withdrawal.asset).await?.unwrap_or_default();
                let found = format!("{}; a swap was not possible: {why}", short.found);
                self.asked_from_cold(withdrawal, Cause::new(Code::RefillFailed, found, short.frees)).await
            }
            Some(code) => Ok(Cause::new(code, "policy says so", NOTHING)),
            None => Ok(Cause::new(Code::AwaitsPolicy, "it is judged with the next step of policy", NOTHING)),
        }
    }

    /// What is missing may be on its way from cold.
    async fn asked_from_cold(&self, withdrawal: &Withdrawal, short: Cause) -> Result<Cause, Miss> {
        let open = self.store.refill_requests().await?;
        let Some(asked) = open.iter().find(|request| request.asset == withdrawal.asset) else {
            return Ok(short);
        };
        let amount = self.assets.show(asked.asset, asked.amount);
        let since = rfc3339(asked.requested_at);
        let found = format!("{}; cold is asked for {amount} since {since}", short.found);
        Ok(Cause::new(short.code, found, format!("{}, which `spillway refill` prepares", short.frees)))
    }

    fn short(&self, withdrawal: &Withdrawal, float: Amount) -> Cause {
        let show = |amount| self.assets.show(withdrawal.asset, amount);
        let missing = withdrawal.amount.saturating_sub(float);
        let found = format!(
            "the float holds {}, {} is asked for; batches on their way may take from it first",
            show(float),
            show(withdrawal.amount)
        );
        let frees = match missing.is_zero() {
            true => "nothing: the float covers it, and it is released with the next look".to_owned(),
            false => format!("{} more in the vault {}", show(missing), self.chain.vault),
        };
        Cause::new(Code::FloatInsufficient, found, frees)
    }

    /// Between policy and its numbers: what the vault would say to it now.
    async fn at_the_batch(
        &self,
        withdrawal: &Withdrawal,
        batch: Option<&Batch>,
        tip: Block,
    ) -> Result<Cause, Miss> {
        let vault = self.chain.vault_state(tip, &[withdrawal.asset]).await?;
        if let Some(paused) = self.paused(withdrawal, &vault) {
            return Ok(paused);
        }
        let instant = withdrawal.door == Door::Order;
        if let Some(of) = vault.assets.first() {
            if instant && withdrawal.amount > of.instant_per_payout {
                return Ok(self.above_tier(withdrawal, of, batch).await?);
            }
            if let Some(cause) = self.above_limit(withdrawal, of, tip).await? {
                return Ok(cause);
            }
            if instant && withdrawal.amount > of.float {
                return Ok(self.short(withdrawal, of.float));
            }
        }
        if let Some(cause) = self.no_lane(tip).await? {
            return Ok(cause);
        }
        if let Some(text) = batch.and_then(|b| b.reason.as_deref())
            && let Some(code) = Code::of_reason(text)
        {
            return Ok(Cause::new(code, text, NOTHING));
        }
        Ok(match batch {
            None => Cause::new(
                Code::AwaitsBatch,
                "its batch is not closed yet",
                "the end of batch.window, or enough others",
            ),
            Some(batch) => {
                let found = format!("batch {} of {} is {}", batch.row, batch.count, batch.state);
                Cause::new(Code::AwaitsFunding, found, "a lane with room: batches before it go first")
            }
        })
    }

    fn paused(&self, withdrawal: &Withdrawal, vault: &VaultState) -> Option<Cause> {
        let door = match withdrawal.door {
            Door::Order => Scope::Orders,
            Door::Request => Scope::Requests,
        };
        let scopes = vault.paused.iter().filter(|(scope, _)| *scope == Scope::Everything || *scope == door);
        let scopes = scopes.map(|(scope, until)| {
            (SCOPES.iter().find(|(known, _)| known == scope).map_or("", |(_, name)| name).to_owned(), *until)
        });
        let asset = vault.assets.iter().map(|of| (self.assets.show(of.asset, Amount::ZERO), of.paused_until));
        let asset = asset.map(|(shown, until)| (shown.trim_start_matches("0 ").to_owned(), until));
        let (what, until) = scopes
            .chain(asset)
            .filter(|(_, until)| *until > vault.block.timestamp)
            .max_by_key(|(_, until)| *until)?;
        let found = format!(
            "{what} is paused until {until} (unix seconds), {} s from now",
            until - vault.block.timestamp
        );
        Some(Cause::new(
            Code::Paused,
            found,
            "the end of the pause, which comes by itself; governance can end it before (docs/governance.md)",
        ))
    }

    async fn above_tier(
        &self,
        withdrawal: &Withdrawal,
        of: &AssetState,
        batch: Option<&Batch>,
    ) -> Result<Cause, StoreError> {
        let offered = self.store.open_reviews().await?;
        if let Some(review) = batch.and_then(|b| offered.into_iter().find(|r| r.batch == b.row)) {
            let signed = self.store.approvals(review.row).await?.len();
            let found = format!(
                "review {}: {signed} of {} approvals; they count until {}",
                review.row,
                review.threshold,
                rfc3339(from_seconds(review.deadline))
            );
            let frees = format!("approvers: `spillway review approve {}`", review.row);
            return Ok(Cause::new(Code::AwaitsReview, found, frees));
        }
        let show = |amount| self.assets.show(withdrawal.asset, amount);
        let found = format!(
            "{} is above the {} that the keeper pays alone",
            show(withdrawal.amount),
            show(of.instant_per_payout)
        );
        let announced = self.store.announcements(std::slice::from_ref(withdrawal)).await?;
        if let Some(last) = announced.last().filter(|a| !a.lapsed && a.vetoed_by.is_none()) {
            let at = rfc3339(from_seconds(last.payable_from));
            let found = format!("lane {} announced it as {}; payable from {at} on", last.lane, last.id);
            let frees = "time; a guardian may veto it until then (docs/governance.md)";
            return Ok(Cause::new(Code::AwaitsAnnouncement, found, frees));
        }
        let why = batch.and_then(|b| b.reason.as_deref()).and_then(|text| text.split_once(": "));
        let found = why.map_or_else(|| found.clone(), |(_, why)| format!("{found}; {why}"));
        let frees = match withdrawal.amount > of.approved_per_payout {
            true => "nothing: it is announced, and paid after the delay unless a guardian vetoes it",
            false => "approvers: it is offered to them next (`spillway review list`)",
        };
        Ok(Cause::new(Code::AboveTier, found, frees))
    }

    async fn above_limit(
        &self,
        withdrawal: &Withdrawal,
        of: &AssetState,
        tip: Block,
    ) -> Result<Option<Cause>, ChainError> {
        let instant = withdrawal.door == Door::Order;
        let fits_at = self.chain.fits_at(withdrawal.asset, withdrawal.amount, instant, tip).await?;
        if fits_at.is_some_and(|at| at <= tip.timestamp) {
            return Ok(None);
        }
        let show = |amount| self.assets.show(withdrawal.asset, amount);
        let found = format!(
            "{} is asked for; {} of {} are left of the asset's limit, {} of {} of what the keeper pays alone",
            show(withdrawal.amount),
            show(of.bucket.left),
            show(of.bucket.capacity),
            show(of.instant.left),
            show(of.instant.capacity)
        );
        let frees = match fits_at {
            Some(at) => format!(
                "time: it fits in {} s if nothing else is paid; governance can raise the limit",
                at - tip.timestamp
            ),
            None => "governance: it never fits into the limit as it is set (docs/governance.md)".to_owned(),
        };
        Ok(Some(Cause::new(Code::AboveLimit, found, frees)))
    }

    /// Whether all lanes that a keeper works for are of no use now.
    async fn no_lane(&self, tip: Block) -> Result<Option<Cause>, Miss> {
        let leases = self.store.leases().await?;
        let held = |lane| leases.iter().any(|l| l.name == of_lane(lane) && l.holder.is_some());
        let (mut disabled, mut poor, mut fit) = (Vec::new(), Vec::new(), false);
        for lane in self.store.lanes().await?.into_iter().filter(|l| held(l.address)) {
            match lane.gas_needed {
                _ if !self.chain.lane(lane.address, tip.number).await?.enabled => disabled.push(lane.address),
                Some(needed) => poor.push((lane.address, needed)),
                None => fit = true,
            }
        }
        if fit {
            return Ok(None);
        }
        if let Some((lane, needed)) = poor.first() {
            return Ok(Some(self.poor(*lane, *needed, tip).await?));
        }
        Ok(disabled.first().map(|lane| {
            let found = format!("all {} lanes that keepers work for are disabled on chain", disabled.len());
            Cause::new(
                Code::LaneDisabled,
                found,
                format!("governance enables one, such as {lane} (docs/governance.md)"),
            )
        }))
    }

    async fn poor(&self, lane: Address, needed: Amount, tip: Block) -> Result<Cause, ChainError> {
        let has = self.chain.balance(NATIVE, lane, tip.number).await?;
        let found =
            format!("lane {lane} has {} for gas and needs {}", format_ether(has.0), format_ether(needed.0));
        let missing = needed.saturating_sub(has);
        Ok(Cause::new(
            Code::LaneOutOfGas,
            found,
            format!("{} of the chain's coin for {lane}", format_ether(missing.0)),
        ))
    }

    /// From its numbers to a block.
    async fn on_its_way(&self, here: LinkName, batch: &Batch, tip: Block) -> Result<Cause, Miss> {
        let attempts = self.store.attempts(batch.row).await?;
        let alive: Option<&Attempt> = attempts.iter().rev().find(|a| a.state != AttemptState::Dead);
        let stored = batch.reason.as_deref().and_then(|text| Some((Code::of_reason(text)?, text)));
        if let Some((Code::Uncertain, text)) = stored {
            return Ok(Cause::new(
                Code::Uncertain,
                text,
                "endpoints that agree; look at those that are named",
            ));
        }
        if let (Some(attempt), Some(content)) = (alive, batch.content) {
            let most = Amount::from(attempt.max_fee.saturating_mul(u128::from(content.gas_limit)));
            if self.chain.balance(NATIVE, attempt.lane, tip.number).await? < most {
                return Ok(self.poor(attempt.lane, most, tip).await?);
            }
            if let Some(cause) = self.too_cheap(attempt).await? {
                return Ok(cause);
            }
            let next = self.chain.nonce(attempt.lane, tip.number).await?;
            if here == LinkName::Chain && next < attempt.nonce {
                let found = format!(
                    "it has nonce {} of lane {}, whose next one in a block is {next}",
                    attempt.nonce, attempt.lane
                );
                return Ok(Cause::new(
                    Code::AwaitsBlock,
                    found,
                    "what is before it; a gap is filled by itself",
                ));
            }
        }
        if let Some((code, text)) = stored {
            return Ok(Cause::new(code, text, NOTHING));
        }
        let found = match alive {
            Some(attempt) => format!("transaction {} with nonce {}", attempt.hash, attempt.nonce),
            None => format!("batch {} has its numbers", batch.row),
        };
        let (code, frees) = match here {
            LinkName::Chain => {
                (Code::AwaitsBlock, "the chain's next block; after fees.bump_after the fee is raised")
            }
            _ => (Code::AwaitsSigning, NOTHING),
        };
        Ok(Cause::new(code, found, frees))
    }

    /// Whether the next block asks for more than an attempt offers.
    async fn too_cheap(&self, attempt: &Attempt) -> Result<Option<Cause>, ChainError> {
        let asked = self.chain.fee_history().await?.next_base_fee;
        if asked <= attempt.max_fee {
            return Ok(None);
        }
        let found = format!("the next block asks {asked} wei per gas, it offers {}", attempt.max_fee);
        // What a replacement must offer at least: an eighth more.
        let next = attempt.max_fee.saturating_add(attempt.max_fee / 8);
        Ok(Some(match next > self.fees.max_fee_wei() {
            true => {
                let frees = format!(
                    "a lower base fee, or a ceiling above fees.max_fee_gwei = {}",
                    self.fees.max_fee_gwei
                );
                Cause::new(Code::FeeCeiling, found, frees)
            }
            false => Cause::new(
                Code::AwaitsBlock,
                found,
                "a replacement after fees.bump_after, which comes by itself",
            ),
        }))
    }

    /// In a block that is not final, or not in the books.
    async fn at_the_books(&self, batch: &Batch, tip: Block) -> Result<Cause, Miss> {
        if let Some(text) =
            batch.reason.as_deref().filter(|text| Code::of_reason(text) == Some(Code::Uncertain))
        {
            return Ok(Cause::new(
                Code::Uncertain,
                text,
                "endpoints that agree; look at those that are named",
            ));
        }
        let last_final = self.chain.final_block(tip).await?.map_or(0, |block| block.number);
        let booked = self.store.cursor().await?.map_or(0, |mark| mark.number);
        let attempts = self.store.attempts(batch.row).await?;
        let mined = attempts.iter().find(|a| a.state == AttemptState::Mined);
        let block = match mined {
            Some(attempt) => self.chain.receipt(attempt.hash).await?.map(|receipt| receipt.block),
            None => None,
        };
        let found = match block {
            Some(block) => {
                format!("it is in block {block}; block {last_final} is final, the books are at {booked}")
            }
            None => format!(
                "the block that held it is gone; block {last_final} is final, the books are at {booked}"
            ),
        };
        Ok(Cause::new(Code::AwaitsFinality, found, "the chain: it must call that block final"))
    }
}
