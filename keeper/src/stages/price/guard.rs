//! What the oracle guard thinks of an asset's price, judged at most once per block and remembered in the store.

use crate::{
    chain::Block,
    clock::now_ms,
    config::ConfigError,
    domain::asset::Assets,
    stages::{Line, StageError},
    store::oracle::Kept,
};
use alloy::primitives::{Address, keccak256};
use oracle_guard::{Action, AssetConfig, Input, Interval, Memory, Reasons, Verdict, explain, record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// How each asset is judged.
#[derive(Clone, Debug, Default)]
pub struct Guard(HashMap<Address, AssetConfig>);

impl Guard {
    /// Refuses an entry for what the deployment does not have.
    pub fn new(config: &BTreeMap<String, AssetConfig>, assets: &Assets) -> Result<Self, ConfigError> {
        let mut guard = Self::default();
        let mut problems = Vec::new();
        for (symbol, judged) in config {
            match assets.find(symbol) {
                Some(asset) => drop(guard.0.insert(asset.address, judged.clone())),
                None => problems.push(crate::config::Problem {
                    key: format!("oracle.{symbol}"),
                    value: None,
                    message: format!("the deployment has no such asset; it has {}", assets.symbols()),
                }),
            }
        }
        match problems.is_empty() {
            true => Ok(guard),
            false => Err(ConfigError::Invalid { path: "the configuration".to_owned(), problems }),
        }
    }

    pub fn of(&self, asset: Address) -> Option<&AssetConfig> {
        self.0.get(&asset)
    }
}

/// What is thought of a price at a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    pub block: u64,
    pub verdict: Verdict,
    pub reasons: Reasons,
    /// None when insane.
    pub price: Option<Interval>,
    /// Each reason with its numbers, in words.
    pub because: Vec<String>,
}

impl Opinion {
    /// Whether this may be done with the price.
    pub fn allows(&self, action: Action) -> bool {
        action.allowed(self.reasons)
    }
}

/// Asks about an asset at the newest block. None when nothing is configured for it.
pub async fn ask(line: &Line, asset: Address) -> Result<Option<Opinion>, StageError> {
    let Some(config) = line.oracle.of(asset) else { return Ok(None) };
    let kept = line.store.opinion(asset).await?;
    let tip = line.chain.tip().await?;
    if let Some(kept) = kept.as_ref().filter(|kept| kept.opinion.block == tip.number && kept.is_of(config)) {
        return Ok(Some(kept.opinion.clone()));
    }
    let input = at_clock(line.chain.observe(config, tip, false).await?);
    let (opinion, memory) = judge(config, &input, &remembered(config, kept.as_ref()), tip);
    if kept.is_none_or(|kept| kept.opinion.reasons != opinion.reasons) {
        tell(line, asset, &opinion).await?;
    }
    line.store
        .put_opinion(asset, &Kept { opinion: opinion.clone(), memory, config: digest(config), at: now_ms() })
        .await?;
    Ok(Some(opinion))
}

/// With the machine's clock.
pub fn at_clock(input: Input) -> Input {
    Input { wall: u64::try_from(now_ms() / 1_000).unwrap_or_default(), ..input }
}

/// What is remembered of an asset. What was kept under another configuration is not looked at.
pub fn remembered(config: &AssetConfig, kept: Option<&Kept>) -> Memory {
    kept.filter(|kept| kept.is_of(config)).map(|kept| kept.memory.clone()).unwrap_or_default()
}

impl Kept {
    fn is_of(&self, config: &AssetConfig) -> bool {
        self.config == digest(config)
    }
}

/// What is thought, and what is remembered then.
fn judge(config: &AssetConfig, input: &Input, memory: &Memory, block: Block) -> (Opinion, Memory) {
    let (judgement, findings) = explain(config, input, memory);
    let opinion = Opinion {
        block: block.number,
        verdict: judgement.verdict,
        reasons: judgement.reasons,
        price: judgement.price,
        because: findings.iter().map(ToString::to_string).collect(),
    };
    (opinion, record(config, input, memory, &judgement))
}

/// A change of mind goes into the audit chain and the log.
async fn tell(line: &Line, asset: Address, opinion: &Opinion) -> Result<(), StageError> {
    let (verdict, reasons) = (opinion.verdict, opinion.reasons);
    match verdict {
        Verdict::Healthy => tracing::info!(%asset, block = opinion.block, "price healthy"),
        _ => tracing::warn!(%asset, block = opinion.block, %verdict, %reasons, "price not healthy"),
    }
    let detail = serde_json::json!({ "asset": asset, "opinion": opinion });
    let mut unit = line.unit("price", "oracle.judged", detail).await?;
    unit.note();
    Ok(unit.commit().await?)
}

fn digest(config: &AssetConfig) -> String {
    let text = serde_json::to_string(config).unwrap_or_default();
    keccak256(text).to_string()
}
