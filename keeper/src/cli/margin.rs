//! `spillway margin`.

use super::{
    args::{MarginAccountArgs, MarginCommand, StressArgs},
    exit::Exit,
    output,
};
use crate::{
    chain::Chain,
    config::Config,
    deployment::Deployment,
    domain::amount::Amount,
    margin::{
        pools::{Pool, configured},
        stress::{self, Outcome},
    },
    store::Store,
};
use ::margin::{
    Leg, Market, indicative,
    watch::{Book, ENOUGH},
};
use alloy::primitives::{Address, U256};
use eyre::ensure;
use serde_json::{Value, json};
use std::path::Path;

pub(super) async fn run(
    command: &MarginCommand,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    ensure!(
        config.margin.is_on(),
        "no margin pool is configured; write its factory or pools under [margin] of the configuration"
    );
    let chain = Chain::connect(&config.chain, deployment.vault)?;
    chain.verify(deployment.chain_id).await??;
    let pools = read(config, deployment, &chain).await?;
    match command {
        MarginCommand::Accounts(args) => accounts(&pools, args.json)?,
        MarginCommand::Account(args) => account(&pools, &chain, args).await?,
        MarginCommand::Stress(args) => shock(&pools, args)?,
    }
    Ok(Exit::Done)
}

/// All pools as they are now. What a keeper stored of them is read where there is a store: the rest is in their events.
async fn read(config: &Config, deployment: &Deployment, chain: &Chain) -> eyre::Result<Vec<Pool>> {
    let file = config.store.url.strip_prefix("sqlite:").map(|rest| rest.trim_start_matches("//"));
    let is_there = file.is_none_or(|file| Path::new(file.split('?').next().unwrap_or_default()).exists());
    let store = if is_there { Some(Store::connect(&config.store.url).await?) } else { None };
    let tip = chain.tip().await?;
    let mut pools = Vec::new();
    for address in configured(&config.margin, chain).await? {
        let known = match &store {
            Some(store) => store.margin_followed(address).await.ok().flatten(),
            None => None,
        };
        let (assets, from) = (&deployment.assets, deployment.block);
        let mut pool = Pool::open(chain, assets, address, known, from, tip).await?;
        pool.update(chain, tip).await?;
        pools.push(pool);
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(pools)
}

// ------------------------------------------------------------------------------------------------- accounts

fn accounts(pools: &[Pool], as_json: bool) -> eyre::Result<()> {
    if as_json {
        let pools: Vec<_> = pools
            .iter()
            .map(|pool| {
                let books: Vec<_> = pool.watch.ranked().into_iter().map(|b| book_json(pool, b)).collect();
                json!({ "pool": pool.address, "name": pool.name, "block": pool.block.number, "books": books })
            })
            .collect();
        return output::json(&json!({ "pools": pools }));
    }
    for pool in pools {
        head(pool);
        let mut table = output::table(["account", "expiry", "margin", "maintenance", "initial", "cover", ""]);
        for book in pool.watch.ranked() {
            table.add_row([
                book.id.0.to_string(),
                date(book.id.1),
                shown(pool, U256::from(book.margin)),
                shown(pool, book.valuation.maintenance),
                shown(pool, book.valuation.initial),
                cover(book),
                pool.state_of(book).to_owned(),
            ]);
        }
        output::line(table);
    }
    Ok(())
}

fn head(pool: &Pool) {
    output::line(format!(
        "{} at {}, block {}: {} books, fund {}",
        pool.name,
        pool.address,
        pool.block.number,
        pool.watch.len(),
        pool.show(pool.facts.insurance)
    ));
}

fn book_json(pool: &Pool, book: &Book) -> Value {
    let units = |units: U256| units.to_string();
    json!({
        "account": book.id.0,
        "expiry": book.id.1,
        "margin": book.margin.to_string(),
        "initial": units(book.valuation.initial),
        "maintenance": units(book.valuation.maintenance),
        "liability": units(book.valuation.liability),
        "cover_ppm": (book.cover != u64::MAX).then_some(book.cover),
        "state": pool.state_of(book),
    })
}

/// `1.273`, rounded down; nothing where no margin is required.
fn cover(book: &Book) -> String {
    if book.cover == u64::MAX {
        return "-".to_owned();
    }
    format!("{}.{:03}", book.cover / ENOUGH, book.cover % ENOUGH / 1_000)
}

/// In whole collateral, without its name.
fn shown(pool: &Pool, units: U256) -> String {
    Amount(units).to_decimal(pool.collateral.decimals)
}

// -------------------------------------------------------------------------------------------------- account

async fn account(pools: &[Pool], chain: &Chain, args: &MarginAccountArgs) -> eyre::Result<()> {
    let mut documents = Vec::new();
    for pool in pools {
        let free = chain.margin_free(pool.address, args.id, pool.block).await?;
        let books: Vec<_> = pool.watch.ranked().into_iter().filter(|b| b.id.0 == args.id).collect();
        if args.json {
            let books: Vec<_> = books.iter().map(|book| with_options(pool, book)).collect();
            documents.push(
                json!({ "pool": pool.address, "name": pool.name, "free": free.to_string(), "books": books }),
            );
        } else {
            tell(pool, args.id, free, &books);
        }
    }
    if args.json {
        return output::json(&json!({ "account": args.id, "pools": documents }));
    }
    Ok(())
}

fn tell(pool: &Pool, account: Address, free: U256, books: &[&Book]) {
    output::line(format!("{account} in {}: {} free", pool.name, pool.show(free)));
    for book in books {
        output::line(format!(
            "{}: margin {}, maintenance {}, initial {}, cover {} {}",
            date(book.id.1),
            pool.show(U256::from(book.margin)),
            shown(pool, book.valuation.maintenance),
            shown(pool, book.valuation.initial),
            cover(book),
            pool.state_of(book),
        ));
        let mut table = output::table(["option", "size", "mark", "delta"]);
        for leg in pool.watch.legs(book) {
            let (mark, delta) = greeks(pool, book, &leg);
            table.add_row([
                format!("{} {}", if leg.is_call { "call" } else { "put" }, decimal(leg.strike)),
                size(&leg),
                format!("{mark:.4}"),
                format!("{delta:+.4}"),
            ]);
        }
        output::line(table);
    }
}

fn with_options(pool: &Pool, book: &Book) -> Value {
    let mut document = book_json(pool, book);
    let options = pool.watch.legs(book).map(|leg| {
        let (mark, delta) = greeks(pool, book, &leg);
        json!({
            "kind": if leg.is_call { "call" } else { "put" },
            "strike": decimal(leg.strike),
            "size": size(&leg),
            "mark": mark,
            "delta": delta,
        })
    });
    document["options"] = options.collect();
    document
}

/// The value of one contract in whole collateral, and its delta: indicative.
#[allow(clippy::float_arithmetic)]
fn greeks(pool: &Pool, book: &Book, leg: &Leg) -> (f64, f64) {
    let Some(Market { lo, hi, v_mark, .. }) = pool.watch.market(book.id.1).filter(|m| !m.lo.is_zero()) else {
        return (0.0, 0.0);
    };
    let whole = |n: U256| f64::from(n) / 1e18;
    let (forward, strike, v) =
        (whole((lo + hi) / U256::from(2)), whole(U256::from(leg.strike)), whole(v_mark));
    (indicative::price(forward, strike, v, leg.is_call), indicative::delta(forward, strike, v, leg.is_call))
}

fn size(leg: &Leg) -> String {
    let sign = if leg.size < 0 { "-" } else { "" };
    format!("{sign}{}", decimal(leg.size.unsigned_abs()))
}

/// A number of 18 decimals.
fn decimal(n: u128) -> String {
    Amount(U256::from(n)).to_decimal(18)
}

fn date(expiry: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(expiry);
    humantime::format_rfc3339_seconds(time).to_string()
}

// --------------------------------------------------------------------------------------------------- stress

fn shock(pools: &[Pool], args: &StressArgs) -> eyre::Result<()> {
    let outcomes: Vec<_> =
        pools.iter().map(|pool| (pool, stress::stress(pool, args.shock, args.vol))).collect();
    if args.json {
        let pools: Vec<_> = outcomes.iter().map(|(pool, outcome)| outcome_json(pool, outcome)).collect();
        return output::json(&json!({ "shock_bps": args.shock, "vol_bps": args.vol, "pools": pools }));
    }
    for (pool, outcome) in &outcomes {
        tell_outcome(pool, outcome);
    }
    Ok(())
}

fn outcome_json(pool: &Pool, outcome: &Outcome) -> Value {
    let falls: Vec<_> = outcome
        .falls
        .iter()
        .map(|fall| {
            json!({
                "account": fall.id.0, "expiry": fall.id.1, "margin": fall.margin.to_string(),
                "maintenance": fall.maintenance.to_string(), "liability": fall.liability.to_string(),
                "rescue": fall.rescue.to_string(), "paid": fall.paid.to_string(),
            })
        })
        .collect();
    json!({
        "pool": pool.address, "name": pool.name, "block": pool.block.number, "books": outcome.books,
        "falls": falls, "shortfall": outcome.shortfall().to_string(), "rescue": outcome.rescue().to_string(),
        "fund": outcome.fund.to_string(), "covered": outcome.is_covered(),
    })
}

fn tell_outcome(pool: &Pool, outcome: &Outcome) {
    head(pool);
    if !outcome.falls.is_empty() {
        let header = ["account", "expiry", "margin", "maintenance", "owes", "asks of the fund", "gets"];
        let mut table = output::table(header);
        for fall in &outcome.falls {
            table.add_row([
                fall.id.0.to_string(),
                date(fall.id.1),
                shown(pool, fall.margin),
                shown(pool, fall.maintenance),
                shown(pool, fall.liability),
                shown(pool, fall.rescue),
                shown(pool, fall.paid),
            ]);
        }
        output::line(table);
    }
    output::line(format!(
        "{} of {} books would fall; beyond their margins they owe {}; the fund of {} is asked for {}: {}",
        outcome.falls.len(),
        outcome.books,
        pool.show(outcome.shortfall()),
        pool.show(outcome.fund),
        pool.show(outcome.rescue()),
        if outcome.is_covered() { "covered" } else { "NOT covered" },
    ));
}
