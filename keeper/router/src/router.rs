//! Routes from one token to another over pools, and splits over them.

#![expect(clippy::float_arithmetic, reason = "a split proposes; what a plan promises is integers")]

use crate::{
    Pool,
    book::{Book, Target},
    curve::Curve,
    exact, gas,
    network::{self, BUY, Edge, Flow, MAX_TOKENS, SELL},
    restrict,
};
use alloy_primitives::{Address, U256};

/// Tokens between, at most. Which ones may be used is the caller's to allow: a split is exposed to each of them.
pub const MAX_CONNECTORS: usize = MAX_TOKENS - 2;

/// Rounds in which inputs are scaled until they bring an output.
const OUTPUT_ROUNDS: usize = 6;

/// What is given, in smallest units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Sell exactly this, for the most that it brings.
    In(U256),
    /// Buy at least this, for the least that it takes.
    Out(U256),
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("the token sold is the token bought")]
    SameToken,
    #[error("more than {MAX_CONNECTORS} tokens between; allow fewer")]
    TooManyConnectors,
    #[error("{0} costs for {1} pools; give one per pool or none")]
    Costs(usize, usize),
    #[error("no pool leads from the one token to the other")]
    NoRoute,
    #[error("the pools cannot trade that much; ask for less")]
    InsufficientLiquidity,
}

/// A pool's part in a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Which of the router's pools.
    pub pool: usize,
    pub sell: Address,
    pub buy: Address,
    /// In smallest units of `sell`.
    pub input: f64,
}

/// Prices by which anybody can bound any split of the same amount over the same pools, each in one direction.
///
/// For an exact input X, no split pays more than `price(sell) X + sum of max_x (price(buy_i) f_i(x) - price(sell_i) x)`
/// over pools i with quotes f_i, when the price of the token bought is 1. For an exact output Y, none takes less than
/// `price(buy) Y` less the same sum, when the price of the token sold is 1. That holds for all positive prices; these
/// make it tight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificate {
    pub prices: Vec<(Address, f64)>,
    /// What the sum comes to: of the output at most, or of the input at least. Costs of legs are not in it.
    pub bound: f64,
}

/// The continuous optimum, before integers and costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    pub shares: Vec<Share>,
    pub input: f64,
    pub output: f64,
    pub certificate: Certificate,
}

/// One swap of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Which of the router's pools; no two legs of a plan use the same.
    pub pool: usize,
    pub sell: Address,
    pub buy: Address,
    /// In smallest units of `sell` and of `buy`.
    pub amount_in: U256,
    pub amount_out: U256,
}

/// A split in integers. Each leg's output is the exact quote of its input. Legs are in an order in which each token has
/// come in before it goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub legs: Vec<Leg>,
    pub amount_in: U256,
    pub amount_out: U256,
    /// Of all legs, in units of what is optimised: of the token bought for [`Amount::In`], of the one sold otherwise.
    pub cost: U256,
    pub certificate: Certificate,
}

/// A pool in a direction that a route may use.
pub(crate) struct Candidate {
    pub(crate) pool: usize,
    /// Tokens of the network, and their places in the pool.
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) places: (usize, usize),
    pub(crate) curve: Curve,
}

/// An optimum over some candidates, its flows scaled so that all of each token that comes in goes out.
#[derive(Clone, Default)]
pub(crate) struct Solved {
    pub(crate) edges: Vec<Edge>,
    pub(crate) flow: Flow,
    /// Tokens, in an order in which they come in before they go out.
    pub(crate) order: Vec<usize>,
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// Pools and the routes of up to three hops over them, for one pair of tokens and one state.
pub struct Router<'a> {
    pub(crate) pools: &'a [Pool],
    /// Sold, bought, then those between.
    pub(crate) tokens: Vec<Address>,
    pub(crate) candidates: Vec<Candidate>,
    /// Over all candidates; kept so that the next amount is solved from where the last one was.
    all: Solved,
}

