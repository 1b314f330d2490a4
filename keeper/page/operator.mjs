// The operator's page: signs in, asks, and brings the answers into the panels. Changes are heard as they happen; what the chain
// alone knows (pauses, limits) is asked each second.

import { ask, follow, key, pause, seen } from "./api.mjs";
import { detail, list } from "./detail.mjs";
import { at, fill, h } from "./dom.mjs";
import { margin } from "./margin.mjs";
import * as panels from "./panels.mjs";
import { hear, reviews } from "./reviews.mjs";
import { swaps } from "./swaps.mjs";
import { clock, speak, t, when } from "./words.mjs";

const EACH = { vault: 900, overview: 5_000, rest: 10_000 };
/** However much changes, the overview is not asked more often. */
const CALM = 1_000;
const LONGEST = 30_000;

/** What the keeper last said. */
const nothing = { vault: null, overview: null, oracle: null, swaps: null, margin: null, reviews: null };
const said = { ...nothing };
/** The withdrawal that is looked at, and the list that was asked for. */
let chosen = null;
let listed = null;
/** The keeper's clock before this one's, in milliseconds. */
let ahead = 0;
let vaultTrouble = null;
let session = null;

const now = () => Date.now() + ahead;

function show() {
  const { vault, overview, oracle } = said;
  for (const input of document.querySelectorAll("[data-hint]")) input.placeholder = t(input.dataset.hint);
  if (!overview || at("board").hidden) return;
  const ready = overview.ready && !vaultTrouble;
  at("ready").className = `badge ${ready ? "ok" : "bad"}`;
  fill(at("ready"), t(ready ? "ready" : "not_ready"));
  fill(at("looked"), [vault && t("block", vault), clock(overview.at)].filter(Boolean).join(" · "));
  const gone = vaultTrouble && vault ? [t("vault_gone", { when: when(vault.at, now()) })] : [];
  const trouble = [...overview.causes, ...gone];
  at("trouble").hidden = trouble.length === 0;
  fill(
    at("trouble"),
    trouble.map((cause) => h("li", { class: "note bad" }, cause)),
  );
  panels.line(overview, now());
  panels.stuck(overview, now());
  panels.settled(overview, now());
  panels.endpoints(overview);
  panels.lanes(overview, now());
  panels.fees(overview);
  panels.books(overview, now());
  if (vault) {
    panels.pauses(vault, now());
    panels.limits(vault, now());
  }
  if (oracle) panels.prices(oracle, now());
  swaps(said.swaps, now());
  margin(said.margin, now());
  reviews(said.reviews, now());
  showChosen();
}

function showChosen() {
  fill(at("found"), listed && !chosen ? list(listed.rows, listed.words(), now()) : null);
  fill(at("detail"), chosen ? detail(chosen.view, chosen.explanation, now()) : null);
}

/** Says aloud what an operator must hear of without looking. */
function tell(vault) {
  const paused = (of) => (of?.pauses ?? []).map((one) => one.scope).join(", ");
  if (paused(vault) !== paused(said.vault)) at("said").textContent = `${t("pauses")}: ${paused(vault) || t("none")}`;
}

async function askVault() {
  try {
    const vault = await ask("/v1/vault");
    tell(vault);
    said.vault = vault;
    vaultTrouble = null;
  } catch (problem) {
    vaultTrouble = problem;
    show();
    throw problem;
  }
}

async function askOverview() {
  said.overview = await ask("/v1/overview");
  ahead = new Date(said.overview.at).getTime() - Date.now();
  await askReviews();
  if (chosen) await look(chosen.view.id, false);
}

