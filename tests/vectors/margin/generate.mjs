// Writes black76.json and margin.json: what tests on chain and the keeper hold their own results against.
//
//   node tests/vectors/margin/generate.mjs           compares; exit code 1 when a file differs
//   node tests/vectors/margin/generate.mjs --write   writes them
//
// Independent of both: whole numbers of 90 decimals, textbook series, the formulas of docs/margin.md. All values are
// decimal strings, scaled by 10^18 unless said otherwise.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// ------------------------------------------------------------------------------------------------- arithmetic

const ONE = 10n ** 90n
const WAD = 10n ** 18n
const mul = (a, b) => a * b / ONE
const div = (a, b) => a * ONE / b
const fromWad = x => x * (ONE / WAD)

function sqrt (x) {
  let n = x * ONE
  let root = 1n << BigInt(n.toString(2).length / 2 | 0)
  for (;;) {
    const next = (root + n / root) / 2n
    if (next === root || next === root + 1n) return root
    if (next > root && next - root < 2n) return root
    const step = next > root ? next - root : root - next
    root = next
    if (step <= 1n) return root
  }
}

/** 2 * atanh((x - 1) / (x + 1)) for x near 1, after halving to there. */
function ln (x) {
  let twos = 0n
  while (x > ONE * 3n / 2n) { x /= 2n; ++twos }
  while (x < ONE * 3n / 4n) { x *= 2n; --twos }
  return atanhTwice(x) + twos * LN2
}
function atanhTwice (x) {
  const y = div(x - ONE, x + ONE)
  const square = mul(y, y)
  let sum = 0n
  let power = y
  for (let k = 1n; power !== 0n; k += 2n) { sum += power / k; power = mul(power, square) }
  return 2n * sum
}
const LN2 = atanhTwice(2n * ONE)

function exp (x) {
  const twos = x / LN2
  x -= twos * LN2
  let sum = 0n
  let term = ONE
  for (let k = 1n; term !== 0n; ++k) { sum += term; term = mul(term, x) / k }
  return twos < 0n ? sum >> -twos : sum << twos
}

/** Machin: 16 atan(1/5) - 4 atan(1/239). */
function atanOfInverse (n) {
  let sum = 0n
  let power = ONE / n
  for (let k = 1n, sign = 1n; power !== 0n; k += 2n, sign = -sign) { sum += sign * power / k; power /= n * n }
  return sum
}
const PI = 16n * atanOfInverse(5n) - 4n * atanOfInverse(239n)
const ROOT_2PI = sqrt(2n * PI)

/** N(x) = 1/2 + phi(x) * (x + x^3/3 + x^5/(3*5) + ...). Exact enough for |x| < 18: 90 decimals less those that cancel. */
function normal (x) {
  if (x > 18n * ONE) return ONE
  if (x < -18n * ONE) return 0n
  const square = mul(x, x)
  let sum = 0n
  let term = x
  for (let k = 3n; term !== 0n; k += 2n) { sum += term; term = mul(term, square) / k }
  return ONE / 2n + mul(div(exp(-square / 2n), ROOT_2PI), sum)
}

// ----------------------------------------------------------------------------------------------------- models

/** Value of one option; all arguments and the result with 90 decimals. */
function black76 (forward, strike, v, isCall) {
  const payoff = isCall ? forward - strike : strike - forward
  if (v === 0n) return payoff > 0n ? payoff : 0n
  const d1 = div(ln(div(forward, strike)), v) + v / 2n
  const d2 = d1 - v
  return isCall
    ? mul(forward, normal(d1)) - mul(strike, normal(d2))
    : mul(strike, normal(-d2)) - mul(forward, normal(-d1))
}

const max = (...all) => all.reduce((a, b) => a > b ? a : b)
const min = (...all) => all.reduce((a, b) => a < b ? a : b)
const part = (amount, bps) => amount * BigInt(bps) / 10000n

/** Initial and maintenance margin of the legs of one expiry: docs/margin.md. 90 decimals. */
function requirement ({ legs, lo, hi, vInitial, vMaintenance, shares }) {
  let initial = 0n
  let maintenance = 0n
  let net = 0n
  const worstAt = price => legs.reduce((sum, { strike, isCall, size }) =>
    sum + mul(size, max(isCall ? price - strike : strike - price, 0n)), 0n)
  for (const { strike, isCall, size } of legs) {
    if (isCall) net += size
    if (size >= 0n) continue
    const price = isCall ? hi : lo
    const otm = max(isCall ? strike - hi : lo - strike, 0n)
    const marks = [vInitial, vMaintenance].map(v => black76(price, strike, v, isCall))
    const floor = isCall ? 0n : part(marks[1], shares.putMarkBps)
    const needed = max(part(hi, shares.maintenanceBps), floor) + marks[1]
    const opening = max(part(hi, shares.maxSpotBps) - otm, part(hi, shares.minSpotBps)) + marks[0]
    maintenance += mul(-size, needed)
    initial += mul(-size, max(opening, needed))
  }
  if (initial === 0n) return { initial, maintenance }
  let worst = -min(worstAt(0n), ...legs.map(leg => worstAt(leg.strike)))
  worst = max(worst, 0n) + mul(max(-net, 0n), part(hi, shares.unpairedBps))
  return { initial: min(initial, worst), maintenance: min(maintenance, worst) }
}

// ---------------------------------------------------------------------------------------------------- the cases

