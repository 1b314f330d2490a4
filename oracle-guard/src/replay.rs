//! Incidents, step by step: what the guard would have said, and what that would have refused.

use crate::{
    Action, AssetConfig, Finding, Interval, Memory, Price, Reasons, Verdict, explain,
    number::distance,
    record,
    scenario::{Moment, ScenarioError, Seen, SeenSequencer},
};
use serde::{Deserialize, Serialize};

/// What a series is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The feed, its configuration or what was assumed of it was wrong.
    Incident,
    /// Nothing happened: every alarm is false.
    Calm,
    /// The market moved, and the feed was right: insane would be false.
    Fast,
}

/// A file of `incidents/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    pub title: String,
    pub sort: Sort,
    /// Where the numbers are from.
    pub source: String,
    /// What of them is approximate, or not known.
    pub uncertain: String,
    /// What was lost, in USD, and to whom.
    pub damage_usd: u64,
    pub damage: String,
    /// What the guard says to it, in words.
    pub verdict: String,
    /// Unix seconds of the first step.
    pub start: u64,
    /// The price that was stated when the feed was configured.
    pub anchor: Option<Price>,
    pub config: AssetConfig,
    pub steps: Vec<Step>,
}

/// One moment of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Seconds since the first.
    pub at: u64,
    /// What it was worth then.
    pub market: Option<Price>,
    /// The feed was wrong, or what was done with it: it may not pass as healthy.
    #[serde(default)]
    pub wrong: bool,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub sequencer: SeenSequencer,
    pub sources: Vec<Vec<Seen>>,
    /// What the guard says.
    pub says: Verdict,
    /// Reasons that are among those that it gives.
    #[serde(default)]
    pub because: Reasons,
}

/// What the guard said to a step.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    pub at: u64,
    pub market: Option<Price>,
    pub wrong: bool,
    pub note: String,
    pub verdict: Verdict,
    pub reasons: Reasons,
    pub price: Option<Interval>,
    /// What each source says by itself.
    pub sources: Vec<Option<Price>>,
    pub findings: Vec<Finding>,
    /// What is refused.
    pub refused: Vec<Action>,
}

/// The whole incident.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    pub title: String,
    pub sort: Sort,
    pub steps: Vec<Said>,
    /// Steps that should not have passed and did, each with why.
    pub passed: Vec<String>,
    /// In USD, when no wrong step let a swap, a new position or a liquidation through.
    pub damage_refused_usd: u64,
}

impl Incident {
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Judges it step by step, each with the memory that the step before left. Refuses a configuration that contradicts
    /// itself: nobody could have had it.
    pub fn replay(&self) -> Result<Replay, ScenarioError> {
        if let Some(contradiction) = self.config.contradictions(self.start).into_iter().next() {
            return Err(ScenarioError::Contradiction(contradiction));
        }
        let mut memory = match self.anchor {
            Some(price) => Memory::anchored(price, self.start),
            None => Memory::default(),
        };
        let (mut steps, mut passed) = (Vec::new(), Vec::new());
        let mut before = self.start;
        for step in &self.steps {
            let now = self.start.checked_add(step.at).filter(|now| *now >= before);
            let now = now.ok_or(ScenarioError::Time(step.at))?;
            before = now;
            let moment = Moment { now, wall: 0, sequencer: step.sequencer, sources: step.sources.clone() };
            let input = moment.input(&self.config)?;
            let (judgement, findings) = explain(&self.config, &input, &memory);
            memory = record(&self.config, &input, &memory, &judgement);
            if let Some(why) = harm(step, judgement.verdict, judgement.reasons, judgement.price) {
                passed.push(format!("at {} s: {why}", step.at));
            }
            let allowed = |action: &Action| action.allowed(judgement.reasons);
            steps.push(Said {
                at: step.at,
                market: step.market,
                wrong: step.wrong,
                note: step.note.clone(),
                verdict: judgement.verdict,
                reasons: judgement.reasons,
                price: judgement.price,
                sources: judgement.prices().iter().map(|price| price.map(|p| p.mid)).collect(),
                findings,
                refused: Action::ALL.into_iter().filter(|action| !allowed(action)).collect(),
            });
        }
        let damage_refused_usd = if passed.is_empty() { self.damage_usd } else { 0 };
        Ok(Replay { title: self.title.clone(), sort: self.sort, steps, passed, damage_refused_usd })
    }
}

/// Beyond this, in bps, a price is not that of the market.
const HARMFUL: u64 = 500;

/// What a wrong step was let through with.
fn harm(step: &Step, verdict: Verdict, reasons: Reasons, price: Option<Interval>) -> Option<String> {
    if !step.wrong {
        return None;
    }
    if verdict == Verdict::Healthy {
        return Some("healthy".to_owned());
    }
    let acting = [Action::Swap, Action::Margin, Action::Liquidation];
    let action = acting.into_iter().find(|action| action.allowed(reasons))?;
    // What goes on goes on with a price that must be the market's.
    match (price, step.market) {
        (Some(price), Some(market)) if distance(price.mid.0, market.0) <= HARMFUL => None,
        _ => Some(format!("{action:?} is allowed")),
    }
}
