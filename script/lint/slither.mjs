// Slither over contracts/, against script/lint/slither-triage.json: every finding of high or medium severity has an
// entry that says why it is fine, and every entry has a finding.
//
//   node script/lint/slither.mjs     exit code 1 when that is not so
//
// Everything it makes is in cache/slither: the Python environment, a build of contracts/ alone, the reports.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const requirements = 'script/lint/requirements.txt'
const triage = 'script/lint/slither-triage.json'
const dir = 'cache/slither'
const venv = join(dir, 'venv')
const python = process.env.PYTHON ?? 'python3'
const env = { ...process.env, FOUNDRY_PROFILE: 'default' }
env.PATH = [resolve('script/bin'), env.PATH].join(delimiter)

function fail (...lines) {
  console.error(lines.join('\n'))
  process.exit(1)
}

function run (command, ...args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: 1 << 28 })
  return { ok: status === 0, said: error ? error.message : `${stdout}${stderr}`.trim() }
}

function install () {
  const wanted = readFileSync(requirements, 'utf8')
  const stamp = join(venv, 'requirements.txt')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && run(join(venv, 'bin/slither'), '--version').ok) return
  const old = run(python, '-c', 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else sys.version.split()[0])')
  if (!old.ok) {
    fail(`Slither needs Python 3.10 or newer; \`${python}\` says: ${old.said}`,
      'Install it, or name another: PYTHON=/path/to/python3 make lint')
  }
  rmSync(venv, { recursive: true, force: true })
  // Debian keeps what puts pip into an environment in a package of its own: then the pip outside does.
  let pip = [join(venv, 'bin/python'), '-m', 'pip']
  const made = run(python, '-m', 'venv', venv)
  if (!made.ok) {
    rmSync(venv, { recursive: true, force: true })
    const bare = run(python, '-m', 'venv', '--without-pip', venv)
    pip = [python, '-m', 'pip', '--python', join(venv, 'bin/python')]
    if (!bare.ok || !run(...pip, '--version').ok) {
      fail(made.said, `\`${python}\` can make no environment with pip.`,
        'Install its venv package (Debian: python3-venv), or name another: PYTHON=/path/to/python3 make lint')
    }
  }
  const got = run(...pip, 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '-r', requirements)
  if (!got.ok) fail(got.said, `Not installed: ${requirements}. Is the package index reachable?`)
  writeFileSync(stamp, wanted)
}

function analyse () {
  const [out, cache, json] = ['out', 'forge', 'report.json'].map(name => join(dir, name))
  for (const old of [out, cache, json]) rmSync(old, { recursive: true, force: true })
  // Slither's own build would clean out/ first.
  const built = run('forge', 'build', '--quiet', '--build-info', '--deny', 'never', '--skip', './tests/**',
    '--skip', './script/**', '--out', out, '--cache-path', cache)
  if (!built.ok) fail(built.said, 'contracts/ does not build.')
  // A triage database of Slither's own would hide findings: that file never is.
  const { ok, said } = run(join(venv, 'bin/slither'), '.', '--ignore-compile', '--foundry-out-directory', out,
    '--filter-paths', '(^|/)node_modules/', '--triage-database', join(dir, 'none'), '--no-fail-pedantic',
    '--disable-color', '--json', json)
  writeFileSync(join(dir, 'report.txt'), said)
  if (!ok || !existsSync(json)) fail(said, 'Slither failed.')
  const report = JSON.parse(readFileSync(json, 'utf8'))
  if (!report.success) fail(report.error, 'Slither failed.')
  return report.results.detectors ?? []
}

// An entry names what was found without line numbers, which move.
function key ({ check, elements }) {
  const [first, ...rest] = elements
  const path = []
  for (let e = first; e && path.length < 3; e = e.type_specific_fields?.parent) {
    if (e.type !== 'node') path.unshift(e.type_specific_fields?.signature ?? e.name)
  }
  const what = first.type === 'node' ? elements : rest
  return { detector: check, where: path.join('.'), what: what.map(e => e.name).join('; ') || undefined }
}

const same = (a, b) => a.detector === b.detector && a.where === b.where && a.what === b.what

install()
for (const file of readdirSync('contracts', { recursive: true }).filter(name => name.endsWith('.sol'))) {
  if (/slither-disable/.test(readFileSync(join('contracts', file), 'utf8'))) {
    fail(`contracts/${file} silences Slither: what it finds is explained in ${triage}.`)
  }
}
mkdirSync(dir, { recursive: true })
const findings = analyse()
const severe = findings.filter(f => ['High', 'Medium'].includes(f.impact))
// One entry for one finding: the same once more needs another.
const stale = JSON.parse(readFileSync(triage, 'utf8'))
const open = severe.filter(finding => {
  const at = stale.findIndex(entry => same(entry, key(finding)) && entry.why?.trim())
  return at < 0 || (stale.splice(at, 1), false)
})
for (const finding of open) {
  console.error(`${finding.impact}, ${finding.description.trim()}\n${JSON.stringify({ ...key(finding), why: '' }, null, 2)}\n`)
}
for (const entry of stale) console.error(`No such finding any more, or no reason: ${JSON.stringify(entry)}`)
if (open.length || stale.length) {
  fail(`Slither: ${open.length} findings without an entry in ${triage}, ${stale.length} entries without a finding.`,
    'Fix what is wrong; of what is fine, add the entry above with the reason. Remove entries whose finding is gone.')
}
const count = impact => findings.filter(f => f.impact === impact).length
console.log(`Slither: ${count('High')} high, ${count('Medium')} medium, all explained; not judged: ${count('Low')} low, ` +
  `${count('Informational')} informational, ${count('Optimization')} on gas (${join(dir, 'report.txt')})`)
