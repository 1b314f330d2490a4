// How the float is refilled: each swap with its split.

import { bar, share } from "./charts.mjs";
import { at, fill, h } from "./dom.mjs";
import { panel, short } from "./panels.mjs";
import { grouped, t, when } from "./words.mjs";

const percent = (bps) => (bps ? `${(bps / 100).toFixed(bps % 100 ? 2 : 0)} %` : "< 0.01 %");

/** So many are shown. */
const MOST = 5;

const POOLS = {
  uniswap_v2: "Uniswap V2",
  uniswap_v3: "Uniswap V3",
  stable_swap: "StableSwap",
  balancer_weighted: "Balancer",
};

function route(of) {
  const pools = of.hops.map((hop) => h("span", { title: hop.pool }, POOLS[hop.kind] ?? hop.kind));
  const tokens = [of.hops[0]?.sell, ...of.hops.map((hop) => hop.buy)].map((token) => short(token ?? ""));
  const words = `${percent(of.share_bps)}: ${tokens.join(" → ")}`;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row small" },
      h("span", {}, tokens.join(" → "), h("span", { class: "muted" }, " · ", pools.flatMap((pool, i) => (i ? [", ", pool] : [pool])))),
      h("span", { class: "number" }, percent(of.share_bps)),
    ),
    bar(of.share_bps / 10_000, "", words),
  );
}

function one(swap, now) {
  const tones = { open: "warn", done: "ok", failed: "bad" };
  const sold = `${grouped(swap.spent ?? swap.amount)} ${swap.sell.symbol}`;
  const bought = `${grouped(swap.received ?? swap.quoted)} ${swap.buy.symbol}`;
  // Below what was quoted, in hundredths of a percent: for people.
  const slipped = swap.received && Math.round((1 - share(swap.received, swap.quoted)) * 10_000);
  return h(
    "div",
    { class: "group", "data-key": `swap-${swap.number}`, "data-swap": swap.state },
    h("span", { class: `badge ${tones[swap.state]}` }, t(`swap_${swap.state}`)),
    ` ${sold} → ${bought} `,
    h("span", { class: "small muted" }, when(swap.ended_at ?? swap.planned_at, now), swap.is_slice && ` · ${t("swap_slice")}`),
    swap.reason && h("p", { class: "small bad" }, swap.reason),
    h(
      "p",
      { class: "small muted" },
      t("swap_least", { least: grouped(swap.least), symbol: swap.buy.symbol }),
      slipped ? ` · ${t(slipped > 0 ? "swap_below" : "swap_above", { n: percent(Math.abs(slipped)) })}` : null,
      swap.transaction && [" · ", h("code", { title: swap.transaction }, short(swap.transaction))],
    ),
    h("ul", { class: "routes" }, swap.routes.map(route)),
  );
}

/** Hidden where nothing was ever swapped. */
export function swaps(said, now) {
  at("swaps").hidden = !said || (said.swaps.length === 0 && said.troubles.length === 0);
  if (at("swaps").hidden) return fill(at("swaps"));
  const trouble = (of) =>
    h("div", { class: "note bad", "data-key": `trouble-${of.asset.address}` }, t("swap_trouble", { symbol: of.asset.symbol }), ` ${of.reason} (${when(of.since, now)})`);
  const newest = said.swaps.slice(0, MOST);
  panel(
    "swaps",
    "swaps",
    t("newest_few", { n: newest.length }),
    said.troubles.map(trouble),
    newest.map((swap) => one(swap, now)),
  );
}
