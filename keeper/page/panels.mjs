// The operator's panels: each is made anew from what the keeper last said.

import { bar, columns, share } from "./charts.mjs";
import { at, fill, h } from "./dom.mjs";
import { clock, duration, grouped, gwei, has, plain, said, t, when } from "./words.mjs";

/** The keeper lists no more of the stuck ones. */
const MOST = 50;

/** A panel's heading and what is in it. */
export function panel(id, title, aside, ...content) {
  const heading = h("h2", { id: `${id}-title` }, t(title));
  at(id).setAttribute("aria-labelledby", `${id}-title`);
  fill(at(id), h("header", {}, heading, aside && h("span", { class: "small muted" }, aside)), ...content);
}

const muted = (words) => h("p", { class: "muted" }, words);

/** A table that folds on a phone. `columns` are words and whether they are numbers; each row is a list of cells. */
export function table(names, rows) {
  const head = names.map(([name, number]) => h("th", { scope: "col", class: number && "number" }, t(name)));
  const cell = (content, i) =>
    h("td", { "data-name": t(names[i][0]), class: names[i][1] && "number" }, h("div", {}, content));
  const body = rows.map(({ key, cells }) => h("tr", { "data-key": key }, cells.map(cell)));
  return h("table", { class: "folds" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body));
}

/** Enough of an id, an address or a hash to tell it from others. */
export const short = (text) => (text.length > 20 ? `${text.slice(0, 9)}…${text.slice(-4)}` : text);

export const amount = (of) => `${grouped(of.amount)} ${of.asset.symbol}`;

export function open(id) {
  return h("button", { type: "button", class: "plain mono", "data-open": id, title: id }, short(id));
}

const since = (text, now) => duration(now - new Date(text).getTime());

export function line({ stages }, now) {
  const most = Math.max(1, ...stages.map((stage) => stage.withdrawals));
  const total = stages.reduce((sum, stage) => sum + stage.withdrawals, 0);
  const row = (stage) => {
    const name = t(`stage_${stage.stage}`);
    const listed = ["received", "held", "ready"].includes(stage.stage) ? stage.stage : "batched";
    const tone = stage.stage === "held" ? "warn" : "";
    return h(
      "tr",
      { "data-stage": stage.stage },
      h("td", {}, h("button", { type: "button", class: "plain", "data-list": listed }, name)),
      h("td", { class: "chart", "aria-hidden": "true" }, bar(stage.withdrawals / most, tone, name)),
      h("td", { class: "number" }, grouped(String(stage.withdrawals))),
      h("td", { class: "number" }, stage.since ? since(stage.since, now) : "–"),
    );
  };
  const head = ["stage", null, "waiting", "oldest"].map((name, i) =>
    name ? h("th", { scope: "col", class: i > 1 && "number" }, t(name)) : h("td", {}),
  );
  panel("line", "line", t("total", { n: grouped(String(total)) }), [
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, stages.map(row))),
  ]);
}

export function stuck({ stuck: rows }, now) {
  const cells = (one) => [
    open(one.id),
    amount(one),
    t(`stage_${one.stage}`),
    [
      one.reason ? said(one.reason, "message") : "–",
      one.reason?.detail ? h("div", { class: "small muted" }, plain(one.reason.detail)) : null,
    ],
    since(one.received_at, now),
  ];
  const names = [["title"], ["amount"], ["stage"], ["cause"], ["age", true]];
  const aside = rows.length < MOST ? String(rows.length) : t("stuck_more", { n: rows.length });
  panel(
    "stuck",
    "stuck",
    aside,
    rows.length
      ? table(
          names,
          rows.map((one) => ({ key: one.id, cells: cells(one) })),
        )
      : muted(t("stuck_none")),
  );
}

