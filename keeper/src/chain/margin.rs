//! Margin pools as the keeper sees them.
//!
//! What is read here decides no payment: a pool checks again whatever it is sent. So most are ordinary reads; only the
//! events are a decisive read, because what one endpoint left out would never be looked for again.

use super::{Block, Chain, ChainError, or_refusal};
use crate::domain::amount::Amount;
use alloy::{
    eips::BlockId,
    primitives::{Address, U256, aliases::U40},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, TransactionRequest},
    sol,
    sol_types::SolEventInterface,
};
use futures::{StreamExt, TryStreamExt, stream};
use margin::{Leg, Market, Shares, watch::BookId};
use std::{collections::BTreeSet, sync::Arc};

sol! {
    /// What the keeper needs of `contracts/interfaces/IMarginPool.sol`, whose imports the macro does not follow.
    #[sol(rpc, all_derives)]
    #[allow(clippy::too_many_arguments)]
    interface IMarginPool {
        struct PoolLeg { uint96 strike; bool isCall; int112 size; }
        struct PoolMarket { uint256 lo; uint256 hi; uint256 vInitial; uint256 vMaintenance; uint256 vMark; }
        struct Terms { uint32 window; uint8 observations; uint16 toleranceBps; uint32 patience; uint32 challenge; }
        struct Rules {
            uint16 maxSpotBps; uint16 minSpotBps; uint16 maintenanceBps; uint16 putMarkBps; uint16 unpairedBps;
            uint16 bufferBps; uint16 volStepBps; uint32 volLife; uint64 minVol; uint64 maxVol; uint16 feeBps;
            uint16 feeCapBps; uint16 targetBps; uint16 premiumBps; uint16 incentiveBps; uint16 insuranceBps;
            uint32 auctionTime; uint32 rescueTime; uint96 strikeStep; uint32 maxTenor; uint128 minSize;
            uint128 maxNakedCalls; Terms terms;
        }
        struct PoolBook { uint128 margin; uint112 credit; bool listed; PoolLeg[] legs; }
        struct Auction { bool open; uint32 elapsed; uint40 tickedAt; }
        struct Settlement {
            Terms terms; uint8 source; uint128 price; uint128 proposed; uint40 proposedAt; uint128 lastSeen;
            uint32 accounts; uint32 collected; bool closed; uint256 owed; uint128 pot;
        }

        event MarginLocked(address indexed account, uint40 indexed expiry, uint256 amount);
        event MarginUnlocked(address indexed account, uint40 indexed expiry, uint256 amount);
        event Traded(
            address indexed buyer, address indexed seller, uint40 indexed expiry, uint96 strike, bool isCall,
            uint256 size, uint256 price, uint256 premium, uint256 fee, bytes32 maker, bytes32 taker
        );
        event LiquidationStarted(
            address indexed account, uint40 indexed expiry, PoolMarket market, uint256 margin, uint256 initial,
            uint256 maintenance, uint256 liability
        );
        event Liquidated(
            address indexed account, uint40 indexed expiry, address indexed bidder, uint256 share, uint256 paid,
            uint256 rescued, PoolMarket market, uint256 margin, uint256 initial, uint256 maintenance,
            uint256 liability
        );
        event LiquidationEnded(address indexed account, uint40 indexed expiry, uint256 margin);
        event Collected(
            address indexed account, uint40 indexed expiry, int256 value, uint256 taken, uint256 freed
        );

        function startLiquidation(address account, uint40 expiry) external;
        function tick(address account, uint40 expiry) external;
        function bid(address account, uint40 expiry, uint256 share, uint256 least)
            external
            returns (uint256 taken, uint256 paid);
        function observe(uint40 expiry) external;
        function fixPrice(uint40 expiry) external;
        function collect(uint40 expiry, uint256 count) external;

        function underlying() external view returns (address);
        function collateral() external view returns (address);
        function freeOf(address account) external view returns (uint256);
        function held() external view returns (uint256);
        function insurance() external view returns (uint256);
        function nakedCalls() external view returns (uint256);
        function rules() external view returns (Rules memory);
        function bookOf(address account, uint40 expiry) external view returns (PoolBook memory);
        function auctionOf(address account, uint40 expiry) external view returns (Auction memory);
        function settlementOf(uint40 expiry) external view returns (Settlement memory);
        function valuationOf(address account, uint40 expiry, uint8 action)
            external
            view
            returns (uint256 initial, uint256 maintenance, uint256 liability, PoolMarket memory market);
        function offerOf(address account, uint40 expiry)
            external
            view
            returns (uint256 fromMargin, uint256 rescue);
    }

    /// `contracts/margin/MarginFactory.sol`.
    #[sol(rpc)]
    interface IMarginFactory {
        function pools() external view returns (address[] memory);
    }
}

