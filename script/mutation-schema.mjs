// All mutants of a file beside the original, each behind `block.prevrandao == its number`.

/** Statements of a file: first and last line (from 0), of those that end in `;` and those that open a block. */
function statementsOf(lines) {
  const found = [];
  let start = -1;
  let open = 0;
  let assembly = 0;
  let depth = 0;
  for (const [i, line] of lines.entries()) {
    const code = line.replace(/\/\/.*$/, "").trimEnd();
    if (!code.trim()) continue;
    if (start < 0) start = i;
    const inAssembly = assembly > 0;
    for (const c of code) {
      if ("([".includes(c)) ++open;
      if (")]".includes(c)) --open;
      if (c === "{") ++depth;
      if (c === "}") --depth;
    }
    if (/^\s*assembly\b/.test(code) && code.endsWith("{")) assembly = depth;
    const done = inAssembly ? open === 0 : open === 0 && /[;{}]$/.test(code);
    if (done) {
      found.push({ start, end: i, yul: inAssembly });
      start = -1;
    }
    if (assembly && depth < assembly) assembly = 0;
  }
  return found;
}

const is = (number) => `block.prevrandao == ${number}`;

/** Text for a statement of which `variants` (number, text) exist; null when it cannot be switched. */
function switched(original, variants, yul, elseFollows) {
  const text = original.trim();
  if (yul) return switchedYul(text, variants);
  if (text.startsWith("for ")) return switchedLoop(text, variants);
  if (text.startsWith("function ")) return switchedFunction(text, variants);
  if (/^(?:\} )?(?:else )?if \(|^while \(/.test(text) && text.endsWith("{")) return switchedHead(text, variants);
  if (elseFollows || text.startsWith("else ")) return switchedChain(text, variants, elseFollows);
  if (/^(?:\}|modifier\b|constructor\b|receive\b|unchecked\b|assembly\b|do\b)/.test(text)) return null;
  if (!text.endsWith(";") || /\b(?:constant|immutable)\b/.test(text)) return null;
  const declared = /^((?:uint|int|bytes)\d*|bool|address|[A-Z][\w.]*)((?:\[\d*\])?(?: (?:storage|memory|calldata))?) (\w+) =(?!=)\s/.exec(text);
  const head = declared ? `${declared[1]}${declared[2]} ${declared[3]};` : "";
  // A mutant of the type itself is no mutant of the value.
  if (declared && variants.some((v) => !v.text.trim().startsWith(declared[0]))) return null;
  const cut = (t) => (declared ? t.trim().slice(`${declared[1]}${declared[2]} `.length) : t.trim());
  if (!declared && /^\((?:[\w.]+ [\w ]*,?\s*)+\) =/.test(text) && /^\((?:uint|int|bytes|bool|address|[A-Z])/.test(text)) return null;
  if (!declared && /^(?:(?:uint|int|bytes)\d*|bool|address|[A-Z][\w.]*) (?:storage |memory )?\w+;$/.test(text)) return null;
  const parts = [{ text: head }];
  for (const v of variants) parts.push({ text: `if (${is(v.number)}) { ${cut(v.text)} } else`, number: v.number });
  parts.push({ text: `{ ${cut(original)} }` });
  return parts;
}

function switchedHead(text, variants) {
  const head = /^((?:\} )?(?:else )?if|while) \(/.exec(text);
  const inside = (t) => /^(?:(?:\} )?(?:else )?if|while) \(([\s\S]*)\) \{$/.exec(t.trim())?.[1];
  if (!head || inside(text) === undefined) return null;
  const others = variants.map((v) => ({ number: v.number, text: inside(v.text) }));
  if (others.some((v) => v.text === undefined)) return null;
  return [{ text: `${head[1]} (` }, ...chosen(inside(text), others), { text: ") {" }];
}

/** An expression of which `variants` exist, a line each. */
function chosen(original, variants) {
  return [...variants.map((v) => ({ text: `${is(v.number)} ? (${v.text}) :`, number: v.number })), { text: `(${original})` }];
}

/** `if (...) ...;` before an `else`, or `else ...;`: the condition is chosen, or that there is one at all. */
function switchedChain(text, variants, elseFollows) {
  const partsOf = (t) => /^((?:else )?if) \(((?:[^()]|\([^()]*\))*)\) (\S.*;)$/.exec(t.trim());
  const last = !elseFollows && variants.find((v) => v.text.trim() === "{}");
  const own = partsOf(text);
  if (!own) {
    if (!last || text.startsWith("else if")) return null;
    return [{ text: `else if (!(${is(last.number)})) ${text.slice("else ".length)}`, number: last.number }];
  }
  const others = variants.map((v) => ({ number: v.number, of: partsOf(v.text) }))
    .filter(({ of }) => of && of[1] === own[1] && of[3] === own[3]).map(({ number, of }) => ({ number, text: of[2] }));
  if (last) others.push({ number: last.number, text: "false" });
  if (!others.length) return null;
  return [{ text: `${own[1]} (` }, ...chosen(own[2], others), { text: `) ${own[3]}` }];
}

/** `for (start; while; step) {`. */
function switchedLoop(text, variants) {
  const partsOf = (t) => /^for \((\w+ \w+ =) ([^;]+); ([^;]+); ([^;]+)\) \{$/.exec(t.trim())?.slice(1);
  const own = partsOf(text);
  if (!own) return null;
  const others = variants.map((v) => ({ number: v.number, parts: partsOf(v.text) })).filter((v) => v.parts);
  const part = (i) => chosen(own[i], others.filter((v) => v.parts[i] !== own[i]).map((v) => ({ number: v.number, text: v.parts[i] })));
  // A step in parentheses would be no statement.
  const step = part(3).map((p) => ({ ...p, text: p.text.replace(/\(((?:\+\+|--)\w+)\)/, "$1") }));
  return [{ text: `for (${own[0]}` }, ...part(1), { text: ";" }, ...part(2), { text: ";" }, ...step, { text: ") {" }];
}

/** A function that may lack a modifier: called with it or without, its body is another function's. */
function switchedFunction(text, variants) {
  const squeezed = (t) => t.trim().replace(/\s+/g, " ").replace(/\( /g, "(").replace(/ \)/g, ")");
  const head = /^function (\w+)\(([^)]*)\) external ((?:payable )?)(\w+) (?:returns \(((\w+) (\w+))\) )?\{$/.exec(squeezed(text));
  if (!head) return null;
  const [, name, parameters, payable, modifier, returned, , result] = head;
  const without = variants.find((v) => squeezed(v.text) === squeezed(text).replace(` ${modifier}`, ""));
  if (!without) return null;
  const returns = returned ? `returns (${returned}) ` : "";
  const open = `${name}${without.number}Open`;
  const guarded = `${name}${without.number}Guarded`;
  const args = parameters.split(",").map((p) => p.trim().split(" ").at(-1)).join(", ");
  const call = (callee) => `${result ? `${result} = ` : ""}${callee}(${args});`;
  return [
    { text: `function ${name}(${parameters}) external ${payable}${returns}{` },
    { text: `if (${is(without.number)}) ${call(open)} else ${call(guarded)} }`, number: without.number },
    { text: `function ${guarded}(${parameters}) private ${modifier} ${returns}{ ${call(open)} }` },
    { text: `function ${open}(${parameters}) private ${returns}{` },
  ];
}

function switchedYul(text, variants) {
  if (/^(?:for\b|\}|assembly|case|default|switch)/.test(text)) return null;
  const opens = text.endsWith("{");
  if (opens) return null;
  const declared = /^let (\w+) := /.exec(text);
  const cut = (t) => (declared ? t.trim().slice(4) : t.trim());
  // No `switch`: what it chooses by takes a slot of a stack that is full.
  const here = variants.map((v) => `eq(prevrandao(), ${v.number})`);
  const any = here.reduce((a, b) => `or(${a}, ${b})`);
  const parts = [{ text: declared ? `let ${declared[1]}` : "" }];
  for (const [i, v] of variants.entries()) parts.push({ text: `if ${here[i]} { ${cut(v.text)} }`, number: v.number });
  parts.push({ text: `if iszero(${any}) { ${cut(text)} }` });
  return parts;
}

/**
 * Puts `mutants` (with `line`, `changed`, `number`) into `text`. Gives the new text, the number of the mutant on each of
 * its lines, and the numbers that it holds.
 */
export function schema(text, mutants) {
  // What chooses reads the environment.
  const lines = text.split("\n");
  const out = [];
  const numbers = [];
  const held = new Set();
  const statements = new Map(statementsOf(lines).map((s) => [s.start, s]));
  for (let i = 0; i < lines.length; ++i) {
    const s = statements.get(i);
    const mine = s ? mutants.filter((m) => m.line - 1 >= s.start && m.line - 1 <= s.end) : [];
    const join = (replace) => lines.slice(s.start, s.end + 1)
      .map((l, k) => (replace && replace.line - 1 === s.start + k ? replace.changed : l).replace(/\/\/.*$/, "").trim()).join(" ");
    const next = s ? (lines.slice(s.end + 1).find((l) => l.trim()) ?? "").trim() : "";
    const parts = mine.length
      && switched(join(), mine.map((m) => ({ number: m.number, text: join(m) })), s.yul, /^else\b/.test(next));
    if (!parts) {
      out.push(lines[i]);
      numbers.push(0);
      continue;
    }
    for (const part of parts) {
      out.push(part.text);
      numbers.push(part.number ?? 0);
      if (part.number) held.add(part.number);
    }
    i = s.end;
  }
  return { text: out.join("\n"), numbers, held };
}

/** What chooses a mutant reads the environment: nothing is pure any more. */
export const unpured = (text) => text.replace(/(?<=[)\w] )pure\b|^(\s+)pure$/gm, (_, space) => `${space ?? ""}view`);
