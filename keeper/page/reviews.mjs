// The review queue: what waits for approvers, what they sign, and what a reviewer refuses.

import { post } from "./api.mjs";
import { at, fill, h } from "./dom.mjs";
import { amount, open, panel, table } from "./panels.mjs";
import { grouped, t, when } from "./words.mjs";

/** What was last shown, for the buttons. */
let shown = [];

const total = (review) => amount({ amount: review.total, asset: review.asset });

function paid(review) {
  const cells = (one) => [open(one.id), h("code", {}, one.recipient), grouped(one.amount), one.idempotency_key];
  return table(
    [["title"], ["recipient"], ["amount", true], ["key"]],
    review.withdrawals.map((one) => ({ key: one.id, cells: cells(one) })),
  );
}

function field(review, name, set) {
  const id = `${name}-${review.id}`;
  return h("div", {}, h("label", { for: id }, t(`review_${name}`)), h("input", { id, name, autocomplete: "off", ...set }));
}

/** By a wallet in the browser, by one that is elsewhere, or from the command line. */
function approve(review) {
  const wallet = h("button", { type: "button", class: "main", "data-wallet": review.id }, t("review_wallet"));
  return h(
    "form",
    { "data-approve": review.id },
    h("p", { class: "small muted" }, t("review_how")),
    h("pre", { class: "small", tabindex: 0, "aria-label": t("review_typed") }, JSON.stringify(review.typed_data, null, 2)),
    h("code", { class: "small" }, `spillway review approve ${review.id} --private-key-env NAME`),
    window.ethereum && h("p", {}, wallet),
    field(review, "approver", { pattern: "0x[0-9a-fA-F]{40}", required: true, spellcheck: "false" }),
    field(review, "signature", { pattern: "0x([0-9a-fA-F]{2})+", required: true, spellcheck: "false" }),
    h("button", {}, t("review_hand_in")),
  );
}

function reject(review) {
  const id = `which-${review.id}`;
  const each = review.withdrawals.map((one) => h("option", { value: one.id }, `${grouped(one.amount)} · ${one.id}`));
  const all = h("option", { value: "" }, t("review_all"));
  return h(
    "form",
    { "data-reject": review.id },
    h("div", {}, h("label", { for: id }, t("review_which")), h("select", { id, name: "which" }, all, each)),
    field(review, "reason", { maxlength: 500, required: true }),
    h("button", {}, t("review_reject")),
  );
}

function one(review, now) {
  const signed = review.approvals.map((by) =>
    h("li", { "data-signed": by.approver }, h("code", {}, by.approver), ` ${when(by.at, now)}`),
  );
  const progress = t("review_progress", { n: review.approvals.length, of: review.threshold });
  return h(
    "article",
    { class: "review", "data-key": `review-${review.id}`, "data-review": review.id },
    h("h3", {}, total(review), " ", h("span", { class: "badge warn" }, progress)),
    h("p", { class: "small muted" }, t("review_until", { when: when(review.deadline, now) })),
    paid(review),
    signed.length ? h("ul", { class: "small" }, signed) : null,
    h("div", { class: "pair" }, approve(review), reject(review)),
    h("p", { class: "bad", role: "alert", id: `review-said-${review.id}` }, said(review.id)),
  );
}

/** What the keeper answered to the last try, by review. */
const answers = new Map();
const said = (id) => answers.get(String(id)) ?? "";

/** The panel; hidden for a key that may not review. */
export function reviews(list, now) {
  at("reviews").hidden = !list;
  if (!list) return;
  shown = list;
  const rows = list.map((review) => one(review, now));
  const none = h("p", { class: "muted" }, t("reviews_none"));
  panel("reviews", "reviews", String(list.length), rows.length ? rows : none);
}

/** Hears what is pressed. `told` puts a problem into words; `done` is called when something changed. */
export function hear(told, done) {
  const doing = async (id, what) => {
    answers.delete(id);
    try {
      await what(shown.find((review) => String(review.id) === id));
    } catch (problem) {
      answers.set(id, problem.nextStep === undefined ? String(problem.message ?? problem) : told(problem));
    }
    await done();
  };
  const hand = (review, approver, signature) =>
    post(`/v1/reviews/${review.id}/approvals`, { approver, signature });

  document.addEventListener("click", (event) => {
    const id = event.target.closest("[data-wallet]")?.dataset.wallet;
    if (!id) return;
    doing(id, async (review) => {
      const [account] = await window.ethereum.request({ method: "eth_requestAccounts" });
      const params = [account, JSON.stringify(review.typed_data)];
      await hand(review, account, await window.ethereum.request({ method: "eth_signTypedData_v4", params }));
    });
  });

  document.addEventListener("submit", (event) => {
    const { approve: approving, reject: rejecting } = event.target.dataset;
    if (!approving && !rejecting) return;
    event.preventDefault();
    const of = (name) => event.target.elements[name].value.trim();
    if (approving) return doing(approving, (review) => hand(review, of("approver"), of("signature")));
    const which = of("which");
    const body = { reason: of("reason"), ...(which && { withdrawals: [which] }) };
    doing(rejecting, (review) => post(`/v1/reviews/${review.id}/rejections`, body));
  });
}
