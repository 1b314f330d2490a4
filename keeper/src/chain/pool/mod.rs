//! Several RPC endpoints that are asked as one.
//!
//! An **ordinary** read goes to the best endpoint; when that fails, or is slow, to the next ([`failover`]). A
//! **decisive** read, from which the books or a second payment could follow, needs the same answer from a quorum
//! ([`Pool::decide`]): a node that lies or lags is outvoted, and named in the log and in its [`health`]. What is the
//! newest and the final block is agreed on in the same way ([`heights`]). A transaction goes to all ([`broadcast`]).
//!
//! - [`endpoint`]: one provider; [`transport`]: how it is asked; [`health`]: what is known of it
//! - [`log_range`]: how many blocks one query of logs may cover
//! - [`heads`]: websockets that tell of new blocks

mod broadcast;
mod endpoint;
mod failover;
pub mod heads;
pub mod health;
mod heights;
mod log_range;
mod transport;

use super::{ChainError, WrongChain};
use crate::config::ChainConfig;
use alloy::{
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::ClientBuilder,
};
use futures::{StreamExt, stream::FuturesUnordered};
use health::{EndpointHealth, Standing};
use heights::Heights;
use std::{collections::HashMap, fmt::Debug, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

pub(super) use endpoint::Endpoint;
pub(super) use transport::is_rate_limit;

/// A connection that takes longer to be made is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The endpoints, and how many of them decide.
#[derive(Debug)]
pub(super) struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
    private_relay: Option<Arc<Endpoint>>,
    private_timeout: Duration,
    quorum: usize,
    hedge_after: Duration,
    chain_id: u64,
    heights: Heights,
}

