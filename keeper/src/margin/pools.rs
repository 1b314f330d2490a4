//! A pool as it stands at a block.

use crate::{
    chain::{
        Block, Chain, ChainError,
        margin::{IMarginPool::Auction, PoolFacts},
    },
    config::MarginConfig,
    domain::{
        amount::Amount,
        asset::{Asset, Assets},
    },
    purse::PurseError,
    store::{Store, StoreError, margin::Followed},
};
use ::margin::{
    Market,
    watch::{Book, BookId, Watch},
};
use alloy::primitives::{Address, U256};
use std::collections::{BTreeMap, BTreeSet};

/// Why a pool could not be read. All are tried again.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(
        "the collateral {0} of the pool is no asset of the deployment file; add it there, or take the pool out of [margin]"
    )]
    UnknownCollateral(Address),
    #[error(transparent)]
    Purse(#[from] PurseError),
}

/// A pool, with every book that holds an option.
#[derive(Debug)]
pub struct Pool {
    pub address: Address,
    pub facts: PoolFacts,
    pub collateral: Asset,
    /// Such as `ETH/TUSD`.
    pub name: String,
    pub watch: Watch,
    /// The liquidations that are open.
    pub auctions: BTreeMap<BookId, Auction>,
    /// The expiries of its books.
    pub expiries: BTreeSet<u64>,
    /// Those for which there is a price that is fit for a liquidation: the books of others are not known to be sound.
    pub priced: BTreeSet<u64>,
    pub block: Block,
    pub(super) open: BTreeSet<BookId>,
    /// All events up to this block are known, for good.
    pub(super) known_to: u64,
    /// The books that later events named: they are read again, because a reorganisation takes such an event away.
    pub(super) unsettled: BTreeSet<BookId>,
}

/// The pools that the configuration names, and those of its factory.
pub async fn configured(config: &MarginConfig, chain: &Chain) -> Result<Vec<Address>, ChainError> {
    let mut all = config.pools.clone();
    if let Some(factory) = config.factory {
        for pool in chain.margin_pools(factory).await? {
            if !all.contains(&pool) {
                all.push(pool);
            }
        }
    }
    Ok(all)
}

impl Pool {
    /// A pool with the books that are known: see [`Pool::update`]. Without any, its events are read from `deployed_at` on.
    pub async fn open(
        chain: &Chain,
        assets: &Assets,
        address: Address,
        known: Option<Followed>,
        deployed_at: u64,
        block: Block,
    ) -> Result<Self, PoolError> {
        let facts = chain.margin_facts(address, block).await?;
        let collateral =
            assets.get(facts.collateral).ok_or(PoolError::UnknownCollateral(facts.collateral))?.clone();
        let underlying = assets
            .get(facts.underlying)
            .map_or_else(|| facts.underlying.to_string(), |asset| asset.symbol.clone());
        let known =
            known.unwrap_or(Followed { cursor: deployed_at.saturating_sub(1), open: BTreeSet::new() });
        let mut pool = Self {
            address,
            watch: Watch::new(facts.shares(), collateral.decimals),
            name: format!("{underlying}/{}", collateral.symbol),
            facts,
            collateral,
            auctions: BTreeMap::new(),
            expiries: BTreeSet::new(),
            priced: BTreeSet::new(),
            block,
            open: BTreeSet::new(),
            known_to: known.cursor,
            unsettled: BTreeSet::new(),
        };
        pool.take(chain, known.open, block).await?;
        Ok(pool)
    }

    /// Brings the pool to a block, and values again what changed. Returns the books whose options, margin or auction
    /// changed, each with whether it holds an option.
    pub async fn update(&mut self, chain: &Chain, block: Block) -> Result<Vec<(BookId, bool)>, PoolError> {
        let mut changed = BTreeSet::new();
        let mut next = self.known_to + 1;
        while next <= block.number {
            let last = block.number.min(next + chain.max_log_range() - 1);
            changed.extend(chain.margin_changes(self.address, next, last).await?);
            next = last + 1;
        }
        self.facts = chain.margin_facts(self.address, block).await?;
        self.watch.set_shares(self.facts.shares());
        let again = std::mem::replace(&mut self.unsettled, changed.clone());
        changed.extend(again);
        let changed = self.take(chain, changed, block).await?;
        self.expiries = self.open.iter().map(|id| id.1).collect();
        self.priced.clear();
        for expiry in self.expiries.iter().filter(|e| **e > block.timestamp) {
            if let Some(market) = chain.margin_market(self.address, *expiry, block).await? {
                self.watch.set_market(*expiry, market);
                self.priced.insert(*expiry);
            }
        }
        self.block = block;
        // A pool of 100,000 books keeps two cores busy for a while; the runtime's other tasks go on.
        tokio::task::block_in_place(|| self.watch.recheck());
        Ok(changed)
    }

    /// What is up to this block is final: its events need not be read again.
    pub async fn settle(
        &mut self,
        store: &Store,
        last_final: Block,
        changed: &[(BookId, bool)],
    ) -> Result<(), StoreError> {
        let known_to = self.known_to.max(last_final.number.min(self.block.number));
        if known_to > self.known_to || !changed.is_empty() {
            store.follow_margin(self.address, known_to, changed).await?;
            self.known_to = known_to;
        }
        Ok(())
    }

    async fn take(
        &mut self,
        chain: &Chain,
        ids: BTreeSet<BookId>,
        block: Block,
    ) -> Result<Vec<(BookId, bool)>, ChainError> {
        let books = chain.margin_books(self.address, ids, block).await?;
        let mut changed = Vec::with_capacity(books.len());
        for book in books {
            let is_open = !book.legs.is_empty();
            self.watch.set_book(book.id, &book.legs, book.margin);
            if is_open {
                self.open.insert(book.id);
            } else {
                self.open.remove(&book.id);
            }
            if book.auction.open {
                self.auctions.insert(book.id, book.auction);
            } else {
                self.auctions.remove(&book.id);
            }
            changed.push((book.id, is_open));
        }
        Ok(changed)
    }

    /// What is to be said of a book; nothing when it is sound.
    pub fn state_of(&self, book: &Book) -> &'static str {
        if book.id.1 <= self.block.timestamp {
            "expired"
        } else if !self.priced.contains(&book.id.1) {
            "no price"
        } else if self.auctions.contains_key(&book.id) {
            "in liquidation"
        } else if book.is_below_maintenance() {
            "below maintenance"
        } else {
            ""
        }
    }

    pub fn show(&self, units: U256) -> String {
        self.collateral.show(Amount(units))
    }

    /// The markets of all expiries that have a price.
    pub fn markets(&self) -> impl Iterator<Item = (u64, Market)> {
        self.priced.iter().filter_map(|expiry| Some((*expiry, self.watch.market(*expiry)?)))
    }
}
