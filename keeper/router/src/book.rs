//! All curves from one token to another, as one: what they take together at a price, and the price at which they take
//! an amount. Kinds lie in arrays of their own, so that a pass over a thousand pools is a pass over memory.

#![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]

use crate::curve::{Curve, Piece, Power, Stable, pieces_output};

const LANES: usize = 4;
const ITERATIONS: usize = 200;

/// How much is wanted of a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// All of this input is spent.
    Input(f64),
    /// This output is reached.
    Output(f64),
}

/// Curves of one direction. Their order is the book's own: [`Self::legs`] says which is which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// The number that each curve came with.
    legs: Vec<usize>,
    /// Constant products: `max(0, slope * u - offset)`.
    starts: Vec<f64>,
    slopes: Vec<f64>,
    offsets: Vec<f64>,
    /// Pools of several ranges: where each one's pieces begin, and one more for the end.
    bounds: Vec<usize>,
    pieces: Vec<Piece>,
    powers: Vec<Power>,
    stables: Vec<Stable>,
    /// Least `u` at which a curve takes anything.
    first: f64,
    /// Sums of slope and of slope times `u` where the curves begin.
    lead: (f64, f64),
}

/// Where the last pass found things, for the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    pieces: Vec<usize>,
    stables: Vec<f64>,
    /// The price that the last amount was solved at, as `u`; zero before.
    solved: f64,
}

/// A price and what it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supply {
    pub(crate) input: f64,
    /// Derivative of the input by `u`.
    pub(crate) slope: f64,
}

