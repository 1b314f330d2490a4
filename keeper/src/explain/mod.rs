//! Follows one withdrawal through request, policy, batch, signature, broadcast, chain and books, and says at which link it
//! hangs, why, and what would free it: what an engineer would otherwise find out by hand.
//!
//! The store says where it is, [`causes`] asks store and chain why it is there now: a reason that was written down before may
//! have passed.

mod causes;

use crate::{
    api::{reader::reason, view},
    chain::Chain,
    config::FeesConfig,
    domain::{
        asset::Assets,
        batch::{Batch, BatchState},
        reason::{Code, Language},
        withdrawal::{Withdrawal, WithdrawalState},
    },
    store::{Store, StoreError, withdrawals::Move},
};
use serde::Serialize;
use utoipa::ToSchema;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Explainer {
    pub store: Store,
    pub chain: Chain,
    pub assets: Assets,
    pub fees: FeesConfig,
}

/// A link of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkName {
    Request,
    Policy,
    Batch,
    Signature,
    Broadcast,
    Chain,
    Books,
}

impl LinkName {
    const ALL: [Self; 7] = [
        Self::Request,
        Self::Policy,
        Self::Batch,
        Self::Signature,
        Self::Broadcast,
        Self::Chain,
        Self::Books,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Policy => "policy",
            Self::Batch => "batch",
            Self::Signature => "signature",
            Self::Broadcast => "broadcast",
            Self::Chain => "chain",
            Self::Books => "books",
        }
    }

    /// What happens there.
    pub fn words(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::Request => ("Accepted", "已受理"),
            Self::Policy => ("Checked", "检查"),
            Self::Batch => ("Given its place", "排定位置"),
            Self::Signature => ("Signed", "签名"),
            Self::Broadcast => ("Sent to the chain", "发送到链上"),
            Self::Chain => ("In a block", "进入区块"),
            Self::Books => ("Final", "最终确认"),
        };
        match language {
            Language::En => en,
            Language::Zh => zh,
        }
    }

    /// The move that passed it: of the withdrawal or of its batch.
    fn passed_by(self, step: &Move) -> bool {
        use WithdrawalState::*;
        match (self, step.batch) {
            (Self::Request, None) => step.to == Received.as_str(),
            (Self::Policy, None) => step.to == Ready.as_str(),
            (Self::Batch, Some(_)) => step.to == BatchState::Funded.as_str(),
            (Self::Signature, Some(_)) => step.to == BatchState::Signed.as_str(),
            (Self::Broadcast, Some(_)) => step.to == BatchState::Broadcast.as_str(),
            (Self::Chain, Some(_)) => step.to == BatchState::Mined.as_str(),
            (Self::Books, None) => [Paid, Claimable].iter().any(|s| step.to == s.as_str()),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    Passed,
    Here,
    Ahead,
}

/// A link, and when it was passed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Link {
    pub link: LinkName,
    pub words: &'static str,
    pub words_zh: &'static str,
    pub state: LinkState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Why it is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cause {
    pub code: Code,
    pub message: &'static str,
    pub message_zh: &'static str,
    /// What was found, with its numbers.
    pub found: String,
    /// What would free it.
    pub frees: String,
}

impl Cause {
    fn new(code: Code, found: impl Into<String>, frees: impl Into<String>) -> Self {
        let (message, message_zh) = (code.sentence(Language::En), code.sentence(Language::Zh));
        Self { code, message, message_zh, found: found.into(), frees: frees.into() }
    }
}

/// One withdrawal from end to end.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub id: String,
    pub idempotency_key: String,
    pub state: WithdrawalState,
    /// The link at which it is; none when it ended.
    pub hangs_at: Option<LinkName>,
    /// None when it was paid as usual.
    pub cause: Option<Cause>,
    pub links: Vec<Link>,
}

impl Explainer {
    pub async fn explain(&self, withdrawal: &Withdrawal) -> Result<Explanation, StoreError> {
        let batch = match withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched) {
            Some(batch) => self.store.batch(batch).await?,
            None => None,
        };
        let here = here(withdrawal, batch.as_ref());
        let history = self.store.history(withdrawal).await?;
        let cause = match here {
            Some(here) => Some(self.cause(here, withdrawal, batch.as_ref()).await?),
            None => match reason(withdrawal, None) {
                Some(ended) => {
                    let said = self.store.objection(withdrawal.row).await?;
                    let found = said.unwrap_or_else(|| "it ended so".to_owned());
                    Some(Cause::new(ended.code, found, "nothing: it stays as it is"))
                }
                None => None,
            },
        };
        Ok(Explanation {
            id: withdrawal.id.to_string(),
            idempotency_key: withdrawal.idempotency_key.clone(),
            state: withdrawal.state,
            hangs_at: here,
            cause,
            links: links(withdrawal, batch.as_ref(), &history),
        })
    }
}

/// The links of a withdrawal's way, as its history passed them.
pub fn links(withdrawal: &Withdrawal, batch: Option<&Batch>, history: &[Move]) -> Vec<Link> {
    let here = here(withdrawal, batch);
    LinkName::ALL.map(|link| link_of(link, here, history)).into()
}

fn here(withdrawal: &Withdrawal, batch: Option<&Batch>) -> Option<LinkName> {
    use BatchState::*;
    match withdrawal.state {
        WithdrawalState::Received | WithdrawalState::Held => Some(LinkName::Policy),
        WithdrawalState::Ready => Some(LinkName::Batch),
        WithdrawalState::Batched => Some(match batch.map(|b| b.state) {
            None | Some(Planned | Priced | Dissolved) => LinkName::Batch,
            Some(Funded) => LinkName::Signature,
            Some(Signed) => LinkName::Broadcast,
            Some(Broadcast) => LinkName::Chain,
            Some(Mined | Final) => LinkName::Books,
        }),
        _ => None,
    }
}

fn link_of(link: LinkName, here: Option<LinkName>, history: &[Move]) -> Link {
    let passed = history.iter().rev().find(|step| link.passed_by(step)).map(|step| step.at);
    let state = match here {
        Some(here) if link == here => LinkState::Here,
        Some(here) if link < here => LinkState::Passed,
        // What was passed once, and then gone back on, lies ahead again.
        Some(_) => LinkState::Ahead,
        None if passed.is_some() => LinkState::Passed,
        None => LinkState::Ahead,
    };
    let at = passed.filter(|_| state == LinkState::Passed).map(view::time);
    let (words, words_zh) = (link.words(Language::En), link.words(Language::Zh));
    Link { link, words, words_zh, state, at }
}
