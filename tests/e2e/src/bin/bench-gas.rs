//! `make bench-gas`: what a payout costs, as total gas of the transaction through the proxy, divided by its payouts.
//!
//! In the same run: the floor (the same packed loop without roles and books) and one transaction per transfer. The run fails
//! when a payout costs more than [`CEILINGS`]. Ours is sent as the keeper sends it, with an access list; the floor has none.

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall, SolEvent, SolValue},
};
use eyre::{OptionExt, WrapErr, ensure};
use spillway::{
    chain::{TRANSACTION_GAS_CAP, abi::IVault, calldata},
    domain::{asset::NATIVE, lane::LanePosition},
};
use spillway_e2e::{
    anvil::Options,
    bench::Figures,
    root,
    world::{DEPLOYER, GOVERNANCE, GUARDIAN, LANES, TestToken, World},
};

sol! {
    interface IFloor {
        function pay(address asset, bytes32[] calldata payouts) external;
    }

    interface IFixedGuard {
        function set(address asset, uint8 verdict, uint256 price) external;
    }

    #[sol(rpc)]
    interface IApprovers {
        struct Settlement {
            address vault; address lane; address asset; uint64 first; bytes24 head; uint256 total;
            bytes32 payouts; bytes32 refs; uint64 deadline;
        }
        function setApprovers(address[] calldata approvers, uint256 threshold) external;
        function digest(Settlement calldata s) external view returns (bytes32);
    }
}

const SIZES: [usize; 4] = [1, 10, 100, 500];
/// Gas of a payout in a batch of 10, 100 and 500 that is not to be exceeded.
const CEILINGS: [(&str, [u64; 3]); 4] = [
    ("erc20_fresh", [31_500, 26_500, 26_060]),
    ("erc20_warm", [14_400, 9_400, 8_960]),
    ("eth_fresh", [39_800, 35_500, 35_170]),
    ("eth_warm", [14_800, 10_500, 10_170]),
];
/// Near 1.23e18: calldata of realistic amounts.
const AMOUNT: u128 = 1_230_000_000_000_000_017;
/// 500 fresh payouts of ETH do not fit the 16,777,216 of EIP-7825: the figure is for comparison.
const MAX_GAS: u64 = 30_000_000;
/// USD per unit times 1e36, for a coin of 18 decimals at one dollar.
const ONE_DOLLAR: u128 = 1_000_000_000_000_000_000;

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let options = Options { block_time: Some(0.2), uncapped: true, ..Options::default() };
    let mut bench = Bench::new(World::start_with(options).await?).await?;
    for asset in ["erc20", "eth"] {
        bench.run(asset).await?;
    }
    bench.verbs().await?;
    let path = bench.figures.write("gas")?;
    eprintln!("written to {}", path.display());
    ensure!(bench.exceeded.is_empty(), "above their ceilings: {}", bench.exceeded.join(", "));
    Ok(())
}

/// None for a size that has no ceiling.
fn ceiling(kind: &str, n: usize) -> Option<u64> {
    let (_, of_sizes) = CEILINGS.iter().find(|(name, _)| *name == kind)?;
    SIZES.iter().skip(1).zip(of_sizes).find(|(size, _)| **size == n).map(|(_, gas)| *gas)
}

struct Bench {
    world: World,
    floor: Address,
    token: Address,
    /// So that each batch has recipients of its own.
    seed: u64,
    figures: Figures,
    /// Payouts that cost more than they may, with both figures.
    exceeded: Vec<String>,
}

