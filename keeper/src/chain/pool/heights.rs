//! Which block is the newest, and which is final, when the endpoints differ.
//!
//! Every endpoint is asked for its own. The height is the highest that a quorum has *reached*: the quorum-th highest of
//! the answers. A node that stands still is not needed to reach it, and one that invents a height far above cannot lift
//! it, because a quorum would have to be there with it. Then a quorum must agree on number, hash and time of the block at
//! that height (those that are further are asked for it); if none does, the next lower height is tried, so a node that
//! invents a block does not stop the others either.
//!
//! A height goes back only when a quorum stands below it, which is a reorganisation. When the first of two leading nodes
//! dies, the rest is merely late: the height stays, and reads at it wait for them.

use super::{Endpoint, Pool, Votes};
use crate::chain::{Block, ChainError};
use alloy::eips::BlockNumberOrTag;
use futures::future::join_all;
use std::{
    cmp::Reverse,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::{sync::mpsc, time::timeout_at};

/// What was agreed on last.
#[derive(Debug, Default)]
pub(super) struct Heights {
    tip: Mutex<Option<Block>>,
    last_final: Mutex<Option<Block>>,
}

type Told = (Arc<Endpoint>, Result<Block, ChainError>);

impl Pool {
    /// The newest block that a quorum has.
    pub async fn tip(&self) -> Result<Block, ChainError> {
        let tip = self.height(BlockNumberOrTag::Latest, &self.heights.tip).await?;
        self.endpoints.iter().for_each(|e| e.health.compare_head(tip.number));
        Ok(tip)
    }

    /// The newest block that a quorum calls final.
    pub async fn finalized(&self) -> Result<Block, ChainError> {
        self.height(BlockNumberOrTag::Finalized, &self.heights.last_final).await
    }

    /// The height of the newest block that was agreed on; zero before.
    pub fn tip_number(&self) -> u64 {
        self.heights.tip.lock().unwrap_or_else(PoisonError::into_inner).map_or(0, |tip| tip.number)
    }

    async fn height(&self, tag: BlockNumberOrTag, known: &Mutex<Option<Block>>) -> Result<Block, ChainError> {
        let agreed = self.agreed_height(tag, known).await?;
        *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
        Ok(agreed)
    }

    async fn agreed_height(
        &self,
        tag: BlockNumberOrTag,
        known: &Mutex<Option<Block>>,
    ) -> Result<Block, ChainError> {
        let what = format!("the {tag} block");
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        for (endpoint, answer) in self.ask_all(tag).await {
            match answer {
                Ok(block) => told.push((endpoint, block)),
                Err(error) if self.endpoints.len() == 1 => return Err(error),
                Err(error) => silent.push(format!("{}: {error}", endpoint.host())),
            }
        }
        told.sort_by_key(|(_, block)| Reverse(block.number));
        let mut heights: Vec<u64> =
            told.iter().skip(self.quorum - 1).map(|(_, block)| block.number).collect();
        heights.dedup();
        let before = *known.lock().unwrap_or_else(PoisonError::into_inner);
        for height in heights {
            let below =
                told.iter().filter(|(_, block)| before.is_some_and(|b| block.number < b.number)).count();
            if let Some(before) = before
                && height < before.number
                && below < self.quorum
            {
                return Ok(before);
            }
            if let Some(block) = self.agreed_block(&what, height, &told).await {
                return Ok(block);
            }
        }
        silent.extend(told.iter().map(|(e, block)| format!("{}: {} {}", e.host(), block.number, block.hash)));
        Err(self.undecided(&what, silent))
    }

    /// The block at `height`, if a quorum of those that have reached it agree.
    async fn agreed_block(&self, what: &str, height: u64, told: &[(Arc<Endpoint>, Block)]) -> Option<Block> {
        let there =
            told.iter().filter(|(_, block)| block.number >= height).map(|(endpoint, block)| async move {
                let at_height = if block.number == height {
                    Ok(*block)
                } else {
                    endpoint.block(BlockNumberOrTag::Number(height)).await
                };
                (endpoint.clone(), at_height)
            });
        let mut votes = Votes { groups: Vec::new(), silent: Vec::new() };
        for (endpoint, block) in join_all(there).await {
            votes.take(endpoint, block, |block| *block);
        }
        (votes.largest() >= self.quorum).then(|| votes.decided(what, self.quorum).swap_remove(0))
    }

    /// What each endpoint says. Those that are slower than a hedge are not waited for once a quorum has answered: they
    /// tell their health when they are done.
    async fn ask_all(&self, tag: BlockNumberOrTag) -> Vec<Told> {
        let due: Vec<_> = self.endpoints.iter().filter(|e| e.health.is_due()).cloned().collect();
        let (tell, mut told) = mpsc::channel(due.len().max(1));
        let quick = due.iter().filter(|e| e.health.latency() <= self.hedge_after).count();
        let enough = due.len().min(self.quorum);
        for endpoint in due {
            let (tell, chain_id) = (tell.clone(), self.chain_id);
            tokio::spawn(async move {
                let answer = newest(&endpoint, tag, chain_id).await;
                // Nobody listens when enough had answered.
                drop(tell.send((endpoint, answer)).await);
            });
        }
        drop(tell);
        let mut answers: Vec<Told> = Vec::new();
        let limit = Instant::now() + self.hedge_after;
        loop {
            let agreeing = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
            let next = if agreeing < enough {
                told.recv().await
            } else if answers.len() < quick {
                timeout_at(limit.into(), told.recv()).await.ok().flatten()
            } else {
                None
            };
            match next {
                Some(answer) => answers.push(answer),
                None => return answers,
            }
        }
    }
}

async fn newest(endpoint: &Endpoint, tag: BlockNumberOrTag, chain_id: u64) -> Result<Block, ChainError> {
    if let Some(served) = endpoint.verify(chain_id).await? {
        return Err(ChainError::Missing(format!("block of chain {chain_id}, it serves chain {served}")));
    }
    let block = endpoint.block(tag).await?;
    if tag == BlockNumberOrTag::Latest {
        endpoint.health.told_head(block.number);
    }
    Ok(block)
}
