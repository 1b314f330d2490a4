// Margin pools: how near books are to a liquidation, and whether the insurance fund covers a shock.

import { columns } from "./charts.mjs";
import { at, fill, h } from "./dom.mjs";
import { panel, short, table } from "./panels.mjs";
import { grouped, has, t, when } from "./words.mjs";

const percent = (bps) => `${bps > 0 ? "+" : ""}${bps / 100} %`.replace("-", "−");

/** One column for each move of the price: what the fund would be asked for, beside what it has. */
function shocks(pool) {
  if (!pool.stress.length) return null;
  const values = pool.stress.map((shock) => {
    const set = { move: percent(shock.price_bps), n: grouped(String(shock.falls)), rescue: grouped(shock.rescue) };
    const verdict = t(shock.covered ? "shock_covered" : "shock_open");
    return { n: Number(shock.rescue), tone: shock.covered ? "ok" : "bad", label: `${t("shock", set)} ${verdict}` };
  });
  const open = pool.stress.filter((shock) => !shock.covered).map((shock) => percent(shock.price_bps));
  const words = open.length
    ? t("stress_open", { moves: open.join(", ") })
    : t(pool.stress.some((shock) => shock.falls) ? "stress_covered" : "stress_none");
  const mark = { n: Number(pool.insurance), label: t("stress_fund", { fund: grouped(pool.insurance) }) };
  const [first, middle, last] = [0, Math.floor(values.length / 2), values.length - 1];
  const ends = [first, middle, last].map((i) => h("span", {}, percent(pool.stress[i].price_bps)));
  const volatility = percent(pool.stress[0].volatility_bps);
  return [
    h("p", { class: "small muted" }, t("stress", { volatility })),
    columns(values, words, mark),
    h("div", { class: "legend", "aria-hidden": "true" }, ends),
    h("p", { class: `small ${open.length ? "bad" : ""}` }, words, h("span", { class: "muted" }, ` ${mark.label}`)),
  ];
}

function state(of) {
  const name = `book_${of.replaceAll(" ", "_")}`;
  return of && h("span", { class: "bad" }, has(name) ? t(name) : of);
}

function nearest(pool) {
  const cells = (book) => [
    h("code", { title: book.account }, short(book.account)),
    book.expiry.slice(0, 10),
    grouped(book.margin),
    grouped(book.maintenance),
    book.cover_ppm === null ? "–" : (Math.floor(book.cover_ppm / 1_000) / 1_000).toFixed(3),
    state(book.state),
  ];
  const names = [["account"], ["expiry"], ["margin", true], ["maintenance", true], ["cover", true], ["state"]];
  return table(
    names,
    pool.nearest.slice(0, 5).map((book) => ({ key: `${book.account}-${book.expiry}`, cells: cells(book) })),
  );
}

function one(pool, now) {
  const counts = { books: grouped(String(pool.books)), below: pool.below, open: pool.liquidations };
  return h(
    "div",
    { class: "group", "data-key": pool.pool, "data-pool": pool.name },
    h("h3", { title: pool.pool }, pool.name),
    h(
      "p",
      { class: "small" },
      t("pool_books", counts),
      h("span", { class: "muted" }, ` · ${t("block", { block: grouped(String(pool.block)) })}, ${when(pool.checked_at, now)}`),
      pool.unpriced ? h("span", { class: "warn" }, ` · ${t("pool_unpriced", { n: pool.unpriced })}`) : null,
    ),
    shocks(pool),
    pool.nearest.length ? nearest(pool) : null,
  );
}

/** Hidden where no pool is watched. */
export function margin(said, now) {
  at("margin").hidden = !said?.pools.length;
  if (at("margin").hidden) return fill(at("margin"));
  panel("margin", "margin_pools", null, said.pools.map((pool) => one(pool, now)));
}
