//! What the chain takes without a keeper, on the same machine: settlements that were signed before, and plain transfers
//! one by one. No keeper can be faster than that.

use crate::rig::{BLOCK_TIME, LANES_USED, orders, settled};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use spillway::{
    chain::{
        Fees,
        abi::IVault,
        calldata,
        signer::{Message, Signers},
    },
    domain::{
        amount::Amount,
        lane::LanePosition,
        withdrawal::{Door, Withdrawal, WithdrawalId, WithdrawalState},
    },
};
use spillway_e2e::{
    bench::{Figures, cpu},
    chain_audit::Expected,
    eventually,
    world::{self, LANES, TestToken, World},
};
use std::time::{Duration, Instant};

const PAYOUTS: usize = 50_000;
/// Payouts of one settlement: about what fits into a transaction.
const PER_BATCH: usize = 550;
const TRANSFERS: usize = 10_000;
const GAS_LIMIT: u64 = 16_500_000;
const FEES: Fees = Fees { max_fee: 10_000_000_000, priority_fee: 1_000_000_000 };
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    figures.add("payouts_per_second_chain_alone", settlements().await?, "1/s");
    figures.add("transfers_per_second_chain_alone", transfers().await?, "1/s");
    Ok(())
}

/// The same payouts as the keeper's, in batches as large, on the same lanes.
async fn settlements() -> eyre::Result<f64> {
    let world = World::start(BLOCK_TIME).await?;
    let orders = orders(&world, "alone", PAYOUTS);
    let chunks: Vec<_> = orders.chunks(PER_BATCH).collect();
    let signed = (0..LANES_USED).map(|i| sign(&world, i, chunks.iter().skip(i).step_by(LANES_USED)));
    let signed = try_join_all(signed).await?;
    let anvil = cpu(world.anvil.id())?;

    let start = Instant::now();
    let world_ref = &world;
    try_join_all(signed.into_iter().map(|lane| async move {
        for raw in lane {
            let _sent = world_ref.provider().send_raw_transaction(&raw).await?;
        }
        eyre::Ok(())
    }))
    .await?;
    eventually("all settlements are mined", PATIENCE, || async {
        Ok((settled(&world).await? == PAYOUTS as u64).then_some(()))
    })
    .await?;
    let seconds = start.elapsed().as_secs_f64();
    let each = (cpu(world.anvil.id())? - anvil) * 1e6 / PAYOUTS as f64;
    eprintln!("{PAYOUTS} payouts without a keeper: mined in {seconds:.2} s, {each:.0} us of anvil each");
    Ok(PAYOUTS as f64 / seconds)
}

/// The settlements of a lane, in its order, as they are sent.
async fn sign<'a>(
    world: &World,
    lane: usize,
    batches: impl Iterator<Item = &'a &'a [Expected]>,
) -> eyre::Result<Vec<Bytes>> {
    let (address, key) = LANES[lane];
    let signers = Signers::new([key.parse::<PrivateKeySigner>()?]);
    let slot = IVault::new(world.vault(), world.provider()).laneOf(address).call().await?;
    let mut position = LanePosition { next: slot.next, head: slot.head };
    let mut nonce = world.provider().get_transaction_count(address).await?;
    let mut signed = Vec::new();
    for batch in batches {
        let withdrawals: Vec<_> = batch.iter().map(withdrawal).collect();
        let asset = withdrawals.first().ok_or_eyre("an empty batch")?.asset;
        let calldata = calldata::settle(asset, position, B256::ZERO, &withdrawals);
        let message = Message {
            chain_id: world.deployment.chain_id,
            to: world.vault(),
            nonce,
            gas_limit: GAS_LIMIT,
            fees: FEES,
            calldata: &calldata,
        };
        signed.push(signers.sign(address, &message).ok_or_eyre("no key")??.raw);
        position = position.after(withdrawals.len() as u64, &calldata);
        nonce += 1;
    }
    Ok(signed)
}

fn withdrawal(order: &Expected) -> Withdrawal {
    Withdrawal {
        row: 0,
        id: WithdrawalId::from_key(&order.key),
        door: Door::Order,
        idempotency_key: order.key.clone(),
        asset: order.asset,
        recipient: order.recipient,
        amount: Amount(order.amount),
        state: WithdrawalState::Batched,
        reason: None,
        batch: None,
        request: None,
        deadline: None,
        trace_id: String::new(),
        received_at: 0,
    }
}

/// The transfers that a batch replaces, one by one, by plain alloy with the nonces counted here.
async fn transfers() -> eyre::Result<f64> {
    let world = World::start(BLOCK_TIME).await?;
    let (account, key) = LANES[0];
    let token = world.asset("TDAI").address;
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .wallet(EthereumWallet::new(key.parse::<PrivateKeySigner>()?))
        .connect_http(world.anvil.url().parse()?);
    let mint = TestToken::mintCall { to: account, amount: world::amount_of_ether(1) }.abi_encode();
    let minted = world::send(world.provider(), account, token, U256::ZERO, mint.into());
    ensure!(minted.await?.get_receipt().await?.status(), "mint");
    let nonce = provider.get_transaction_count(account).await?;

    let start = Instant::now();
    stream::iter(0..TRANSFERS as u64)
        .map(|i| {
            let to = Address::from_slice(&keccak256(i.to_be_bytes())[..20]);
            let input = TestToken::transferCall { to, amount: U256::from(1_000 + i) };
            let request = TransactionRequest::default()
                .with_from(account)
                .with_to(token)
                .with_input(input.abi_encode())
                .with_nonce(nonce + i)
                .with_chain_id(world.deployment.chain_id)
                .with_gas_limit(100_000)
                .with_max_fee_per_gas(FEES.max_fee)
                .with_max_priority_fee_per_gas(FEES.priority_fee);
            let provider = &provider;
            async move { provider.send_transaction(request).await.map(drop) }
        })
        .buffer_unordered(32)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    eventually("all transfers are mined", PATIENCE, || async {
        let mined = provider.get_transaction_count(account).await? - nonce;
        Ok((mined == TRANSFERS as u64).then_some(()))
    })
    .await?;
    Ok(TRANSFERS as f64 / start.elapsed().as_secs_f64())
}