impl<'a> Router<'a> {
    /// Of `connectors`, those that no pool leads to or from are left out.
    ///
    /// # Errors
    /// When the two tokens are one, there are too many between, or no pool leads anywhere.
    pub fn new(
        pools: &'a [Pool],
        sell: Address,
        buy: Address,
        connectors: &[Address],
    ) -> Result<Self, RouteError> {
        if sell == buy {
            return Err(RouteError::SameToken);
        }
        let mut tokens = vec![sell, buy];
        for token in connectors {
            if !tokens.contains(token) {
                tokens.push(*token);
            }
        }
        if tokens.len() > MAX_TOKENS {
            return Err(RouteError::TooManyConnectors);
        }
        let mut candidates = candidates(pools, &tokens);
        // A token between is of use when something comes in from the one sold or goes out to the one bought.
        let leads = |from, to| candidates.iter().any(|c: &Candidate| c.from == from && c.to == to);
        let reached: Vec<bool> = (0..tokens.len()).map(|t| t == SELL || leads(SELL, t)).collect();
        let leaving: Vec<bool> = (0..tokens.len()).map(|t| t == BUY || leads(t, BUY)).collect();
        let after: Vec<bool> = (0..tokens.len())
            .map(|t| leaving[t] || (0..tokens.len()).any(|k| leads(t, k) && leaving[k]))
            .collect();
        candidates.retain(|c| {
            if c.from == SELL {
                after[c.to]
            } else if c.to == BUY {
                true
            } else {
                reached[c.from] && leaving[c.to]
            }
        });
        let mut router = Self { pools, tokens, candidates, all: Solved::default() };
        router.all.edges = router.edges(|_| true);
        if router.all.edges.is_empty() {
            return Err(RouteError::NoRoute);
        }
        Ok(router)
    }

    /// The continuous optimum.
    ///
    /// # Errors
    /// When the pools cannot trade that much.
    pub fn split(&mut self, amount: Amount) -> Result<Split, RouteError> {
        let mut split = Split::default();
        self.split_into(amount, &mut split)?;
        Ok(split)
    }

    /// As [`Self::split`], into memory that is there.
    ///
    /// # Errors
    /// As for [`Self::split`].
    pub fn split_into(&mut self, amount: Amount, split: &mut Split) -> Result<(), RouteError> {
        let mut solved = std::mem::take(&mut self.all);
        let found = self.solve_all(&mut solved, amount.target());
        let result = match &found {
            Some(restricted) => {
                self.describe(restricted.as_ref().unwrap_or(&solved), split);
                Ok(())
            }
            None => Err(RouteError::InsufficientLiquidity),
        };
        self.all = solved;
        result
    }

    /// The best plan in integers: the split, thinned where a leg's cost exceeds its gain, or the best single route.
    /// `costs` has one entry per pool, in units as [`Plan::cost`] says, or none at all.
    ///
    /// # Errors
    /// When the pools cannot trade that much.
    pub fn plan(&mut self, amount: Amount, costs: &[U256]) -> Result<Plan, RouteError> {
        if !costs.is_empty() && costs.len() != self.pools.len() {
            return Err(RouteError::Costs(costs.len(), self.pools.len()));
        }
        let single = exact::best_single(self, amount, costs);
        let mut solved = std::mem::take(&mut self.all);
        let found = self.solve_all(&mut solved, amount.target());
        let split = found.map(|restricted| {
            let optimum = restricted.as_ref().unwrap_or(&solved);
            let chosen = gas::choose(self, optimum, amount, costs);
            let legs = exact::realise(self, chosen.as_ref().unwrap_or(optimum), amount);
            (self.certificate(optimum), legs)
        });
        self.all = solved;
        let (certificate, legs) = match split {
            Some((certificate, legs)) => (certificate, legs.ok()),
            // The best single route can reach a little further than a curve that ends before its limit.
            None => (Certificate { prices: Vec::new(), bound: amount.no_bound() }, None),
        };
        let plans = [legs, single].into_iter().flatten().map(|legs| self.finish(legs, costs));
        let best = plans.reduce(|a, b| if amount.prefers(&b, &a) { b } else { a });
        best.map(|plan| Plan { certificate, ..plan }).ok_or(RouteError::InsufficientLiquidity)
    }