export function settled({ settled: rows }, now) {
  const hour = 3_600_000;
  const first = Math.floor(now / hour) - 23;
  const values = Array.from({ length: 24 }, (_, i) => ({ at: (first + i) * hour, n: 0, sums: [] }));
  const by = new Map();
  for (const row of rows) {
    const value = values[new Date(row.hour).getTime() / hour - first];
    if (value) {
      value.n += row.payouts;
      value.sums.push(`${grouped(row.amount)} ${row.symbol}`);
    }
    by.set(row.symbol, (by.get(row.symbol) ?? 0) + row.payouts);
  }
  for (const value of values) {
    value.label = `${t("hour_at", { hour: clock(new Date(value.at).toISOString()), n: value.n })} ${value.sums.join(", ")}`;
  }
  const all = values.reduce((sum, value) => sum + value.n, 0);
  const sums = [...by].map(([symbol, n]) => `${grouped(String(n))} ${symbol}`).join(", ");
  const words = all ? t("settled_sum", { n: grouped(String(all)), sums }) : t("settled_none");
  const ends = [values[0], values[12], values[23]].map((value) =>
    h("span", {}, clock(new Date(value.at).toISOString()).replace(/:00$/, "")),
  );
  panel(
    "settled",
    "settled",
    null,
    columns(values, words),
    h("div", { class: "legend", "aria-hidden": "true" }, ends),
    h("p", { class: "small" }, words),
  );
}

export function endpoints({ endpoints: rows }) {
  const cells = (one) => [
    h("code", {}, one.host),
    one.set_aside
      ? h("span", { class: "bad" }, t("endpoint_aside", one.set_aside))
      : h("span", { class: "ok" }, t("endpoint_well")),
    `${one.latency_ms} ms`,
    `${grouped(String(one.errors))} / ${grouped(String(one.requests))}`,
    String(one.behind),
  ];
  const names = [["endpoint"], ["state"], ["latency", true], ["errors", true], ["behind", true]];
  panel(
    "endpoints",
    "endpoints",
    null,
    table(
      names,
      rows.map((one) => ({ key: one.host, cells: cells(one) })),
    ),
  );
}

export function pauses({ pauses: rows }, now) {
  const scope = (name) => (has(`scope_${name}`) ? t(`scope_${name}`) : name);
  const row = (one) =>
    h(
      "li",
      { "data-pause": one.scope },
      h("span", { class: "badge bad" }, scope(one.scope)),
      " ",
      t("paused_until", { when: when(one.until, now) }),
      h("span", { class: "muted" }, ` (${clock(one.until)})`),
      one.by && [" ", t("paused_by"), " ", h("code", { title: one.by }, short(one.by))],
    );
  panel("pauses", "pauses", null, rows.length ? h("ul", {}, rows.map(row)) : muted(t("pauses_none")));
}

function bucket(name, of, now) {
  const left = share(of.left, of.capacity);
  const tone = left <= 0.1 ? "bad" : left <= 0.35 ? "warn" : "ok";
  const words = t("of", { left: grouped(of.left), capacity: grouped(of.capacity) });
  const refill = of.full_at ? t("full_at", { when: when(of.full_at, now) }) : t("full");
  const row = h(
    "div",
    { class: "row small" },
    h("span", {}, t(name)),
    h("span", {}, words, h("span", { class: "muted" }, ` · ${refill}`)),
  );
  return h("div", { class: "bucket" }, row, bar(left, tone, `${t(name)}: ${words}`));
}

export function limits({ assets, usd }, now) {
  const group = (one) => {
    const short = Number(one.shortfall) > 0;
    const asked = one.refill_requested;
    const float = t("float", { float: grouped(one.float), owed: grouped(one.liabilities) });
    return h(
      "div",
      { class: "group", "data-key": one.asset.symbol },
      h("h3", {}, one.asset.symbol),
      h(
        "p",
        { class: "small" },
        float,
        short && h("span", { class: "warn" }, ` · ${t("shortfall", { n: grouped(one.shortfall) })}`),
        asked && h("span", { class: "warn" }, ` · ${t("refill_requested", { n: grouped(asked.amount) })}`),
      ),
      bucket("bucket_asset", one.bucket, now),
      bucket("bucket_instant", one.instant, now),
    );
  };
  panel(
    "limits",
    "limits",
    null,
    usd && h("div", { class: "group" }, bucket("bucket_usd", usd, now)),
    assets.map(group),
  );
}

