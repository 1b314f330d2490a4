//! From proportions to integers: every amount here is an exact quote.

#![expect(clippy::float_arithmetic, reason = "proportions; the amounts are integers")]

use crate::{
    QuoteError,
    network::{BUY, SELL},
    router::{Amount, Candidate, Leg, Router, Solved},
};
use alloy_primitives::U256;

/// Hops of a route, at most.
const MAX_HOPS: usize = 3;
/// Below this an order is so small that single units matter, and amounts are exchanged between legs in integers.
const SMALL: usize = 24;
/// Legs among which a remainder's place and exchanges are tried one by one.
const FEW: usize = 12;

/// What the legs cost together.
pub(crate) fn cost(legs: &[Leg], costs: &[U256]) -> U256 {
    legs.iter().filter_map(|leg| costs.get(leg.pool)).fold(U256::ZERO, |sum, cost| sum.saturating_add(*cost))
}

/// The legs of a split, in the order of its tokens.
pub(crate) fn realise(router: &Router<'_>, solved: &Solved, amount: Amount) -> Result<Vec<Leg>, QuoteError> {
    match amount {
        Amount::In(amount) => sell(router, solved, amount),
        Amount::Out(amount) => buy(router, solved, amount),
    }
}

/// Forward: what has come in of a token is shared out among its legs, to the last unit.
fn sell(router: &Router<'_>, solved: &Solved, amount: U256) -> Result<Vec<Leg>, QuoteError> {
    let mut held = vec![U256::ZERO; router.tokens.len()];
    held[SELL] = amount;
    let mut legs = Vec::new();
    for token in solved.order.iter().filter(|t| **t != BUY) {
        if held[*token].is_zero() {
            continue;
        }
        let mut shares: Vec<(&Candidate, f64)> = Vec::new();
        for (edge, inputs) in solved.edges.iter().zip(&solved.flow.inputs).filter(|(e, _)| e.from == *token) {
            let flows = edge.book.legs().iter().zip(inputs).filter(|(_, input)| **input > 0.0);
            shares.extend(flows.map(|(leg, input)| (&router.candidates[*leg], *input)));
        }
        let mut amounts = share(held[*token], &shares);
        let value = |n: usize, amount: U256| quote(router, shares[n].0, amount);
        // A leg that pays nothing for its share leaves it to the largest.
        let largest =
            (0..shares.len()).max_by_key(|n| amounts[*n]).ok_or(QuoteError::InsufficientLiquidity)?;
        for n in (0..shares.len()).filter(|n| *n != largest) {
            if !amounts[n].is_zero() && value(n, amounts[n]).is_zero() {
                let idle = std::mem::take(&mut amounts[n]);
                amounts[largest] += idle;
            }
        }
        let one_direction = shares.iter().all(|(c, _)| c.to == shares[0].0.to);
        if one_direction && shares.len() <= FEW && held[*token].bit_len() <= SMALL {
            exchange(&mut amounts, value);
        }
        for ((candidate, _), amount_in) in shares.iter().zip(amounts).filter(|(_, amount)| !amount.is_zero())
        {
            let leg = swap(router, candidate, amount_in)?;
            held[candidate.to] += leg.amount_out;
            legs.push(leg);
        }
    }
    Ok(legs)
}

/// Backward: what is needed of a token is shared among the legs that bring it, each rounded up.
fn buy(router: &Router<'_>, solved: &Solved, amount: U256) -> Result<Vec<Leg>, QuoteError> {
    let mut needed = vec![U256::ZERO; router.tokens.len()];
    needed[BUY] = amount;
    let mut legs = Vec::new();
    for token in solved.order.iter().rev().filter(|t| **t != SELL) {
        if needed[*token].is_zero() {
            continue;
        }
        let mut shares: Vec<(&Candidate, f64)> = Vec::new();
        for (edge, inputs) in solved.edges.iter().zip(&solved.flow.inputs).filter(|(e, _)| e.to == *token) {
            let flows =
                edge.book.legs().iter().zip(edge.book.outputs(inputs)).filter(|(_, output)| *output > 0.0);
            shares.extend(flows.map(|(leg, output)| (&router.candidates[*leg], output)));
        }
        let amounts = share(needed[*token], &shares);
        let start = legs.len();
        for ((candidate, _), wanted) in shares.iter().zip(amounts).filter(|(_, amount)| !amount.is_zero()) {
            let input =
                router.pools[candidate.pool].input_for(candidate.places.0, candidate.places.1, wanted)?;
            needed[candidate.from] += input;
            legs.push(swap(router, candidate, input)?);
        }
        if start == legs.len() {
            return Err(QuoteError::InsufficientLiquidity);
        }
    }
    legs.reverse();
    Ok(legs)
}

/// Parts of `total` in proportion, rounded down, the remainder with the largest.
fn share(total: U256, shares: &[(&Candidate, f64)]) -> Vec<U256> {
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    let whole = f64::from(total);
    let mut left = total;
    let mut parts: Vec<U256> = shares
        .iter()
        .map(|(_, share)| {
            let part = U256::try_from((share / sum * whole).floor()).unwrap_or_default().min(left);
            left -= part;
            part
        })
        .collect();
    let largest = (0..parts.len()).max_by(|a, b| shares[*a].1.total_cmp(&shares[*b].1));
    if let Some(largest) = largest {
        parts[largest] += left;
    }
    parts
}