impl Pool {
    /// Makes the connections; nothing is asked yet.
    pub fn new(config: &ChainConfig) -> eyre::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(config.request_timeout))
            .timeout(config.request_timeout)
            .build()?;
        let endpoint = |url: &reqwest::Url, host| {
            let per_second = config.max_requests_per_second;
            Arc::new(Endpoint::new(client.clone(), url.clone(), host, per_second))
        };
        let names = names(&config.rpc_urls);
        let endpoints = config.rpc_urls.iter().zip(names).map(|(url, host)| endpoint(url, host)).collect();
        let private_relay = config.private_relay.as_ref().map(|url| endpoint(url, host(url)));
        Ok(Self {
            endpoints,
            private_relay,
            private_timeout: config.private_timeout,
            quorum: config.quorum(),
            hedge_after: config.hedge_after,
            chain_id: config.chain_id,
            heights: Heights::default(),
        })
    }

    /// A provider for ordinary reads, over all endpoints.
    pub fn provider(self: &Arc<Self>) -> DynProvider {
        let transport = failover::transport(self.clone());
        ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(ClientBuilder::default().transport(transport, false))
            .erased()
    }

    pub fn health(&self) -> Vec<EndpointHealth> {
        self.endpoints.iter().map(|e| e.health.shown()).collect()
    }

    /// Asks every endpoint which chain it serves. One of another chain is set aside; when all that there are serve
    /// another, the inner error says so. Fails when none answers as it should, and some do not answer at all.
    pub async fn verify(&self) -> Result<Result<(), WrongChain>, ChainError> {
        let asked = self.endpoints.iter().map(|e| async move { (e, e.verify(self.chain_id).await) });
        let answers = futures::future::join_all(asked).await;
        if answers.iter().any(|(_, answer)| matches!(answer, Ok(None))) {
            return Ok(Ok(()));
        }
        let mut wrong = None;
        for (endpoint, answer) in answers {
            if let Some(served) = answer? {
                wrong.get_or_insert_with(|| WrongChain::ChainId {
                    configured: self.chain_id,
                    served,
                    endpoint: endpoint.host().to_owned(),
                });
            }
        }
        Ok(wrong.map_or(Ok(()), Err))
    }

    /// The endpoints that may be asked, the best first; those that failed lately last.
    fn ranked(&self) -> Vec<Arc<Endpoint>> {
        let mut ranked: Vec<_> = self
            .endpoints
            .iter()
            .map(|e| (e.health.standing(), e.health.score(), e))
            .filter(|(standing, ..)| *standing != Standing::Barred)
            .collect();
        ranked.sort_by_key(|(standing, score, _)| (*standing, *score));
        ranked.into_iter().map(|(.., e)| e.clone()).collect()
    }

    /// A decisive read that is the same everywhere: [`Pool::decide`] by the answer itself.
    pub async fn agree<T, F>(
        &self,
        what: &str,
        at: u64,
        ask: impl Fn(Arc<Endpoint>) -> F,
    ) -> Result<T, ChainError>
    where
        T: Clone + PartialEq + Debug,
        F: Future<Output = Result<T, ChainError>>,
    {
        let mut answers = self.decide(what, at, T::clone, ask).await?;
        Ok(answers.swap_remove(0))
    }

    /// A decisive read: asks until a quorum gave answers with the same `key`, and returns those.
    ///
    /// - The best endpoints of a quorum are asked at once. When one fails, contradicts, or takes longer than
    ///   `hedge_after`, the next is asked too.
    /// - Only endpoints that have block `at` have a vote. One that has not is late, which is no contradiction: its
    ///   null or its old nonce would be true of an older block, and worthless here.
    /// - An error is no vote either.
    /// - Whoever contradicts the quorum is outvoted, named in the log, and asked last from then on.
    /// - Without a quorum nothing is decided: [`ChainError::NoQuorum`] tells who said what. With a single endpoint
    ///   configured its answer, or its error, is the decision.
    pub async fn decide<T, K, F>(
        &self,
        what: &str,
        at: u64,
        key: impl Fn(&T) -> K,
        ask: impl Fn(Arc<Endpoint>) -> F,
    ) -> Result<Vec<T>, ChainError>
    where
        K: PartialEq + Debug,
        F: Future<Output = Result<T, ChainError>>,
    {
        if let [only] = self.endpoints.as_slice() {
            only.reaches(at).await?;
            return ask(only.clone()).await.map(|answer| vec![answer]);
        }
        let mut votes = Votes { groups: Vec::new(), silent: Vec::new() };
        let ask = &ask;
        let start = |endpoint: Arc<Endpoint>| async move {
            let answer = match endpoint.reaches(at).await {
                Ok(()) => ask(endpoint.clone()).await,
                Err(late) => Err(late),
            };
            (endpoint, answer)
        };
        let mut waiting = self.ranked().into_iter();
        let mut asked = FuturesUnordered::new();
        loop {
            // As many as could still make the largest group a quorum.
            while votes.largest() + asked.len() < self.quorum {
                let Some(next) = waiting.next() else { return Err(self.no_quorum(what, votes)) };
                asked.push(start(next));
            }
            tokio::select! {
                Some((endpoint, answer)) = asked.next() => votes.take(endpoint, answer, &key),
                () = sleep(self.hedge_after), if waiting.len() > 0 => {
                    asked.extend(waiting.next().map(start));
                }
            }
            if votes.largest() >= self.quorum {
                return Ok(votes.decided(what, self.quorum));
            }
        }
    }

    /// A number that only grows and need not be the same everywhere: the highest that a quorum has reached. Those that
    /// are slower than a hedge are not waited for once a quorum has answered.
    pub async fn reached<F>(&self, what: &str, ask: impl Fn(Arc<Endpoint>) -> F) -> Result<u64, ChainError>
    where
        F: Future<Output = Result<u64, ChainError>>,
    {
        if let [only] = self.endpoints.as_slice() {
            return ask(only.clone()).await;
        }
        let ranked = self.ranked();
        let quick = ranked.iter().filter(|e| e.health.latency() <= self.hedge_after).count();
        let asked = ranked.into_iter().map(|endpoint| {
            let host = endpoint.host().to_owned();
            let answer = ask(endpoint);
            async move { (host, answer.await) }
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        let limit = Instant::now() + self.hedge_after;
        loop {
            let next = if told.len() < self.quorum {
                asked.next().await
            } else if told.len() + silent.len() < quick {
                timeout_at(limit, asked.next()).await.ok().flatten()
            } else {
                None
            };
            match next {
                Some((_, Ok(number))) => told.push(number),
                Some((host, Err(error))) => silent.push(format!("{host}: {error}")),
                None => break,
            }
        }
        told.sort_unstable_by(|a, b| b.cmp(a));
        told.get(self.quorum - 1).copied().ok_or_else(|| self.undecided(what, silent))
    }

    fn no_quorum<T, K: Debug>(&self, what: &str, votes: Votes<T, K>) -> ChainError {
        let mut answers = votes.silent;
        for group in &votes.groups {
            let said = brief(&group.key);
            answers.extend(group.members.iter().map(|(e, _)| format!("{}: {said}", e.host())));
        }
        self.undecided(what, answers)
    }

    /// The error that tells who said what, and who was not asked.
    fn undecided(&self, what: &str, mut answers: Vec<String>) -> ChainError {
        for endpoint in &self.endpoints {
            if endpoint.health.standing() == Standing::Barred {
                let cause =
                    endpoint.health.shown().set_aside.map_or("did not answer yet".to_owned(), |a| a.cause);
                answers.push(format!("{}: set aside, {cause}", endpoint.host()));
            }
        }
        ChainError::NoQuorum { what: what.to_owned(), quorum: self.quorum, answers }
    }
}

/// Answers of the same key.
struct Group<T, K> {
    key: K,
    members: Vec<(Arc<Endpoint>, T)>,
}

struct Votes<T, K> {
    groups: Vec<Group<T, K>>,
    /// Who gave no vote, and why.
    silent: Vec<String>,
}

impl<T, K: PartialEq + Debug> Votes<T, K> {
    fn take(&mut self, endpoint: Arc<Endpoint>, answer: Result<T, ChainError>, key: impl Fn(&T) -> K) {
        match answer {
            Ok(answer) => {
                let key = key(&answer);
                match self.groups.iter_mut().find(|group| group.key == key) {
                    Some(group) => group.members.push((endpoint, answer)),
                    None => self.groups.push(Group { key, members: vec![(endpoint, answer)] }),
                }
            }
            Err(error) => self.silent.push(format!("{}: {error}", endpoint.host())),
        }
    }

    fn largest(&self) -> usize {
        self.groups.iter().map(|group| group.members.len()).max().unwrap_or(0)
    }

    /// The answers of the group that has the quorum; the others are told to be wrong.
    fn decided(self, what: &str, quorum: usize) -> Vec<T> {
        let (mut agreed, others): (Vec<_>, Vec<_>) =
            self.groups.into_iter().partition(|group| group.members.len() >= quorum);
        let Group { key, members } = agreed.swap_remove(0);
        for group in others {
            for (endpoint, _) in &group.members {
                endpoint.health.outvoted(what, brief(&group.key), brief(&key));
            }
        }
        let tell = |(endpoint, answer): (Arc<Endpoint>, T)| {
            endpoint.health.agreed();
            answer
        };
        members.into_iter().map(tell).collect()
    }
}

/// An answer in the words of a log line.
fn brief(answer: &impl Debug) -> String {
    let text = format!("{answer:?}");
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn host(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

/// The hosts; where several are the same, each with its place.
fn names(urls: &[reqwest::Url]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let named = |url| {
        let host = host(url);
        let times = seen.entry(host.clone()).or_default();
        *times += 1;
        if *times == 1 { host } else { format!("{host} #{times}") }
    };
    urls.iter().map(named).collect()
}
