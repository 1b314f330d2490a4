//! The specification (`docs/oracle.md`) a second time, word by word and slowly: numbers without end, no sharing with the
//! crate but the types and the bit numbers.

use num_bigint::{BigInt, Sign};
use oracle_guard::{AssetConfig, Input, Kind, LegConfig, LegInput, Memory, Outcome, Role};

pub struct Said {
    pub verdict: u8,
    pub reasons: u64,
    pub sources: Vec<u64>,
    /// mid, lo, hi; zeros when there is none.
    pub price: [BigInt; 3],
    pub after: Memory,
}

type Price = [BigInt; 3];

fn big(n: impl Into<BigInt>) -> BigInt {
    n.into()
}

fn pow(base: u32, exponent: u32) -> BigInt {
    big(base).pow(exponent)
}

fn unsigned(bytes: &[u8]) -> BigInt {
    BigInt::from_bytes_be(Sign::Plus, bytes)
}

fn up(a: BigInt, b: &BigInt) -> BigInt {
    (a + b - 1) / b
}

fn floor_div(a: &BigInt, b: &BigInt) -> BigInt {
    let (q, r) = (a / b, a % b);
    if r.sign() == Sign::Minus { q - 1 } else { q }
}

fn apart(a: &BigInt, b: &BigInt, bps: &BigInt) -> bool {
    let far = if a > b { a - b } else { b - a };
    far * 10_000 > bps * a.min(b)
}

fn sat(a: u64, b: u64) -> BigInt {
    big(a.saturating_sub(b))
}

const HELD: u64 = 1 << 10 | 1 << 12 | 1 << 23;
const OWN: u64 = 1 << 15 | 1 << 21 | 1 << 22;
const INSANE: u64 = 1 << 35 | 1 << 36 | 1 << 40 | 1 << 41 | 1 << 45 | 1 << 46;

fn usable(mask: u64) -> bool {
    mask & !HELD == 0
}

/// Uniswap's `TickMath`.
fn sqrt_ratio(tick: i64) -> BigInt {
    let factors = [
        "fffcb933bd6fad37aa2d162d1a594001",
        "fff97272373d413259a46990580e213a",
        "fff2e50f5f656932ef12357cf3c7fdcc",
        "ffe5caca7e10e4e61c3624eaa0941cd0",
        "ffcb9843d60f6159c9db58835c926644",
        "ff973b41fa98c081472e6896dfb254c0",
        "ff2ea16466c96a3843ec78b326b52861",
        "fe5dee046a99a2a811c461f1969c3053",
        "fcbe86c7900a88aedcffc83b479aa3a4",
        "f987a7253ac413176f2b074cf7815e54",
        "f3392b0822b70005940c7a398e4b70f3",
        "e7159475a2c29b7443b29c7fa6e889d9",
        "d097f3bdfd2022b8845ad8f792aa5825",
        "a9f746462d870fdf8a65dc1f90e061e5",
        "70d869a156d2a1b890bb3df62baf32f7",
        "31be135f97d08fd981231505542fcfa6",
        "9aa508b5b7a84e1c677de54f3e99bc9",
        "5d6af8dedb81196699c329225ee604",
        "2216e584f5fa1ea926041bedfe98",
        "48a170391f7dc42444e8fa2",
    ];
    let mut ratio = pow(2, 128);
    for (i, factor) in factors.iter().enumerate() {
        if tick.unsigned_abs() >> i & 1 == 1 {
            ratio =
                ratio * BigInt::parse_bytes(factor.as_bytes(), 16).expect("hexadecimal digits") / pow(2, 128);
        }
    }
    if tick > 0 {
        ratio = (pow(2, 256) - 1) / ratio;
    }
    up(ratio, &pow(2, 32))
}

