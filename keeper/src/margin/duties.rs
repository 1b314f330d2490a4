//! What is to be done in a pool, as it stands at a block. Whatever is not possible after all, the pool refuses.

use super::pools::{Pool, PoolError};
use crate::{
    chain::{
        Chain,
        margin::{
            IMarginPool::{self, Settlement},
            Offer,
        },
    },
    config::MarginConfig,
};
use ::margin::watch::BookId;
use alloy::{
    primitives::{Address, Bytes, U256, aliases::U40, uint},
    sol_types::SolCall,
};

const WAD: U256 = uint!(1_000_000_000_000_000_000_U256);
const BPS: U256 = uint!(10_000_U256);
/// A window of settlement has so many parts.
const PARTS: u64 = 30;
/// A tick counts two minutes at most: the clock is moved before they are over.
const TICK_AFTER: u64 = 90;
/// Books that one call settles: each may have 24 options.
const COLLECT: u64 = 40;

/// One call to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Opens the auction of a book below maintenance.
    Start(BookId),
    /// Moves the auction's clock on, or ends it. `since`: when it was moved last.
    Tick { book: BookId, since: u64 },
    /// Takes `share` (18 decimals) of a book for at least `least` units. `margin`: what the book had.
    Bid { book: BookId, share: U256, least: U256, margin: u128 },
    /// Writes the price into a part of a settlement's window.
    Observe { expiry: u64, round: u64, part: u64 },
    /// Fixes the settlement price.
    Fix { expiry: u64 },
    /// Settles the next books. `from`: how many were.
    Collect { expiry: u64, from: u64 },
}

impl Duty {
    /// What names it: the same state of the pool gives the same, so that it is signed once.
    pub fn key(&self) -> String {
        match self {
            Self::Start((account, expiry)) => format!("start {account} {expiry}"),
            Self::Tick { book: (account, expiry), since } => format!("tick {account} {expiry} {since}"),
            Self::Bid { book: (account, expiry), margin, .. } => format!("bid {account} {expiry} {margin}"),
            Self::Observe { expiry, round, part } => format!("observe {expiry} {round} {part}"),
            Self::Fix { expiry } => format!("fix {expiry}"),
            Self::Collect { expiry, from } => format!("collect {expiry} {from}"),
        }
    }

    pub fn calldata(&self) -> Bytes {
        let time = |expiry: &u64| U40::from(*expiry);
        let call = match self {
            Self::Start((account, expiry)) => {
                IMarginPool::startLiquidationCall { account: *account, expiry: time(expiry) }.abi_encode()
            }
            Self::Tick { book: (account, expiry), .. } => {
                IMarginPool::tickCall { account: *account, expiry: time(expiry) }.abi_encode()
            }
            Self::Bid { book: (account, expiry), share, least, .. } => {
                let expiry = time(expiry);
                IMarginPool::bidCall { account: *account, expiry, share: *share, least: *least }.abi_encode()
            }
            Self::Observe { expiry, .. } => IMarginPool::observeCall { expiry: time(expiry) }.abi_encode(),
            Self::Fix { expiry } => IMarginPool::fixPriceCall { expiry: time(expiry) }.abi_encode(),
            Self::Collect { expiry, .. } => {
                IMarginPool::collectCall { expiry: time(expiry), count: U256::from(COLLECT) }.abi_encode()
            }
        };
        call.into()
    }
}

/// What is to be done, the most urgent first. `me` is the account that bids.
pub async fn of(
    pool: &Pool,
    chain: &Chain,
    config: &MarginConfig,
    me: Address,
) -> Result<Vec<Duty>, PoolError> {
    let mut duties = Vec::new();
    for expiry in &pool.expiries {
        let settlement = chain.margin_settlement(pool.address, *expiry, pool.block).await?;
        duties.extend(settling(*expiry, &settlement, pool.block.timestamp));
    }
    for book in pool.watch.ranked() {
        if !book.is_below_maintenance() {
            break;
        }
        if pool.priced.contains(&book.id.1) && !pool.auctions.contains_key(&book.id) && book.id.0 != me {
            duties.push(Duty::Start(book.id));
        }
    }
    let mut limit = Limit::of(pool, chain, config, me).await?;
    for (id, auction) in pool.auctions.iter().filter(|(id, _)| pool.priced.contains(&id.1)) {
        if let Some(offer) = chain.margin_offer(pool.address, *id, pool.block).await?
            && let Some(bid) = limit.bid(pool, *id, offer)
        {
            duties.push(bid);
            continue;
        }
        let since: u64 = auction.tickedAt.to();
        let is_sound = pool.watch.get(id).is_none_or(|book| !book.is_below_maintenance());
        if is_sound || pool.block.timestamp >= since + TICK_AFTER {
            duties.push(Duty::Tick { book: *id, since });
        }
    }
    Ok(duties)
}