/** Each by itself: what cannot be read now stays as it was. */
async function askRest() {
  const asked = ["oracle", "swaps", "margin"].map((name) =>
    ask(`/v1/${name}`).then((answer) => {
      said[name] = answer;
    }),
  );
  const failed = (await Promise.allSettled(asked)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

/** None for a key that may not review: that is no reason to sign out, and it is not asked again. */
async function askReviews() {
  if (said.reviews === undefined) return;
  said.reviews = await ask("/v1/reviews").then(
    (answer) => answer.reviews,
    (problem) => (problem.status === 403 ? undefined : Promise.reject(problem)),
  );
}

/** Asks again and again, until `signal`; after a failure later and later. */
async function keep(asked, each, signal) {
  let wait = each;
  while (!signal.aborted) {
    await pause(wait, signal);
    await seen();
    if (signal.aborted) return;
    try {
      await asked();
      wait = each;
      show();
    } catch (problem) {
      if (isRefused(problem)) return signOut(problem);
      wait = Math.min(Math.max(wait * 2, problem.retryAfter), LONGEST);
    }
  }
}

/** Follows changes: one question for however many come within a moment. */
function listen(signal) {
  let due = null;
  follow(() => {
    due ??= pause(CALM, signal).then(async () => {
      due = null;
      if (signal.aborted || document.hidden) return;
      await askOverview().then(show, () => {});
    });
  }, signal);
}

async function begin() {
  await askOverview();
  await askRest().catch(() => {});
  await askVault().catch(() => {});
  session?.abort();
  session = new AbortController();
  at("sign-in").hidden = true;
  at("sign-out").hidden = !key.get();
  at("board").hidden = false;
  at("ready").hidden = false;
  show();
  keep(askVault, EACH.vault, session.signal);
  keep(askOverview, EACH.overview, session.signal);
  keep(askRest, EACH.rest, session.signal);
  listen(session.signal);
  const wanted = location.hash.slice(1);
  if (wanted.startsWith("wd_")) await look(wanted, false).catch(() => {});
}

/** What was wrong and what to do, as the keeper says it. */
const told = ({ message, nextStep }) => `${message.charAt(0).toUpperCase()}${message.slice(1)}. ${nextStep}`;

const isRefused = (problem) => problem.status === 401 || problem.status === 403;

/** Begins as soon as the keeper answers, or shows where to sign in. */
async function start() {
  for (let wait = 1_000; ; wait = Math.min(wait * 2, LONGEST)) {
    try {
      return await begin();
    } catch (problem) {
      if (isRefused(problem)) return signOut(problem);
      fill(at("ready"), t("offline"));
      await pause(Math.max(wait, problem.retryAfter ?? 0));
    }
  }
}

function signOut(problem) {
  session?.abort();
  key.forget();
  Object.assign(said, nothing);
  [chosen, listed] = [null, null];
  at("board").hidden = true;
  at("sign-out").hidden = true;
  at("sign-in").hidden = false;
  at("ready").hidden = true;
  fill(at("looked"));
  // Without a key there is nothing to refuse yet.
  fill(at("refused"), problem && at("key").value ? told(problem) : "");
  at("key").focus();
}

/** Shows one withdrawal. `move` brings the keyboard there. */
async function look(id, move) {
  const path = `/v1/withdrawals/${encodeURIComponent(id)}`;
  const view = await ask(path);
  const explanation = await ask(`${path}/explain`).catch(() => null);
  if (!move && chosen?.view.id !== id && location.hash !== `#${id}`) return;
  chosen = { view, explanation };
  history.replaceState(null, "", `#${id}`);
  showChosen();
  if (move) at("detail").focus();
}

async function find(wanted) {
  fill(at("not-found"));
  try {
    if (/^wd_[0-9a-f]{32}$/.test(wanted)) return await look(wanted, true);
    if (!/^0x[0-9a-fA-F]{40}$/.test(wanted)) return fill(at("not-found"), t("bad_search"));
    const { withdrawals: rows } = await ask(`/v1/withdrawals?recipient=${wanted}`);
    if (rows.length === 1) return await look(rows[0].id, true);
    put(rows, () => t("found", { n: rows.length }));
  } catch (problem) {
    fill(at("not-found"), told(problem));
  }
}

function put(rows, words) {
  leave();
  listed = { rows, words };
  showChosen();
  at("detail").focus();
}

function leave() {
  chosen = null;
  history.replaceState(null, "", location.pathname);
  showChosen();
}

document.addEventListener("click", async (event) => {
  const of = (name) => event.target.closest(`[data-${name}]`)?.dataset[name];
  const failed = (problem) => fill(at("not-found"), told(problem));
  if (of("open")) await look(of("open"), true).catch(failed);
  if (of("close") !== undefined) {
    leave();
    at("wanted").focus();
  }
  if (of("list")) {
    const state = of("list");
    const rows = await ask(`/v1/withdrawals?state=${state}`).then((page) => page.withdrawals, failed);
    if (rows) put(rows, () => t("newest", { n: rows.length, stage: t(`state_${state}`) }));
  }
});

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  find(at("wanted").value.trim());
});

at("sign-out").addEventListener("click", () => {
  at("key").value = "";
  signOut();
});

at("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(at("key").value.trim());
  start().then(() => {
    if (at("board").hidden) return;
    at("key").value = "";
    at("content").focus();
  });
});

hear(told, () => askOverview().then(show, () => show()));
speak(show);
show();
// A keeper without any key lets everybody on a loopback address in.
start();
// Ages and moments go on between two answers.
setInterval(() => !document.hidden && show(), 1_000);
