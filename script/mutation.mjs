// `make mutation`: changes one thing at a time in the code that pays, bounds and upgrades, and asks whether a test
// notices. A mutant that no test kills needs a reason in script/mutation-survivors.json, or the run fails; it fails too when
// less than 95 % of those that compile are killed.
//
//   node script/mutation.mjs [--list] [--only FILE_PART] [--sample N] [--workers N] [--survivors | --resume]
//
// With --survivors, those that survived the last run meet the tests again; the verdicts on the others stand. With --resume
// a run that was interrupted goes on, if contracts and tests are still those that it judged.
//
// Compiling costs far more than testing, so all mutants are compiled once, each beside the original and behind
// `block.prevrandao == its number`, which a run of the tests sets. What cannot be put so (constants, heads in assembly) is
// compiled by itself.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import { schema, unpured } from "./mutation-schema.mjs";

const ROOT = resolve(import.meta.dirname, "..");
const WORK = join(ROOT, "cache/mutation");
const KNOWN = join(ROOT, "script/mutation-survivors.json");

const SCOPE = {
  settlement: ["vault/Orders", "vault/Opening", "vault/Depositors", "vault/Payments", "vault/Announcements", "vault/LaneControl",
    "vault/Treasury", "libraries/Push", "Approvers"],
  breaker: ["vault/Breaker", "vault/LimitControl", "vault/Pauses", "vault/PauseControl", "libraries/Bucket",
    "libraries/Words"],
  registry: ["VersionRegistry", "VaultGate"],
};