export function lanes({ lanes: rows }, now) {
  const state = (one) => {
    if (one.fenced_since) return h("span", { class: "warn" }, t("lane_fenced", { when: when(one.fenced_since, now) }));
    if (one.enabled === false) return h("span", { class: "bad" }, t("lane_disabled"));
    if (one.gas_needed) return h("span", { class: "bad" }, t("lane_poor", { n: one.gas_needed }));
    return h("span", { class: "ok" }, t("lane_well"));
  };
  const cells = (one) => [
    h("code", { title: one.address }, short(one.address)),
    state(one),
    String(one.nonce),
    String(one.in_flight),
  ];
  const names = [["lane"], ["state"], ["nonce", true], ["in_flight", true]];
  panel(
    "lanes",
    "lanes",
    null,
    rows.length
      ? table(
          names,
          rows.map((one) => ({ key: one.address, cells: cells(one) })),
        )
      : muted(t("lanes_none")),
  );
}

export function prices({ assets: rows }, now) {
  const tones = { healthy: "ok", degraded: "warn", insane: "bad" };
  const row = ({ symbol, asset, opinion, allows, at: judged }) =>
    h(
      "div",
      { class: "group", "data-key": asset },
      h("span", {}, symbol ?? short(asset)),
      " ",
      h(
        "span",
        { class: `badge ${tones[opinion.verdict]}` },
        has(`verdict_${opinion.verdict}`) ? t(`verdict_${opinion.verdict}`) : opinion.verdict,
      ),
      h(
        "span",
        { class: "small muted" },
        ` ${allows.length ? t("allows", { what: allows.join(", ") }) : t("allows_nothing")} · ${when(new Date(judged).toISOString(), now)}`,
      ),
      h(
        "ul",
        { class: "small muted" },
        opinion.because.map((why) => h("li", {}, why)),
      ),
    );
  panel("prices", "prices", null, rows.length ? rows.map(row) : muted(t("prices_none")));
}

export function fees({ fees: rows }) {
  const cells = ({ asset, fee }) => [asset.symbol, fee.cost, grouped(String(fee.gas)), gwei(fee.base_fee)];
  const names = [["asset"], ["fee_of", true], ["gas", true], ["base_fee", true]];
  panel(
    "fees",
    "fees",
    null,
    rows.length
      ? table(
          names,
          rows.map((one) => ({ key: one.asset.address, cells: cells(one) })),
        )
      : muted(t("fees_none")),
  );
}

export function books({ books: of }, now) {
  const { reconciliation: last } = of;
  const values = last && { block: grouped(String(last.block)), when: when(last.at, now) };
  const verdict = !last
    ? muted(t("reconciled_none"))
    : h(
        "div",
        {},
        h("span", { class: last.ok ? "ok" : "bad" }, t(last.ok ? "reconciled_ok" : "reconciled_bad", values)),
        h(
          "ul",
          { class: "small" },
          last.differences.map((text) => h("li", {}, text)),
        ),
      );
  const stopped = of.stopped.map((one) =>
    h("div", { class: "bad" }, `${one.symbol}: ${one.reason} (${when(one.since, now)})`),
  );
  const { audit } = of;
  const anchored = audit.anchored && {
    change: grouped(String(audit.anchored.change)),
    block: grouped(String(audit.anchored.block)),
    n: grouped(String(audit.unanchored)),
  };
  const onChain = t(audit.ok ? (anchored ? "audit_anchored" : "audit_unanchored") : "audit_broken", anchored ?? {});
  const rows = [
    ["books_block", of.block === null ? "–" : grouped(String(of.block))],
    ["reconciled", verdict],
    ["unmatched", h("span", { class: of.unmatched ? "bad" : "" }, String(of.unmatched))],
    ["stopped", stopped.length ? stopped : t("none")],
    [
      "audit",
      [t("audit_changes", { n: grouped(String(audit.changes)) }), " ", h("code", { title: audit.head }, short(audit.head))],
    ],
    ["audit_on_chain", h("span", { class: audit.ok ? "" : "bad" }, onChain)],
  ];
  panel(
    "books",
    "books",
    null,
    h(
      "dl",
      { class: "facts" },
      rows.flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", { "data-fact": name }, value)]),
    ),
  );
}
