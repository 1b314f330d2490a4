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

/** Columns side by side, the highest as high as the chart. Each is `{ n, label }`. */
export function columns(values, label) {
  const [width, height, gap] = [600, 110, 4];
  const most = Math.max(1, ...values.map((value) => value.n));
  const each = width / values.length;
  const drawn = values.map((value, i) => {
    const tall = value.n ? Math.max(2, (value.n / most) * (height - 4)) : 0;
    const at = { x: i * each + gap / 2, y: height - tall, width: each - gap, height: tall, rx: 2 };
    return h("rect", { class: "fill", ...at }, h("title", {}, value.label));
  });
  const set = { viewBox: `0 0 ${width} ${height + 1}`, height: 120, preserveAspectRatio: "none", role: "img" };
  return h(
    "svg",
    { ...set, "aria-label": label },
    h("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }),
    drawn,
  );
}

/** How much of `whole` a decimal text is: for drawing only. */
export function share(part, whole) {
  const of = Number(whole);
  return of > 0 ? Number(part) / of : 0;
}