/// What an expiry may need at `now`, from the first part of its window to the last book. The pool refuses to fix a price
/// that there is not yet, and a second observation of a part.
fn settling(expiry: u64, settlement: &Settlement, now: u64) -> Vec<Duty> {
    let (window, patience) = (u64::from(settlement.terms.window), u64::from(settlement.terms.patience));
    if window == 0 || settlement.closed {
        return Vec::new();
    }
    if settlement.price != 0 {
        return vec![Duty::Collect { expiry, from: settlement.collected.into() }];
    }
    let (begin, end) = (expiry.saturating_sub(window), expiry + patience / window * window);
    let mut duties = Vec::new();
    if now >= expiry {
        duties.push(Duty::Fix { expiry });
    }
    if (begin..end).contains(&now) {
        let (round, within) = ((now - begin) / window, (now - begin) % window);
        duties.push(Duty::Observe { expiry, round, part: within * PARTS / window });
    }
    duties
}

/// How much the keeper may still take over, in units of the collateral.
struct Limit {
    /// The most initial margin that one bid may need.
    bid: U256,
    /// The most that all its books may need, less what they do and what is bid for already.
    left: U256,
    /// What is free, and not yet bid for.
    free: U256,
    premium_bps: U256,
    me: Address,
}

impl Limit {
    async fn of(pool: &Pool, chain: &Chain, config: &MarginConfig, me: Address) -> Result<Self, PoolError> {
        let whole = |amount: u64| {
            U256::from(amount).saturating_mul(U256::from(10).pow(U256::from(pool.collateral.decimals)))
        };
        let needed = |book: &::margin::watch::Book| book.valuation.initial;
        let held: U256 = pool.watch.ranked().into_iter().filter(|b| b.id.0 == me).map(needed).sum();
        let free = chain.margin_free(pool.address, me, pool.block).await?;
        let left = whole(config.max_held).saturating_sub(held);
        let (bid, premium_bps) = (whole(config.max_bid), U256::from(config.premium_bps));
        Ok(Self { bid, left, free, premium_bps, me })
    }

    /// A bid on a book of which the whole is paid `offer`; none when that is too little, or nothing may be taken.
    fn bid(&mut self, pool: &Pool, id: BookId, offer: Offer) -> Option<Duty> {
        let book = pool.watch.get(&id)?;
        let valuation = book.valuation;
        let worth = (valuation.liability * (BPS + self.premium_bps)).div_ceil(BPS);
        let most = self.bid.min(self.left);
        if id.0 == self.me || !book.is_below_maintenance() || offer.whole() < worth || most.is_zero() {
            return None;
        }
        let affordable =
            if valuation.initial <= most { WAD } else { most.saturating_mul(WAD) / valuation.initial };
        // The pool takes no more than leads the book to its target.
        let margin = U256::from(book.margin);
        let beyond =
            (valuation.initial - valuation.maintenance) * U256::from(pool.facts.rules.targetBps) / BPS;
        let target = valuation.maintenance + beyond;
        let allowed = ((target - margin) * WAD).div_ceil(target - offer.from_margin);
        // What is paid with it backs the options, and what is free the rest.
        let own = valuation.initial.saturating_sub(offer.whole());
        let backed = if own <= self.free { WAD } else { self.free.saturating_mul(WAD) / own };
        let share = affordable.min(allowed).min(backed);
        if share.is_zero() {
            return None;
        }
        self.free = self.free.saturating_sub((own * share).div_ceil(WAD));
        self.left = self.left.saturating_sub(valuation.initial * share / WAD);
        Some(Duty::Bid { book: id, share, least: worth * share / WAD, margin: book.margin })
    }
}

#[cfg(test)]
mod tests;
