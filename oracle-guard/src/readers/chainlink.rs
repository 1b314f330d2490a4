//! Chainlink's aggregators, behind their proxies: `AggregatorV3Interface`.

use super::{Caller, ReadError, Seen, seen};
use crate::{LegConfig, LegInput, SequencerInput, input::Outcome};
use alloy::{
    providers::Provider,
    sol,
    sol_types::{SolCall, SolValue},
};
use alloy_primitives::{Address, B256, I256, keccak256};

sol! {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function decimals() external view returns (uint8);
    function description() external view returns (string);
    function aggregator() external view returns (address);
    function minAnswer() external view returns (int192);
    function maxAnswer() external view returns (int192);
}

struct Round {
    id: u128,
    answer: I256,
    started_at: u64,
    updated_at: u64,
    answered_in: u128,
}

async fn latest<P: Provider>(caller: &Caller<'_, P>, feed: Address) -> Seen<Round> {
    let [id, answer, started, updated, answered] =
        seen!(caller.words(feed, latestRoundDataCall {}.abi_encode()).await);
    if id.bit_len() > 80 || answered.bit_len() > 80 {
        return Ok(Err(Outcome::Malformed));
    }
    Ok(Ok(Round {
        id: id.to(),
        answer: I256::from_raw(answer),
        started_at: started.saturating_to(),
        updated_at: updated.saturating_to(),
        answered_in: answered.to(),
    }))
}

pub(super) async fn read<P: Provider>(
    caller: &Caller<'_, P>,
    config: &LegConfig,
    identity: bool,
) -> Seen<LegInput> {
    let feed = config.at.address;
    let round = latest(caller, feed);
    let decimals = caller.words::<1>(feed, decimalsCall {}.abi_encode());
    let (round, decimals) = futures::try_join!(round, decimals)?;
    let (round, [decimals]) = match (round, decimals) {
        (Ok(round), Ok(decimals)) => (round, decimals),
        (Err(outcome), _) | (_, Err(outcome)) => return Ok(Err(outcome)),
    };
    let Ok(decimals) = u8::try_from(decimals) else { return Ok(Err(Outcome::Malformed)) };
    let mut seen = LegInput {
        answer: round.answer,
        decimals,
        round_id: round.id,
        answered_in_round: round.answered_in,
        updated_at: round.updated_at,
        ..LegInput::default()
    };
    if identity {
        let (description, bounds) = futures::try_join!(description(caller, feed), bounds(caller, feed))?;
        seen.description = description;
        (seen.feed_min, seen.feed_max) = bounds;
    }
    Ok(Ok(seen))
}

/// Of nothing, which is none that anybody pins, when the feed has none that can be read: 0 would not be judged.
async fn description<P: Provider>(caller: &Caller<'_, P>, feed: Address) -> Result<B256, ReadError> {
    let bytes = caller.bytes(feed, descriptionCall {}.abi_encode()).await?;
    let text = bytes.ok().filter(|b| b.len() < 4_096).and_then(|b| String::abi_decode(&b).ok());
    Ok(keccak256(text.unwrap_or_default()))
}

/// Of the aggregator behind the proxy; 0 and 0 when they cannot be read.
async fn bounds<P: Provider>(caller: &Caller<'_, P>, feed: Address) -> Result<(I256, I256), ReadError> {
    let none = (I256::ZERO, I256::ZERO);
    let Ok([aggregator]) = caller.words::<1>(feed, aggregatorCall {}.abi_encode()).await? else {
        return Ok(none);
    };
    let aggregator = Address::from_word(B256::from(aggregator));
    let min = caller.words::<1>(aggregator, minAnswerCall {}.abi_encode());
    let max = caller.words::<1>(aggregator, maxAnswerCall {}.abi_encode());
    Ok(match futures::try_join!(min, max)? {
        (Ok([min]), Ok([max])) => (I256::from_raw(min), I256::from_raw(max)),
        _ => none,
    })
}

/// The L2's uptime feed.
pub(super) async fn sequencer<P: Provider>(
    caller: &Caller<'_, P>,
    feed: Address,
) -> Result<SequencerInput, ReadError> {
    Ok(match latest(caller, feed).await? {
        Ok(round) => {
            SequencerInput { outcome: Outcome::Read, answer: round.answer, started_at: round.started_at }
        }
        Err(outcome) => SequencerInput { outcome, ..SequencerInput::default() },
    })
}
