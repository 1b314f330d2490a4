//! Reads what is judged from a chain, all at one block.
//!
//! A source that fails is an observation ([`Outcome`]); an endpoint that fails is a [`ReadError`], and says nothing about
//! the source.
//!
//! - [`call`]: one call, and how it ended
//! - [`chainlink`]: an aggregator's round, and the L2's uptime feed
//! - [`pyth`]: a price with its confidence
//! - [`uniswap_v3`]: a pool's mean
//! - [`rate`]: a token's exchange rate

pub mod call;
pub mod chainlink;
pub mod pyth;
pub mod rate;
pub mod uniswap_v3;

use crate::{AssetConfig, Input, Kind, LegConfig, LegInput, Outcome, SequencerInput};
use alloy::{
    eips::BlockId,
    providers::Provider,
    transports::{RpcError, TransportErrorKind},
};
use futures::future::try_join_all;

pub use call::Caller;

/// The endpoint did not answer, or not about this block.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint did not answer for {what}: {source}")]
pub struct ReadError {
    pub what: String,
    pub source: RpcError<TransportErrorKind>,
}

/// The block at which all is read.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub block: BlockId,
    /// Its time, unix seconds.
    pub time: u64,
}

/// Reads all sources of an asset. `identity`: also what only changes when a feed is replaced (description, the
/// aggregator's bounds). The machine's clock is the caller's to add.
pub async fn read<P: Provider>(
    provider: &P,
    config: &AssetConfig,
    at: At,
    identity: bool,
) -> Result<Input, ReadError> {
    let caller = Caller { provider, block: at.block };
    let caller = &caller;
    let sources = config
        .sources
        .iter()
        .map(|source| try_join_all(source.legs.iter().map(|of_leg| leg(caller, of_leg, at.time, identity))));
    let sequencer = async {
        match config.sequencer {
            Some(feed) => chainlink::sequencer(caller, feed).await,
            None => Ok(SequencerInput::default()),
        }
    };
    let (sources, sequencer) = futures::try_join!(try_join_all(sources), sequencer)?;
    Ok(Input { now: at.time, wall: 0, sequencer, sources })
}

async fn leg<P: Provider>(
    caller: &Caller<'_, P>,
    config: &LegConfig,
    now: u64,
    identity: bool,
) -> Result<LegInput, ReadError> {
    let seen = match config.kind {
        Kind::Chainlink => chainlink::read(caller, config, identity).await?,
        Kind::Pyth => pyth::read(caller, config).await?,
        Kind::UniswapV3Twap => uniswap_v3::read(caller, config, now).await?,
        Kind::Rate => rate::read(caller, config, now).await?,
    };
    Ok(seen.unwrap_or_else(|outcome| LegInput { outcome, ..LegInput::default() }))
}

/// What was seen, or how the read ended instead.
pub(crate) type Seen<T> = Result<Result<T, Outcome>, ReadError>;

/// `?` for a [`Seen`] within a [`Seen`].
macro_rules! seen {
    ($read:expr) => {
        match $read? {
            Ok(value) => value,
            Err(outcome) => return Ok(Err(outcome)),
        }
    };
}
pub(crate) use seen;