impl Book {
    pub(crate) fn new<'a>(curves: impl Iterator<Item = (usize, &'a Curve)>) -> Self {
        let mut book = Self { bounds: vec![0], first: f64::INFINITY, ..Self::default() };
        let (mut several, mut powers, mut stables) = (Vec::new(), Vec::new(), Vec::new());
        for (leg, curve) in curves {
            book.first = book.first.min(curve.start());
            let lead = match curve {
                Curve::Pieces(pieces) if pieces.len() == 1 => {
                    book.legs.push(leg);
                    book.starts.push(pieces[0].start);
                    book.slopes.push(pieces[0].slope);
                    book.offsets.push(pieces[0].offset);
                    pieces[0].slope
                }
                Curve::Pieces(pieces) => {
                    several.push(leg);
                    book.pieces.extend(pieces);
                    book.bounds.push(book.pieces.len());
                    pieces[0].slope
                }
                Curve::Power(power) => {
                    powers.push(leg);
                    book.powers.push(*power);
                    power.power * power.offset / power.start
                }
                Curve::Stable(stable) => {
                    stables.push(leg);
                    book.stables.push(*stable);
                    stable.input(curve.start(), &mut 0.0).1
                }
            };
            book.lead.0 += lead;
            book.lead.1 += lead * curve.start();
        }
        book.legs.extend(several.into_iter().chain(powers).chain(stables));
        book
    }

    pub(crate) fn legs(&self) -> &[usize] {
        &self.legs
    }

    /// `u` of the best curve's first unit.
    pub(crate) fn first(&self) -> f64 {
        self.first
    }

    pub(crate) fn hints(&self) -> Hints {
        let pieces = self.bounds[..self.bounds.len() - 1].to_vec();
        Hints { pieces, stables: self.stables.iter().map(|stable| stable.x).collect(), solved: 0.0 }
    }

    /// What all take at `u`.
    pub(crate) fn supply(&self, u: f64, hints: &mut Hints) -> Supply {
        let (mut input, mut slope) = self.products(u);
        for n in 0..hints.pieces.len() {
            let piece = self.piece(n, u, hints);
            if u > piece.start {
                input += piece.slope * u - piece.offset;
                slope += piece.slope;
            }
        }
        let log = if self.powers.is_empty() { 0.0 } else { u.ln() };
        for power in &self.powers {
            if u >= power.end {
                input += power.limit;
            } else if u > power.start {
                let total = (power.log_scale + power.power * log).exp();
                input += total - power.offset;
                slope += power.power * total / u;
            }
        }
        for (stable, near) in self.stables.iter().zip(&mut hints.stables) {
            if u > stable.start {
                let (taken, rise) = stable.input(u, near);
                input += taken;
                slope += rise;
            }
        }
        Supply { input, slope }
    }

    /// Sums over the constant products, in lanes, so that the processor adds several at once.
    fn products(&self, u: f64) -> (f64, f64) {
        let (mut input, mut slope) = ([0.0; LANES], [0.0; LANES]);
        let (slopes, offsets) = (self.slopes.chunks_exact(LANES), self.offsets.chunks_exact(LANES));
        let rest = slopes.remainder().iter().zip(offsets.remainder());
        for (slopes, offsets) in slopes.zip(offsets) {
            for lane in 0..LANES {
                let taken = slopes[lane] * u - offsets[lane];
                let active = if taken > 0.0 { 1.0 } else { 0.0 };
                input[lane] += taken.max(0.0);
                slope[lane] += active * slopes[lane];
            }
        }
        let (mut input, mut slope): (f64, f64) = (input.iter().sum(), slope.iter().sum());
        for (own, offset) in rest {
            let taken = own * u - offset;
            if taken > 0.0 {
                input += taken;
                slope += own;
            }
        }
        (input, slope)
    }

    /// The piece of the n-th pool of several ranges that `u` lies in, or its first one.
    fn piece(&self, n: usize, u: f64, hints: &mut Hints) -> &Piece {
        let (low, high) = (self.bounds[n], self.bounds[n + 1]);
        let mut at = hints.pieces[n];
        while at + 1 < high && self.pieces[at + 1].start <= u {
            at += 1;
        }
        while at > low && self.pieces[at].start > u {
            at -= 1;
        }
        hints.pieces[n] = at;
        &self.pieces[at]
    }

    /// What each takes at `u`, in the book's order.
    pub(crate) fn inputs(&self, u: f64, hints: &mut Hints, into: &mut Vec<f64>) {
        into.clear();
        into.extend(
            self.slopes.iter().zip(&self.offsets).map(|(slope, offset)| (slope * u - offset).max(0.0)),
        );
        for n in 0..hints.pieces.len() {
            let piece = self.piece(n, u, hints);
            let taken = if u > piece.start { piece.slope * u - piece.offset } else { 0.0 };
            into.push(taken.max(0.0));
        }
        let log = u.ln();
        into.extend(self.powers.iter().map(|power| {
            if u >= power.end {
                power.limit
            } else if u > power.start {
                ((power.log_scale + power.power * log).exp() - power.offset).max(0.0)
            } else {
                0.0
            }
        }));
        for (stable, near) in self.stables.iter().zip(&mut hints.stables) {
            into.push(if u > stable.start { stable.input(u, near).0 } else { 0.0 });
        }
    }

    /// What inputs in the book's order bring, one after the other.
    pub(crate) fn outputs<'a>(&'a self, inputs: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let (products, rest) = inputs.split_at(self.slopes.len());
        let (several, rest) = rest.split_at(self.bounds.len() - 1);
        let (powers, stables) = rest.split_at(self.powers.len());
        let products = products.iter().enumerate().map(|(n, input)| {
            let (start, slope) = (self.starts[n], self.slopes[n]);
            input / (start * (start + input / slope))
        });
        let several = several
            .iter()
            .enumerate()
            .map(|(n, input)| pieces_output(&self.pieces[self.bounds[n]..self.bounds[n + 1]], *input));
        let powers = self.powers.iter().zip(powers).map(|(power, input)| power.output(*input));
        let stables = self.stables.iter().zip(stables).map(|(stable, input)| stable.output(*input));
        products.chain(several).chain(powers).chain(stables)
    }

    /// The `u` at which the target is met; none when the curves end before. `buffer` is for inputs.
    pub(crate) fn solve(&self, target: Target, hints: &mut Hints, buffer: &mut Vec<f64>) -> Option<f64> {
        let found = self.search(target, hints, buffer)?;
        hints.solved = found;
        Some(found)
    }

    /// A bracketed Newton method, from the last solution when there is one.
    fn search(&self, target: Target, hints: &mut Hints, buffer: &mut Vec<f64>) -> Option<f64> {
        let (Target::Input(wanted) | Target::Output(wanted)) = target;
        let mut reach = |u: f64, hints: &mut Hints| {
            let supply = self.supply(u, hints);
            match target {
                Target::Input(_) => (supply.input, supply.slope),
                Target::Output(_) => {
                    self.inputs(u, hints, buffer);
                    (self.outputs(buffer).sum(), supply.slope / (u * u))
                }
            }
        };
        let (mut low, mut high) = (self.first, f64::INFINITY);
        let mut u = match target {
            _ if hints.solved > 0.0 => hints.solved,
            Target::Input(input) => (input + self.lead.1) / self.lead.0,
            Target::Output(output) => 1.0 / (1.0 / self.first - output / self.lead.0).max(0.5 / self.first),
        };
        if !(u > low && u.is_finite()) {
            u = low * (1.0 + f64::EPSILON);
        }
        for _ in 0..ITERATIONS {
            let (value, slope) = reach(u, hints);
            let error = value - wanted;
            if error.abs() <= 1e-14 * wanted {
                return Some(u);
            }
            if error > 0.0 {
                high = u;
            } else {
                low = u;
            }
            let mut next = u - error / slope;
            if !(next > low && next < high) {
                next = match high.is_finite() {
                    true if high > 2.0 * low => (low * high).sqrt(),
                    true => 0.5 * (low + high),
                    false => 2.0 * u,
                };
            }
            if (next - u).abs() <= f64::EPSILON * u {
                // As near as floats come.
                return Some(next);
            }
            u = next;
            if !u.is_finite() || u > 1e3 * self.first.max(1e-300) * 1e12 {
                return None;
            }
        }
        None
    }
}