fn leg(c: &LegConfig, seen: &LegInput, m: (u128, u64), now: u64, skew: u16) -> (u64, Option<Price>) {
    let mut mask = 0u64;
    let ten = big(10_000);
    // 1
    let failed = match seen.outcome {
        Outcome::Read => None,
        Outcome::Reverted => Some(0),
        Outcome::NoCode => Some(1),
        Outcome::OutOfGas => Some(2),
        Outcome::Malformed => Some(3),
    };
    if let Some(bit) = failed {
        return (1 << bit, None);
    }
    let mut answer = BigInt::from_signed_bytes_be(&seen.answer.to_be_bytes::<32>());
    // 2
    if c.kind == Kind::UniswapV3Twap {
        let window = big(c.window);
        if big(seen.oldest) < window {
            mask |= 1 << 18;
        }
        let tick = floor_div(&big(seen.tick_delta), &window);
        let (end, spot) = (big(887_272), big(seen.spot_tick));
        if tick < -end.clone() || tick > end || spot < -end.clone() || spot > end {
            return (mask | 1 << 3, None);
        }
        let delta = unsigned(&seen.liquidity_delta.to_be_bytes::<20>());
        let liquidity =
            if delta == big(0) { big(0) } else { window * (pow(2, 160) - 1) / (delta * pow(2, 32)) };
        if liquidity < big(c.min_liquidity) {
            mask |= 1 << 19;
        }
        let off = if spot > tick { &spot - &tick } else { &tick - &spot };
        if off > big(c.max_ticks) {
            mask |= 1 << 20;
        }
        let s = sqrt_ratio(i64::try_from(&tick).expect("a tick of a pool"));
        let b = pow(10, 18 + u32::from(c.base_decimals) - u32::from(c.quote_decimals));
        let (r, q) = if s < pow(2, 128) { (&s * &s, 192) } else { (&s * &s / pow(2, 64), 128) };
        answer = if c.base_is_token1 { pow(2, q) * b / r } else { r * b / pow(2, q) };
    }
    // 3
    if seen.decimals != c.decimals {
        mask |= 1 << 4;
    }
    // 4
    let clock = matches!(c.kind, Kind::Chainlink | Kind::Pyth);
    let incomplete = seen.updated_at == 0 || c.kind == Kind::Chainlink && seen.round_id == 0;
    if incomplete {
        mask |= 1 << 7;
    } else if big(seen.updated_at) > big(now) + big(skew) {
        mask |= 1 << 11;
    } else if clock && sat(now, seen.updated_at) > big(2) * big(c.heartbeat) {
        mask |= 1 << 13;
    } else if clock && sat(now, seen.updated_at) > big(c.heartbeat) {
        mask |= 1 << 12;
    }
    // 5
    if c.carried && seen.answered_in_round < seen.round_id {
        mask |= 1 << 8;
    }
    // 6
    if clock && m.1 != 0 && !incomplete && seen.updated_at < m.1 {
        mask |= 1 << 9;
    }
    if c.kind == Kind::Chainlink && m.0 != 0 {
        if seen.round_id < m.0 {
            mask |= 1 << 9;
        } else if seen.round_id >> 64 != m.0 >> 64 {
            mask |= 1 << 10;
        }
    }
    // 7
    if answer <= big(0) {
        return (mask | 1 << 14, None);
    }
    if answer >= pow(2, 192) {
        return (mask | 1 << 15, None);
    }
    // 8
    let (clamp_min, clamp_max) =
        (unsigned(&c.clamp_min.to_be_bytes::<32>()), unsigned(&c.clamp_max.to_be_bytes::<32>()));
    let margin = big(c.clamp_bps);
    let low = clamp_min != big(0) && &answer * &ten <= clamp_min * (&ten + &margin);
    let high = clamp_max != big(0) && &answer * &ten >= clamp_max * (&ten - &margin);
    if low || high {
        mask |= 1 << 16;
    }
    // 9
    let conf = unsigned(&seen.conf.to_be_bytes::<32>());
    let pyth = c.kind == Kind::Pyth;
    let wide = pyth && (conf >= pow(2, 192) || &conf * &ten > big(c.conf_bps) * &answer);
    if wide {
        mask |= 1 << 17;
    }
    // 10
    let unit = pow(10, u32::from(c.decimals));
    let scaled = |n: &BigInt| n * pow(10, 18);
    let (mid, top) = (scaled(&answer) / &unit, up(scaled(&answer), &unit));
    let of_conf = if pyth && !wide { up(scaled(&(conf * c.conf_multiple)), &unit) } else { big(0) };
    let half = of_conf.max(up(&mid * c.width_bps, &ten));
    let (lo, hi) = ((&mid - &half).max(big(0)), top + half);
    if mid == big(0) || hi >= pow(2, 128) {
        return (mask | 1 << 15, None);
    }
    if mid < big(c.floor.0) || mid > big(c.ceiling.0) {
        mask |= 1 << 15;
    }
    // 11
    if c.rate.0 != 0 {
        let t = sat(now, c.rate_at).min(pow(2, 40) - 1);
        let y = big(10_000u64 * 31_536_000);
        if &mid * &y > big(c.rate.0) * (&y + big(c.growth_bps) * t) {
            mask |= 1 << 21;
        }
        if &mid * &ten < big(c.rate.0) * (&ten - big(c.slash_bps)) {
            mask |= 1 << 22;
        }
    }
    (mask, Some([mid, lo, hi]))
}

