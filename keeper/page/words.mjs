// The page's own words. Reasons, links of the way and what comes next come from the keeper, in both languages.

const WORDS = {
  en: {
    title: "Withdrawal",
    operator: "Operator",
    language: "Language",
    skip: "Skip to the content",
    accepted_at: "Received",
    recipient: "Recipient",
    id: "Withdrawal",
    key: "Idempotency key",
    fee: "Network fee",
    fee_paid: "the operator pays it",
    fee_value: "at most {fee} of the chain's coin; the operator pays it",
    transaction: "Transaction",
    none_yet: "none yet",
    block: "block {block}",
    deadline: "Deadline",
    copy: "Copy",
    copied: "Copied",
    steps: "Steps",
    what_to_do: "What you can do",
    reviewer_said: "The reviewer's reason:",
    left: "About {p50} left; nine of ten are done within {p90}.",
    left_unknown: "How long it takes is not known yet: too few were paid lately.",
    left_late: "It takes longer than most do.",
    took: "It took {time}.",
    next: "Next, {when}: {what}.",
    next_name: "Next",
    next_value: "{when}: {what}",
    now: "now",
    in: "in {time}",
    ago: "{time} ago",
    updated: "This page follows by itself. Last looked at {time}.",
    ended: "Nothing follows. Last looked at {time}.",
    offline: "The keeper does not answer. Tried again by itself.",
    unknown_link: "No withdrawal has this link.",
    unknown_link_next: "Check that the link is complete, or ask whoever gave it to you.",
    reviews: "Waiting for approvers",
    reviews_none: "Nothing waits for approvers.",
    review_progress: "{n} of {of} approvals",
    review_until: "If too few have signed, it is offered again {when}.",
    review_how:
      "An approver signs this typed data (EIP-712). It pays what is listed above, at one place of one lane, and cannot be used twice.",
    review_typed: "Typed data to be signed",
    review_wallet: "Sign with the wallet in this browser",
    review_approver: "Approver's address",
    review_signature: "Signature",
    review_hand_in: "Hand the signature in",
    review_which: "Reject",
    review_all: "all of it",
    review_reason: "Reason, for whoever handed it in and whoever has the link to its status page",
    review_reject: "Reject",
    as_usual: "It was paid as usual.",
    state_received: "Accepted",
    state_held: "On hold",
    state_ready: "Queued",
    state_batched: "On its way",
    state_paid: "Paid",
    state_claimable: "To be claimed",
    state_rejected: "Rejected",
    state_cancelled: "Taken back",
    advice_moving: "Nothing: it goes on by itself. You can close this page and come back by the same link.",
    advice_held:
      "Nothing now: it goes on by itself when the cause above is gone. If that takes long, ask the operator and name the withdrawal.",
    advice_paid: "Nothing: the money is with the recipient. Any explorer of the chain shows the transaction below.",
    advice_claimable:
      "Call claim(asset, to) of the vault from the recipient's account. The asset is {asset}. The money waits without an end.",
    advice_rejected: "Nothing was paid. The cause above says what to do before it is handed in again.",
    advice_cancelled: "Nothing more is paid for it here. Hand it in again if it is still wanted.",
    sign_in: "Sign in",
    sign_in_why: "Paste an API key with the scope read. It stays in this tab and is forgotten when the tab is closed.",
    api_key: "API key",
    sign_out: "Sign out",
    ready: "Paying",
    not_ready: "Not paying",
    connecting: "Asking…",
    line: "The line",
    stage: "Stage",
    waiting: "Waiting",
    oldest: "Oldest",
    total: "{n} on the line",
    stage_received: "Received",
    stage_held: "Held",
    stage_ready: "Ready",
    stage_planned: "Planned",
    stage_priced: "Priced",
    stage_funded: "Funded",
    stage_signed: "Signed",
    stage_broadcast: "Broadcast",
    stage_mined: "Mined",
    stuck: "Stuck",
    stuck_none: "Nothing is stuck.",
    stuck_more: "the oldest {n}",
    amount: "Amount",
    asset: "Asset",
    cause: "Cause",
    age: "Age",
    search: "Find a withdrawal",
    search_hint: "Id, or recipient's address",
    find: "Find",
    bad_search: "This is neither an id (wd_ and 32 digits) nor an address.",
    found: "{n} found",
    newest: "the newest {n} at this stage: {stage}",
    back: "Close",
    frees: "What frees it",
    history: "History",
    settled: "Settled, last 24 hours",
    settled_none: "Nothing was settled in the last 24 hours.",
    settled_sum: "{n} payouts: {sums}",
    payouts: "{n} payouts",
    hour_at: "{hour}: {n} payouts",
    pauses: "Pauses",
    pauses_none: "Nothing is paused.",
    paused_until: "ends by itself {when}",
    paused_by: "by",
    scope_everything: "everything",
    scope_deposits: "deposits",
    scope_orders: "orders",
    scope_requests: "requests",
    scope_swaps: "swaps",
    limits: "Limits and float",
    bucket_asset: "May leave",
    bucket_instant: "By the keeper alone",
    bucket_usd: "All assets, in USD",
    of: "{left} of {capacity}",
    full: "full",
    full_at: "full {when}",
    float: "Float {float}, owed {owed}",
    shortfall: "short of {n}",
    refill_requested: "{n} asked for from cold",
    lanes: "Lanes",
    lanes_none: "No lane has paid yet.",
    lane: "Lane",
    nonce: "Nonce",
    in_flight: "In flight",
    lane_well: "pays",
    lane_disabled: "disabled on chain",
    lane_fenced: "fenced {when}",
    lane_poor: "needs {n} for gas",
    state: "State",
    endpoints: "RPC endpoints",
    endpoint: "Host",
    latency: "Latency",
    errors: "Errors",
    behind: "Behind",
    endpoint_well: "asked",
    endpoint_aside: "set aside: {cause}",
    fees: "Fees",
    fees_none: "No payout was estimated yet.",
    fee_of: "Per payout, at most",
    gas: "Gas",
    base_fee: "Base fee, gwei",
    prices: "Prices",
    prices_none: "No price is judged.",
    swaps: "Swaps of the float",
    newest_few: "the newest {n}",
    swap_open: "under way",
    swap_done: "done",
    swap_failed: "failed",
    swap_slice: "one slice of it",
    swap_least: "at least {least} {symbol}",
    swap_below: "{n} below the quote",
    swap_above: "{n} above the quote",
    swap_trouble: "{symbol} cannot be bought now:",
    margin_pools: "Margin pools",
    pool_books: "{books} books, {below} below maintenance, {open} in liquidation",
    pool_unpriced: "expiries without a price: {n}",
    stress: "If the price moves, and volatility by {volatility}",
    stress_fund: "The line is the insurance fund: {fund}.",
    stress_none: "No book would fall.",
    stress_covered: "The insurance fund would cover what it is asked for.",
    stress_open: "The insurance fund would not cover what it is asked for at {moves}.",
    shock: "{move}: books that fall: {n}; the fund is asked for {rescue}.",
    shock_covered: "Covered.",
    shock_open: "Not covered.",
    account: "Account",
    expiry: "Expiry",
    margin: "Margin",
    maintenance: "Maintenance",
    cover: "Cover",
    book_expired: "expired",
    book_no_price: "no price",
    book_in_liquidation: "in liquidation",
    book_below_maintenance: "below maintenance",
    allows: "allows {what}",
    allows_nothing: "allows nothing",
    books: "Books",
    books_block: "Booked up to block",
    reconciled: "Chain and books",
    reconciled_ok: "agree, block {block}, {when}",
    reconciled_bad: "differ, block {block}, {when}",
    reconciled_none: "not compared yet",
    unmatched: "Payouts of nobody",
    stopped: "Stopped assets",
    audit: "Audit",
    audit_changes: "{n} changes, newest hash",
    audit_on_chain: "Audit on chain",
    audit_anchored: "up to change {change}, block {block}; {n} newer ones go with the next settlement",
    audit_unanchored: "not yet: its hash goes with the first settlement",
    audit_broken:
      "The last settlements carry hashes that it does not have: history was written anew. spillway audit verify says from where.",
    none: "none",
    vault_gone: "The chain does not answer: what follows is from {when}.",
    verdict_healthy: "healthy",
    verdict_degraded: "degraded",
    verdict_insane: "insane",
  },
  zh: {
    title: "提现",
    operator: "运营",
    language: "语言",
    skip: "跳到正文",
    accepted_at: "受理时间",
    recipient: "收款地址",
    id: "提现编号",
    key: "幂等键",
    fee: "网络费用",
    fee_paid: "由运营方承担",
    fee_value: "最多 {fee}（链上原生币），由运营方承担",
    transaction: "交易",
    none_yet: "暂无",
    block: "区块 {block}",
    deadline: "截止时间",
    copy: "复制",
    copied: "已复制",
    steps: "进度",
    what_to_do: "您可以做什么",
    reviewer_said: "审核人的说明：",
    left: "预计还需约 {p50}，九成在 {p90} 内完成",
    left_unknown: "近期付款太少，暂时无法估计所需时间。",
    left_late: "所需时间已超过多数提现。",
    took: "共用时 {time}。",
    next: "下一步（{when}）：{what}。",
    next_name: "下一步",
    next_value: "{when}：{what}",
    now: "现在",
    in: "{time}后",
    ago: "{time}前",
    updated: "本页会自动更新。最近一次查看：{time}。",
    ended: "流程已结束。最近一次查看：{time}。",
    offline: "keeper 没有响应，正在自动重试。",
    unknown_link: "没有与此链接对应的提现。",
    unknown_link_next: "请检查链接是否完整，或向提供链接的人询问。",
    reviews: "等待审批",
    reviews_none: "没有等待审批的提现。",
    review_progress: "{of} 个审批中的 {n} 个",
    review_until: "若届时签名不足，将于{when}重新提交审批。",
    review_how: "审批人签署以下结构化数据（EIP-712）。它只支付上面列出的款项，只在一个通道的一个位置有效，不能重复使用。",
    review_typed: "待签署的结构化数据",
    review_wallet: "使用此浏览器中的钱包签名",
    review_approver: "审批人地址",
    review_signature: "签名",
    review_hand_in: "提交签名",
    review_which: "拒绝",
    review_all: "全部",
    review_reason: "原因（提交方和持有状态页链接的人可见）",
    review_reject: "拒绝",
    as_usual: "已正常支付。",
    state_received: "已受理",
    state_held: "暂缓",
    state_ready: "排队中",
    state_batched: "处理中",
    state_paid: "已支付",
    state_claimable: "待领取",
    state_rejected: "已拒绝",
    state_cancelled: "已取消",
    advice_moving: "无需操作：会自动继续。您可以关闭本页，之后用同一链接再次查看。",
    advice_held: "目前无需操作：上述原因消除后会自动继续。如等待过久，请联系运营方并提供提现编号。",
    advice_paid: "无需操作：款项已到收款方。可用下面的交易哈希在任意区块浏览器中查看。",
    advice_claimable: "请用收款账户调用金库的 claim(asset, to)。资产为 {asset}。这笔款项会一直保留。",
    advice_rejected: "没有付款。请按上述原因处理后重新提交。",
    advice_cancelled: "此提现不会再付款。如仍需要，请重新提交。",
    sign_in: "登录",
    sign_in_why: "请粘贴具有 read 权限的 API 密钥。它只保存在此标签页中，关闭后即清除。",
    api_key: "API 密钥",
    sign_out: "退出",
    ready: "付款正常",
    not_ready: "未在付款",
    connecting: "查询中…",
    line: "流程",
    stage: "阶段",
    waiting: "等待",
    oldest: "最久",
    total: "流程中共 {n} 笔",
    stage_received: "已受理",
    stage_held: "暂缓",
    stage_ready: "就绪",
    stage_planned: "已编批",
    stage_priced: "已核价",
    stage_funded: "已排号",
    stage_signed: "已签名",
    stage_broadcast: "已发送",
    stage_mined: "已进块",
    stuck: "滞留",
    stuck_none: "没有滞留。",
    stuck_more: "最早的 {n} 笔",
    amount: "金额",
    asset: "资产",
    cause: "原因",
    age: "已等待",
    search: "查找提现",
    search_hint: "编号或收款地址",
    find: "查找",
    bad_search: "既不是编号（wd_ 加 32 位数字），也不是地址。",
    found: "找到 {n} 笔",
    newest: "该阶段最新的 {n} 笔：{stage}",
    back: "关闭",
    frees: "如何解除",
    history: "历史",
    settled: "最近 24 小时结算",
    settled_none: "最近 24 小时没有结算。",
    settled_sum: "{n} 笔付款：{sums}",
    payouts: "{n} 笔付款",
    hour_at: "{hour}：{n} 笔付款",
    pauses: "暂停",
    pauses_none: "没有暂停。",
    paused_until: "{when}自动结束",
    paused_by: "由",
    scope_everything: "全部",
    scope_deposits: "存入",
    scope_orders: "订单",
    scope_requests: "链上申请",
    scope_swaps: "兑换",
    limits: "额度与余额",
    bucket_asset: "可流出",
    bucket_instant: "keeper 单独可付",
    bucket_usd: "全部资产（美元）",
    of: "{left} / {capacity}",
    full: "已满",
    full_at: "{when}恢复",
    float: "余额 {float}，应付 {owed}",
    shortfall: "缺 {n}",
    refill_requested: "已向冷钱包请求 {n}",
    lanes: "付款账户",
    lanes_none: "尚无付款账户付过款。",
    lane: "账户",
    nonce: "Nonce",
    in_flight: "在途",
    lane_well: "正常",
    lane_disabled: "链上已停用",
    lane_fenced: "{when}起隔离",
    lane_poor: "手续费需 {n}",
    state: "状态",
    endpoints: "RPC 节点",
    endpoint: "主机",
    latency: "延迟",
    errors: "错误",
    behind: "落后",
    endpoint_well: "使用中",
    endpoint_aside: "已搁置：{cause}",
    fees: "费用",
    fees_none: "尚未估算过付款费用。",
    fee_of: "每笔最多",
    gas: "Gas",
    base_fee: "基础费（gwei）",
    prices: "价格",
    prices_none: "没有需要判断的价格。",
    swaps: "资金兑换",
    newest_few: "最近 {n} 笔",
    swap_open: "进行中",
    swap_done: "完成",
    swap_failed: "失败",
    swap_slice: "分批中的一批",
    swap_least: "至少 {least} {symbol}",
    swap_below: "比报价低 {n}",
    swap_above: "比报价高 {n}",
    swap_trouble: "{symbol} 目前无法买入：",
    margin_pools: "保证金池",
    pool_books: "{books} 个账簿，{below} 个低于维持保证金，{open} 个清算中",
    pool_unpriced: "没有价格的到期日：{n}",
    stress: "若价格变动，且波动率变动 {volatility}",
    stress_fund: "横线为保险基金：{fund}。",
    stress_none: "没有账簿会触及清算。",
    stress_covered: "保险基金足以覆盖所需。",
    stress_open: "价格变动 {moves} 时，保险基金不足以覆盖所需。",
    shock: "{move}：{n} 个账簿触及清算，保险基金需支付 {rescue}。",
    shock_covered: "足以覆盖。",
    shock_open: "不足以覆盖。",
    account: "账户",
    expiry: "到期日",
    margin: "保证金",
    maintenance: "维持保证金",
    cover: "覆盖率",
    book_expired: "已到期",
    book_no_price: "没有价格",
    book_in_liquidation: "清算中",
    book_below_maintenance: "低于维持保证金",
    allows: "允许 {what}",
    allows_nothing: "不允许使用",
    books: "账本",
    books_block: "已记账至区块",
    reconciled: "链与账本",
    reconciled_ok: "一致，区块 {block}，{when}",
    reconciled_bad: "不一致，区块 {block}，{when}",
    reconciled_none: "尚未核对",
    unmatched: "无主付款",
    stopped: "已停止的资产",
    audit: "审计链",
    audit_changes: "{n} 条变更，最新哈希",
    audit_on_chain: "链上审计",
    audit_anchored: "至第 {change} 条变更，区块 {block}；另有 {n} 条将随下次结算上链",
    audit_unanchored: "尚未上链：将随首次结算上链",
    audit_broken: "最近结算携带的哈希不在审计链中：历史已被改写。请用 spillway audit verify 查明起点。",
    none: "无",
    vault_gone: "链没有响应：以下为 {when}的数据。",
    verdict_healthy: "正常",
    verdict_degraded: "降级",
    verdict_insane: "异常",
  },
};