const YEAR = 31_536_000n
const HOUR = 3600n
const DAY = 24n * HOUR
const years = (sigma, seconds) => mul(fromWad(sigma), sqrt(ONE * seconds / YEAR))
const wad = text => {
  const [whole, fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(18, '0'))
}

function blackVectors () {
  const columns = { forward: [], strike: [], volatility: [], seconds: [], isCall: [], value36: [] }
  for (const forward of ['3000', '0.000333', '97123.45']) {
    for (const ratio of [250n, 500n, 800n, 900n, 970n, 1000n, 1030n, 1100n, 1250n, 2000n, 4000n]) {
      for (const seconds of [HOUR, DAY, 7n * DAY, 30n * DAY, 180n * DAY, 730n * DAY]) {
        for (const volatility of ['0.2', '0.65', '1.3', '4']) {
          for (const isCall of [true, false]) {
            const [f, sigma] = [wad(forward), wad(volatility)]
            const strike = f * ratio / 1000n
            const value = black76(fromWad(f), fromWad(strike), years(sigma, seconds), isCall)
            columns.forward.push(f); columns.strike.push(strike); columns.volatility.push(sigma)
            columns.seconds.push(seconds); columns.isCall.push(isCall)
            columns.value36.push(max(value, 0n) / (ONE / WAD / WAD))
          }
        }
      }
    }
  }
  return columns
}

const SHARES = { maxSpotBps: 1500, minSpotBps: 1000, maintenanceBps: 750, putMarkBps: 750, unpairedBps: 12000 }

function marginVectors () {
  const C = (strike, size) => ({ strike, isCall: true, size })
  const P = (strike, size) => ({ strike, isCall: false, size })
  const books = {
    'short call at the money': [C('3000', '-1')],
    'short call far out of the money': [C('6000', '-2.5')],
    'short call in the money': [C('2000', '-1')],
    'short put at the money': [P('3000', '-1')],
    'short put out of the money': [P('2400', '-3')],
    'short put deep in the money': [P('9000', '-1')],
    'put covered in cash at most': [P('200', '-10')],
    'long options need nothing': [C('3000', '4'), P('2500', '1')],
    'call spread, short below long': [C('3000', '-1'), C('3200', '1')],
    'call spread, long below short': [C('3000', '1'), C('3200', '-1')],
    'put spread': [P('3000', '-2'), P('2700', '2')],
    'iron condor': [P('2500', '1'), P('2700', '-1'), C('3300', '-1'), C('3500', '1')],
    'ratio: two short for one long': [C('3000', '1'), C('3300', '-2')],
    'ratio, wide': [C('3000', '9'), C('3001', '-10')],
    'short straddle': [C('3000', '-1'), P('3000', '-1')],
    'butterfly': [C('2800', '1'), C('3000', '-2'), C('3200', '1')],
    'short call covered by a put does not count': [C('3000', '-1'), P('3000', '1')],
    'many strikes': Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? C : P)(String(2000 + 100 * i), i % 3 ? '-0.7' : '1.1'))
  }
  const markets = {
    month: { lo: '2995', hi: '3005', volatility: '0.65', seconds: 30n * DAY, stale: false },
    hour: { lo: '3000', hi: '3000', volatility: '1.2', seconds: HOUR, stale: false },
    'old volatility': { lo: '2999.5', hi: '3000.5', volatility: '0.5', seconds: 90n * DAY, stale: true },
    crash: { lo: '1490', hi: '1510', volatility: '2', seconds: 7n * DAY, stale: false },
    rally: { lo: '8950', hi: '9050', volatility: '0.9', seconds: 7n * DAY, stale: false }
  }
  const cases = []
  for (const [world, m] of Object.entries(markets)) {
    for (const [name, book] of Object.entries(books)) {
      const sigma = wad(m.volatility)
      const buffered = sigma + sigma / 10n
      const initialSigma = m.stale ? wad('3') : buffered
      const legs = book.map(({ strike, isCall, size }) => ({ strike: wad(strike), isCall, size: signed(size) }))
      const r = requirement({
        legs: legs.map(l => ({ strike: fromWad(l.strike), isCall: l.isCall, size: fromWad(l.size) })),
        lo: fromWad(wad(m.lo)),
        hi: fromWad(wad(m.hi)),
        vInitial: years(initialSigma, m.seconds),
        vMaintenance: years(buffered, m.seconds),
        shares: SHARES
      })
      cases.push({
        name: `${name}, ${world}`,
        lo: wad(m.lo),
        hi: wad(m.hi),
        seconds: m.seconds,
        initialVolatility: initialSigma,
        maintenanceVolatility: buffered,
        strikes: legs.map(l => l.strike),
        calls: legs.map(l => l.isCall),
        sizes: legs.map(l => l.size),
        initial: r.initial / (ONE / WAD),
        maintenance: r.maintenance / (ONE / WAD)
      })
    }
  }
  return { shares: SHARES, cases }
}
const signed = text => text.startsWith('-') ? -wad(text.slice(1)) : wad(text)

// -------------------------------------------------------------------------------------------------------- files

const here = dirname(fileURLToPath(import.meta.url))
let differs = false
for (const [name, make] of [['black76.json', blackVectors], ['margin.json', marginVectors]]) {
  const text = JSON.stringify(make(), (_, value) => typeof value === 'bigint' ? String(value) : value, 1) + '\n'
  const file = join(here, name)
  if (process.argv.includes('--write')) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) { console.error(`${name} is not what generate.mjs makes`); differs = true }
}
process.exit(differs ? 1 : 0)