fn best(mids: &[(usize, BigInt)], tolerance: &BigInt) -> Vec<(usize, BigInt)> {
    let mut best: Vec<(usize, BigInt)> = Vec::new();
    let mut best_pivot = big(0);
    for (_, pivot) in mids {
        let with: Vec<_> = mids.iter().filter(|(_, mid)| !apart(mid, pivot, tolerance)).cloned().collect();
        if with.len() > best.len() || with.len() == best.len() && *pivot < best_pivot {
            (best, best_pivot) = (with, pivot.clone());
        }
    }
    best
}

pub fn judge(c: &AssetConfig, input: &Input, m: &Memory) -> Said {
    let now = input.now;
    let mut asset = 0u64;
    // 5.2
    if c.sequencer_grace != 0 {
        let s = &input.sequencer;
        let answer = BigInt::from_signed_bytes_be(&s.answer.to_be_bytes::<32>());
        let unknown = s.outcome != Outcome::Read
            || s.started_at == 0
            || big(s.started_at) > big(now) + big(c.skew)
            || answer != big(0) && answer != big(1);
        if unknown {
            asset |= 1 << 41;
        } else if answer == big(1) {
            asset |= 1 << 40;
        } else if sat(now, s.started_at) <= big(c.sequencer_grace) {
            asset |= 1 << 42;
        }
    }
    // 5.4
    let (mut masks, mut prices, mut sound_legs) = (Vec::new(), Vec::new(), Vec::new());
    for (i, source) in c.sources.iter().enumerate() {
        let (mut mask, mut product): (u64, Option<Option<Price>>) = (0, None);
        for (j, leg_config) in source.legs.iter().enumerate() {
            let seen = &input.sources[i][j];
            let memory = &m.sources[i][j];
            let (of_leg, price) = leg(leg_config, seen, (memory.round, memory.updated_at), now, c.skew);
            if usable(of_leg) {
                sound_legs.push((i, j));
            }
            mask |= of_leg;
            product = Some(match (product, price) {
                (None, price) => price,
                (Some(Some([mid, lo, hi])), Some([a, b, c])) => {
                    let one = pow(10, 18);
                    let (mid, lo, hi) = (mid * a / &one, lo * b / &one, up(hi * c, &one));
                    if mid == big(0) || hi >= pow(2, 128) {
                        mask |= 1 << 15;
                        None
                    } else {
                        Some([mid, lo, hi])
                    }
                }
                _ => None,
            });
        }
        let product = product.flatten();
        if let Some([mid, ..]) = &product {
            if m.last.0 != 0 {
                let t = sat(now, m.last_at).min(big(2_592_000));
                let square: BigInt = big(c.vol_bps).pow(2) * t / 3_600;
                let allowed = big(c.jump_bps) + square.sqrt();
                let last = big(m.last.0);
                if apart(mid, &last, &(&allowed * c.leap_multiple)) {
                    mask |= 1 << 24;
                } else if apart(mid, &last, &allowed) {
                    mask |= 1 << 23;
                }
            }
            if off_peg(c, mid, c.hard_below_bps, c.hard_above_bps) {
                mask |= 1 << 25;
            }
        }
        masks.push(mask);
        prices.push(product);
    }
    // 5.5 and 5.6
    let tolerance = big(c.tolerance_bps);
    let price_sources: Vec<usize> = (0..masks.len()).filter(|i| c.sources[*i].role == Role::Price).collect();
    let ask = |held: bool| -> Vec<(usize, BigInt)> {
        let asked = |i: &&usize| if held { usable(masks[**i]) } else { masks[**i] == 0 };
        let mid = |i: &usize| (*i, prices[*i].as_ref().expect("usable, so priced")[0].clone());
        price_sources.iter().filter(asked).map(mid).collect()
    };
    let (sound, held) = (ask(false), ask(true));
    let quorum = usize::from(c.quorum);
    let (mut asked, mut members) = (sound.clone(), best(&sound, &tolerance));
    let mut agreed = members.len() >= quorum;
    if !agreed {
        (asked, members) = (held.clone(), best(&held, &tolerance));
        agreed = members.len() >= quorum;
        asset |= match agreed {
            true => 1 << 33,
            false if held.len() < quorum => 1 << 35,
            false => 1 << 36,
        };
    }
    let mut result = [big(0), big(0), big(0)];
    let before = masks.clone();
    if agreed {
        let mut sorted: Vec<_> = members.iter().map(|(_, mid)| mid.clone()).collect();
        sorted.sort();
        let mid = sorted[(sorted.len() - 1) / 2].clone();
        let of = |i: usize| prices[i].as_ref().expect("usable, so priced");
        let lo = members.iter().map(|(i, _)| of(*i)[1].clone()).min().expect("members");
        let hi = members.iter().map(|(i, _)| of(*i)[2].clone()).max().expect("members");
        let is_member = |i: usize| members.iter().any(|(k, _)| *k == i);
        if price_sources.iter().any(|i| !is_member(*i)) {
            asset |= 1 << 32;
        }
        for (i, _) in asked.iter().filter(|(i, _)| !is_member(*i)) {
            masks[*i] |= 1 << 26;
        }
        if members.len() == 1 {
            asset |= 1 << 34;
        }
        // 5.7
        for (i, source) in c.sources.iter().enumerate().filter(|(_, s)| s.role == Role::Reference) {
            match &prices[i] {
                Some([other, ..]) if usable(masks[i]) => {
                    if apart(&mid, other, &big(source.tolerance_bps)) {
                        asset |= 1 << 38;
                    }
                }
                _ => asset |= 1 << 37,
            }
        }
        if off_peg(c, &mid, c.soft_below_bps, c.soft_above_bps) {
            asset |= 1 << 39;
        }
        result = [mid, lo, hi];
    }
    // 5.8
    for i in 0..before.len() {
        let own = before[i] != 0 && before[i] & !OWN == 0;
        let confirmed = own && (0..before.len()).any(|j| {
            j != i
                && before[j] == 0
                && matches!((&prices[i], &prices[j]), (Some(a), Some(b)) if !apart(&a[0], &b[0], &tolerance))
        });
        if confirmed {
            asset |= 1 << 44;
        }
    }
    // 5.9
    if m.recovering {
        asset |= 1 << 43;
    }
    let verdict = if asset & INSANE != 0 { 2 } else { u8::from(asset != 0) };
    if verdict == 2 {
        result = [big(0), big(0), big(0)];
    }
    let reasons = masks.iter().fold(asset, |all, mask| all | mask);
    let after = remember(c, input, m, (verdict, reasons), &result[0], &sound_legs);
    Said { verdict, reasons, sources: masks, price: result, after }
}

