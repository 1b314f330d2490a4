//! Reasons: one bit each, the same number in Rust and in Solidity. Each says where the check is from and the incident that it
//! would have stopped, by its file in `incidents/`.

use serde::{Deserialize, Serialize, Serializer, de::Error as _};
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $text:literal,)*) => {
        /// Why a source or an asset is not judged healthy. Bits below 32 are of a source, from 32 on of the asset.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name = $bit,)* }

        impl Reason {
            /// All, in the order of their bits.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What it says, for people.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

reasons! {
    /// The call reverted. A fallback that reverts must not brick its caller (Gravita, Sherlock #238). Compound's price of
    /// ether, August 2022: `2022-08-compound-ceth`.
    Reverted = 0 "the call reverted",
    /// Nothing is deployed at the address: a call to it succeeds and says nothing (Solidity's documentation of low-level
    /// calls). No incident that we know; it is what a wrong chain or address looks like.
    NoCode = 1 "there is no contract at the address",
    /// It used all the gas that it was given. Liquity v2 asks the same, because a caller who limits gas could otherwise fake
    /// a failing feed: an attack that was thought of in review, not one that happened.
    OutOfGas = 2 "the call ran out of gas",
    /// Too short, or out of its type's range: a source of another kind than configured, or one that returns a megabyte.
    Malformed = 3 "the answer is no answer of this kind",
    /// The feed's decimals are other than configured (Euler pins them, too). No staleness check sees it: Morpho's PAXG market,
    /// October 2024: `2024-10-morpho-paxg`.
    DecimalsChanged = 4 "the feed has other decimals than configured",
    /// The feed's description is other than configured, or gone: the wrong pair. Silver that had the price of gold, February
    /// 2020: `2020-02-xag` (there the numbers gave it away).
    DescriptionChanged = 5 "the feed has another description than configured",
    /// The aggregator's own minimum or maximum is other than configured, so [`Self::Clamped`] would look in the wrong place.
    /// LUNA, May 2022: `2022-05-luna`.
    BoundsChanged = 6 "the aggregator clamps elsewhere than configured",
    /// The round has no time or number: not answered yet. Chainlink's `latestRoundData` documents it.
    IncompleteRound = 7 "the round is not complete",
    /// The answer is of an earlier round (`answeredInRound`, deprecated by Chainlink; old aggregators still mean it). Reading
    /// an answer without its round is a standing audit finding (Exactly, Sherlock #794).
    CarriedRound = 8 "the answer was carried over from an earlier round",
    /// A round or a time below one that was seen: a lagging node, or a feed that was replaced. Chainlink's proxies only count
    /// up.
    RoundWentBack = 9 "the round is older than one seen before",
    /// Another aggregator behind the proxy (the round's upper bits): held for one round, because decimals and clamps may be
    /// other ones. Compound's new price contract, August 2022, is what may go wrong: `2022-08-compound-ceth`.
    PhaseChanged = 10 "another aggregator answers since the last look",
    /// From further in the future than clocks differ (Euler bounds Pyth's the same way).
    FromTheFuture = 11 "the answer is from the future",
    /// Older than its heartbeat: held, used only when nothing better is left. A heartbeat of its own per feed (JOJO, Sherlock
    /// #449). Venus and Blizz, May 2022: `2022-05-luna`.
    Late = 12 "the answer is older than its heartbeat",
    /// Older than twice its heartbeat. Venus and Blizz, May 2022: `2022-05-luna`, where the feed was paused at last.
    Stale = 13 "the answer is older than twice its heartbeat",
    /// Zero or negative. Resupply, June 2025: an exchange rate that rounded to zero: `2025-06-resupply`.
    NotPositive = 14 "the answer is not positive",
    /// Outside of what was configured as possible. Moonwell wrsETH, November 2025: about 1.7 million for 1.06:
    /// `2025-11-moonwell-wrseth`; Fortress and Bonq, whose feeds anybody could write: `2022-05-fortress`, `2023-02-bonq`.
    OutOfRange = 15 "outside of the configured range",
    /// At the aggregator's own bound, where the true price is unknown. LUNA, May 2022: 0.107 for 0.01: `2022-05-luna`.
    Clamped = 16 "at the bound where the aggregator clamps",
    /// The publishers disagree; Pyth's own guidance is to use price and confidence together. Pyth BTC, September 2021:
    /// `2021-09-pyth-btc`.
    WideConfidence = 17 "the confidence interval is too wide",
    /// The pool does not remember the window. Inverse, April 2022, a window of seconds: `2022-04-inverse`.
    ShortWindow = 18 "the pool remembers less than the window",
    /// Cheap to move. Inverse, April 2022: `2022-04-inverse`; Rari's VUSD pool, November 2021: `2021-11-rari-vusd`.
    ThinLiquidity = 19 "the pool's liquidity is below the floor",
    /// The pool was moved just now. Harvest, October 2020, a skew within one block, inside a 3 % tolerance:
    /// `2020-10-harvest`; UwU, June 2024: `2024-06-uwu`.
    SpotOffMean = 20 "the pool's price is far from its mean",
    /// A rate that grew faster than it can. The idea of Aave's capped adapters, which clamp; here it is refused. Cream's yUSD,
    /// October 2021, whose shares were inflated: `2021-10-cream-yusd`.
    RateAboveCap = 21 "the rate is above what its growth allows",
    /// A rate that fell further than a slashing explains: the other side of the same inflation, as in Resupply, June 2025:
    /// `2025-06-resupply`, there down to zero.
    RateBelowFloor = 22 "the rate is below what a slashing allows",
    /// Moved further than the time allows: held until rounds confirm it. Venus' XVS, May 2021: `2021-05-venus-xvs`.
    Jump = 23 "moved further than volatility allows",
    /// Moved so far that no market did it. Mango, October 2022, 0.04 to 0.91 within minutes: `2022-10-mango`; Moonwell's cbETH,
    /// February 2026, whose ether was not multiplied in: `2026-02-moonwell-cbeth`.
    Leap = 24 "moved further than any market does",
    /// So far from its peg that the price is not believed. Compound's DAI, November 2020, 1.30: `2020-11-compound-dai`.
    BrokenPeg = 25 "too far from its peg to be believed",
    /// Fine by itself, and not in the agreement of the others. USDe at one venue, October 2025: `2025-10-usde-venue`.
    Outlier = 26 "disagrees with the other sources",

    /// A price source is not part of the agreement; its own bits say why. `2025-10-usde-venue`.
    Dropped = 32 "a source was left out",
    /// The quorum stands only with sources that are held. `2021-05-venus-xvs`.
    HeldUsed = 33 "there is a quorum only with late or jumping sources",
    /// One source agrees with itself. Every incident of a single feed, such as `2022-12-lodestar`.
    SingleSource = 34 "only one source",
    /// Fewer sources than the quorum can be used. bZx, February 2020: `2020-02-bzx-susd`.
    NoQuorum = 35 "too few sources can be used",
    /// Sources can be used and do not agree. Synthetix' sKRW, June 2019, was averaged, and one of few was wrong:
    /// `2019-06-skrw`; stETH and its redemption, June 2022: `2022-06-steth-redemption`.
    Disagreement = 36 "the sources disagree",
    /// A reference cannot be used. A mean that lags in a fast market, October 2025: `fast-2025-10-10-eth-pool`.
    ReferenceMissing = 37 "a reference cannot be used",
    /// A reference is too far from the price. Liquity v2 holds a token's market price against its canonical rate like that.
    ReferenceApart = 38 "a reference is too far from the price",
    /// Off its peg, honestly: the market price is right, and what assumes the peg must stop. USDC, March 2023:
    /// `fast-2023-03-11-usdc`, and what assumed 1.00: `2023-03-usdc-assumed`.
    OffPeg = 39 "off its peg",
    /// The L2's sequencer is down: nobody can answer a price. Arbitrum, December 2023: `2023-12-arbitrum-sequencer`.
    SequencerDown = 40 "the sequencer is down",
    /// The uptime feed does not say. Chainlink documents that `startedAt` is 0 while its round is not valid.
    SequencerUnknown = 41 "the sequencer's uptime feed does not answer",
    /// Just up again: others have not had their turn yet (Chainlink's example waits an hour). `2023-12-arbitrum-sequencer`.
    SequencerGrace = 42 "the sequencer is up only since a short time",
    /// Good again, not yet for long enough. `2022-10-mango`: back at its price, and not believed yet.
    Recovering = 43 "not good for long enough yet",
    /// Only our own bound refuses a source that agrees with another: look at the bound. Aave, March 2026: `2026-03-aave-cap`.
    OwnBound = 44 "our own bound refuses what another source confirms",
    /// The newest block is too old: a node that lags makes each feed look fresh.
    ChainBehind = 45 "the newest block is too old",
    /// Nothing is configured for the asset.
    NotConfigured = 46 "not configured",
}

impl fmt::Display for Reason {
    /// The name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A set of reasons: the bitmask of both languages. In JSON the list of names.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reasons(pub u64);

impl Reasons {
    pub const NONE: Self = Self(0);
    /// A source with these alone is held: used when there is no quorum without it.
    pub const HELD: Self = Self::of(&[Reason::PhaseChanged, Reason::Late, Reason::Jump]);
    /// What our own configuration, not the source, may be to blame for.
    pub const OWN_BOUNDS: Self =
        Self::of(&[Reason::OutOfRange, Reason::RateAboveCap, Reason::RateBelowFloor]);
    /// With one of these there is no price.
    pub const INSANE: Self = Self::of(&[
        Reason::NoQuorum,
        Reason::Disagreement,
        Reason::SequencerDown,
        Reason::SequencerUnknown,
        Reason::ChainBehind,
        Reason::NotConfigured,
    ]);
    /// The bits of an asset.
    pub const OF_ASSETS: Self = Self(u64::MAX << 32);
    /// What only the keeper can see.
    pub const OFF_CHAIN: Self =
        Self::of(&[Reason::DescriptionChanged, Reason::BoundsChanged, Reason::ChainBehind]);

    pub const fn of(reasons: &[Reason]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < reasons.len() {
            bits |= 1 << reasons[i] as u64;
            i += 1;
        }
        Self(bits)
    }

    pub fn insert(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u64;
    }

    pub fn has(self, reason: Reason) -> bool {
        self.0 & (1 << reason as u64) != 0
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Of a source: nothing is wrong but what holds it.
    pub fn usable(self) -> bool {
        self.without(Self::HELD).is_empty()
    }

    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.iter().copied().filter(move |reason| self.has(*reason))
    }

    /// What an asset with these may be used for.
    pub fn verdict(self) -> Verdict {
        if self.intersects(Self::INSANE) {
            Verdict::Insane
        } else if self.intersects(Self::OF_ASSETS) {
            Verdict::Degraded
        } else {
            Verdict::Healthy
        }
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<T: IntoIterator<Item = Reason>>(reasons: T) -> Self {
        reasons.into_iter().fold(Self::NONE, |all, reason| all.union(Self::of(&[reason])))
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{reason}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Reasons {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Reasons {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = Vec::<Reason>::deserialize(from)?;
        let all: Self = names.iter().copied().collect();
        if all.iter().count() != names.len() {
            return Err(D::Error::custom("a reason is named twice"));
        }
        Ok(all)
    }
}

/// What a price may be used for. Ordered: a worse input never gives a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Verdict {
    /// For everything.
    Healthy = 0,
    /// For what tolerates the reasons: see [`Action`](crate::Action).
    Degraded = 1,
    /// For nothing.
    Insane = 2,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