impl Bench {
    /// The vault with everything on: a listed token, prices in the USD bucket, an order in every bucket.
    async fn new(world: World) -> eyre::Result<Self> {
        let floor = deploy(&world, "Floor.sol/Floor.json").await?;
        let token = deploy(&world, "BenchToken.sol/BenchToken.json").await?;
        let guard = deploy(&world, "FixedGuard.sol/FixedGuard.json").await?;
        let bench = Self { floor, token, world, seed: 0, figures: Figures::default(), exceeded: Vec::new() };
        let (vault, dai) = (bench.world.vault(), bench.world.asset("TDAI").address);
        let funds = U256::from(AMOUNT) * U256::from(200_000);
        for holder in [floor, vault, DEPLOYER] {
            bench
                .send(DEPLOYER, token, TestToken::mintCall { to: holder, amount: funds }.abi_encode())
                .await?;
        }
        let value = U256::from(AMOUNT) * U256::from(5_000);
        bench.gas(DEPLOYER, floor, value, Vec::new()).await?;

        let chain = IVault::new(vault, bench.world.provider());
        let (config, limits) = (chain.assetConfig(dai).call().await?, chain.assetLimits(dai).call().await?);
        bench.govern(IVault::configureAssetCall { asset: token, config }.abi_encode()).await?;
        bench.govern(IVault::setLimitsCall { asset: token, limits }.abi_encode()).await?;
        bench.govern(IVault::setOracleCall { guard, priceLife: 86_400 }.abi_encode()).await?;
        for asset in [token, NATIVE] {
            let set = IFixedGuard::setCall { asset, verdict: 0, price: U256::from(ONE_DOLLAR) };
            bench.send(DEPLOYER, guard, set.abi_encode()).await?;
            bench.send(DEPLOYER, vault, IVault::pokeCall { asset }.abi_encode()).await?;
        }
        Ok(bench)
    }

    async fn govern(&self, input: Vec<u8>) -> eyre::Result<u64> {
        self.send(GOVERNANCE, self.world.vault(), input).await
    }

    async fn send(&self, from: Address, to: Address, input: Vec<u8>) -> eyre::Result<u64> {
        self.gas(from, to, U256::ZERO, input).await
    }

    async fn run(&mut self, kind: &str) -> eyre::Result<()> {
        let asset = if kind == "eth" { NATIVE } else { self.token };
        for n in SIZES {
            let payouts = self.payouts(n);
            let fresh = self.settle(asset, &payouts).await?;
            let warm = self.settle(asset, &payouts).await?;
            let payouts = self.payouts(n);
            let floor_fresh = self.pay_floor(asset, &payouts).await?;
            let floor_warm = self.pay_floor(asset, &payouts).await?;
            for (name, gas) in [
                (format!("gas_payout_{kind}_fresh_{n}"), fresh),
                (format!("gas_payout_{kind}_warm_{n}"), warm),
                (format!("gas_floor_{kind}_fresh_{n}"), floor_fresh),
                (format!("gas_floor_{kind}_warm_{n}"), floor_warm),
            ] {
                self.figures.add(name, gas as f64 / n as f64, "gas");
            }
            for (state, gas) in [("fresh", fresh), ("warm", warm)] {
                let kind = format!("{kind}_{state}");
                if let Some(most) = ceiling(&kind, n).filter(|most| gas > most * n as u64) {
                    self.exceeded.push(format!("{kind}_{n} ({} > {most})", gas.div_ceil(n as u64)));
                }
            }
        }
        // The same recipient twice: the second finds it warm.
        let to = Address::from_slice(&keccak256(format!("single {}", self.seed))[..20]);
        for name in ["fresh", "warm"] {
            let gas = self.transfer(asset, to).await?;
            self.figures.add(format!("gas_single_{kind}_{name}"), gas as f64, "gas");
        }
        Ok(())
    }

    fn payouts(&mut self, n: usize) -> Vec<B256> {
        self.seed += 1;
        let recipient = |i| Address::from_slice(&keccak256(format!("{} {i}", self.seed))[..20]);
        (0..n)
            .map(|i| {
                let amount = U256::from(AMOUNT + i as u128);
                B256::from((U256::from_be_slice(recipient(i).as_slice()) << 96) | amount)
            })
            .collect()
    }

    async fn settle(&self, asset: Address, payouts: &[B256]) -> eyre::Result<u64> {
        let input = self.settlement(asset, payouts).await?;
        // As the keeper sends it.
        let list = calldata::access_list(&input);
        self.transact(request(LANES[0].0, self.world.vault(), U256::ZERO, input).access_list(list)).await
    }

