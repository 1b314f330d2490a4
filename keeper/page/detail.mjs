// One withdrawal for an operator: what it is, at which link it hangs, why, what frees it, and how it came there.

import { h } from "./dom.mjs";
import { amount, open, table } from "./panels.mjs";
import { clock, plain, said, t, when } from "./words.mjs";

const TONES = { paid: "ok", held: "warn", claimable: "warn", rejected: "bad", cancelled: "bad" };

export const badge = (state) => h("span", { class: `badge ${TONES[state] ?? ""}` }, t(`state_${state}`));

function facts(view, now) {
  const { transaction, fee, next } = view;
  const rows = [
    ["id", h("code", {}, view.id)],
    ["key", h("code", {}, view.idempotency_key)],
    ["recipient", h("code", {}, view.recipient)],
    ["accepted_at", `${clock(view.received_at)} (${when(view.received_at, now)})`],
    ["transaction", transaction ? [h("code", {}, transaction.hash), ` (${t("block", transaction)})`] : t("none_yet")],
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

function step(link) {
  const time = link.at ? h("time", { datetime: link.at, class: "small muted" }, clock(link.at)) : null;
  const current = link.state === "here" && "step";
  return h("li", { class: link.state, "aria-current": current }, h("span", {}, said(link, "words")), time);
}

/** What is shown of a withdrawal and its explanation; the latter comes later, or not at all while the chain is away. */
export function detail(view, explanation, now) {
  const close = h("button", { type: "button", "data-close": true }, t("back"));
  const title = h("h2", {}, amount(view), " ", badge(view.state));
  const links = explanation?.links ?? view.links;
  const history = view.history.map((move) =>
    h("li", {}, h("time", { datetime: move.at, class: "muted" }, clock(move.at)), h("span", {}, plain(move.words))),
  );
  const why = explanation && cause(explanation);
  return h(
    "article",
    { "data-key": view.id, class: "found" },
    h("header", {}, title, close),
    h("div", { class: "pair" }, h("ol", { class: "steps" }, links.map(step)), h("div", {}, why, facts(view, now))),
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
