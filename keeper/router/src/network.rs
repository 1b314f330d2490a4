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
const ITERATIONS: usize = 150;
/// Imbalance of a token, in the value that moves, that is no more than floats' noise on a small amount; flows are scaled
/// to balance anyway. What pools cannot trade leaves far more.
const ENOUGH: f64 = 0.05;
/// Imbalance in the value that moves, at which prices are found: what it loses is of the order of its square.
const DONE: f64 = 1e-9;
/// Inputs that are tried for an output.
const OUTPUT_STEPS: usize = 30;
/// Steps without a smaller imbalance, after which none is hoped for.
const IDLE: usize = 8;
/// Lengths of a step that are tried.
const LENGTHS: usize = 24;
/// What the matrix gets on its diagonal, relative, so that it can be solved for tokens that nothing reaches.
const REGULAR: f64 = 1e-12;
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
    /// Per token, what is left over, times its price.
    excess: [f64; MAX_TOKENS],
    /// Weights of the Laplacian.
    matrix: [[f64; MAX_TOKENS]; MAX_TOKENS],
    /// Value that is sold.
    scale: f64,
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
    let output = match target {
        Target::Input(input) => return balance(edges, tokens, input, flow),
        Target::Output(output) => output,
    };
    // The output is concave in the input, and its slope is the price of what is sold: Newton's steps from below.
    let Some(logs) = start(edges, tokens) else { return false };
    let mut input = output / logs[SELL].exp();
    let mut reached = 0.0;
    for _ in 0..OUTPUT_STEPS {
        if !balance(edges, tokens, input, flow) {
            return false;
        }
        let bought = edges.iter().zip(&flow.inputs).filter(|(edge, _)| edge.to == BUY);
        reached = bought.map(|(edge, inputs)| edge.book.outputs(inputs).sum::<f64>()).sum();
        let next = input + (output - reached) / flow.prices[SELL];
        // Not above zero where tokens can be traded in a circle for a gain: even nothing buys that much.
        if (reached - output).abs() <= DONE * output || next <= 0.0 || !next.is_finite() {
            break;
        }
        input = next;
    }
    let unit = flow.prices[SELL];
    flow.prices.iter_mut().for_each(|price| *price /= unit);
    reached >= (1.0 - ENOUGH) * output
}

/// Prices at which all of an input is sold and every token between is in balance, that of the token bought being one.
fn balance(edges: &mut [Edge], tokens: usize, input: f64, flow: &mut Flow) -> bool {
    let Some(mut logs) = start(edges, tokens) else { return false };
    let mut at = dual(edges, tokens, input, &logs, flow);
    let mut best = (worst(&at, tokens), logs);
    let mut idle = 0;
    for _ in 0..ITERATIONS {
        if best.0 <= DONE * at.scale || idle >= IDLE {
            break;
        }
        let step = newton_step(&at, tokens);
        // Books that begin or end to take something bend the dual, so the step's length is searched: where what is
        // left over, along the step, is small beside what it was.
        let along = |dual: &Dual| -> f64 { dual.excess.iter().zip(&step).map(|(e, s)| e * s).sum() };
        let before = along(&at);
        let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
        let (mut at_low, mut at_high) = (before, 0.0);
        for _ in 0..LENGTHS {
            let next = std::array::from_fn(|t| logs[t] + length * step[t]);
            let there = dual(edges, tokens, input, &next, flow);
            let slope = along(&there);
            let enough = slope.abs() <= 0.1 * before.abs() || (slope < 0.0 && !high.is_finite());
            if slope < 0.0 {
                (low, at_low) = (length, slope);
            } else {
                (high, at_high) = (length, slope);
            }
            if enough {
                low = length;
                break;
            }
            // Between the middle and where a line would cross zero.
            length = 0.5 * (0.5 * (low + high) + low + (high - low) * at_low / (at_low - at_high));
        }
        logs = std::array::from_fn(|t| logs[t] + low * step[t]);
        at = dual(edges, tokens, input, &logs, flow);
        let left = worst(&at, tokens);
        idle += 1;
        if left < best.0 {
            best = (left, logs);
            idle = 0;
        }
    }
    let at = dual(edges, tokens, input, &best.1, flow);
    worst(&at, tokens) <= ENOUGH * at.scale
}

fn worst(dual: &Dual, tokens: usize) -> f64 {
    (0..tokens).filter(|t| *t != BUY).map(|t| dual.excess[t].abs()).fold(0.0, f64::max)
}

/// Logarithms of prices near those of the first units, with that of the token bought at zero.
fn start(edges: &[Edge], tokens: usize) -> Option<[f64; MAX_TOKENS]> {
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
    let found = logs.map(|log| if log.is_finite() { log } else { 0.0 });
    logs[SELL].is_finite().then_some(found)
}

/// The dual at prices given by their logarithms; leaves prices and inputs in `flow`.
fn dual(edges: &mut [Edge], tokens: usize, input: f64, logs: &[f64; MAX_TOKENS], flow: &mut Flow) -> Dual {
    let mut dual = Dual::default();
    for (price, log) in flow.prices.iter_mut().zip(logs) {
        *price = log.exp();
    }
    dual.scale = flow.prices[SELL] * input;
    dual.excess[SELL] = dual.scale;
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

/// Solves matrix * step = -excess for the tokens whose price is free.
fn newton_step(dual: &Dual, tokens: usize) -> [f64; MAX_TOKENS] {
    let mut rows = dual.matrix;
    let mut right = dual.excess.map(|excess| -excess);
    let free: [bool; MAX_TOKENS] = std::array::from_fn(|t| t < tokens && t != BUY);
    let largest = (0..tokens).map(|t| rows[t][t]).fold(0.0, f64::max).max(dual.scale);
    for t in (0..tokens).filter(|t| free[*t]) {
        rows[t][t] += REGULAR * rows[t][t].max(1e-3 * largest);
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
    let longest = step.iter().fold(0.0_f64, |longest, step| longest.max(step.abs()));
    step.map(|step| if longest > STEP { step * STEP / longest } else { step })
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
