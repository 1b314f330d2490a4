//! `make bench-keeper`: what the keeper does in a second, on a chain with a block each second. `--only NAME` runs one
//! part. What is measured several times is given as the median; `SPILLWAY_BENCH_RUNS` says how often. Every part checks
//! on chain that each withdrawal was paid exactly once.
//!
//! There is no peer in the run. The one that could be linked, rrelayer_core 0.7.0, is the library of a server: it would
//! bring 180 packages more than these, among them a second alloy, axum and hyper, three SDKs of AWS, one of Google, and
//! OpenSSL.
//!
//! - [`throughput`]: from submission to mined: `sqlite`, `postgres`, and `unbatched` with a transaction for each
//! - [`chain_alone`]: what the chain takes without a keeper
//! - [`intake`]: durable acceptances over HTTP, and how long a caller waits for one
//! - [`latency`]: from submission to mined when there is little to do
//! - [`readers`]: what it costs payments that people look
//! - [`cost`]: whether a withdrawal costs more when a million are in the store
//! - [`recovery`]: from SIGKILL to the first new payout
//! - [`rig`]: the chain, the keeper and the client that all of them use

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

mod chain_alone;
mod cost;
mod intake;
mod latency;
mod readers;
mod recovery;
mod rig;
mod throughput;

use eyre::bail;
use spillway_e2e::bench::Figures;

const PARTS: [&str; 9] =
    ["sqlite", "postgres", "unbatched", "chain_alone", "intake", "latency", "readers", "cost", "recovery"];

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let mut args = std::env::args().skip(1);
    let only = match (args.next().as_deref(), args.next()) {
        (None, _) => None,
        (Some("--only"), Some(part)) if PARTS.contains(&part.as_str()) => Some(part),
        _ => bail!("usage: bench-keeper [--only {}]", PARTS.join("|")),
    };
    let mut figures = Figures::default();
    for part in PARTS.into_iter().filter(|part| only.as_deref().is_none_or(|only| only == *part)) {
        match part {
            "sqlite" => throughput::sqlite(&mut figures).await?,
            "postgres" => throughput::postgres(&mut figures).await?,
            "unbatched" => throughput::unbatched(&mut figures).await?,
            "chain_alone" => chain_alone::run(&mut figures).await?,
            "intake" => intake::run(&mut figures).await?,
            "latency" => latency::run(&mut figures).await?,
            "readers" => readers::run(&mut figures).await?,
            "cost" => cost::run(&mut figures).await?,
            _ => recovery::run(&mut figures).await?,
        }
    }
    eprintln!(
        "no peer in this run: rrelayer_core would bring 180 packages more; chain_alone is the limit beside it"
    );
    let path = figures.write("keeper")?;
    eprintln!("written to {}", path.display());
    Ok(())
}
