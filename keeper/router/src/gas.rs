//! Which legs are worth their cost.
//!
//! A leg costs the same however little it carries, so the best set is no matter of prices: up to [`EXHAUSTIVE`]
//! candidates all sets are compared, above that legs leave while their gain is below their cost, until that few are
//! left.

#![expect(clippy::float_arithmetic, reason = "a choice proposes; what a plan promises is integers")]

use crate::{
    book::Target,
    router::{Amount, Router, Solved},
};
use alloy_primitives::U256;

/// Candidates whose sets are all compared.
const EXHAUSTIVE: usize = 12;

/// The optimum over the best set of candidates; none when that is the optimum over all.
pub(crate) fn choose(
    router: &Router<'_>,
    optimum: &Solved,
    amount: Amount,
    costs: &[U256],
) -> Option<Solved> {
    if costs.iter().all(U256::is_zero) {
        return None;
    }
    let choice = Choice {
        router,
        costs: router.candidates.iter().map(|c| f64::from(costs[c.pool])).collect(),
        target: amount.target(),
    };
    let thinned = choice.thin(optimum);
    let pool: Vec<usize> = if router.candidates.len() <= EXHAUSTIVE {
        (0..router.candidates.len()).collect()
    } else {
        active(thinned.as_ref().unwrap_or(optimum)).map(|(leg, _)| leg).collect()
    };
    if pool.len() > EXHAUSTIVE {
        return thinned;
    }
    choice.exhaust(&pool, optimum, thinned)
}

struct Choice<'a> {
    router: &'a Router<'a>,
    /// Per candidate.
    costs: Vec<f64>,
    target: Target,
}

impl Choice<'_> {
    /// What is optimised, more being better, without costs.
    fn gross(&self, solved: &Solved) -> f64 {
        match self.target {
            Target::Input(_) => solved.output,
            Target::Output(_) => -solved.input,
        }
    }

    fn net(&self, solved: &Solved) -> f64 {
        self.gross(solved) - active(solved).map(|(leg, _)| self.costs[leg]).sum::<f64>()
    }

    /// Drops legs that gain less than they cost, worst first, and solves again, until all that remain pay.
    fn thin(&self, optimum: &Solved) -> Option<Solved> {
        let mut best: Option<Solved> = None;
        let mut at = None;
        loop {
            let here: &Solved = at.as_ref().unwrap_or(optimum);
            let mut worst: Vec<(f64, usize)> = gains(here)
                .map(|(leg, gain)| (gain - self.costs[leg], leg))
                .filter(|(net, _)| *net < 0.0)
                .collect();
            let mut allowed = vec![false; self.costs.len()];
            let mut legs = 0;
            for (leg, _) in active(here) {
                allowed[leg] = true;
                legs += 1;
            }
            if worst.is_empty() || legs == 1 {
                return best;
            }
            worst.sort_by(|a, b| a.0.total_cmp(&b.0));
            // Far from the end several at once; the last ones each alone, because a leg that leaves feeds the others.
            let leaving = if legs > 2 * EXHAUSTIVE { worst.len().div_ceil(4) } else { 1 };
            worst[..leaving.min(legs - 1)].iter().for_each(|(_, leg)| allowed[*leg] = false);
            let Some(next) = self.router.solve(allowed, self.target) else { return best };
            if self.net(&next) > self.net(best.as_ref().unwrap_or(optimum)) {
                best = Some(next.clone());
            }
            at = Some(next);
        }
    }

    /// The best over all sets of `pool`, and over what is known already.
    fn exhaust(&self, pool: &[usize], optimum: &Solved, known: Option<Solved>) -> Option<Solved> {
        let most = self.gross(optimum);
        let mut best = known;
        let mut best_net = self.net(best.as_ref().unwrap_or(optimum));
        for set in 1..1_u32 << pool.len() {
            let members = || pool.iter().enumerate().filter(|(n, _)| set >> n & 1 == 1).map(|(_, leg)| *leg);
            // No set brings more than all, and a set of which not all legs are used is another set.
            if most - members().map(|leg| self.costs[leg]).sum::<f64>() <= best_net {
                continue;
            }
            let mut allowed = vec![false; self.costs.len()];
            members().for_each(|leg| allowed[leg] = true);
            let Some(solved) = self.router.solve(allowed, self.target) else { continue };
            let net = self.net(&solved);
            if net > best_net {
                (best, best_net) = (Some(solved), net);
            }
        }
        best
    }
}

/// Candidates that carry something, and what.
fn active(solved: &Solved) -> impl Iterator<Item = (usize, f64)> + '_ {
    let edges = solved.edges.iter().zip(&solved.flow.inputs);
    edges
        .flat_map(|(edge, inputs)| edge.book.legs().iter().copied().zip(inputs.iter().copied()))
        .filter(|(_, input)| *input > 0.0)
}

/// What each leg that carries something gains at the optimum's prices: at most what is lost without it.
fn gains(solved: &Solved) -> impl Iterator<Item = (usize, f64)> + '_ {
    solved.edges.iter().zip(&solved.flow.inputs).flat_map(|(edge, inputs)| {
        let (price_in, price_out) = (solved.flow.prices[edge.from], solved.flow.prices[edge.to]);
        let flows = edge.book.legs().iter().zip(inputs).zip(edge.book.outputs(inputs));
        flows
            .filter(|((_, input), _)| **input > 0.0)
            .map(move |((leg, input), output)| (*leg, price_out * output - price_in * input))
    })
}