/// Moves amounts from the leg that loses least to the leg that gains most, while that gains.
fn exchange(amounts: &mut [U256], value: impl Fn(usize, U256) -> U256) {
    let total: U256 = amounts.iter().sum();
    let mut step = total;
    while !step.is_zero() {
        let gain =
            |n: usize, amounts: &[U256]| value(n, amounts[n] + step).saturating_sub(value(n, amounts[n]));
        let loss =
            |n: usize, amounts: &[U256]| value(n, amounts[n]).saturating_sub(value(n, amounts[n] - step));
        let mut best: Option<(U256, usize, usize)> = None;
        for from in (0..amounts.len()).filter(|n| amounts[*n] >= step) {
            let lost = loss(from, amounts);
            for to in (0..amounts.len()).filter(|n| *n != from) {
                let gained = gain(to, amounts);
                if gained > lost && best.is_none_or(|(better, ..)| gained - lost > better) {
                    best = Some((gained - lost, from, to));
                }
            }
        }
        match best {
            Some((_, from, to)) => {
                amounts[from] -= step;
                amounts[to] += step;
            }
            None => step >>= 1,
        }
    }
}

/// Output of an input, zero when there is none.
fn quote(router: &Router<'_>, candidate: &Candidate, amount: U256) -> U256 {
    router.pools[candidate.pool].output(candidate.places.0, candidate.places.1, amount).unwrap_or_default()
}

fn swap(router: &Router<'_>, candidate: &Candidate, amount_in: U256) -> Result<Leg, QuoteError> {
    let pool = &router.pools[candidate.pool];
    let amount_out = pool.output(candidate.places.0, candidate.places.1, amount_in)?;
    if amount_out.is_zero() {
        return Err(QuoteError::ZeroAmount);
    }
    let (sell, buy) = (router.tokens[candidate.from], router.tokens[candidate.to]);
    Ok(Leg { pool: candidate.pool, sell, buy, amount_in, amount_out })
}

/// The best route that is not split. More in is more out, so the best pool of each hop makes the best route.
pub(crate) fn best_single(router: &Router<'_>, amount: Amount, costs: &[U256]) -> Option<Vec<Leg>> {
    let mut search = Single { router, amount, costs, best: None };
    let (start, given) = match amount {
        Amount::In(given) => (SELL, given),
        Amount::Out(given) => (BUY, given),
    };
    search.go(start, given, &mut Vec::new());
    search.best.map(|(_, legs)| legs)
}

struct Single<'a> {
    router: &'a Router<'a>,
    amount: Amount,
    costs: &'a [U256],
    best: Option<(Worth, Vec<Leg>)>,
}

/// What a route brings beside what it takes: the output and the cost, or nothing and input with cost.
#[derive(Clone, Copy)]
struct Worth {
    gain: U256,
    loss: U256,
}

impl Worth {
    fn exceeds(self, other: Self) -> bool {
        self.gain.saturating_add(other.loss) > other.gain.saturating_add(self.loss)
    }
}

impl Single<'_> {
    /// Goes on from `token`, of which `amount` has come in or is needed.
    fn go(&mut self, token: usize, amount: U256, legs: &mut Vec<Leg>) {
        let forward = matches!(self.amount, Amount::In(_));
        let end = if forward { BUY } else { SELL };
        for (next, address) in self.router.tokens.iter().enumerate() {
            let visited = legs.iter().any(|leg| leg.sell == *address || leg.buy == *address);
            if visited {
                continue;
            }
            for leg in self.legs(token, next, amount, legs) {
                legs.push(leg);
                if next == end {
                    self.keep(legs);
                } else if legs.len() < MAX_HOPS {
                    self.go(next, if forward { leg.amount_out } else { leg.amount_in }, legs);
                }
                legs.pop();
            }
        }
    }

    /// The best leg over a pool of two tokens, which no other hop can want, and one over each larger pool.
    fn legs(&self, token: usize, next: usize, amount: U256, used: &[Leg]) -> Vec<Leg> {
        let forward = matches!(self.amount, Amount::In(_));
        let (from, to) = if forward { (token, next) } else { (next, token) };
        let last = if forward { to == BUY } else { from == SELL };
        let mut best: Option<(Worth, Leg)> = None;
        let mut legs = Vec::new();
        for candidate in self.router.candidates.iter().filter(|c| c.from == from && c.to == to) {
            if used.iter().any(|leg| leg.pool == candidate.pool) {
                continue;
            }
            let pool = &self.router.pools[candidate.pool];
            let input = if forward {
                Ok(amount)
            } else {
                pool.input_for(candidate.places.0, candidate.places.1, amount)
            };
            let Ok(leg) = input.and_then(|input| swap(self.router, candidate, input)) else { continue };
            if pool.tokens().len() > 2 && !last {
                legs.push(leg);
                continue;
            }
            // Costs are in units of the token at the end.
            let worth = self.worth(&[leg], if last { self.costs } else { &[] });
            if best.is_none_or(|(known, _)| worth.exceeds(known)) {
                best = Some((worth, leg));
            }
        }
        legs.extend(best.map(|(_, leg)| leg));
        legs
    }

    fn worth(&self, legs: &[Leg], costs: &[U256]) -> Worth {
        let cost = cost(legs, costs);
        let last = legs.last();
        match self.amount {
            Amount::In(_) => Worth { gain: last.map_or(U256::ZERO, |leg| leg.amount_out), loss: cost },
            Amount::Out(_) => {
                let input = last.map_or(U256::MAX, |leg| leg.amount_in);
                Worth { gain: U256::ZERO, loss: input.saturating_add(cost) }
            }
        }
    }

    fn keep(&mut self, legs: &[Leg]) {
        let worth = self.worth(legs, self.costs);
        if self.best.as_ref().is_none_or(|(known, _)| worth.exceeds(*known)) {
            let mut legs = legs.to_vec();
            if matches!(self.amount, Amount::Out(_)) {
                legs.reverse();
            }
            self.best = Some((worth, legs));
        }
    }
}
