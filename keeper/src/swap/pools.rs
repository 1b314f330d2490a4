//! The configured pools as they stand at a block, for the router.
//!
//! One request per block: what a V3 pool had as initialized ticks in the block before is asked together with all else,
//! and only ticks that are new need a second one. A pool that cannot be read, or is not what the configuration says,
//! is named and left out; the others go on.

use super::state::{Reading, Token};
use crate::{
    chain::{Block, Chain, ChainError, many::View},
    config::{PoolConfig, SwapConfig},
};
use alloy::primitives::{Address, B256};
use router::Pool;

/// More rounds than any sound pool needs: identity, price, words of ticks, ticks, and once more when the price moved.
const ROUNDS: usize = 6;

/// A pool that can be swapped with.
#[derive(Clone, Debug)]
pub struct Known {
    pub config: PoolConfig,
    pub pool: Pool,
    /// Of a Balancer pool.
    pub id: Option<B256>,
}

/// A pool that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub address: Address,
    pub kind: &'static str,
    pub why: String,
}

/// All pools at a block.
#[derive(Clone, Debug)]
pub struct Pools {
    pub block: Block,
    pub known: Vec<Known>,
    pub left_out: Vec<LeftOut>,
}

/// Reads the pools, block after block.
#[derive(Debug)]
pub struct Reader {
    readings: Vec<Reading>,
    tokens: Vec<Token>,
}

impl Reader {
    pub fn new(config: &SwapConfig) -> Self {
        let mut tokens: Vec<Address> = config.pools.iter().flat_map(|pool| pool.tokens.clone()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        Self {
            readings: config.pools.iter().cloned().map(Reading::new).collect(),
            tokens: tokens.into_iter().map(Token::new).collect(),
        }
    }

    /// # Errors
    /// When the chain does not answer; never because of a pool.
    pub async fn read(&mut self, chain: &Chain, block: Block) -> Result<Pools, ChainError> {
        self.readings.iter_mut().for_each(Reading::begin);
        for _ in 0..ROUNDS {
            let asked: Vec<usize> = self.tokens.iter().map(|token| token.views().len()).collect();
            let mut views: Vec<View> = self.tokens.iter().flat_map(Token::views).collect();
            let mut counts = Vec::with_capacity(self.readings.len());
            for reading in &self.readings {
                let wanted = reading.views();
                counts.push(wanted.len());
                views.extend(wanted);
            }
            if views.is_empty() {
                break;
            }
            let answers = chain.many(&views, block).await?;
            let mut rest = &answers[..];
            let mut next = |count: usize| {
                let (these, others) = rest.split_at(count);
                rest = others;
                these
            };
            for (token, count) in self.tokens.iter_mut().zip(asked) {
                token.answer(next(count));
            }
            for (reading, count) in self.readings.iter_mut().zip(counts) {
                reading.answer(next(count));
            }
        }
        let mut pools = Pools { block, known: Vec::new(), left_out: Vec::new() };
        for reading in &self.readings {
            let config = reading.config.clone();
            match reading.pool(&self.tokens) {
                Ok((pool, id)) => pools.known.push(Known { config, pool, id }),
                Err(why) => {
                    let (address, kind) = (config.address, config.kind.as_str());
                    pools.left_out.push(LeftOut { address, kind, why });
                }
            }
        }
        Ok(pools)
    }
}
