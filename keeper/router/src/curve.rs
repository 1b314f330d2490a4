//! A pool in one direction as a concave curve of floats, by which splits are proposed.
//!
//! A curve answers in `u`, the inverse square root of the marginal price (output per input, in smallest units): the
//! input that it takes until its price has fallen to `u^-2`. In `u`, constant products and the ranges of V3 are
//! piecewise linear, weighted pools a power, and only StableSwap needs an iteration.

#![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]

/// Rounds of the search for a price, those of them by Newton's method, and the relative error that ends it: of the
/// inverse root of a slope, which is not known better.
const STABLE_ROUNDS: usize = 100;
const STABLE_NEWTON: usize = 24;
const STABLE_ERROR: f64 = 4e-15;

/// A stretch of V3: constant liquidity while the root of the input's price rises from `start` to `end`.
pub(crate) struct Range {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) liquidity: f64,
}

/// From `start` on, the input is `slope * u - offset`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: f64,
    pub(crate) slope: f64,
    pub(crate) offset: f64,
    /// Input and output up to `start`.
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// Of a weighted pool, the input is `scale * u^power - offset`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Power {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) log_scale: f64,
    pub(crate) power: f64,
    pub(crate) offset: f64,
    pub(crate) reserve: f64,
    /// Weight of the input over that of the output.
    pub(crate) ratio: f64,
    pub(crate) limit: f64,
}

/// A StableSwap pool with balances in units of its invariant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableShape {
    pub(crate) x: f64,
    /// The output's balance y solves y^2 + (x + offset) y = constant / x.
    pub(crate) offset: f64,
    pub(crate) constant: f64,
    /// Smallest units of each side in one invariant.
    pub(crate) unit_in: f64,
    pub(crate) unit_out: f64,
    pub(crate) keep: f64,
}

/// The same with what each call needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stable {
    shape: StableShape,
    /// From `u` to the inverse root of the pool's own slope.
    factor: f64,
    pub(crate) x: f64,
    pub(crate) start: f64,
}

#[derive(Clone, Debug)]
pub(crate) enum Curve {
    /// The pieces of a pool, the last one flat when its liquidity ends.
    Pieces(Vec<Piece>),
    Power(Power),
    Stable(Stable),
}

impl Curve {
    /// A constant product; `keep` is what the fee leaves of an input.
    pub(crate) fn product(reserve_in: f64, reserve_out: f64, keep: f64) -> Option<Self> {
        let liquidity = (reserve_in * reserve_out).sqrt();
        let start = (reserve_in / reserve_out).sqrt();
        Self::ranges(&[Range { start, end: f64::INFINITY, liquidity }], keep)
    }

    /// Ranges that follow one another.
    pub(crate) fn ranges(ranges: &[Range], keep: f64) -> Option<Self> {
        let root = keep.sqrt();
        let (mut input, mut output) = (0.0, 0.0);
        let mut pieces = Vec::with_capacity(ranges.len() + 1);
        for range in ranges {
            let offset = (range.liquidity * range.start) / keep - input;
            let slope = range.liquidity / root;
            pieces.push(Piece { start: range.start / root, slope, offset, input, output });
            if range.end.is_finite() {
                input += range.liquidity * (range.end - range.start) / keep;
                output += range.liquidity * (range.start.recip() - range.end.recip());
            }
        }
        let end = ranges.last()?.end;
        if end.is_finite() {
            pieces.push(Piece { start: end / root, slope: 0.0, offset: -input, input, output });
        }
        let sound = pieces.iter().all(|p| p.start > 0.0 && p.start.is_finite() && p.slope.is_finite());
        (sound && pieces.iter().any(|p| p.slope > 0.0)).then_some(Self::Pieces(pieces))
    }

    /// A weighted pool whose input may raise its balance by at most `limit` of it.
    pub(crate) fn weighted(
        reserve_in: f64,
        reserve_out: f64,
        ratio: f64,
        keep: f64,
        limit: f64,
    ) -> Option<Self> {
        let offset = reserve_in / keep;
        let power = 2.0 / (ratio + 1.0);
        // Where the price is that of the first unit: scale * start^power = offset.
        let start = (reserve_in / (keep * ratio * reserve_out)).sqrt();
        let log_scale = offset.ln() - power * start.ln();
        let end = start * (1.0 + limit).powf(power.recip());
        let sound = start > 0.0 && end.is_finite() && log_scale.is_finite();
        sound.then_some(Self::Power(Power {
            start,
            end,
            log_scale,
            power,
            offset,
            reserve: reserve_out,
            ratio,
            limit: limit * offset,
        }))
    }