    /// The best plan that is one route; its certificate bounds nothing. `costs` as for [`Self::plan`].
    ///
    /// # Errors
    /// As for [`Self::plan`].
    pub fn single(&self, amount: Amount, costs: &[U256]) -> Result<Plan, RouteError> {
        if !costs.is_empty() && costs.len() != self.pools.len() {
            return Err(RouteError::Costs(costs.len(), self.pools.len()));
        }
        let legs = exact::best_single(self, amount, costs).ok_or(RouteError::InsufficientLiquidity)?;
        let certificate = Certificate { prices: Vec::new(), bound: amount.no_bound() };
        Ok(Plan { certificate, ..self.finish(legs, costs) })
    }

    /// Solves over all candidates: in place, or apart when some had to be left out. None when they cannot trade that.
    fn solve_all(&self, solved: &mut Solved, target: Target) -> Option<Option<Solved>> {
        if !network::solve(&mut solved.edges, self.tokens.len(), target, &mut solved.flow) {
            return None;
        }
        let banned = restrict::conflicts(self, solved);
        if banned.is_empty() {
            return solved.settle(target).then_some(None);
        }
        let mut allowed = vec![true; self.candidates.len()];
        banned.into_iter().for_each(|n| allowed[n] = false);
        self.solve(allowed, target).map(Some)
    }

    /// The optimum over those candidates that are allowed, less those that a plan cannot use together.
    pub(crate) fn solve(&self, mut allowed: Vec<bool>, target: Target) -> Option<Solved> {
        loop {
            let mut solved = Solved { edges: self.edges(|n| allowed[n]), ..Solved::default() };
            if !network::solve(&mut solved.edges, self.tokens.len(), target, &mut solved.flow) {
                return None;
            }
            let banned = restrict::conflicts(self, &mut solved);
            if banned.is_empty() {
                return solved.settle(target).then_some(solved);
            }
            banned.into_iter().for_each(|n| allowed[n] = false);
        }
    }

    fn edges(&self, allowed: impl Fn(usize) -> bool) -> Vec<Edge> {
        let tokens = 0..self.tokens.len();
        let pairs = tokens.clone().flat_map(|from| tokens.clone().map(move |to| (from, to)));
        let books = pairs.map(|(from, to)| {
            let curves = self.candidates.iter().enumerate();
            let curves = curves.filter(|(n, c)| c.from == from && c.to == to && allowed(*n));
            Edge::new(from, to, Book::new(curves.map(|(n, c)| (n, &c.curve))))
        });
        books.filter(|edge| !edge.book.legs().is_empty()).collect()
    }

    fn describe(&self, solved: &Solved, split: &mut Split) {
        split.shares.clear();
        for (edge, inputs) in solved.edges.iter().zip(&solved.flow.inputs) {
            let (sell, buy) = (self.tokens[edge.from], self.tokens[edge.to]);
            let active = edge.book.legs().iter().zip(inputs).filter(|(_, input)| **input > 0.0);
            let pools = active.map(|(leg, input)| (self.candidates[*leg].pool, *input));
            split.shares.extend(pools.map(|(pool, input)| Share { pool, sell, buy, input }));
        }
        (split.input, split.output) = (solved.input, solved.output);
        split.certificate = self.certificate(solved);
    }

    fn certificate(&self, solved: &Solved) -> Certificate {
        let prices = self.tokens.iter().copied().zip(solved.flow.prices.iter().copied()).collect();
        Certificate { prices, bound: solved.flow.bound }
    }

    fn finish(&self, legs: Vec<Leg>, costs: &[U256]) -> Plan {
        let of = |token, amount: fn(&Leg) -> (Address, U256)| {
            legs.iter().map(amount).filter(|(t, _)| *t == token).map(|(_, amount)| amount).sum()
        };
        let amount_in = of(self.tokens[SELL], |leg| (leg.sell, leg.amount_in));
        let amount_out = of(self.tokens[BUY], |leg| (leg.buy, leg.amount_out));
        let cost = exact::cost(&legs, costs);
        Plan { legs, amount_in, amount_out, cost, certificate: Certificate::default() }
    }
}