fn off_peg(c: &AssetConfig, mid: &BigInt, below: u16, above: u16) -> bool {
    let peg = big(c.peg.0);
    if peg == big(0) {
        return false;
    }
    if mid < &peg {
        below != 0 && (&peg - mid) * 10_000 > big(below) * &peg
    } else {
        above != 0 && (mid - &peg) * 10_000 > big(above) * &peg
    }
}

/// Section 6.
fn remember(
    c: &AssetConfig,
    input: &Input,
    m: &Memory,
    (verdict, reasons): (u8, u64),
    mid: &BigInt,
    sound_legs: &[(usize, usize)],
) -> Memory {
    let mut after = m.clone();
    let bad = verdict == 2 || reasons >> 33 & 1 == 1;
    if bad && reasons >> 20 & 1 == 1 {
        return after;
    }
    let (now, spacing) = (big(input.now), big(c.recover_spacing));
    if bad {
        (after.recovering, after.good, after.good_at) = (true, 0, input.now);
    } else if m.recovering && now >= big(m.good_at) + &spacing {
        after.good_at = input.now;
        if u32::from(m.good) + 1 >= u32::from(c.recover_count) {
            (after.recovering, after.good) = (false, 0);
        } else {
            after.good = m.good + 1;
        }
    }
    if verdict != 2 && (m.last_at == 0 || now >= big(m.last_at) + spacing) {
        after.last = oracle_guard::Price(u128::try_from(mid).expect("a price"));
        after.last_at = input.now;
    }
    for (i, j) in sound_legs {
        if matches!(c.sources[*i].legs[*j].kind, Kind::Chainlink | Kind::Pyth) {
            let seen = &input.sources[*i][*j];
            after.sources[*i][*j] =
                oracle_guard::LegMemory { round: seen.round_id, updated_at: seen.updated_at };
        }
    }
    after
}