use IMarginPool::{Auction, IMarginPoolEvents as Event, Rules, Settlement};

/// `IOracleGuard.Action.Liquidation`: the price that a liquidation would be made with.
const LIQUIDATION: u8 = 3;
/// Questions on the way at a time.
const ABREAST: usize = 16;

/// What a pool is, and how it stands as a whole.
#[derive(Clone, Debug)]
pub struct PoolFacts {
    pub underlying: Address,
    pub collateral: Address,
    pub rules: Rules,
    /// Units of the collateral.
    pub insurance: U256,
    /// Calls short beyond those long in the same book, with 18 decimals.
    pub naked_calls: U256,
}

/// All that a pool owes, in units of its collateral: balances, pots, stranded withdrawals and the insurance fund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOwes {
    pub collateral: Address,
    pub held: Amount,
}

impl PoolFacts {
    pub fn shares(&self) -> Shares {
        let r = &self.rules;
        Shares {
            max_spot_bps: r.maxSpotBps,
            min_spot_bps: r.minSpotBps,
            maintenance_bps: r.maintenanceBps,
            put_mark_bps: r.putMarkBps,
            unpaired_bps: r.unpairedBps,
        }
    }
}

/// A book as the pool has it.
#[derive(Clone, Debug)]
pub struct BookOnChain {
    pub id: BookId,
    pub legs: Vec<Leg>,
    /// Units of the collateral.
    pub margin: u128,
    pub auction: Auction,
}

/// What a bidder of a whole book is paid, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// At most the book's margin.
    pub from_margin: U256,
    /// From the insurance fund.
    pub rescue: U256,
}

impl Offer {
    pub fn whole(&self) -> U256 {
        self.from_margin + self.rescue
    }
}

impl Chain {
    fn pool_at(&self, pool: Address) -> IMarginPool::IMarginPoolInstance<DynProvider> {
        IMarginPool::new(pool, self.provider.clone())
    }

    /// All pools that a factory made.
    pub async fn margin_pools(&self, factory: Address) -> Result<Vec<Address>, ChainError> {
        Ok(IMarginFactory::new(factory, self.provider.clone()).pools().call().await?)
    }

    pub async fn margin_facts(&self, pool: Address, block: Block) -> Result<PoolFacts, ChainError> {
        let (pool, at) = (self.pool_at(pool), BlockId::number(block.number));
        Ok(PoolFacts {
            underlying: pool.underlying().block(at).call().await?,
            collateral: pool.collateral().block(at).call().await?,
            rules: pool.rules().block(at).call().await?,
            insurance: pool.insurance().block(at).call().await?,
            naked_calls: pool.nakedCalls().block(at).call().await?,
        })
    }

    /// What a pool owes at a block; none before it was made. A decisive read.
    pub async fn margin_held(&self, pool: Address, at: u64) -> Result<Option<PoolOwes>, ChainError> {
        let ask = |endpoint: Arc<super::Endpoint>| async move {
            let block = BlockId::number(at);
            if endpoint.provider.get_code_at(pool).block_id(block).await?.is_empty() {
                return Ok(None);
            }
            let pool = IMarginPool::new(pool, endpoint.provider.clone());
            let collateral = pool.collateral().block(block).call().await?;
            let held = Amount(pool.held().block(block).call().await?);
            Ok(Some(PoolOwes { collateral, held }))
        };
        self.pool.agree(&format!("what the margin pool {pool} owes at block {at}"), at, ask).await
    }

    /// The books whose options, margin or auction changed in blocks `from..=to`.
    pub async fn margin_changes(
        &self,
        pool: Address,
        from: u64,
        to: u64,
    ) -> Result<BTreeSet<BookId>, ChainError> {
        let filter = &Filter::new().address(pool);
        let ask = |endpoint: Arc<super::Endpoint>| async move {
            let logs = endpoint.logs(filter, from, to).await?;
            let of_pool = logs.iter().filter(|log| !log.removed && log.address() == pool);
            Ok(of_pool
                .filter_map(|log| Event::decode_log(&log.inner).ok())
                .flat_map(|e| books(&e.data))
                .collect())
        };
        let what = format!("the events of margin pool {pool} in blocks {from} to {to}");
        self.pool.agree(&what, to, ask).await
    }

