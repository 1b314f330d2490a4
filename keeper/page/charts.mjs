// Charts as SVG. Sizes are attributes, because the page's policy lets no element have a style of its own.

import { h } from "./dom.mjs";

/** A bar of `share` (0 to 1) of its width. */
export function bar(share, tone, label) {
  const width = `${Math.min(Math.max(share, 0), 1) * 100}%`;
  const set = { height: 8, role: "img", "aria-label": label };
  return h(
    "svg",
    set,
    h("rect", { class: "rail", width: "100%", height: 8, rx: 2 }),
    h("rect", { class: `fill ${tone}`, width, height: 8, rx: 2 }),
  );
}

/**
 * Columns side by side, the highest as high as the chart. Each is `{ n, label }`, and may have a `tone`; `mark`, of the same
 * form, is a line across them.
 */
export function columns(values, label, mark) {
  const [width, height, gap] = [600, 110, 4];
  const most = Math.max(1, mark?.n ?? 0, ...values.map((value) => value.n));
  const each = width / values.length;
  const tall = (n) => (n ? Math.max(2, (n / most) * (height - 4)) : 0);
  const drawn = values.map((value, i) => {
    const at = { x: i * each + gap / 2, y: height - tall(value.n), width: each - gap, height: tall(value.n), rx: 2 };
    return h("rect", { class: `fill ${value.tone ?? ""}`, ...at }, h("title", {}, value.label));
  });
  const level = mark && height - tall(mark.n);
  const set = { viewBox: `0 0 ${width} ${height + 1}`, height: 120, preserveAspectRatio: "none", role: "img" };
  return h(
    "svg",
    { ...set, "aria-label": label },
    h("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }),
    drawn,
    mark && h("line", { class: "mark", x1: 0, x2: width, y1: level, y2: level }, h("title", {}, mark.label)),
  );
}

/** How much of `whole` a decimal text is: for drawing only. */
export function share(part, whole) {
  const of = Number(whole);
  return of > 0 ? Number(part) / of : 0;
}
