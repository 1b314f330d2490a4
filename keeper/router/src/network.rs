//! The best flow from one token to another over books, with other tokens between: a price for each token, at which
//! every book takes what pays, and what flows into a token between flows out of it.
//!
//! The prices minimise a convex function (the dual), found by a Newton method; in logarithms of prices its matrix is the
//! Laplacian of the graph of books. Any prices bound what any split over the same curves can reach, by weak duality:
//! they are the certificate.

#![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]

use crate::book::{Book, Hints, Target};

/// Places of the tokens that every network has.
pub(crate) const SELL: usize = 0;
pub(crate) const BUY: usize = 1;
/// Tokens of a network, at most.
pub(crate) const MAX_TOKENS: usize = 10;
const ITERATIONS: usize = 300;
/// Imbalance of a token, in the value that moves, that is no more than floats' noise on a small amount; flows are scaled
/// to balance anyway. What pools cannot trade leaves far more.
const ENOUGH: f64 = 0.05;
/// Of the value that moves, what sums of floats do not tell apart.
const NOISE: f64 = 1e-14;
/// Longest step in the logarithm of a price.
const STEP: f64 = 1.5;

/// All curves from one token to another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) book: Book,
    hints: Hints,
}

impl Edge {
    pub(crate) fn new(from: usize, to: usize, book: Book) -> Self {
        Self { from, to, hints: book.hints(), book }
    }
}

/// What the prices ask of each book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) prices: Vec<f64>,
    /// Per edge, in its book's order.
    pub(crate) inputs: Vec<Vec<f64>>,
    /// No split over these curves pays more for the input, or needs less for the output.
    pub(crate) bound: f64,
}

/// The dual at some prices.
#[derive(Default)]
struct Dual {
    value: f64,
    /// Per token, what is left over, times its price.
    excess: [f64; MAX_TOKENS],
    /// Weights of the Laplacian.
    matrix: [[f64; MAX_TOKENS]; MAX_TOKENS],
    /// Value that is sold, or bought.
    scale: f64,
    /// Value that moves through all books.
    turnover: f64,
}

/// Fills `flow`; false when the curves cannot meet the target.
pub(crate) fn solve(edges: &mut [Edge], tokens: usize, target: Target, flow: &mut Flow) -> bool {
    flow.inputs.resize(edges.len(), Vec::new());
    flow.prices.clear();
    flow.prices.resize(tokens, 1.0);
    let found = match &mut *edges {
        [] => false,
        [edge] => direct(edge, target, flow),
        edges => prices(edges, tokens, target, flow),
    };
    if found {
        flow.bound = bound(edges, target, flow);
    }
    found
}

fn direct(edge: &mut Edge, target: Target, flow: &mut Flow) -> bool {
    let Some(u) = edge.book.solve(target, &mut edge.hints, &mut flow.inputs[0]) else { return false };
    edge.book.inputs(u, &mut edge.hints, &mut flow.inputs[0]);
    match target {
        Target::Input(_) => flow.prices[SELL] = (u * u).recip(),
        Target::Output(_) => flow.prices[BUY] = u * u,
    }
    true
}