    pub async fn margin_books(
        &self,
        pool: Address,
        ids: impl IntoIterator<Item = BookId>,
        block: Block,
    ) -> Result<Vec<BookOnChain>, ChainError> {
        let (pool, at) = (self.pool_at(pool), BlockId::number(block.number));
        let read = |id: BookId| {
            let pool = pool.clone();
            async move {
                let expiry = U40::from(id.1);
                let book = pool.bookOf(id.0, expiry).block(at).call().await?;
                let auction = pool.auctionOf(id.0, expiry).block(at).call().await?;
                let leg = |l: &IMarginPool::PoolLeg| Leg {
                    strike: l.strike.to(),
                    is_call: l.isCall,
                    size: i128::try_from(l.size).expect("112 bits fit into 128"),
                };
                let legs = book.legs.iter().map(leg).collect();
                Ok::<_, ChainError>(BookOnChain { id, legs, margin: book.margin, auction })
            }
        };
        stream::iter(ids.into_iter().map(read)).buffered(ABREAST).try_collect().await
    }

    /// The market that a liquidation would be made with now; none while the pool has no price that is fit for it, or
    /// after the expiry.
    pub async fn margin_market(
        &self,
        pool: Address,
        expiry: u64,
        block: Block,
    ) -> Result<Option<Market>, ChainError> {
        // Whoever holds nothing has the same market.
        let call = IMarginPool::valuationOfCall {
            account: Address::ZERO,
            expiry: U40::from(expiry),
            action: LIQUIDATION,
        };
        let found: Option<IMarginPool::valuationOfReturn> = self.margin_view(pool, &call, block).await?;
        Ok(found.map(|v| Market {
            lo: v.market.lo,
            hi: v.market.hi,
            v_initial: v.market.vInitial,
            v_maintenance: v.market.vMaintenance,
            v_mark: v.market.vMark,
        }))
    }

    /// What a bidder of a whole book would be paid now; none while there is no price.
    pub async fn margin_offer(
        &self,
        pool: Address,
        (account, expiry): BookId,
        block: Block,
    ) -> Result<Option<Offer>, ChainError> {
        let expiry = U40::from(expiry);
        let call = IMarginPool::offerOfCall { account, expiry };
        let found: Option<IMarginPool::offerOfReturn> = self.margin_view(pool, &call, block).await?;
        Ok(found.map(|offer| Offer { from_margin: offer.fromMargin, rescue: offer.rescue }))
    }

    pub async fn margin_free(
        &self,
        pool: Address,
        account: Address,
        block: Block,
    ) -> Result<U256, ChainError> {
        Ok(self.pool_at(pool).freeOf(account).block(BlockId::number(block.number)).call().await?)
    }

    pub async fn margin_settlement(
        &self,
        pool: Address,
        expiry: u64,
        block: Block,
    ) -> Result<Settlement, ChainError> {
        let expiry = U40::from(expiry);
        Ok(self.pool_at(pool).settlementOf(expiry).block(BlockId::number(block.number)).call().await?)
    }

    /// A view's answer; none when it reverts.
    async fn margin_view<C: alloy::sol_types::SolCall>(
        &self,
        pool: Address,
        call: &C,
        block: Block,
    ) -> Result<Option<C::Return>, ChainError> {
        let request = TransactionRequest::default().to(pool).input(call.abi_encode().into());
        let answer = self.provider.call(request).block(BlockId::number(block.number)).await;
        let Ok(answer) = or_refusal(answer)? else { return Ok(None) };
        let read = C::abi_decode_returns(&answer).map_err(alloy::contract::Error::from)?;
        Ok(Some(read))
    }
}

/// The books that an event tells of.
fn books(event: &Event) -> Vec<BookId> {
    let of = |account: Address, expiry: U40| (account, expiry.to());
    match event {
        Event::Traded(e) => vec![of(e.buyer, e.expiry), of(e.seller, e.expiry)],
        Event::Liquidated(e) => vec![of(e.account, e.expiry), of(e.bidder, e.expiry)],
        Event::MarginLocked(e) => vec![of(e.account, e.expiry)],
        Event::MarginUnlocked(e) => vec![of(e.account, e.expiry)],
        Event::LiquidationStarted(e) => vec![of(e.account, e.expiry)],
        Event::LiquidationEnded(e) => vec![of(e.account, e.expiry)],
        Event::Collected(e) => vec![of(e.account, e.expiry)],
    }
}
