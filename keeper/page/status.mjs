// One withdrawal, as its link shows it: looked at again by itself until it ended.

import { ask, pause, seen } from "./api.mjs";
import { at, fill, h } from "./dom.mjs";
import { steps, tone } from "./links.mjs";
import { clock, duration, grouped, said, speak, t, when } from "./words.mjs";

/** Milliseconds between two looks: short while it moves, longer the longer it stands still. */
const SHORTEST = 1_000;
const LONGEST = 10_000;
const LONGEST_OFFLINE = 30_000;

const token = location.pathname.split("/").pop();
let shown = null;
let lookedAt = null;
let trouble = null;

/** The keeper's clock, in milliseconds, as of the last look. */
function now() {
  const then = new Date(shown.received_at).getTime() + shown.seconds * 1_000;
  return shown.is_final ? then : then + (Date.now() - lookedAt);
}

function left() {
  if (shown.is_final) return h("p", {}, t("took", { time: duration(shown.seconds * 1_000) }));
  const rest = (moment) => duration(new Date(moment).getTime() - now());
  const { estimate, next } = shown;
  const late = estimate && new Date(estimate.p90).getTime() <= now();
  const times = estimate && { p50: rest(estimate.p50), p90: rest(estimate.p90) };
  const words = !estimate ? t("left_unknown") : late ? t("left_late") : t("left", times);
  return [
    h("p", { id: "time-left" }, words),
    next && h("p", { class: "muted" }, t("next", { when: when(next.at, now()), what: said(next, "what") })),
  ];
}

function copied(text) {
  return [
    h("code", {}, text),
    " ",
    h("button", { type: "button", class: "plain small", "data-copy": text }, t("copy")),
  ];
}

function facts() {
  const { transaction, fee } = shown;
  const rows = [
    ["recipient", copied(shown.recipient)],
    [
      "transaction",
      transaction
        ? [copied(transaction.hash), ` (${t("block", transaction)})`]
        : t(shown.is_final ? "none" : "none_yet"),
    ],
    ["fee", fee ? t("fee_value", { fee }) : t("fee_paid")],
    ["accepted_at", h("time", { datetime: shown.received_at }, clock(shown.received_at))],
    ["deadline", shown.deadline ? clock(shown.deadline) : t("none")],
    ["id", copied(shown.id)],
  ];
  return rows.flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", { "data-fact": name }, value)]);
}

/** What a person wrote who refused it. */
const words = (detail) => h("span", { class: "words" }, h("strong", {}, t("reviewer_said")), " ", h("q", {}, detail));

function advice() {
  const ended = shown.is_final || shown.state === "held" ? shown.state : "moving";
  return t(`advice_${ended}`, { asset: `${shown.asset.symbol} (${shown.asset.address})` });
}

function show() {
  document.title = t("title");
  if (trouble?.status === 404) {
    at("content").classList.add("nothing");
    fill(at("amount"), t("unknown_link"));
    fill(at("reason"), t("unknown_link_next"));
    document.querySelectorAll(".panel:not(:first-child), #left, #state").forEach((one) => (one.hidden = true));
    return;
  }
  if (!shown) return fill(at("looked"), trouble ? t("offline") : "");
  const state = t(`state_${shown.state}`);
  document.title = `${state} · ${grouped(shown.amount)} ${shown.asset.symbol}`;
  fill(at("amount"), `${grouped(shown.amount)} ${shown.asset.symbol}`);
  at("state").className = `badge ${tone(shown.state)}`;
  fill(at("state"), state);
  at("reason").className = `note ${tone(shown.state)}`;
  const reason = shown.reason ? said(shown.reason, "message") : t("as_usual");
  const detail = shown.reason?.detail;
  fill(at("reason"), h("span", {}, reason), detail && words(detail));
  fill(at("left"), left());
  fill(at("steps"), steps(shown));
  fill(at("advice"), advice());
  fill(at("facts"), facts());
  const time = clock(new Date(lookedAt).toISOString());
  fill(at("looked"), trouble ? t("offline") : t(shown.is_final ? "ended" : "updated", { time }));
  // Read aloud when it changes, not at each look.
  const aloud = [`${state}. ${reason}`, detail && `${t("reviewer_said")} ${detail}`].filter(Boolean).join(" ");
  if (at("said").textContent !== aloud) at("said").textContent = aloud;
  at("content").ariaBusy = "false";
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard?.writeText(button.dataset.copy).catch(() => {});
  at("said").textContent = t("copied");
});

speak(show);
setInterval(() => shown && !shown.is_final && fill(at("left"), left()), 1_000);

let wait = SHORTEST;
while (!shown?.is_final && trouble?.status !== 404) {
  await seen();
  try {
    const before = shown && JSON.stringify([shown.state, shown.links, shown.reason]);
    shown = await ask(`/v1/status/${token}`);
    trouble = null;
    lookedAt = Date.now();
    const same = before === JSON.stringify([shown.state, shown.links, shown.reason]);
    wait = same ? Math.min(wait * 1.1, LONGEST) : SHORTEST;
  } catch (problem) {
    trouble = problem;
    wait = Math.min(Math.max(wait * 2, problem.retryAfter), LONGEST_OFFLINE);
  }
  show();
  if (!shown?.is_final) await pause(wait);
}
