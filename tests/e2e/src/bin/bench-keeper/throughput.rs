//! Payouts per second, from the first order handed in to the last one in a block.

use crate::rig::{BLOCK_TIME, Rig};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, keccak256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use spillway_e2e::{
    bench::{Figures, median},
    eventually,
    keeper::Database,
    postgres::Postgres,
    world::{LANES, TestToken, World},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const ORDERS: usize = 50_000;
const RUNS: usize = 3;
/// One transaction per payout takes that much longer.
const UNBATCHED_ORDERS: usize = 2_000;
const PLAIN_TRANSFERS: usize = 10_000;
const CONFIG: &str = "[batch]\nwindow = \"300ms\"\nmax_in_flight = 8\n";
const UNBATCHED: &str = "[batch]\nwindow = \"0s\"\nmax_payouts = 1\nmax_in_flight = 64\n";
/// Requests of the client that are under way at a time.
const AT_ONCE: usize = 8;

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let mut memory = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let run = payouts(Database::Sqlite, CONFIG, ORDERS).await?;
        rates.push(run.rate);
        memory.push((run.half_way_mib, run.peak_mib));
    }
    figures.add("payouts_per_second_sqlite", median(rates), "1/s");
    figures.add("keeper_peak_rss_half_way_mb", median(memory.iter().map(|m| m.0).collect()), "MiB");
    figures.add("keeper_peak_rss_mb", median(memory.iter().map(|m| m.1).collect()), "MiB");

    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let server = Arc::new(Postgres::start().await?);
        rates.push(payouts(Database::Postgres(server), CONFIG, ORDERS).await?.rate);
    }
    figures.add("payouts_per_second_postgres", median(rates), "1/s");

    let unbatched = payouts(Database::Sqlite, UNBATCHED, UNBATCHED_ORDERS).await?;
    figures.add("payouts_per_second_unbatched", unbatched.rate, "1/s");
    figures.add("transfers_per_second_plain", plain().await?, "1/s");
    Ok(())
}

struct Run {
    rate: f64,
    half_way_mib: f64,
    peak_mib: f64,
}

async fn payouts(database: Database, config: &str, count: usize) -> eyre::Result<Run> {
    let rig = Rig::start(database, config).await?;
    let orders = rig.orders("bench", count);
    let bulks = rig.bulks(&orders);
    let before = rig.keeper_cpu()?;

    let start = Instant::now();
    let submitted = async {
        rig.submit(bulks, AT_ONCE).await?;
        eyre::Ok(start.elapsed())
    };
    let half_way = async {
        rig.mined(count / 2).await?;
        rig.keeper_peak_mib()
    };
    let (submitted, half_way_mib) = tokio::try_join!(submitted, half_way)?;
    rig.mined(count).await?;
    let seconds = start.elapsed().as_secs_f64();

    let cpu = (rig.keeper_cpu()? - before) * 1e6 / count as f64;
    let submitted = submitted.as_secs_f64();
    eprintln!(
        "{count} orders: submitted in {submitted:.2} s, mined in {seconds:.2} s; \
         {cpu:.0} us of the keeper's processor time each"
    );
    let peak_mib = rig.keeper_peak_mib()?;
    rig.check(&orders).await?;
    rig.keeper.stop()?;
    Ok(Run { rate: count as f64 / seconds, half_way_mib, peak_mib })
}

/// What anvil itself takes: the same transfers, one by one, by plain alloy with the nonces counted here.
async fn plain() -> eyre::Result<f64> {
    let world = World::start(BLOCK_TIME).await?;
    let (account, key) = LANES[0];
    let token = world.asset("TDAI").address;
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .wallet(EthereumWallet::new(key.parse::<PrivateKeySigner>()?))
        .connect_http(world.anvil.url().parse()?);
    let mint = TestToken::mintCall { to: account, amount: spillway_e2e::world::amount_of_ether(1) };
    let minted = spillway_e2e::world::send(
        world.provider(),
        account,
        token,
        Default::default(),
        mint.abi_encode().into(),
    );
    ensure!(minted.await?.get_receipt().await?.status(), "mint");
    let nonce = provider.get_transaction_count(account).await?;

    let start = Instant::now();
    stream::iter(0..PLAIN_TRANSFERS as u64)
        .map(|i| {
            let to = Address::from_slice(&keccak256(i.to_be_bytes())[..20]);
            let input = TestToken::transferCall { to, amount: alloy::primitives::U256::from(1_000 + i) };
            let request = TransactionRequest::default()
                .with_from(account)
                .with_to(token)
                .with_input(input.abi_encode())
                .with_nonce(nonce + i)
                .with_chain_id(world.deployment.chain_id)
                .with_gas_limit(100_000)
                .with_max_fee_per_gas(10_000_000_000)
                .with_max_priority_fee_per_gas(1_000_000_000);
            let provider = &provider;
            async move { provider.send_transaction(request).await.map(drop) }
        })
        .buffer_unordered(32)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    eventually("all transfers are mined", Duration::from_secs(120), || async {
        let mined = provider.get_transaction_count(account).await? - nonce;
        Ok((mined == PLAIN_TRANSFERS as u64).then_some(()))
    })
    .await?;
    Ok(PLAIN_TRANSFERS as f64 / start.elapsed().as_secs_f64())
}