    pub(crate) fn stable(shape: StableShape) -> Option<Self> {
        let factor = (shape.keep * shape.unit_out / shape.unit_in).sqrt();
        let start = shape.at(shape.x).0.sqrt().recip() / factor;
        (start > 0.0 && start.is_finite()).then_some(Self::Stable(Stable {
            shape,
            factor,
            x: shape.x,
            start,
        }))
    }

    /// `u` of the first unit.
    pub(crate) fn start(&self) -> f64 {
        match self {
            Self::Pieces(pieces) => pieces[0].start,
            Self::Power(power) => power.start,
            Self::Stable(stable) => stable.start,
        }
    }
}

/// Output of an input into the pieces of one pool.
pub(crate) fn pieces_output(pieces: &[Piece], input: f64) -> f64 {
    let after = pieces.partition_point(|piece| piece.input <= input);
    let Some(piece) = after.checked_sub(1).map(|n| &pieces[n]) else { return 0.0 };
    if piece.slope == 0.0 {
        return piece.output;
    }
    // With prices at the piece's start and here, output is slope * (1 / start - 1 / here).
    let moved = (input - piece.input) / piece.slope;
    piece.output + piece.slope * moved / (piece.start * (piece.start + moved))
}

impl Power {
    pub(crate) fn output(&self, input: f64) -> f64 {
        -self.reserve * (-self.ratio * (input / self.offset).ln_1p()).exp_m1()
    }
}

impl StableShape {
    /// The output's balance at `x`, and its fall per unit of `x`.
    fn at(&self, x: f64) -> (f64, f64, f64) {
        let linear = x + self.offset;
        let product = self.constant / x;
        let root = (linear * linear + 4.0 * product).sqrt();
        let y = if linear > 0.0 { 2.0 * product / (linear + root) } else { 0.5 * (root - linear) };
        // root is 2 y + linear.
        ((y + product / x) / root, y, root)
    }
}

impl Stable {
    pub(crate) fn output(&self, input: f64) -> f64 {
        let shape = &self.shape;
        let moved = input / shape.unit_in;
        let x = self.x + moved;
        let (_, y, _) = shape.at(x);
        let (_, before, _) = shape.at(self.x);
        // The difference of the two equations, without taking near numbers from each other.
        let fall = moved * (y + shape.constant / (x * self.x)) / (before + y + self.x + shape.offset);
        shape.keep * shape.unit_out * fall
    }

    /// Input until the price is `u^-2`, and its derivative; `near` is where the last call ended, in invariants.
    pub(crate) fn input(&self, u: f64, near: &mut f64) -> (f64, f64) {
        let shape = &self.shape;
        let wanted = u * self.factor;
        let (mut low, mut high) = (self.x, f64::INFINITY);
        let mut x = near.max(self.x);
        let mut rise = 0.0;
        // The inverse root of the slope rises with x: nearly flat, then a bend, then steeper than a line. Newton's step
        // on it is shortened by a rational stand-in for a logarithm, which suits both sides of the bend.
        for round in 0..STABLE_ROUNDS {
            let (slope, _, root) = shape.at(x);
            let product = shape.constant / (x * x);
            let bend = (slope * (2.0 * slope - 1.0) - slope - 2.0 * product / x) / root;
            let inverse = slope.sqrt().recip();
            rise = -0.5 * inverse * bend / slope;
            let error = wanted - inverse;
            if error.abs() <= STABLE_ERROR * wanted {
                break;
            }
            if error > 0.0 {
                low = x;
            } else {
                high = x;
            }
            let mut next = x + error / rise * (2.0 * inverse / (wanted + inverse));
            let slow = round >= STABLE_NEWTON && high.is_finite();
            if slow || !(next > low && next < high) {
                next = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * x };
            }
            if (next - x).abs() <= f64::EPSILON * x {
                break;
            }
            x = next;
        }
        *near = x;
        ((x - self.x).max(0.0) * shape.unit_in, self.factor / rise * shape.unit_in)
    }
}
