// What of contracts/ the tests reach: a table, then each line and branch that they do not.
//
//   node script/coverage.mjs     exit code 1 when a test fails, or less than 98 % of lines or 95 % of branches are reached
//
// Left out: the invariants, whose random calls reach much without a test that says what should come of it; and the
// test that reads out/, where this build does not write. A branch is the body of an `if`: forge sees no condition
// that was never false.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const lcov = 'cache/coverage/lcov.info'
mkdirSync('cache/coverage', { recursive: true })
const path = [resolve('script/bin'), process.env.PATH].join(delimiter)
const { status, error, stdout, stderr } = spawnSync('forge', ['coverage', '--report', 'summary', '--report', 'lcov',
  '--report-file', lcov, '--no-match-path', 'tests/contracts/invariant/*', '--no-match-test', 'test_the_vault_is_whole',
  '--no-match-coverage', '^(tests|script|node_modules)/'],
{ env: { ...process.env, PATH: path, FOUNDRY_PROFILE: 'coverage' }, encoding: 'utf8', maxBuffer: 1 << 28 })
if (status !== 0) {
  console.error(error?.message ?? stdout + stderr)
  process.exit(1)
}
console.log(stdout.slice(stdout.indexOf('╭')).split('\n').filter(line => /^[╭|╰+]/.test(line) && !/^\|-/.test(line)).join('\n'))

let file, lines
const missed = new Map()
const seen = { DA: 0, BRDA: 0 }
const reached = { DA: 0, BRDA: 0 }
for (const entry of readFileSync(lcov, 'utf8').split('\n')) {
  const [, kind, what] = /^(\w+):(.*)/.exec(entry) ?? []
  if (kind === 'SF') [file, lines] = [what, readFileSync(what, 'utf8').split('\n')]
  const [line, ...hits] = what?.split(',') ?? []
  if (!['DA', 'BRDA'].includes(kind)) continue
  ++seen[kind]
  if (!['0', '-'].includes(hits.at(-1))) {
    ++reached[kind]
    continue
  }
  missed.set(`${file}:${line}`, lines[line - 1].trim())
}
console.log(`\nNot reached, lines and branches (${lcov}; left out: invariants):`)
for (const [where, code] of missed) console.log(`${where}\t${code}`)

const percent = kind => (100 * reached[kind]) / seen[kind]
for (const [kind, name, least] of [['DA', 'lines', 98], ['BRDA', 'branches', 95]]) {
  console.log(`${name}: ${reached[kind]} of ${seen[kind]}, ${percent(kind).toFixed(2)} %; at least ${least} %`)
  if (percent(kind) < least) process.exitCode = 1
}
