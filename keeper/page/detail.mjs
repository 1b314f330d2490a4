// One withdrawal for an operator: what it is, at which link it hangs, why, what frees it, and how it came there.

import { h } from "./dom.mjs";
import { badge, steps } from "./links.mjs";
import { amount, open, table } from "./panels.mjs";
import { clock, plain, said, t, when } from "./words.mjs";

function facts(view, now) {
  const { transaction, fee, next } = view;
  const rows = [
    ["id", h("code", {}, view.id)],
    ["key", h("code", {}, view.idempotency_key)],
    ["recipient", h("code", {}, view.recipient)],
    ["accepted_at", `${clock(view.received_at)} (${when(view.received_at, now)})`],
    [
      "transaction",
      transaction
        ? [h("code", {}, transaction.hash), ` (${t("block", transaction)})`]
        : t(view.is_final ? "none" : "none_yet"),
    ],
    fee && ["fee", t("fee_value", { fee: fee.cost })],
    view.deadline && ["deadline", clock(view.deadline)],
    next && ["next_name", t("next_value", { when: when(next.at, now), what: said(next, "what") })],
  ];
  return h(
    "dl",
    { class: "facts" },
    rows.filter(Boolean).flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)]),
  );
}

function cause({ cause: why }) {
  if (!why) return h("p", { class: "note ok" }, t("as_usual"));
  const frees = h("p", {}, h("strong", {}, `${t("frees")}: `), plain(why.frees));
  return h(
    "div",
    { class: "note warn" },
    h("p", {}, said(why, "message")),
    h("p", { class: "small" }, plain(why.found)),
    frees,
  );
}

/** What is shown of a withdrawal and its explanation; the latter comes later, or not at all while the chain is away. */
export function detail(view, explanation, now) {
  const close = h("button", { type: "button", "data-close": true }, t("back"));
  const title = h("h2", {}, amount(view), " ", badge(view.state));
  const history = view.history.map((move) =>
    h("li", {}, h("time", { datetime: move.at, class: "muted" }, clock(move.at)), h("span", {}, plain(move.words))),
  );
  const known = view.reason && h("p", { class: "note warn" }, said(view.reason, "message"));
  const why = explanation ? cause(explanation) : known;
  return h(
    "article",
    { "data-key": view.id, class: "found" },
    h("header", {}, title, close),
    h("div", { class: "pair" }, h("ol", { class: "steps" }, steps(view)), h("div", {}, why, facts(view, now))),
    h("div", {}, h("h3", {}, t("history")), h("ol", { class: "history small" }, history)),
  );
}

/** Withdrawals of a list. */
export function list(rows, words, now) {
  const names = [["title"], ["amount"], ["state"], ["age", true]];
  const cells = (one) => [open(one.id), amount(one), badge(one.state), when(one.received_at, now)];
  return [
    h("p", { class: "small muted" }, words),
    rows.length
      ? table(
          names,
          rows.map((one) => ({ key: one.id, cells: cells(one) })),
        )
      : null,
  ];
}
