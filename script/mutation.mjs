// `make mutation`: changes one thing at a time in the code that pays, bounds and upgrades, and asks whether a test
// notices. A mutant that no test kills needs a reason in script/mutation-survivors.json, or the run fails.
//
//   node script/mutation.mjs [--list] [--only FILE_PART] [--sample N] [--workers N]
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const WORK = join(ROOT, "cache/mutation");
const KNOWN = join(ROOT, "script/mutation-survivors.json");

const SCOPE = {
  settlement: ["vault/Orders", "vault/Depositors", "vault/Payments", "vault/Announcements", "vault/LaneControl",
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
const DECLARATION = /^\s+(?:uint|int|bytes|bool|address|string|mapping|event|error|using|import|let|return\b|type |struct |constructor|function|[A-Z][\w.]*(?:\[\])? (?:storage|memory|calldata|private|public|constant|immutable)?)/;

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

const idOf = (m) => `${m.file} | ${m.before} | ${m.what}`;

function run(args, cwd, env, timeout) {
  return new Promise((done) => {
    execFile("forge", args, { cwd, timeout, killSignal: "SIGKILL", maxBuffer: 1 << 28, env: { ...process.env, ...env } },
      (error, stdout, stderr) => done({ ok: !error, output: stdout + stderr }));
  });
}

const ENV = {
  // Tests deploy what is in out/, so that a mutant compiles the contracts and not the tests.
  FOUNDRY_DYNAMIC_TEST_LINKING: "true",
  FOUNDRY_DENY: "never",
  // Half the time; nothing here measures gas or size.
  FOUNDRY_OPTIMIZER: "false",
  FOUNDRY_EXTRA_OUTPUT: "[]",
  FOUNDRY_LINT_LINT_ON_BUILD: "false",
  FOUNDRY_FUZZ_RUNS: "64",
  FOUNDRY_INVARIANT_RUNS: "4",
  PATH: `${join(ROOT, "script/bin")}:${process.env.PATH}`,
};
/** First what is quick to compile and run; what it does not kill meets the rest. */
const SLOW = "PowersTest|VaultInvariants|UpgradeTest";
const SUITES = {
  vault: [["test", "--no-match-contract", SLOW, "--fail-fast"], ["test", "--match-contract", SLOW, "--fail-fast"]],
  registry: [["test", "--match-contract", "UpgradeTest|DeployTest", "--fail-fast"],
    ["test", "--no-match-contract", "UpgradeTest|DeployTest", "--fail-fast"]],
};
const suitesOf = (mutant) => (SCOPE.registry.includes(mutant.file) ? SUITES.registry : SUITES.vault);

async function prepare(worker) {
  const dir = join(WORK, `worker-${worker}`);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, "deployments"), { recursive: true });
  for (const part of ["contracts", "tests/contracts", "script", "foundry.toml", "package.json"]) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const suite of SUITES.vault) {
    const { ok, output } = await run(suite, dir, ENV, 900_000);
    if (!ok) throw new Error(`the tests fail without any mutation:\n${output.slice(-3000)}`);
  }
  return dir;
}

async function judge(dir, mutant) {
  const path = join(dir, "contracts", `${mutant.file}.sol`);
  const original = readFileSync(path, "utf8");
  const lines = original.split("\n");
  lines[mutant.line - 1] = mutant.changed;
  writeFileSync(path, lines.join("\n"));
  try {
    for (const suite of suitesOf(mutant)) {
      const { ok, output } = await run(suite, dir, ENV, 240_000);
      if (/Compilation failed|Compiler run failed/.test(output)) return "unviable";
      if (!ok) return "killed";
    }
    return "survived";
  } finally {
    writeFileSync(path, original);
  }
}

function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const only = option("only", "");
let mutants = Object.values(SCOPE).flat().filter((f) => f.includes(only))
  .flatMap((f) => mutantsOf(f, readFileSync(join(ROOT, "contracts", `${f}.sol`), "utf8")));
const all = mutants.length;
const sample = Number(option("sample", "0"));
if (sample && sample < all) {
  const order = (m) => createHash("sha256").update(idOf(m) + m.line).digest("hex");
  mutants = mutants.sort((a, b) => (order(a) < order(b) ? -1 : 1)).slice(0, sample);
}
if (process.argv.includes("--list")) {
  for (const m of mutants) console.log(`${m.file}:${m.line}\t${m.what}\t${m.after}`);
  console.log(`${mutants.length} of ${all}`);
  process.exit(0);
}

mkdirSync(WORK, { recursive: true });
const known = new Map((existsSync(KNOWN) ? JSON.parse(readFileSync(KNOWN, "utf8")) : []).map((k) => [k.mutant, k]));
const results = [];
const queue = [...mutants];
const started = Date.now();
async function work(worker) {
  const dir = await prepare(worker);
  for (let m = queue.shift(); m; m = queue.shift()) {
    const verdict = await judge(dir, m);
    results.push({ ...m, verdict });
    if (verdict === "survived") console.error(`survived  ${m.file}:${m.line}  ${m.what}  ${m.after}`);
    if (results.length % 20 === 0) {
      const left = ((Date.now() - started) / results.length) * queue.length;
      console.error(`${results.length} of ${mutants.length}, ${Math.ceil(left / 60_000)} minutes to go`);
    }
    writeFileSync(join(WORK, "report.json"), JSON.stringify(results, null, 1));
  }
}
await Promise.all(Array.from({ length: Number(option("workers", "2")) }, (_, i) => work(i)));

let unexplained = 0;
for (const [part, files] of Object.entries(SCOPE)) {
  const of = results.filter((r) => files.includes(r.file) && r.verdict !== "unviable");
  if (!of.length) continue;
  const survived = of.filter((r) => r.verdict === "survived");
  const open = survived.filter((r) => !known.has(idOf(r)));
  unexplained += open.length;
  const killed = of.length - survived.length;
  console.log(`${part}: ${killed} of ${of.length} viable mutants killed, ${((100 * killed) / of.length).toFixed(1)} %; `
    + `survivors: ${survived.length - open.length} explained, ${open.length} not`);
  for (const r of open) console.log(`  ${idOf(r)}  (line ${r.line})`);
}
console.log(`judged ${results.length} of ${all} mutants`);
process.exit(unexplained ? 1 : 0);