const KEPT = "spillway.language";
export const LANGUAGES = Object.keys(WORDS);

let language = localStorage.getItem(KEPT) ?? (navigator.language.startsWith("zh") ? "zh" : "en");
if (!LANGUAGES.includes(language)) language = "en";

/** The words of `name`, with what is in braces put in. */
export function t(name, values = {}) {
  return WORDS[language][name].replace(/\{(\w+)\}/g, (_, value) => values[value]);
}

/** Whether there are words of that name. */
export const has = (name) => name in WORDS[language];

/** What the keeper said in both languages, as `name` and `name_zh`. */
export const said = (of, name) => of[language === "zh" ? `${name}_zh` : name];

/** Sets the page's language and the words of all that has `data-t`; calls `changed` on each switch. */
export function speak(changed) {
  const show = () => {
    document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
    for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
    for (const element of document.querySelectorAll("[data-t-label]")) element.ariaLabel = t(element.dataset.tLabel);
    for (const button of document.querySelectorAll("[data-language]")) {
      button.ariaPressed = String(button.dataset.language === language);
    }
  };
  document.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-language]")?.dataset.language;
    if (!wanted || wanted === language) return;
    language = wanted;
    localStorage.setItem(KEPT, wanted);
    show();
    changed();
  });
  show();
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** The time of day, with the date when it is not today. */
export function clock(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const date = today ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(locale(), { ...date, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(
    at,
  );
}

/** Milliseconds in the two largest units that are not zero. */
export function duration(ms) {
  const units = language === "zh" ? ["天", "小时", "分", "秒"] : ["d", "h", "min", "s"];
  let left = Math.max(0, Math.round(ms / 1000));
  const parts = [86_400, 3_600, 60, 1].map((size) => {
    const n = Math.floor(left / size);
    left -= n * size;
    return n;
  });
  const first = parts.findIndex((n) => n > 0);
  if (first < 0) return `0 ${units[3]}`;
  const shown = [first, first + 1].filter((i) => i < 4 && parts[i] > 0);
  return shown.map((i) => `${parts[i]} ${units[i]}`).join(" ");
}

/** A moment from `now` (milliseconds): in so long, now, so long ago. */
export function when(text, now) {
  const ms = new Date(text).getTime() - now;
  if (Math.abs(ms) < 1_000) return t("now");
  return ms > 0 ? t("in", { time: duration(ms) }) : t("ago", { time: duration(-ms) });
}

/** A decimal text with its thousands apart. No digit is lost: it is never a number. */
export function grouped(text) {
  const [whole, rest] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return rest ? `${apart}.${rest}` : apart;
}

/** Wei as gwei, three decimals of it, rounded down. */
export function gwei(wei) {
  const thousandths = BigInt(wei) / 1_000_000n;
  const rest = String(thousandths % 1_000n)
    .padStart(3, "0")
    .replace(/0+$/, "");
  return grouped(`${thousandths / 1_000n}${rest && `.${rest}`}`);
}

/** A text of the keeper with its moments as a clock shows them. */
export const plain = (text) =>
  text.replace(/\b(\d{10}) \(unix seconds\)/g, (_, seconds) => clock(new Date(seconds * 1_000).toISOString()));
