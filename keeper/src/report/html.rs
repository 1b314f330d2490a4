//! The statement as HTML: no script, no other host, light and dark, on paper too. Each figure has an id, so that programs
//! find it.

use super::{
    AssetDay, Count, Durations, EDGES, Fees, Proof, Statement,
    chart::{self, Bar},
    coin,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(statement: &Statement) -> Markup {
    let title = format!("Statement of {}", statement.day);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p {
                        "Vault " code { (statement.vault) } " on chain " (statement.chain_id) ". The day is UTC; made at "
                        (statement.made_at) "."
                    }
                }
                (proof(&statement.proof))
                @for asset in &statement.assets { (asset_day(asset, coin(statement))) }
                (causes(statement))
                section {
                    h2 { "Network fees" }
                    p { "Of all batches that became final, those that gave numbers or nonces up too." }
                    (fees("all", &statement.fees, coin(statement)))
                }
            }
        }
    }
}

fn figure(id: &str, text: &str) -> Markup {
    html! { td.number id=(id) { (text) } }
}

fn asset_day(asset: &AssetDay, coin: &str) -> Markup {
    let id = |what: &str| format!("{}-{what}", asset.symbol);
    html! {
        section {
            h2 { (asset.symbol) }
            p { code { (asset.address) } }
            div.columns {
                table {
                    caption { "Balances" }
                    thead { tr { th { "Account" } th { "Opening" } th { "Plus" } th { "Minus" } th { "Closing" } } }
                    tbody {
                        @for b in &asset.balances {
                            tr {
                                th scope="row" { (b.account) }
                                (figure(&id(&format!("{}-opening", b.account)), &b.opening))
                                (figure(&id(&format!("{}-increase", b.account)), &b.increase))
                                (figure(&id(&format!("{}-decrease", b.account)), &b.decrease))
                                (figure(&id(&format!("{}-closing", b.account)), &b.closing))
                            }
                        }
                    }
                }
                table {
                    caption { "Withdrawals" }
                    thead { tr { th { "" } th { "Count" } th { "Amount" } } }
                    tbody {
                        (count_row(&id("received"), "received", &asset.received))
                        (count_row(&id("paid"), "paid", &asset.paid))
                        (count_row(&id("claimable"), "turned into claims", &asset.claimable))
                        (count_row(&id("claimed"), "claims pulled", &asset.claimed))
                        (count_row(&id("rejected"), "rejected", &asset.rejected))
                        (count_row(&id("cancelled"), "cancelled", &asset.cancelled))
                    }
                }
            }
            figure {
                figcaption { "Outflow by hour" }
                (outflow(asset))
            }
            @match &asset.time_to_final {
                Some(times) => (time_to_final(&asset.symbol, times)),
                None => p { "Nothing became final." },
            }
            (fees(&asset.symbol, &asset.fees, coin))
        }
    }
}

fn count_row(id: &str, what: &str, count: &Count) -> Markup {
    html! {
        tr {
            th scope="row" { (what) }
            (figure(&format!("{id}-count"), &count.count.to_string()))
            (figure(&format!("{id}-amount"), &count.amount))
        }
    }
}

fn outflow(asset: &AssetDay) -> Markup {
    let bar = |(hour, (amount, share)): (usize, (&String, &u64))| Bar {
        share: *share,
        label: format!("{hour:02}"),
        says: format!("{hour:02}:00 {amount} {}", asset.symbol),
    };
    let bars: Vec<_> = asset.outflow.iter().zip(&asset.outflow_shares).enumerate().map(bar).collect();
    chart::bars(&format!("Outflow of {} by hour", asset.symbol), &bars)
}

fn time_to_final(symbol: &str, times: &Durations) -> Markup {
    let most = times.buckets.iter().copied().max().unwrap_or(0).max(1);
    let labels = EDGES.iter().map(|(_, label)| format!("≤ {label}")).chain(["more".to_owned()]);
    let bars: Vec<_> = times
        .buckets
        .iter()
        .zip(labels)
        .map(|(n, label)| Bar { share: n * chart::FULL / most, says: format!("{label}: {n}"), label })
        .collect();
    let id = |what: &str| format!("{symbol}-final-{what}");
    html! {
        figure {
            figcaption { "Time from receipt until final" }
            (chart::bars(&format!("Time to final of {symbol}"), &bars))
        }
        table {
            caption { "Time to final, in milliseconds" }
            thead { tr { th { "Payouts" } th { "p50" } th { "p90" } th { "p99" } th { "Longest" } } }
            tbody { tr {
                (figure(&id("count"), &times.count.to_string()))
                (figure(&id("p50"), &times.p50.to_string()))
                (figure(&id("p90"), &times.p90.to_string()))
                (figure(&id("p99"), &times.p99.to_string()))
                (figure(&id("longest"), &times.longest.to_string()))
            } }
        }
    }
}

fn fees(id: &str, fees: &Fees, coin: &str) -> Markup {
    let id = |what: &str| format!("{id}-fees-{what}");
    html! {
        table {
            caption { "Network fees" }
            thead { tr { th { "Batches" } th { "Payouts" } th { "Gas" } th { "Fee, " (coin) } th { "Cost unknown" } } }
            tbody { tr {
                (figure(&id("batches"), &fees.batches.to_string()))
                (figure(&id("payouts"), &fees.payouts.to_string()))
                (figure(&id("gas"), &fees.gas.to_string()))
                (figure(&id("fee"), &fees.fee))
                (figure(&id("unknown"), &fees.unknown.to_string()))
            } }
        }
    }
}

fn causes(statement: &Statement) -> Markup {
    html! {
        section {
            h2 { "Causes of failure" }
            @if statement.causes.is_empty() {
                p { "Nothing failed." }
            } @else {
                table {
                    thead { tr { th { "What" } th { "Code" } th { "Count" } } }
                    tbody {
                        @for cause in &statement.causes {
                            tr {
                                td { (cause.what) }
                                td { code { (cause.code) } }
                                (figure(&format!("cause-{}-{}", cause.what, cause.code), &cause.count.to_string()))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn proof(proof: &Proof) -> Markup {
    html! {
        section.proof {
            h2 { "Whether the books hold" }
            @match &proof.reconciled {
                Some(r) => p #reconciled class=(if r.ok { "good" } else { "bad" }) {
                    @if r.ok { "Intake, ledger and chain agree" } @else { "Intake, ledger and chain DIFFER" }
                    " at block " (r.block) ", compared at " (r.at) "."
                },
                None => p #reconciled.bad { "Intake, ledger and chain were not compared yet." },
            }
            @if !proof.differences.is_empty() {
                ul { @for difference in &proof.differences { li { (difference) } } }
            }
            @match (&proof.audit.broken, proof.audit.changes, proof.audit.head) {
                (None, Some(changes), Some(head)) => p #audit.good {
                    "The audit chain is whole: " (changes) " changes, head " code { (head) } "."
                },
                (broken, ..) => p #audit.bad { "The audit chain is BROKEN: " (broken.as_deref().unwrap_or_default()) },
            }
        }
    }
}
