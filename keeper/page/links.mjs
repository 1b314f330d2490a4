// What both pages show of a withdrawal: its state, and the links of its way.

import { h } from "./dom.mjs";
import { clock, said, t } from "./words.mjs";

const TONES = { paid: "ok", held: "warn", claimable: "warn", rejected: "bad", cancelled: "bad" };

/** The class of a state's colour. */
export const tone = (state) => TONES[state] ?? "";

export const badge = (state) => h("span", { class: `badge ${tone(state)}` }, t(`state_${state}`));

/** The links as the items of a list. Where a withdrawal ended before the last one, that is marked. */
export function steps({ links, is_final: isFinal }) {
  const end = isFinal ? links.findIndex((link) => link.state !== "passed") : -1;
  return links.map((link, i) => {
    const time = link.at ? h("time", { datetime: link.at, class: "small muted" }, clock(link.at)) : null;
    const set = {
      class: i === end ? "stopped" : link.state,
      "data-link": link.link,
      "aria-current": link.state === "here" && "step",
    };
    return h("li", set, h("span", {}, said(link, "words")), time);
  });
}
