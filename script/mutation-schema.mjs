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
  if (elseFollows || /^(?:else\b|\}|for\b|function\b|modifier\b|constructor\b|receive\b|unchecked\b|assembly\b|do\b)/.test(text)) return null;
  if (text.endsWith("{")) return switchedHead(text, variants);
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
  const head = /^(if|while) \(/.exec(text);
  const inside = (t) => /^(?:if|while) \(([\s\S]*)\) \{$/.exec(t.trim())?.[1];
  if (!head || inside(text) === undefined) return null;
  const parts = [{ text: `${head[1]} (` }];
  for (const v of variants) {
    const condition = inside(v.text);
    if (condition === undefined) return null;
    parts.push({ text: `${is(v.number)} ? (${condition}) :`, number: v.number });
  }
  parts.push({ text: `(${inside(text)})) {` });
  return parts;
}

function switchedYul(text, variants) {
  if (/^(?:for\b|\}|assembly|case|default|switch)/.test(text)) return null;
  const opens = text.endsWith("{");
  if (opens) return null;
  const declared = /^let (\w+) := /.exec(text);
  const cut = (t) => (declared ? t.trim().slice(4) : t.trim());
  // No `switch`: what it chooses by takes a slot of a stack that is full.
  const chosen = variants.map((v) => `eq(prevrandao(), ${v.number})`);
  const any = chosen.reduce((a, b) => `or(${a}, ${b})`);
  const parts = [{ text: declared ? `let ${declared[1]}` : "" }];
  for (const [i, v] of variants.entries()) parts.push({ text: `if ${chosen[i]} { ${cut(v.text)} }`, number: v.number });
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
