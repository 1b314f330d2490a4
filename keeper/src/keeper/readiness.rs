//! Why nothing is paid: what failed first, and whatever else would keep it so when that is mended.

use crate::{
    api::Readiness,
    chain::Chain,
    stages::StageError,
    store::{Store, lanes::Lane},
};
use std::{fmt::Display, future::Future, time::Duration};
use tokio::time::timeout;

/// Database and chain get so long to answer: the causes are told soon, and not when the slower one gives up.
const LIMIT: Duration = Duration::from_secs(2);

/// Not ready, with all causes. `failed` is why the chain is not followed; none when that does not come to an end.
pub(super) async fn not_ready(store: &Store, chain: &Chain, failed: Option<&StageError>) -> Readiness {
    let (lanes, tip) = tokio::join!(answer(store.lanes()), async {
        // It was asked already.
        if matches!(failed, Some(StageError::Chain(_))) {
            Ok(())
        } else {
            answer(chain.tip()).await.map(drop)
        }
    });
    let mut causes = Vec::new();
    match failed {
        None => causes.push("following the chain does not come to an end; see the log".to_owned()),
        Some(error @ StageError::Store(_)) => causes.push(format!("database: {error}")),
        Some(error) => causes.push(format!("chain: {error}")),
    }
    if let Err(error) = &lanes
        && !matches!(failed, Some(StageError::Store(_)))
    {
        causes.push(format!("database: {error}"));
    }
    if let Err(error) = tip {
        causes.push(format!("chain: {error}"));
    }
    causes.extend(lanes.unwrap_or_default().iter().filter_map(set_aside));
    Readiness { ready: false, causes, endpoints: chain.endpoints() }
}

async fn answer<T, E: Display>(asked: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(LIMIT, asked).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it does not answer within {} s", LIMIT.as_secs())),
    }
}

/// Why a lane gets no new batches.
fn set_aside(lane: &Lane) -> Option<String> {
    let address = lane.address;
    if lane.fencing_since.is_some() {
        return Some(format!("lane {address}: fenced until its void is final"));
    }
    let needed = lane.gas_needed?.to_decimal(18);
    Some(format!("lane {address}: it holds less than {needed} of the chain's coin for gas"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            amount::Amount,
            lane::{Head, LanePosition},
        },
        stages::intake::testing,
        store::Context,
    };
    use alloy::primitives::{Address, U256};

    /// Nothing listens there.
    fn chain() -> Chain {
        let config = toml::from_str("rpc_urls = [\"http://127.0.0.1:9\"]\nchain_id = 31337").unwrap();
        Chain::connect(&config, testing::deployment().vault).unwrap()
    }

    fn begins(causes: &[String], with: &[&str]) {
        assert_eq!(causes.len(), with.len(), "{causes:?}");
        for (cause, begin) in causes.iter().zip(with) {
            assert!(cause.starts_with(begin) && cause.len() > begin.len(), "{causes:?}: {begin}");
        }
    }

    #[tokio::test]
    async fn a_chain_that_is_away_is_named_beside_a_dead_database_whichever_failed_first() {
        let (test, chain) = (testing::store().await, chain());
        let no_tip = StageError::from(chain.tip().await.unwrap_err());
        let alone = not_ready(&test.store, &chain, Some(&no_tip)).await;
        begins(&alone.causes, &["chain: "]);
        assert!(!alone.ready && alone.endpoints.len() == 1);

        test.store.clone().close().await;
        let no_lanes = StageError::from(test.store.lanes().await.unwrap_err());
        for (failed, causes) in [
            (Some(&no_tip), vec!["chain: ", "database: "]),
            (Some(&no_lanes), vec!["database: ", "chain: "]),
            (None, vec!["following the chain", "database: ", "chain: "]),
        ] {
            begins(&not_ready(&test.store, &chain, failed).await.causes, &causes);
        }
    }

    #[tokio::test]
    async fn lanes_that_are_set_aside_are_named_beside_the_chain() {
        let (test, chain) = (testing::store().await, chain());
        let [fenced, poor, well] = [1, 2, 3].map(Address::repeat_byte);
        let mut unit = test.store.unit(Context::new("test", "test", serde_json::json!({}))).await.unwrap();
        for address in [fenced, poor, well] {
            let position = LanePosition { next: 1, head: Head::ZERO };
            let fencing_since = (address == fenced).then_some(1);
            let lane = Lane { address, nonce: 0, position, fencing_since, gas_needed: None, reviewed: false };
            unit.add_lane(&lane).await.unwrap();
        }
        let needed = Amount(U256::from(25) * U256::from(10).pow(U256::from(16)));
        unit.set_lane_gas_needed(poor, Some(needed)).await.unwrap();
        unit.commit().await.unwrap();
        let no_tip = StageError::from(chain.tip().await.unwrap_err());
        let causes = not_ready(&test.store, &chain, Some(&no_tip)).await.causes;
        begins(&causes, &["chain: ", &format!("lane {fenced}: fenced"), &format!("lane {poor}: ")]);
        assert!(causes[2].contains("0.25 of the chain's coin"), "{causes:?}");
    }
}
