// A real Chromium, and what the cases have in common. A case writes lines to its standard output: so it tells the test how far
// it is.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { SPILLWAY_URL, SPILLWAY_CHROMIUM, SPILLWAY_SCREENSHOTS } = process.env;
export const LIMIT = 60_000;
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };

/** Tells the test something, as one line. */
export const tell = (line) => console.log(line);

/** Runs `use` with a browser of its own profile. A page's error, a failed policy or a request elsewhere fails the case. */
export async function withBrowser(use) {
  const profile = mkdtempSync(join(tmpdir(), "spillway-page-"));
  const args = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: SPILLWAY_CHROMIUM,
    headless: true,
    chromiumSandbox: false,
    args,
    viewport: DESKTOP,
    locale: "en-GB",
    colorScheme: "light",
  });
  const wrong = [];
  context.setDefaultTimeout(LIMIT);
  context.on("request", (request) => {
    if (!request.url().startsWith(SPILLWAY_URL)) wrong.push(`asked elsewhere: ${request.url()}`);
  });
  context.on("weberror", (error) => wrong.push(String(error.error())));
  // What the browser says of an answer that is no success is no mistake of the page.
  context.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) wrong.push(message.text());
  });
  try {
    await use(context.pages()[0] ?? (await context.newPage()), context);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Looks again and again until it is so; fails as the last look did. */
export async function until(look) {
  for (const end = Date.now() + LIMIT; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

export const address = (path) => new URL(path, SPILLWAY_URL).href;

export async function screenshot(page, name) {
  mkdirSync(SPILLWAY_SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SPILLWAY_SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** Opens the operator's page and signs in with a key. */
export async function signIn(page, key) {
  await page.goto(address("/"));
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#board").waitFor();
}

/** Gives a page a wallet: an account of the chain at `url`, whose node signs for it. */
export async function withWallet(page, url, account) {
  await page.exposeFunction("askNode", async (method, params) => {
    if (method === "eth_requestAccounts") return [account];
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await answer.json();
    if (error) throw new Error(error.message);
    return result;
  });
  await page.addInitScript(() => {
    window.ethereum = { request: ({ method, params }) => window.askNode(method, params) };
  });
}

/** Nothing reaches beyond the width of the screen. */
export async function fits(page) {
  const { wide, beyond } = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const reaches = (element) =>
      element.getBoundingClientRect().right > width + 0.5 && !element.closest(".unseen, thead");
    const beyond = [...document.querySelectorAll("body *")]
      .filter(reaches)
      .map((element) => element.outerHTML.slice(0, 120));
    return { wide: document.documentElement.scrollWidth - width, beyond };
  });
  assert.deepEqual({ wide, beyond }, { wide: 0, beyond: [] });
}

/** Each text that can be seen has the contrast that WCAG AA asks for against what is behind it: 4.5, or 3 for large text. */
export async function contrasts(page) {
  const found = await page.evaluate(() => {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b]
        .map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
      }
      return [255, 255, 255];
    };
    const low = [];
    let looked = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("title")) continue;
      looked += 1;
      const style = getComputedStyle(element);
      const [a, b] = [light(channels(style.color)), light(behind(element))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
    }
    return { low, looked };
  });
  assert.deepEqual(found.low, []);
  assert(found.looked > 10, "there is text");
  return found.looked;
}

/** How far what was there moved by itself: the sum of the browser's own measure, since it is asked. */
export async function watchShifts(page) {
  await page.addInitScript(() => {
    window.shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  return () => page.evaluate(() => window.shifted);
}