impl Amount {
    pub(crate) fn target(self) -> Target {
        match self {
            Self::In(amount) => Target::Input(f64::from(amount)),
            Self::Out(amount) => Target::Output(f64::from(amount)),
        }
    }

    fn no_bound(self) -> f64 {
        match self {
            Self::In(_) => f64::INFINITY,
            Self::Out(_) => 0.0,
        }
    }

    /// Whether `a` is better than `b`, costs counted.
    fn prefers(self, a: &Plan, b: &Plan) -> bool {
        match self {
            Self::In(_) => a.amount_out.saturating_add(b.cost) > b.amount_out.saturating_add(a.cost),
            Self::Out(_) => a.amount_in.saturating_add(a.cost) < b.amount_in.saturating_add(b.cost),
        }
    }
}

impl Solved {
    /// Scales flows so that they conserve each token; false when one that is needed has no flow at all.
    fn settle(&mut self, target: Target) -> bool {
        let mut moved = [0.0; MAX_TOKENS];
        let Self { edges, flow, .. } = self;
        let (given, wanted, forward) = match target {
            Target::Input(amount) => (SELL, amount, true),
            Target::Output(amount) => (BUY, amount, false),
        };
        moved[given] = wanted;
        let steps = self.order.len();
        for step in 0..steps {
            let token = self.order[if forward { step } else { steps - 1 - step }];
            let here = |edge: &Edge| if forward { edge.from == token } else { edge.to == token };
            let amount = |edge: &Edge, inputs: &[f64]| -> f64 {
                if forward { inputs.iter().sum() } else { edge.book.outputs(inputs).sum() }
            };
            if moved[token] == 0.0 || token == if forward { BUY } else { SELL } {
                continue;
            }
            // Inputs scale exactly; outputs only nearly in proportion to them.
            for _ in 0..if forward { 1 } else { OUTPUT_ROUNDS } {
                let flows = edges.iter().zip(&flow.inputs).filter(|(edge, _)| here(edge));
                let total: f64 = flows.map(|(edge, inputs)| amount(edge, inputs)).sum();
                if total <= 0.0 {
                    return false;
                }
                let factor = moved[token] / total;
                let flows = edges.iter().zip(&mut flow.inputs).filter(|(edge, _)| here(edge));
                flows.for_each(|(_, inputs)| inputs.iter_mut().for_each(|input| *input *= factor));
                if (factor - 1.0).abs() <= f64::EPSILON {
                    break;
                }
            }
            for (edge, inputs) in edges.iter().zip(&flow.inputs).filter(|(edge, _)| here(edge)) {
                if forward {
                    moved[edge.to] += edge.book.outputs(inputs).sum::<f64>();
                } else {
                    moved[edge.from] += inputs.iter().sum::<f64>();
                }
            }
        }
        (self.input, self.output) = (moved[SELL], moved[BUY]);
        self.input > 0.0 && self.output > 0.0
    }
}

/// Every pool in every direction between two of the tokens, neither into the one sold nor out of the one bought.
fn candidates(pools: &[Pool], tokens: &[Address]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (n, pool) in pools.iter().enumerate() {
        let known: Vec<(usize, usize)> = pool
            .tokens()
            .iter()
            .enumerate()
            .filter_map(|(place, token)| Some((place, tokens.iter().position(|t| t == token)?)))
            .collect();
        for (place_in, from) in &known {
            for (place_out, to) in &known {
                if from == to || *from == BUY || *to == SELL {
                    continue;
                }
                let places = (*place_in, *place_out);
                if let Some(curve) = pool.curve(places.0, places.1) {
                    found.push(Candidate { pool: n, from: *from, to: *to, places, curve });
                }
            }
        }
    }
    found
}