    async fn settlement(&self, asset: Address, payouts: &[B256]) -> eyre::Result<Vec<u8>> {
        let position = self.position().await?;
        let total: U256 = payouts.iter().map(|p| U256::from_be_slice(&p[20..])).sum();
        let position = LanePosition { next: position.next, head: position.head }.word();
        let mut batch = IVault::settleCall::SELECTOR.to_vec();
        batch.extend([asset.as_slice(), &total.to_be_bytes::<32>()[20..], position.as_slice()].concat());
        batch.extend(keccak256("an audit head"));
        batch.extend(payouts.iter().flat_map(|p| [&p[..], &keccak256(p)[..8]].concat()));
        Ok(batch)
    }

    async fn position(&self) -> eyre::Result<IVault::laneOfReturn> {
        let vault = IVault::new(self.world.vault(), self.world.provider());
        Ok(vault.laneOf(LANES[0].0).call().await?)
    }

    /// One payout in the wide form.
    async fn batch(&mut self) -> eyre::Result<IVault::Batch> {
        let payouts = self.payouts(1);
        let position = self.position().await?;
        let payout = IVault::Payout {
            recipient: Address::from_slice(&payouts[0][..20]),
            amount: U256::from_be_slice(&payouts[0][20..]),
        };
        Ok(IVault::Batch {
            asset: self.token,
            first: position.next,
            head: position.head,
            total: payout.amount,
            auditHead: keccak256("an audit head"),
            refs: keccak256(payouts[0])[..8].to_vec().into(),
            payouts: vec![payout],
        })
    }

    /// What everything else costs, in the bench's token.
    async fn verbs(&mut self) -> eyre::Result<()> {
        let (vault, token, lane) = (self.world.vault(), self.token, LANES[0].0);
        let amount = U256::from(AMOUNT);
        let approve = TestToken::approveCall { spender: vault, amount: U256::MAX };
        self.send(DEPLOYER, token, approve.abi_encode()).await?;
        let deposit = IVault::depositCall { asset: token, amount: amount * U256::from(9), account: DEPLOYER };
        self.send(DEPLOYER, vault, deposit.abi_encode()).await?;
        let deposit = IVault::depositCall { asset: token, amount, account: DEPLOYER };
        let gas = self.send(DEPLOYER, vault, deposit.abi_encode()).await?;
        self.figures.add("gas_deposit", gas as f64, "gas");

        let request = IVault::requestCall { asset: token, amount, recipient: DEPLOYER };
        let gas = self.send(DEPLOYER, vault, request.abi_encode()).await?;
        self.figures.add("gas_request", gas as f64, "gas");
        let r = self.newest_request(amount).await?;
        let gas = self.send(DEPLOYER, vault, IVault::cancelCall { r }.abi_encode()).await?;
        self.figures.add("gas_cancel", gas as f64, "gas");
        self.send(DEPLOYER, vault, request.abi_encode()).await?;
        let requests = vec![self.newest_request(amount).await?];
        let call = IVault::settleRequestsCall { asset: token, auditHead: keccak256("head"), requests };
        let gas = self.send(lane, vault, call.abi_encode()).await?;
        self.figures.add("gas_settle_request_1", gas as f64, "gas");

        self.approvals().await?;
        self.announcement().await?;
        self.failure().await?;
        self.largest().await?;

        // Last, because time passes.
        self.send(DEPLOYER, vault, request.abi_encode()).await?;
        let r = self.newest_request(amount).await?;
        self.world.provider().anvil_increase_time(2 * 86_400).await?;
        let gas = self.send(DEPLOYER, vault, IVault::forceExitCall { r }.abi_encode()).await?;
        self.figures.add("gas_force_exit", gas as f64, "gas");
        Ok(())
    }