fn prices(edges: &mut [Edge], tokens: usize, target: Target, flow: &mut Flow) -> bool {
    let fixed = match target {
        Target::Input(_) => BUY,
        Target::Output(_) => SELL,
    };
    let Some(mut logs) = start(edges, tokens, fixed) else { return false };
    let mut at = dual(edges, tokens, target, &logs, flow);
    let mut damping = 1e-8;
    for _ in 0..ITERATIONS {
        let worst = worst(&at, tokens, fixed);
        if worst <= 1e-14 * at.scale {
            break;
        }
        let step = newton_step(&at, tokens, fixed, damping);
        let mut next = logs;
        for (log, step) in next.iter_mut().zip(step) {
            *log += step.clamp(-STEP, STEP);
        }
        let there = dual(edges, tokens, target, &next, flow);
        // Near the end values differ by less than the noise of their sums; what is left over still tells.
        let same = (there.value - at.value).abs() <= NOISE * at.turnover.max(there.turnover);
        let better = if same { self::worst(&there, tokens, fixed) < worst } else { there.value < at.value };
        if better {
            (logs, at) = (next, there);
            damping = (damping * 0.1).max(1e-15);
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    dual(edges, tokens, target, &logs, flow);
    worst(&at, tokens, fixed) <= ENOUGH * at.scale
}

fn worst(dual: &Dual, tokens: usize, fixed: usize) -> f64 {
    (0..tokens).filter(|t| *t != fixed).map(|t| dual.excess[t].abs()).fold(0.0, f64::max)
}

/// Logarithms of prices near those of the first units, with the fixed token's at zero.
fn start(edges: &[Edge], tokens: usize, fixed: usize) -> Option<[f64; MAX_TOKENS]> {
    let mut logs = [f64::NEG_INFINITY; MAX_TOKENS];
    logs[BUY] = 0.0;
    for _ in 0..tokens {
        for edge in edges {
            // A little is lost in each hop, so that something flows.
            let value = logs[edge.to] - 2.0 * edge.book.first().ln() - 0.01;
            if edge.from != BUY && value > logs[edge.from] && edge.to != SELL {
                logs[edge.from] = value;
            }
        }
    }
    let base = logs[fixed];
    let mut found = logs.map(|log| if log.is_finite() { log - base } else { 0.0 });
    found[tokens..].fill(0.0);
    (base.is_finite() && logs[SELL].is_finite()).then_some(found)
}

/// The dual at prices given by their logarithms; leaves prices and inputs in `flow`.
fn dual(
    edges: &mut [Edge],
    tokens: usize,
    target: Target,
    logs: &[f64; MAX_TOKENS],
    flow: &mut Flow,
) -> Dual {
    let mut dual = Dual::default();
    for (price, log) in flow.prices.iter_mut().zip(logs) {
        *price = log.exp();
    }
    let given = match target {
        Target::Input(input) => (SELL, input),
        Target::Output(output) => (BUY, -output),
    };
    dual.excess[given.0] = flow.prices[given.0] * given.1;
    dual.value = dual.excess[given.0];
    dual.scale = dual.excess[given.0].abs();
    dual.turnover = dual.scale;
    for (edge, inputs) in edges.iter_mut().zip(&mut flow.inputs) {
        let (from, to) = (edge.from, edge.to);
        let (price_in, price_out) = (flow.prices[from], flow.prices[to]);
        let u = (price_out / price_in).sqrt();
        inputs.clear();
        if u <= edge.book.first() {
            inputs.resize(edge.book.legs().len(), 0.0);
            continue;
        }
        let supply = edge.book.supply(u, &mut edge.hints);
        edge.book.inputs(u, &mut edge.hints, inputs);
        let input: f64 = inputs.iter().sum();
        let output: f64 = edge.book.outputs(inputs).sum();
        dual.value += price_out * output - price_in * input;
        dual.turnover += price_in * input;
        dual.excess[from] -= price_in * input;
        dual.excess[to] += price_out * output;
        // Minus the derivative of the input's value by the logarithm of its price.
        let weight = 0.5 * u * supply.slope * price_in;
        dual.matrix[from][from] += weight;
        dual.matrix[to][to] += weight;
        dual.matrix[from][to] -= weight;
        dual.matrix[to][from] -= weight;
    }
    debug_assert!(tokens <= MAX_TOKENS);
    dual
}

/// Solves (matrix + damping) step = -excess for the tokens whose price is free.
fn newton_step(dual: &Dual, tokens: usize, fixed: usize, damping: f64) -> [f64; MAX_TOKENS] {
    let mut rows = dual.matrix;
    let mut right = dual.excess.map(|excess| -excess);
    let free: [bool; MAX_TOKENS] = std::array::from_fn(|t| t < tokens && t != fixed);
    let largest = (0..tokens).map(|t| rows[t][t]).fold(0.0, f64::max).max(dual.scale);
    for t in (0..tokens).filter(|t| free[*t]) {
        rows[t][t] += damping * rows[t][t].max(1e-9 * largest);
    }
    // Positive definite: no pivoting is needed.
    for pivot in (0..tokens).filter(|t| free[*t]) {
        for row in (pivot + 1..tokens).filter(|t| free[*t]) {
            let factor = rows[row][pivot] / rows[pivot][pivot];
            if factor != 0.0 {
                let above = rows[pivot];
                for (cell, above) in rows[row].iter_mut().zip(above).skip(pivot) {
                    *cell -= factor * above;
                }
                right[row] -= factor * right[pivot];
            }
        }
    }
    let mut step = [0.0; MAX_TOKENS];
    for row in (0..tokens).rev().filter(|t| free[*t]) {
        let known: f64 = (row + 1..tokens).filter(|t| free[*t]).map(|t| rows[row][t] * step[t]).sum();
        step[row] = (right[row] - known) / rows[row][row];
        if !step[row].is_finite() {
            step[row] = 0.0;
        }
    }
    step
}

/// Weak duality at the flow's prices.
fn bound(edges: &[Edge], target: Target, flow: &Flow) -> f64 {
    let gains = edges.iter().zip(&flow.inputs).map(|(edge, inputs)| {
        let (price_in, price_out) = (flow.prices[edge.from], flow.prices[edge.to]);
        let outputs = edge.book.outputs(inputs);
        outputs.zip(inputs).map(|(output, input)| price_out * output - price_in * input).sum::<f64>()
    });
    let gains: f64 = gains.sum();
    match target {
        Target::Input(input) => flow.prices[SELL] * input + gains,
        Target::Output(output) => flow.prices[BUY] * output - gains,
    }
}