/** Each: what to look for in a line of code, and what it becomes. */
const SWAPS = [
  [/ < /g, " <= "], [/ <= /g, " < "], [/ > /g, " >= "], [/ >= /g, " > "], [/ == /g, " != "], [/ != /g, " == "],
  [/ && /g, " || "], [/ \|\| /g, " && "], [/!(?=[\w_(])/g, ""],
  [/ \+ /g, " - "], [/ - /g, " + "], [/ \* /g, " / "], [/ \/ /g, " * "], [/ % /g, " * "], [/ \*\* /g, " * "],
  [/ \+= /g, " -= "], [/ -= /g, " += "], [/\+\+/g, "--"],
  [/ << /g, " >> "], [/ >> /g, " << "], [/ & /g, " | "], [/ \| /g, " & "], [/~(?=\()/g, ""],
  [/\bgt\(/g, "lt("], [/\blt\(/g, "gt("], [/\badd\(/g, "sub("], [/\band\(/g, "or("], [/\bor\(/g, "and("],
  [/\beq\(/g, "gt("], [/\bshr\(/g, "shl("],
  [/\bMath\.max\(/g, "Math.min("], [/\bMath\.min\(/g, "Math.max("], [/Rounding\.Ceil/g, "Rounding.Floor"],
  [/\btrue\b/g, "false"], [/\bfalse\b/g, "true"],
  [/ nonReentrant\b/g, ""], [/ restricted\b/g, ""],
  [/(?<![\w.])(\d[\d_]*)(?![\w.])/g, (n) => String(BigInt(n.replaceAll("_", "")) + 1n)],
];
/** A statement of one line that may be left out: no declaration, no end of a longer one. */
const STATEMENT = /^\s+(?:(?:if|emit|delete|revert|for|while)\b.*|[\w_$(][\w_$.()[\], :{}+*/<>=!&|~-]*);$/;
const DECLARATION = /^\s+(?:\((?:uint|bool|address|bytes|[A-Z])|uint|int|bytes|bool|address|string|mapping|event|error|using|import|let|return\b|type |struct |constructor|function|[A-Z][\w.]*(?:\[\])? (?:storage|memory|calldata|private|public|constant|immutable)?)/;

function mutantsOf(file, text) {
  const mutants = [];
  const lines = text.split("\n");
  let depth = 0;
  let inFunction = 0;
  for (const [i, line] of lines.entries()) {
    const code = line.replace(/\/\/.*$/, "");
    const starts = /^\s+(?:function|modifier|constructor|receive)\b/.test(code);
    if (starts && !inFunction) inFunction = depth + 1;
    const at = (changed, what) => mutants.push({ file, line: i + 1, what, before: line.trim(), changed, after: changed.trim() });
    const interesting = inFunction || /\bconstant\b/.test(code);
    if (interesting && code.trim() && !/^\s*(?:\*|pragma|import|event|error|type|using)/.test(code)
      && !/constant STORAGE|_TYPE =|Settlement\(/.test(code)) {
      for (const [pattern, to] of SWAPS) {
        for (const m of code.matchAll(pattern)) {
          const by = typeof to === "function" ? to(m[0]) : to;
          at(code.slice(0, m.index) + by + code.slice(m.index + m[0].length), `${m[0].trim() || m[0]} -> ${by.trim()}`);
        }
      }
      const whole = STATEMENT.test(code) && !DECLARATION.test(code) && balanced(code)
        && /[;{}]\s*$|^\s*$|unchecked \{|\*\/$|^\s*\/\//.test((lines[i - 1] ?? "").replace(/\/\/.*$/, "") || " ");
      if (whole) at(code.replace(/\S.*$/, "{}"), "statement left out");
    }
    for (const c of code) {
      if (c === "{") ++depth;
      if (c === "}") --depth;
    }
    if (inFunction && depth < inFunction && /[;}]\s*$/.test(code)) inFunction = 0;
  }
  return mutants;
}

function balanced(code) {
  let open = 0;
  for (const c of code) open += "([{".includes(c) ? 1 : ")]}".includes(c) ? -1 : 0;
  return open === 0;
}

/** Ten times what the slowest suite takes: a mutant whose loop has no end is killed by it. */
const TIMEOUT = 300_000;

const idOf = (m) => `${m.file} | ${m.before} | ${m.what}`;

function run(args, cwd, env, timeout) {
  return new Promise((done) => {
    execFile("forge", args, { cwd, timeout, killSignal: "SIGKILL", maxBuffer: 1 << 28, env: { ...process.env, ...env } },
      (error, stdout, stderr) => done({ ok: !error, output: stdout + stderr }));
  });
}

const ENV = {
  FOUNDRY_DENY: "never",
  // Half the time; nothing here measures gas or size.
  FOUNDRY_OPTIMIZER: "false",
  FOUNDRY_EXTRA_OUTPUT: "[]",
  FOUNDRY_LINT_LINT_ON_BUILD: "false",
  FOUNDRY_FUZZ_RUNS: "32",
  FOUNDRY_INVARIANT_RUNS: "4",
  PATH: `${join(ROOT, "script/bin")}:${process.env.PATH}`,
};
const REMAPPINGS = execFileSync("forge", ["remappings"], { cwd: ROOT, env: ENV, encoding: "utf8" }).trim().split("\n");
/** For a mutant compiled alone: tests deploy what is in out/, so that it compiles the contracts and not the tests. */
const ALONE = { ...ENV, FOUNDRY_DYNAMIC_TEST_LINKING: "true" };
/** Tests of code that is not in the scope. */
const ELSEWHERE = ["tests/contracts/margin", "tests/contracts/oracle", "tests/contracts/swap"];
const BESIDE = ["--fail-fast", "--no-match-path", `{${ELSEWHERE.join()}}/**`];
/** First what is quick to compile and run; what it does not kill meets the rest. */
const SLOW = "PowersTest|VaultInvariants|UpgradeTest";
const SUITES = {
  vault: [["test", "--no-match-contract", SLOW, ...BESIDE], ["test", "--match-contract", SLOW, ...BESIDE]],
  registry: [["test", "--match-contract", "UpgradeTest|DeployTest", ...BESIDE],
    ["test", "--no-match-contract", "UpgradeTest|DeployTest", ...BESIDE]],
};
const suitesOf = (mutant) => (SCOPE.registry.includes(mutant.file) ? SUITES.registry : SUITES.vault);

function copyTo(name) {
  // What was built there before stays: forge compares what it was built from.
  const dir = join(WORK, name);
  mkdirSync(join(dir, "deployments"), { recursive: true });
  for (const part of ["contracts", "tests/contracts", "script", "foundry.toml", "package.json"]) {
    rmSync(join(dir, part), { recursive: true, force: true });
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  rmSync(join(dir, "node_modules"), { force: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  return dir;
}

async function requireGreen(dir, env) {
  for (const suite of SUITES.vault) {
    const { ok, output } = await run(suite, dir, env, 1_800_000);
    if (!ok) throw new Error(`the tests fail without any mutation:\n${output.slice(-3000)}`);
  }
}

const solFiles = (dir) => ["contracts", "tests/contracts", "script"]
  .flatMap((part) => readdirSync(join(dir, part), { recursive: true }).map((f) => join(part, f)))
  .filter((f) => f.endsWith(".sol"));

/** The project with every mutant in it that can be switched; says which those are, and which do not compile. */
async function prepareSwitched() {
  const dir = copyTo("switched");
  for (const f of solFiles(dir)) writeFileSync(join(dir, f), unpured(readFileSync(join(dir, f), "utf8")));
  const unviable = new Set();
  const held = new Set();
  const sources = new Map(Object.values(SCOPE).flat().map((f) => [f, readFileSync(join(dir, "contracts", `${f}.sol`), "utf8")]));
  for (;;) {
    held.clear();
    const lines = new Map();
    for (const [f, text] of sources) {
      const s = schema(text, mutants.filter((m) => m.file === f && !unviable.has(m.number)));
      lines.set(`contracts/${f}.sol`, s);
      for (const number of s.held) held.add(number);
      writeFileSync(join(dir, "contracts", `${f}.sol`), s.text);
    }
    const errors = typeErrors(dir);
    if (!errors.length) break;
    for (const e of errors) {
      const number = mutantAt(lines, e.sourceLocation) || blamed(lines, e.sourceLocation);
      if (!number) throw new Error(`not a mutant's: ${e.formattedMessage}`);
      unviable.add(number);
    }
  }
  const { ok, output } = await run(["build"], dir, ENV, 1_800_000);
  if (!ok) throw new Error(output.slice(-3000));
  return { dir, held, unviable };
}

/** The compiler counts bytes. */
const bytes = (s, from, to) => Buffer.from(s?.text ?? "").subarray(from, to).toString();

function mutantAt(lines, { file, start }) {
  const s = lines.get(file);
  return s?.numbers[bytes(s, 0, start).split("\n").length - 1];
}

/** An error beside a mutant: a storage pointer is not set when the statement is left out. */
function blamed(lines, { file, start, end }) {
  const s = lines.get(file);
  const name = /(\w+)$/.exec(bytes(s, start, end))?.[1];
  const line = bytes(s, 0, start).split("\n").length;
  const far = (m) => Math.abs(s.numbers.indexOf(m.number) - line);
  return mutants.filter((m) => m.what === "statement left out" && m.before.startsWith(`${name} =`) && s.held.has(m.number))
    .sort((a, b) => far(a) - far(b))[0]?.number;
}

/** What does not compile, without generating code. */
function typeErrors(dir) {
  const solc = createRequire(import.meta.url)("solc");
  const sources = {};
  for (const f of solFiles(dir).filter((f) => f.startsWith("contracts"))) sources[f] = { content: readFileSync(join(dir, f), "utf8") };
  const input = { language: "Solidity", sources, settings: {
    remappings: REMAPPINGS, outputSelection: { "*": { "": ["ast"] } },
  } };
  const load = (path) => ({ contents: readFileSync(join(ROOT, path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  return (output.errors ?? []).filter((e) => e.severity === "error");
}

/** Copies with the quick and with the slow tests alone: a filter would make forge compile again to apply it. */
function halvesOf(switchedDir, worker) {
  return ["quick", "slow"].map((half) => {
    const dir = join(WORK, `${half}-${worker}`);
    rmSync(dir, { recursive: true, force: true });
    cpSync(switchedDir, dir, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    for (const f of solFiles(dir).filter((f) => f.endsWith(".t.sol"))) {
      if (ELSEWHERE.some((part) => f.startsWith(part))) rmSync(join(dir, f));
      else if (new RegExp(SLOW).test(f.replace(".t.sol", "Test")) !== (half === "slow")) rmSync(join(dir, f));
    }
    return dir;
  });
}

async function testSwitched(halves, number) {
  const env = { ...ENV, FOUNDRY_BLOCK_PREVRANDAO: `0x${number.toString(16).padStart(64, "0")}` };
  for (const dir of halves) {
    const { ok, output } = await run(["test", "--fail-fast"], dir, env, TIMEOUT);
    if (!ok) return output;
  }
  return "";
}

async function judgeSwitched([quick, slow], mutant) {
  const halves = SCOPE.registry.includes(mutant.file) ? [slow, quick] : [quick, slow];
  return (await testSwitched(halves, mutant.number)) ? "killed" : "survived";
}

async function judgeAlone(dir, mutant) {
  const path = join(dir, "contracts", `${mutant.file}.sol`);
  const original = readFileSync(path, "utf8");
  const lines = original.split("\n");
  lines[mutant.line - 1] = mutant.changed;
  writeFileSync(path, lines.join("\n"));
  try {
    for (const suite of suitesOf(mutant)) {
      // Apart: the time limit is for loops without an end, not for a compiler on a busy machine.
      const built = await run([...suite, "--list"], dir, ALONE, 1_800_000);
      if (/Compilation failed|Compiler run failed/.test(built.output)) return "unviable";
      if (!built.ok) throw new Error(built.output.slice(-3000));
      if (!(await run(suite, dir, ALONE, TIMEOUT)).ok) return "killed";
    }
    return "survived";
  } finally {
    writeFileSync(path, original);
  }
}

/** One digest of all that the verdicts depend on. */
function digestOf(paths) {
  const hash = createHash("sha256");
  const files = paths.flatMap((p) => statSync(join(ROOT, p)).isDirectory()
    ? readdirSync(join(ROOT, p), { recursive: true }).map((f) => join(p, f)) : [p]);
  for (const file of files.filter((f) => statSync(join(ROOT, f)).isFile()).sort()) {
    hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest("hex");
}

function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const only = option("only", "");
let mutants = Object.values(SCOPE).flat().filter((f) => f.includes(only))
  .flatMap((f) => mutantsOf(f, readFileSync(join(ROOT, "contracts", `${f}.sol`), "utf8")));
for (const [i, m] of mutants.entries()) m.number = i + 1;
const all = mutants.length;
const sample = Number(option("sample", "0"));
// In an order that is the same each time and mixes the files: what is done so far is a sample.
const order = (m) => createHash("sha256").update(idOf(m) + m.line).digest("hex");
mutants.sort((a, b) => (order(a) < order(b) ? -1 : 1));
if (sample) mutants = mutants.slice(0, sample);
if (process.argv.includes("--list")) {
  for (const m of mutants) console.log(`${m.file}:${m.line}\t${m.what}\t${m.after}`);
  console.log(`${mutants.length} of ${all}`);
  process.exit(0);
}

mkdirSync(WORK, { recursive: true });
const REPORT = join(WORK, "report.json");
const known = new Map((existsSync(KNOWN) ? JSON.parse(readFileSync(KNOWN, "utf8")) : []).map((k) => [k.mutant, k]));
const tree = digestOf(["contracts", "tests/contracts", "foundry.toml", "package-lock.json"]);
let results = [];
const [survivors, resume] = ["--survivors", "--resume"].map((name) => process.argv.includes(name));
if (survivors || resume) {
  const last = JSON.parse(readFileSync(REPORT, "utf8"));
  if (resume && last.tree !== tree) throw new Error("contracts or tests changed since: begin anew, without --resume");
  const exactly = (m) => `${m.file}:${m.line} ${m.what} ${m.changed}`;
  const before = new Map(last.results.map((r) => [exactly(r), r.verdict]));
  const stands = (m) => before.has(exactly(m)) && !(survivors && before.get(exactly(m)) === "survived");
  results = mutants.filter(stands).map((m) => ({ ...m, verdict: before.get(exactly(m)) }));
  mutants = mutants.filter((m) => (survivors ? before.get(exactly(m)) === "survived" : !stands(m)));
}
const [started, total] = [Date.now(), mutants.length];
let judged = 0;
function record(m, verdict) {
  results.push({ ...m, verdict });
  if (verdict === "survived") console.error(`survived  ${m.file}:${m.line}  ${m.what}  ${m.after}`);
  if (++judged % 20 === 0) {
    const left = ((Date.now() - started) / judged) * (total - judged);
    console.error(`${judged} of ${total}, ${Math.ceil(left / 60_000)} minutes to go`);
  }
  writeFileSync(REPORT, JSON.stringify({ tree, results }, null, 1));
}
const { dir: switchedDir, held, unviable } = await prepareSwitched();
const apart = mutants.filter((m) => !held.has(m.number) && !unviable.has(m.number));
console.error(`${held.size} mutants in one build, ${unviable.size} do not compile, ${apart.length} are compiled alone`);
for (const m of mutants.filter((m) => unviable.has(m.number))) record(m, "unviable");
const workers = Array.from({ length: Number(option("workers", "2")) }, (_, i) => i);
const queue = mutants.filter((m) => held.has(m.number));
await Promise.all(workers.map(async (worker) => {
  const halves = halvesOf(switchedDir, worker);
  const broken = worker ? "" : await testSwitched(halves, 0);
  if (broken) throw new Error(`the tests fail without any mutation:\n${broken.slice(-3000)}`);
  for (let m = queue.shift(); m; m = queue.shift()) record(m, await judgeSwitched(halves, m));
}));
await Promise.all(workers.map(async (worker) => {
  if (!apart.length) return;
  const dir = copyTo(`alone-${worker}`);
  await requireGreen(dir, ALONE);
  for (let m = apart.shift(); m; m = apart.shift()) record(m, await judgeAlone(dir, m));
}));

let unexplained = 0;
let tooFew = false;
for (const [part, files] of Object.entries(SCOPE)) {
  const of = results.filter((r) => files.includes(r.file) && r.verdict !== "unviable");
  if (!of.length) continue;
  const survived = of.filter((r) => r.verdict === "survived");
  const open = survived.filter((r) => !known.has(idOf(r)));
  unexplained += open.length;
  const killed = of.length - survived.length;
  tooFew ||= killed < 0.95 * of.length;
  console.log(`${part}: ${killed} of ${of.length} viable mutants killed, ${((100 * killed) / of.length).toFixed(1)} %; `
    + `survivors: ${survived.length - open.length} explained, ${open.length} not`);
  for (const r of open) console.log(`  ${idOf(r)}  (line ${r.line})`);
}
console.log(`judged ${results.length} of ${all} mutants`);
process.exit(unexplained || tooFew ? 1 : 0);