    async fn newest_request(&self, amount: U256) -> eyre::Result<IVault::Request> {
        let (provider, vault) = (self.world.provider(), self.world.vault());
        let id = IVault::new(vault, provider).lastRequestId().call().await?;
        let block = provider.get_block_by_number(Default::default()).await?.ok_or_eyre("no block")?;
        let filter = alloy::rpc::types::Filter::new()
            .address(vault)
            .event_signature(IVault::Requested::SIGNATURE_HASH)
            .topic1(U256::from(id))
            .from_block(block.header.number.saturating_sub(50));
        let logs = provider.get_logs(&filter).await?;
        let log = logs.last().ok_or_eyre("no request")?.log_decode::<IVault::Requested>()?;
        let created = log.inner.data.createdAt;
        let recipient = DEPLOYER;
        Ok(IVault::Request { id, owner: DEPLOYER, asset: self.token, recipient, amount, createdAt: created })
    }

    /// A batch of one payout, signed by 1, 3 and 5 approvers.
    async fn approvals(&mut self) -> eyre::Result<()> {
        let provider = self.world.provider().clone();
        let vault = self.world.vault();
        let approvers = IVault::new(vault, &provider).approvals().call().await?.approvers_;
        let mut signers: Vec<_> = (1..=5u8)
            .map(|i| PrivateKeySigner::from_bytes(&B256::repeat_byte(i)))
            .collect::<Result<_, _>>()?;
        signers.sort_by_key(PrivateKeySigner::address);
        let contract = IApprovers::new(approvers, &provider);
        let mut by_one = 0;
        for m in [1, 3, 5] {
            let all = signers.iter().map(PrivateKeySigner::address).collect();
            let set = IApprovers::setApproversCall { approvers: all, threshold: U256::from(m) };
            self.send(GOVERNANCE, approvers, set.abi_encode()).await?;
            let mut gas = 0;
            // The second finds every slot as a later batch would.
            for _ in 0..2 {
                let b = self.batch().await?;
                let deadline = u64::MAX;
                let settlement = IApprovers::Settlement {
                    vault,
                    lane: LANES[0].0,
                    asset: b.asset,
                    first: b.first,
                    head: b.head,
                    total: b.total,
                    payouts: keccak256(b.payouts.abi_encode()),
                    refs: keccak256(&b.refs),
                    deadline,
                };
                let digest = contract.digest(settlement).call().await?;
                let signed = signers
                    .iter()
                    .take(m)
                    .map(|s| {
                        let signature = s.sign_hash_sync(&digest)?.as_bytes();
                        Ok(IVault::Approval { approver: s.address(), signature: signature.into() })
                    })
                    .collect::<eyre::Result<_>>()?;
                let call = IVault::settleApprovedCall { b, deadline, approvals: signed };
                gas = self.send(LANES[0].0, vault, call.abi_encode()).await?;
            }
            self.figures.add(format!("gas_settle_approved_by_{m}"), gas as f64, "gas");
            match m {
                1 => by_one = gas,
                _ => self.figures.add(
                    format!("gas_of_each_further_signer_of_{m}"),
                    (gas - by_one) as f64 / (m - 1) as f64,
                    "gas",
                ),
            }
        }
        Ok(())
    }

