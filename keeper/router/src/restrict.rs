//! What the optimum over prices may use and a plan may not: one pool in two directions, tokens that flow in a circle,
//! more than three hops.

#![expect(clippy::float_arithmetic, reason = "values of flows, to find the least")]

use crate::{
    network::{BUY, Edge, SELL},
    router::{Router, Solved},
};

const MAX_HOPS: usize = 3;
/// Of all value that is sold, what a flow is at least.
const DUST: f64 = 1e-12;

/// Candidates to leave out before the next attempt; empty when the flow can be a plan, whose order of tokens is then
/// set. Flows of dust are cleared.
pub(crate) fn conflicts(router: &Router<'_>, solved: &mut Solved) -> Vec<usize> {
    if let [edge] = &solved.edges[..] {
        solved.order = vec![edge.from, edge.to];
        return Vec::new();
    }
    clear_dust(solved);
    clear_ends(router, solved);
    let twice = used_twice(router, solved);
    if !twice.is_empty() {
        return twice;
    }
    let mut order = Vec::with_capacity(router.tokens.len());
    // From the token sold first; what carries something and is not reached from there lives on a circle of its own.
    for start in [SELL].into_iter().chain(BUY + 1..router.tokens.len()) {
        if start != SELL && order.contains(&start) {
            continue;
        }
        if let Some(wrong) = walk(solved, &mut vec![start], &mut order) {
            // Between connectors there is always an edge in a circle or in a path that is too long.
            let edges = &solved.edges;
            let least = wrong.into_iter().filter(|n| edges[*n].from != SELL && edges[*n].to != BUY);
            let least = least.min_by(|a, b| value(solved, *a).total_cmp(&value(solved, *b)));
            return least.map_or_else(Vec::new, |n| edges[n].book.legs().to_vec());
        }
        if start == SELL {
            solved.order = order.iter().rev().copied().collect();
        }
    }
    Vec::new()
}

fn value(solved: &Solved, edge: usize) -> f64 {
    solved.flow.prices[solved.edges[edge].from] * solved.flow.inputs[edge].iter().sum::<f64>()
}

fn clear_dust(solved: &mut Solved) {
    let sold = (0..solved.edges.len()).filter(|n| solved.edges[*n].from == SELL);
    let least = DUST * sold.map(|n| value(solved, n)).sum::<f64>();
    for (edge, inputs) in solved.edges.iter().zip(&mut solved.flow.inputs) {
        let price = solved.flow.prices[edge.from];
        for input in inputs.iter_mut().filter(|input| **input * price < least) {
            *input = 0.0;
        }
    }
}

/// Clears what flows into a token between and not out of it, or out and not in: what remains at prices that are not
/// found to the last digit.
fn clear_ends(router: &Router<'_>, solved: &mut Solved) {
    loop {
        let carries = |end: &dyn Fn(&Edge) -> usize, token: usize| {
            let flows = solved.edges.iter().zip(&solved.flow.inputs);
            flows
                .filter(|(edge, _)| end(edge) == token)
                .any(|(_, inputs)| inputs.iter().any(|input| *input > 0.0))
        };
        let between = BUY + 1..router.tokens.len();
        let dead: Vec<usize> = between
            .filter(|token| carries(&|edge| edge.from, *token) != carries(&|edge| edge.to, *token))
            .collect();
        if dead.is_empty() {
            return;
        }
        for (edge, inputs) in solved.edges.iter().zip(&mut solved.flow.inputs) {
            if dead.contains(&edge.from) || dead.contains(&edge.to) {
                inputs.fill(0.0);
            }
        }
    }
}

/// Of each pool that is used in several directions, all but the one with the largest value.
fn used_twice(router: &Router<'_>, solved: &Solved) -> Vec<usize> {
    let mut uses: Vec<(usize, f64, usize)> = Vec::new();
    for (edge, inputs) in solved.edges.iter().zip(&solved.flow.inputs) {
        let price = solved.flow.prices[edge.from];
        let active = edge.book.legs().iter().zip(inputs).filter(|(_, input)| **input > 0.0);
        uses.extend(active.map(|(leg, input)| (router.candidates[*leg].pool, -input * price, *leg)));
    }
    uses.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    uses.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].2).collect()
}

/// Goes on from the path's last token. Edges of a circle or of a path that is too long, or none; `order` gets tokens
/// after all that they flow to.
fn walk(solved: &Solved, path: &mut Vec<usize>, order: &mut Vec<usize>) -> Option<Vec<usize>> {
    let here = path[path.len() - 1];
    let active = |n: &usize| solved.flow.inputs[*n].iter().any(|input| *input > 0.0);
    for n in (0..solved.edges.len()).filter(|n| solved.edges[*n].from == here).filter(active) {
        let next = solved.edges[n].to;
        let circle = path.iter().position(|token| *token == next);
        path.push(next);
        if circle.is_some() || path.len() > MAX_HOPS + 1 {
            let from = circle.unwrap_or(0);
            let pairs = path[from..].windows(2);
            let edge = |pair: &[usize]| {
                solved.edges.iter().position(|edge| edge.from == pair[0] && edge.to == pair[1])
            };
            return Some(pairs.filter_map(edge).collect());
        }
        let wrong = walk(solved, path, order);
        if wrong.is_some() {
            return wrong;
        }
        path.pop();
    }
    if !order.contains(&here) {
        order.push(here);
    }
    None
}
