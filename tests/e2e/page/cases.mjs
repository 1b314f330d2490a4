// The cases of tests/page.rs: `node cases.mjs CASE [ARGUMENT...]`.

import assert from "node:assert/strict";
import {
  DESKTOP,
  LIMIT,
  PHONE,
  address,
  contrasts,
  fits,
  screenshot,
  signIn,
  tell,
  until,
  watchShifts,
  withBrowser,
  withWallet,
} from "./browser.mjs";

const [name, ...given] = process.argv.slice(2);

const cases = {
  /** A status page follows its withdrawal to the end. */
  async follow(page, [link]) {
    const shifted = await watchShifts(page);
    await page.goto(address(link));
    await page.evaluate(() => (window.loadedOnce = true));
    await page.locator("[data-link=chain].here").waitFor();
    assert.equal(await page.locator("#state").textContent(), "On its way");
    await screenshot(page, "status-on-its-way");
    tell("on its way");
    await page.locator("#state", { hasText: "Paid" }).waitFor({ timeout: LIMIT });
    assert(await page.evaluate(() => window.loadedOnce), "the page was loaded again");
    assert.equal(await page.locator("[data-link].passed").count(), 7);
    assert.match(await page.locator("[data-fact=transaction] code").textContent(), /^0x[0-9a-f]{64}$/);
    assert.match(await page.locator("#said").textContent(), /^Paid/, "it is said aloud");
    assert((await shifted()) < 0.1, `what was there moved by ${await shifted()}`);
    await screenshot(page, "status-paid");
    tell("paid");
  },

  /** A withdrawal that waits and one that failed say why, and what next, in both languages. */
  async reasons(page, [held, failed, expected]) {
    const said = JSON.parse(expected);
    for (const [what, link] of [
      ["held", held],
      ["failed", failed],
    ]) {
      await page.goto(address(link));
      for (const [language, locale, field] of [
        ["English", "en", "message"],
        ["中文", "zh-Hans", "message_zh"],
      ]) {
        await page.getByRole("button", { name: language }).click();
        await page.locator("#reason", { hasText: said[what][field] }).waitFor();
        assert.equal(await page.locator("html").getAttribute("lang"), locale);
        assert((await page.locator("#advice").textContent()).length > 5);
        assert.equal(await page.getByRole("button", { name: language }).getAttribute("aria-pressed"), "true");
        await screenshot(page, `status-${what}-${locale}`);
      }
      if (what === "failed") assert.equal(await page.locator("[data-link].stopped").count(), 1, "where it ended");
      if (what === "held") assert.match(await page.locator("#left").textContent(), /下一步/);
      await page.getByRole("button", { name: "English" }).click();
      if (what === "held") await page.locator("#left", { hasText: "Next, in" }).waitFor();
    }
  },

  /** One that a reviewer refused says so in both languages, with what the reviewer wrote and what next. */
  async refused(page, [link, expected]) {
    const { message, message_zh: messageZh, detail } = JSON.parse(expected);
    await page.goto(address(link));
    for (const [language, locale, state, said, heading, next] of [
      ["English", "en", "Rejected", message, "The reviewer's reason:", /^Nothing was paid\..* handed in again\.$/],
      ["中文", "zh-Hans", "已拒绝", messageZh, "审核人的说明：", /^没有付款。.*重新提交。$/],
    ]) {
      await page.getByRole("button", { name: language }).click();
      await page.locator("#state", { hasText: state }).waitFor();
      assert.equal(await page.locator("#reason").textContent(), `${said}${heading} ${detail}`);
      assert.match(said, language === "English" ? /submit again/ : /重新提交/, "the sentence has the next step");
      assert.match(await page.locator("#advice").textContent(), next);
      assert.equal(await page.locator("#said").textContent(), `${state}. ${said} ${heading} ${detail}`, "it is said aloud");
      await fits(page);
      await contrasts(page);
      await screenshot(page, `status-refused-${locale}`);
    }
  },

  /** A link shows its own withdrawal only, without a key; a wrong one shows none. */
  async links(page, [link, id, key]) {
    const shown = [];
    page.on("response", (answer) => shown.push(new URL(answer.url()).pathname));
    await page.goto(address(link));
    await page.locator("[data-fact=id]", { hasText: id }).waitFor();
    assert.deepEqual(
      [...new Set(shown.filter((path) => path.startsWith("/v1/")))],
      [`/v1/status/${link.split("/").pop()}`],
    );
    const text = await page.content();
    assert(!text.includes("spk_") && !text.includes(key), "no key, and nothing of the caller's");
    await page.goto(address(`${link.slice(0, -1)}${link.endsWith("0") ? "1" : "0"}`));
    await page.locator("#amount", { hasText: "No withdrawal has this link" }).waitFor();
  },

  /** A wrong key is refused with the next step; a right one stays in the tab alone. */
  async sign_in(page, [key], context) {
    await page.goto(address("/"));
    await page.getByLabel("API key").fill("spk_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#refused", { hasText: "spillway keys create" }).waitFor();
    await screenshot(page, "sign-in");
    await signIn(page, key);
    const kept = await page.evaluate(() => [
      Object.values(sessionStorage),
      Object.values(localStorage),
      document.cookie,
    ]);
    assert.deepEqual(kept, [[key], [], ""]);
    const other = await context.newPage();
    await other.goto(address("/"));
    await other.getByLabel("API key").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage)), []);
  },

  /** What is stuck comes first, with its cause; a pause shows within its time, and goes by itself. */
  async pause(page, [key, stuck]) {
    await signIn(page, key);
    await page.locator(`#stuck [data-open="${stuck}"]`).waitFor();
    assert.match(await page.locator("#stuck").textContent(), /less of this asset/);
    await page.locator("#pauses", { hasText: "Nothing is paused" }).waitFor();
    // What the page shows is seen as it changes, not by asking again and again.
    const seen = page.evaluate(
      () =>
        new Promise((resolve) => {
          const look = () =>
            document.querySelector('[data-pause="orders"]') && (observer.disconnect(), resolve(Date.now()));
          const observer = new MutationObserver(look);
          observer.observe(document.getElementById("pauses"), { childList: true, subtree: true });
        }),
    );
    tell("watching");
    tell(await seen);
    assert.match(await page.locator("#said").textContent(), /orders/, "it is said aloud");
    await screenshot(page, "operator-paused");
    await page.locator("#pauses", { hasText: "Nothing is paused" }).waitFor();
  },

  /** Lanes, endpoints, fees, prices, what was settled, books and audit are shown as keeper and chain have them. */
  async panels(page, [given]) {
    const { host, lane, nonce, block, change, key } = JSON.parse(given);
    const headers = { Authorization: `Bearer ${key}` };
    const ask = async (path) => (await fetch(address(path), { headers })).json();
    const texts = (selector) => page.locator(selector).allTextContents();
    const number = (text) => Number(text.replaceAll(",", ""));
    const numberIn = (text, pattern) => number(pattern.exec(text)?.[1] ?? "");
    await signIn(page, key);

    await until(async () => {
      const title = (await page.locator("#lanes code").getAttribute("title")).toLowerCase();
      assert.equal(title, lane.toLowerCase());
      assert.deepEqual((await texts("#lanes tbody td")).slice(1), ["pays", String(nonce), "0"]);
    });

    await until(async () => {
      const { endpoints } = await ask("/v1/overview");
      const [name, state, latency, errors, behind] = await texts("#endpoints tbody td");
      assert.deepEqual([name, state, behind], [host, "asked", "0"]);
      assert.match(latency, /^\d+ ms$/);
      const [failed, asked] = errors.split(" / ").map(number);
      assert(asked > 10 && asked <= endpoints[0].requests, `${errors} of ${endpoints[0].requests}`);
      assert(failed <= endpoints[0].errors && failed < asked, errors);
    });

    await until(async () => {
      const { fees } = await ask("/v1/overview");
      const shown = fees.map(({ asset, fee }) => {
        assert(fee.gas > 21_000 && Number(fee.cost) > 0, JSON.stringify(fee));
        const gwei = Math.floor(Number(fee.base_fee) / 1e6) / 1e3;
        return [asset.symbol, fee.cost, fee.gas.toLocaleString("en-US"), String(gwei)];
      });
      assert(["ETH", "TUSD"].every((paid) => shown.some(([symbol]) => symbol === paid)), `${shown}`);
      assert.deepEqual(await texts("#fees tbody td"), shown.flat());
    });

    const price = page.locator("#prices .group");
    await price.locator(".badge", { hasText: "degraded" }).waitFor();
    const { assets: judged } = await ask("/v1/oracle");
    assert.deepEqual([judged.length, judged[0].symbol, judged[0].opinion.verdict], [1, "TUSD", "degraded"]);
    const { allows } = judged[0];
    assert(allows.includes("swap") && !allows.includes("margin"), `two of three sources are enough to swap: ${allows}`);
    assert((await price.textContent()).startsWith(`TUSD degraded allows ${allows.join(", ")} · `));
    assert.deepEqual(await price.locator("li").allTextContents(), judged[0].opinion.because);
    assert(judged[0].opinion.because.some((why) => why.includes("outlier")), "the one that is five percent off");

    assert.match((await texts("#settled p")).join(), /^42 payouts: (30 TUSD, 12 ETH|12 ETH, 30 TUSD)$/);
    assert.equal(await page.locator("#settled svg rect.fill").count(), 24, "a column for each hour");

    await until(async () => {
      const { books } = await ask("/v1/overview");
      const fact = (name) => page.locator(`#books [data-fact=${name}]`).textContent();
      const booked = number(await fact("books_block"));
      assert(booked >= block && booked <= books.block, `${block}, ${booked}, ${books.block}`);
      const agreed = numberIn(await fact("reconciled"), /^agree, block ([\d,]+), /);
      assert(agreed >= block && agreed <= books.reconciliation.block, `${agreed}`);
      assert.deepEqual([await fact("unmatched"), await fact("stopped")], ["0", "none"]);
      // The chain itself was asked for this one, by another program.
      assert.deepEqual({ ...books.audit.anchored, ok: books.audit.ok }, { change, block, ok: true });
      assert.equal(books.audit.unanchored, books.audit.changes - change);
      assert(books.audit.unanchored > 0, "what was held since is on no chain");
      const onChain = await fact("audit_on_chain");
      assert.equal(numberIn(onChain, /^up to change ([\d,]+), /), change);
      assert.equal(numberIn(onChain, /, block ([\d,]+); /), block);
      const newer = numberIn(onChain, /; ([\d,]+) newer ones go with the next settlement$/);
      assert(newer > 0 && newer <= books.audit.unanchored, onChain);
      assert.equal(numberIn(await fact("audit"), /^([\d,]+) changes, newest hash 0x/), change + newer);
    });
    await screenshot(page, "operator-panels");
  },

  /** A reviewer refuses one withdrawal of a review, with a reason; the rest is offered again. */
  async reject(page, [key, reader, refused, reason]) {
    await signIn(page, reader);
    await page.locator("#stuck").waitFor();
    assert(await page.locator("#reviews").isHidden(), "a key that may only read sees no queue");
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, key);
    const review = page.locator("[data-review]");
    await review.locator(`[data-open="${refused}"]`).waitFor();
    const first = await review.getAttribute("data-review");
    await review.locator("select").selectOption(refused);
    await review.getByLabel("Reason").fill(reason);
    // The panel is made anew each second: what was typed stays.
    await page.waitForTimeout(1_500);
    await screenshot(page, "operator-review");
    await fits(page);
    await contrasts(page);
    await review.getByRole("button", { name: "Reject" }).click();
    await page.waitForFunction((first) => document.querySelector(`[data-review]:not([data-review="${first}"])`), first);
    assert.equal(await page.locator(`#reviews [data-open="${refused}"]`).count(), 0);
    await page.getByRole("button", { name: "中文" }).click();
    await page.locator("h2", { hasText: "等待审批" }).waitFor();
  },

  /** Two operators approve: one with the wallet in the browser, one with a signature from elsewhere. */
  async approve(page, [alice, bob, url, account, approver, signature], context) {
    await withWallet(page, url, account);
    await signIn(page, alice);
    const review = page.locator("[data-review]");
    await review.getByRole("button", { name: "Sign with the wallet" }).click();
    await review.locator(`[data-signed]`).waitFor();
    await review.locator(".badge", { hasText: "1 of 2 approvals" }).waitFor();
    await review.getByRole("button", { name: "Sign with the wallet" }).click();
    await review.locator("[role=alert]", { hasText: "each approver counts once" }).waitFor();
    const other = await context.newPage();
    await signIn(other, bob);
    assert.equal(await other.getByRole("button", { name: "Sign with the wallet" }).count(), 0, "no wallet, no button");
    await other.getByLabel("Approver's address").fill(approver);
    await other.getByLabel("Signature", { exact: true }).fill(signature);
    await other.getByRole("button", { name: "Hand the signature in" }).click();
    await other.locator("#reviews", { hasText: "Nothing waits for approvers" }).waitFor();
    await page.locator("#reviews", { hasText: "Nothing waits for approvers" }).waitFor();
  },

  /** The keyboard alone signs in, finds a withdrawal, reads it, closes it, and switches the language. */
  async keyboard(page, [key, id]) {
    await page.goto(address("/"));
    await page.getByLabel("API key").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "key", "the first thing to do has the focus");
    await page.keyboard.type(key);
    await page.keyboard.press("Enter");
    await page.locator("#board").waitFor();
    const tabTo = async (matches) => {
      for (let i = 0; i < 80; i += 1) {
        await page.keyboard.press("Tab");
        const shown = await page.evaluate((matches) => {
          const element = document.activeElement;
          const style = getComputedStyle(element);
          return {
            found: element.matches(matches),
            outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
            html: element.outerHTML.slice(0, 90),
          };
        }, matches);
        assert(shown.outlined || shown.html.startsWith("<body"), `the focus cannot be seen on ${shown.html}`);
        if (shown.found) return;
      }
      assert.fail(`Tab does not reach ${matches}`);
    };
    await tabTo("#wanted");
    await page.keyboard.type(id);
    await page.keyboard.press("Enter");
    await page.locator("#detail", { hasText: id }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "detail", "the focus goes where the answer is");
    await page.locator("#detail", { hasText: "What frees it" }).waitFor();
    await tabTo("[data-close]");
    // The panels are made anew each second: what has the focus keeps it.
    await page.waitForTimeout(2_500);
    assert(await page.evaluate(() => document.activeElement.matches("[data-close]")), "the focus was lost");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "wanted");
    await tabTo("[data-list=held]");
    await page.keyboard.press("Enter");
    await page.locator(`#found [data-open="${id}"]`).waitFor();
    await page.keyboard.press("Control+Home");
    await page.evaluate(() => document.activeElement.blur());
    await tabTo("[data-language=zh]");
    await page.keyboard.press("Enter");
    await page.locator("h2", { hasText: "滞留" }).waitFor();
  },

  /** A refill of the float is shown with its routes and their shares. */
  async swaps(page, [key, received]) {
    await signIn(page, key);
    const swap = page.locator("#swaps [data-swap=done]");
    await swap.waitFor({ timeout: LIMIT });
    assert((await swap.locator(".routes li").count()) >= 3, "a split has several routes");
    const shares = await swap.locator(".routes .number").allTextContents();
    const sum = shares.reduce((sum, share) => sum + parseFloat(share.replace("<", "")), 0);
    assert(sum > 99.9 && sum <= 100.05, `the shares are ${shares}`);
    assert((await swap.textContent()).includes(received), `${received} is what came`);
    await fits(page);
    await contrasts(page);
    await screenshot(page, "operator-swaps");
    await page.getByRole("button", { name: "中文" }).click();
    await page.locator("#swaps h2", { hasText: "资金兑换" }).waitFor();
    assert(await page.locator("#margin").isHidden(), "no pool is watched");
  },

  /** A margin pool is shown with the books nearest to a liquidation, and what shocks would do. */
  async margin(page, [key, account]) {
    await signIn(page, key);
    const pool = page.locator('#margin [data-pool="ETH/TUSD"]');
    await pool.locator("svg").waitFor({ timeout: LIMIT });
    assert.equal(await pool.locator("svg rect.fill").count(), 11, "a column for each move of the price");
    assert.equal(await pool.locator("svg line.mark").count(), 1, "the fund");
    await pool.locator(`code[title="${account}" i]`).waitFor();
    assert.match(await pool.textContent(), /would not cover .* at .*\+40 %/);
    assert.match(await pool.locator("svg rect.bad title").last().textContent(), /^\+50 %: books that fall: 1; .* Not covered/);
    for (const viewport of [PHONE, DESKTOP]) {
      await page.setViewportSize(viewport);
      await screenshot(page, `operator-margin-${viewport === PHONE ? "phone" : "desktop"}`);
      await fits(page);
      await contrasts(page);
    }
    await page.getByRole("button", { name: "中文" }).click();
    await page.locator("#margin h2", { hasText: "保证金池" }).waitFor();
    assert(await page.locator("#swaps").isHidden(), "nothing was swapped");
  },

  /** Phone and desktop, dark and light: nothing beyond the screen, enough contrast everywhere. */
  async looks(page, [key, id, link]) {
    const shifted = await watchShifts(page);
    await signIn(page, key);
    for (const colorScheme of ["light", "dark"]) {
      for (const [size, viewport] of [
        ["desktop", DESKTOP],
        ["phone", PHONE],
      ]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        await page.goto(address(`/#${id}`));
        await page.reload();
        await page.locator("#detail", { hasText: "What frees it" }).waitFor();
        await page.locator("#limits svg").first().waitFor();
        await fits(page);
        await contrasts(page);
        await page.waitForTimeout(2_000);
        assert((await shifted()) < 0.1, `${size}: what was there moved by ${await shifted()}`);
        await screenshot(page, `operator-${colorScheme}-${size}`);
        await page.goto(address(link));
        await page.locator("[data-fact=id]").waitFor();
        await fits(page);
        await contrasts(page);
        await screenshot(page, `status-${colorScheme}-${size}`);
      }
    }
    await page.setViewportSize(DESKTOP);
    await page.goto(address(`/#${id}`));
    await page.getByRole("button", { name: "中文" }).click();
    await page.locator("h2", { hasText: "滞留" }).waitFor();
    await fits(page);
    await screenshot(page, "operator-zh");
  },
};

await withBrowser((page, context) => cases[name](page, given, context));
process.exit(0);