    async fn announcement(&mut self) -> eyre::Result<()> {
        let (vault, lane) = (self.world.vault(), LANES[0].0);
        let announce = IVault::announceCall {
            asset: self.token,
            recipient: DEPLOYER,
            amount: U256::from(AMOUNT),
            r#ref: keccak256("announced")[..8].try_into()?,
        };
        let id = IVault::new(vault, self.world.provider())
            .announcementId(lane, announce.asset, announce.recipient, announce.amount, announce.r#ref)
            .call()
            .await?;
        let gas = self.send(lane, vault, announce.abi_encode()).await?;
        self.figures.add("gas_announce", gas as f64, "gas");
        let gas = self.send(GUARDIAN, vault, IVault::vetoCall { id }.abi_encode()).await?;
        self.figures.add("gas_veto", gas as f64, "gas");
        Ok(())
    }

    /// What a recipient who takes no money adds to a batch of ten, and what his claim costs.
    async fn failure(&mut self) -> eyre::Result<()> {
        let payouts = self.payouts(10);
        self.settle(NATIVE, &payouts).await?;
        let good = self.settle(NATIVE, &payouts).await?;
        let reverter = self.world.recipients["reverter"];
        let mut payouts = self.payouts(10);
        self.settle(NATIVE, &payouts).await?;
        let amount = U256::from_be_slice(&payouts[4][20..]);
        payouts[4] = B256::from((U256::from_be_slice(reverter.as_slice()) << 96) | amount);
        let bad = self.settle(NATIVE, &payouts).await?;
        self.figures.add("gas_failing_recipient", bad as f64 - good as f64, "gas");
        self.world.provider().anvil_set_balance(reverter, U256::from(10).pow(U256::from(18))).await?;
        let claim = IVault::claimCall { asset: NATIVE, to: DEPLOYER };
        let gas = self.send(reverter, self.world.vault(), claim.abi_encode()).await?;
        self.figures.add("gas_claim", gas as f64, "gas");
        Ok(())
    }

    /// The most payouts that fit one transaction, by estimates and not by a sum.
    async fn largest(&mut self) -> eyre::Result<()> {
        for (kind, asset) in [("erc20", self.token), ("eth", NATIVE)] {
            let (mut fits, mut too_many) = (1, 2_048);
            while too_many - fits > 1 {
                let n = (fits + too_many) / 2;
                let payouts = self.payouts(n);
                let input = self.settlement(asset, &payouts).await?;
                let request = TransactionRequest::default()
                    .with_from(LANES[0].0)
                    .with_to(self.world.vault())
                    .access_list(calldata::access_list(&input))
                    .with_input(input);
                let estimate = self.world.provider().estimate_gas(request).await;
                if estimate.is_ok_and(|gas| gas <= TRANSACTION_GAS_CAP) { fits = n } else { too_many = n }
            }
            self.figures.add(format!("largest_batch_{kind}_fresh"), fits as f64, "payouts");
        }
        Ok(())
    }

    async fn pay_floor(&self, asset: Address, payouts: &[B256]) -> eyre::Result<u64> {
        let call = IFloor::payCall { asset, payouts: payouts.to_vec() };
        self.gas(LANES[0].0, self.floor, U256::ZERO, call.abi_encode()).await
    }

    async fn transfer(&self, asset: Address, to: Address) -> eyre::Result<u64> {
        let amount = U256::from(AMOUNT);
        if asset == NATIVE {
            return self.gas(DEPLOYER, to, amount, Vec::new()).await;
        }
        let call = TestToken::transferCall { to, amount };
        self.gas(DEPLOYER, asset, U256::ZERO, call.abi_encode()).await
    }

    async fn gas(&self, from: Address, to: Address, value: U256, input: Vec<u8>) -> eyre::Result<u64> {
        self.transact(request(from, to, value, input)).await
    }

    async fn transact(&self, request: TransactionRequest) -> eyre::Result<u64> {
        let receipt = self.world.provider().send_transaction(request).await?.get_receipt().await?;
        ensure!(receipt.status(), "a transaction reverted: {}", receipt.transaction_hash);
        Ok(receipt.gas_used)
    }
}

fn request(from: Address, to: Address, value: U256, input: Vec<u8>) -> TransactionRequest {
    TransactionRequest::default()
        .with_from(from)
        .with_to(to)
        .with_value(value)
        .with_input(input)
        .with_gas_limit(MAX_GAS)
}

/// Puts a contract of `out/` on the chain.
async fn deploy(world: &World, artifact: &str) -> eyre::Result<Address> {
    let path = root().join("out").join(artifact);
    let text = std::fs::read_to_string(&path)
        .wrap_err_with(|| format!("{} is missing: run `forge build`", path.display()))?;
    let artifact: serde_json::Value = serde_json::from_str(&text)?;
    let code: Bytes = artifact["bytecode"]["object"].as_str().ok_or_eyre("no bytecode")?.parse()?;
    let request =
        TransactionRequest::default().with_from(DEPLOYER).with_deploy_code(code).with_gas_limit(3_000_000);
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    receipt.contract_address.ok_or_eyre("no contract was made")
}
