//! A margin pool beside the vault: options on ETH in TUSD, with a price that a test sets, and traders.

use crate::{
    root,
    world::{DEPLOYER, GOVERNANCE, TestToken, World, forge_script},
};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, address, aliases::U40, aliases::U96},
    providers::{Provider, ext::AnvilApi},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall, SolEvent},
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;
use spillway::domain::asset::NATIVE;
use std::fs;

sol! {
    /// What the keeper does not call.
    #[sol(rpc, all_derives)]
    interface TestPool {
        struct Quote {
            address account; uint40 expiry; uint96 strike; bool isCall; bool isBuy; uint128 size; uint128 price;
            uint64 nonce; uint40 deadline;
        }
        event Observed(uint40 indexed expiry, uint256 round, uint256 part, uint256 price);
        event PriceFixed(uint40 indexed expiry, uint8 source, uint256 price);
        event Closed(uint40 indexed expiry, uint256 owed, uint256 collected, uint256 insured, uint256 pot);
        function deposit(uint256 amount, address account) external;
        function digestOf(Quote calldata quote) external view returns (bytes32);
        function trade(
            Quote calldata maker, bytes calldata makerSignature, Quote calldata taker,
            bytes calldata takerSignature, uint128 size
        ) external;
    }

    interface Governed {
        struct Terms { uint32 window; uint8 observations; uint16 toleranceBps; uint32 patience; uint32 challenge; }
        struct Rules {
            uint16 maxSpotBps; uint16 minSpotBps; uint16 maintenanceBps; uint16 putMarkBps; uint16 unpairedBps;
            uint16 bufferBps; uint16 volStepBps; uint32 volLife; uint64 minVol; uint64 maxVol; uint16 feeBps;
            uint16 feeCapBps; uint16 targetBps; uint16 premiumBps; uint16 incentiveBps; uint16 insuranceBps;
            uint32 auctionTime; uint32 rescueTime; uint96 strikeStep; uint32 maxTenor; uint128 minSize;
            uint128 maxNakedCalls; Terms terms;
        }
        function register(address proxy, address admin, uint64 number, address implementation, bytes32 layoutHash)
            external;
        function setTargetFunctionRole(address target, bytes4[] calldata selectors, uint64 role) external;
        function create(address underlying, address collateral, address guard, uint64 volatility, Rules rules)
            external
            returns (address pool);
        /// Of the double of the oracle guard.
        function set(address asset, uint256 lo, uint256 hi) external;
    }
}

/// The account that liquidates: the fifth of anvil's own.
pub const MARGIN: (Address, &str) = (
    address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
);

const WAD: u128 = 1_000_000_000_000_000_000;
const DAY: u64 = 86_400;

/// The pool, and who trades there.
#[derive(Debug)]
pub struct Pool<'a> {
    world: &'a World,
    pub factory: Address,
    pub address: Address,
    guard: Address,
    /// Unix seconds: the first 08:00 UTC that is 30 days away.
    pub expiry: u64,
    nonce: u64,
}

impl<'a> Pool<'a> {
    /// A pool in which somebody holds two calls that the account wrote that is returned with it, with just the margin that it
    /// needs.
    pub async fn with_a_writer(world: &'a World) -> eyre::Result<(Self, Address)> {
        let mut pool = Self::deploy(world).await?;
        let (holder, writer) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        pool.fund(holder.address(), 5_000).await?;
        pool.fund(writer.address(), 1_000).await?;
        pool.sell_calls(&holder, &writer, 3_000, 2, 200).await?;
        Ok((pool, writer.address()))
    }

    /// Deploys as for any chain, then acts as governance does.
    pub async fn deploy(world: &'a World) -> eyre::Result<Self> {
        let deployment: Value = serde_json::from_str(&fs::read_to_string(&world.deployment_file)?)?;
        let margin = script(world)?;
        let at = |file: &Value, key: &str| -> eyre::Result<Address> {
            Ok(file[key].as_str().ok_or_else(|| eyre::eyre!("no {key} in the deployment"))?.parse()?)
        };
        let (beacon, factory) = (at(&margin, "marginBeacon")?, at(&margin, "marginFactory")?);
        let implementation = at(&margin, "marginImplementation")?;
        let guard = double_of_the_guard(world).await?;
        let register = Governed::registerCall {
            proxy: beacon,
            admin: beacon,
            number: 1,
            implementation,
            layoutHash: B256::ZERO,
        };
        send(world, GOVERNANCE, at(&deployment, "versionRegistry")?, register.abi_encode()).await?;
        let role = Governed::setTargetFunctionRoleCall {
            target: factory,
            selectors: vec![Governed::createCall::SELECTOR.into()],
            role: 1,
        };
        send(world, GOVERNANCE, at(&deployment, "accessManager")?, role.abi_encode()).await?;
        let now = world.now().await?;
        let expiry = (now / DAY + 31) * DAY + 8 * 3_600;
        let mut pool = Self { world, factory, address: Address::ZERO, guard, expiry, nonce: 0 };
        pool.set_price(3_000).await?;
        let create = Governed::createCall {
            underlying: NATIVE,
            collateral: world.asset("TUSD").address,
            guard,
            volatility: 600_000_000_000_000_000,
            rules: rules(),
        };
        let made = send(world, GOVERNANCE, factory, create.abi_encode()).await?;
        pool.address =
            spillway_pools(world, factory).await?.first().copied().ok_or_eyre("no pool was made")?;
        ensure!(made.status(), "the pool was not made");
        Ok(pool)
    }

    /// What one ETH is worth, in whole dollars.
    pub async fn set_price(&self, price: u128) -> eyre::Result<()> {
        // USD per smallest unit, times 1e36.
        let coin = U256::from(price * WAD);
        let dollar = U256::from(10).pow(U256::from(30));
        for (asset, price) in [(NATIVE, coin), (self.world.asset("TUSD").address, dollar)] {
            let call = Governed::setCall { asset, lo: price, hi: price };
            send(self.world, DEPLOYER, self.guard, call.abi_encode()).await?;
        }
        Ok(())
    }

    /// Gives `account` so many whole TUSD, all of it deposited.
    pub async fn fund(&self, account: Address, amount: u64) -> eyre::Result<()> {
        let (token, amount) = (self.world.asset("TUSD").address, U256::from(amount) * U256::from(1_000_000));
        self.world.provider().anvil_set_balance(account, U256::from(100 * WAD)).await?;
        for (to, call) in [
            (token, TestToken::mintCall { to: account, amount }.abi_encode()),
            (token, TestToken::approveCall { spender: self.address, amount }.abi_encode()),
            (self.address, TestPool::depositCall { amount, account }.abi_encode()),
        ] {
            send(self.world, account, to, call).await?;
        }
        Ok(())
    }

    /// `buyer` buys `contracts` calls of a strike (in whole dollars) from `seller`.
    pub async fn sell_calls(
        &mut self,
        buyer: &PrivateKeySigner,
        seller: &PrivateKeySigner,
        strike: u128,
        contracts: u128,
        premium: u128,
    ) -> eyre::Result<()> {
        let (maker, maker_signature) = self.quote(seller, false, strike, contracts, premium).await?;
        let (taker, taker_signature) = self.quote(buyer, true, strike, contracts, premium).await?;
        let call = TestPool::tradeCall {
            maker,
            makerSignature: maker_signature,
            taker,
            takerSignature: taker_signature,
            size: contracts * WAD,
        };
        send(self.world, DEPLOYER, self.address, call.abi_encode()).await.map(drop)
    }

    async fn quote(
        &mut self,
        signer: &PrivateKeySigner,
        is_buy: bool,
        strike: u128,
        contracts: u128,
        premium: u128,
    ) -> eyre::Result<(TestPool::Quote, Bytes)> {
        self.nonce += 1;
        let quote = TestPool::Quote {
            account: signer.address(),
            expiry: U40::from(self.expiry),
            strike: U96::from(strike * WAD),
            isCall: true,
            isBuy: is_buy,
            size: contracts * WAD,
            price: premium * WAD,
            nonce: self.nonce,
            deadline: U40::from(self.expiry),
        };
        let pool = TestPool::new(self.address, self.world.provider());
        let digest = pool.digestOf(quote.clone()).call().await?;
        Ok((quote, signer.sign_hash_sync(&digest)?.as_bytes().into()))
    }

    /// How many events of a kind the pool made, and by whose transactions.
    pub async fn events<E: SolEvent>(&self) -> eyre::Result<Vec<(E, B256)>> {
        let filter = Filter::new().address(self.address).event_signature(E::SIGNATURE_HASH).from_block(0);
        let logs = self.world.provider().get_logs(&filter).await?;
        logs.iter()
            .map(|log| {
                Ok((E::decode_log(&log.inner)?.data, log.transaction_hash.ok_or_eyre("a log is in a block")?))
            })
            .collect()
    }
}

/// As docs/margin.md proposes them for ETH.
fn rules() -> Governed::Rules {
    Governed::Rules {
        maxSpotBps: 1_500,
        minSpotBps: 1_000,
        maintenanceBps: 750,
        putMarkBps: 750,
        unpairedBps: 12_000,
        bufferBps: 1_000,
        volStepBps: 1_000,
        volLife: 21_600,
        minVol: 200_000_000_000_000_000,
        maxVol: 3_000_000_000_000_000_000,
        feeBps: 3,
        feeCapBps: 1_250,
        targetBps: 5_000,
        premiumBps: 100,
        incentiveBps: 500,
        insuranceBps: 5_000,
        auctionTime: 900,
        rescueTime: 1_800,
        strikeStep: U96::from(WAD),
        maxTenor: 400 * 86_400,
        minSize: WAD / 1_000,
        maxNakedCalls: 100_000 * WAD,
        terms: Governed::Terms {
            window: 1_800,
            observations: 20,
            toleranceBps: 300,
            patience: 86_400,
            challenge: 86_400,
        },
    }
}

async fn spillway_pools(world: &World, factory: Address) -> eyre::Result<Vec<Address>> {
    use spillway::chain::margin::IMarginFactory;
    Ok(IMarginFactory::new(factory, world.provider()).pools().call().await?)
}

/// Runs `script/DeployMargin.s.sol`, and returns what it wrote.
fn script(world: &World) -> eyre::Result<Value> {
    let file = world.deployment_file.with_extension("");
    let written = format!("{}-margin.json", file.display());
    // Tests run in several processes, which would compile and write the same.
    let lock = fs::File::create(crate::scratch("snapshots").join("margin.lock"))?;
    lock.lock()?;
    let env =
        [("FOUNDRY_PROFILE", "margin".as_ref()), ("SPILLWAY_DEPLOYMENT", world.deployment_file.as_ref())];
    forge_script(&world.anvil.url(), "script/DeployMargin.s.sol", &env)?;
    Ok(serde_json::from_str(&fs::read_to_string(written)?)?)
}

async fn double_of_the_guard(world: &World) -> eyre::Result<Address> {
    let file = root().join("out/FixedGuard.sol/FixedGuard.json");
    let text = fs::read_to_string(&file)
        .wrap_err_with(|| format!("{} is missing: run `forge build`", file.display()))?;
    let artifact: Value = serde_json::from_str(&text)?;
    let code: Bytes = artifact["bytecode"]["object"].as_str().ok_or_eyre("no bytecode")?.parse()?;
    let request = TransactionRequest {
        to: Some(TxKind::Create),
        gas: Some(5_000_000),
        ..TransactionRequest::default().from(DEPLOYER).input(code.into())
    };
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    receipt.contract_address.ok_or_eyre("nothing was deployed")
}

async fn send(world: &World, from: Address, to: Address, input: Vec<u8>) -> eyre::Result<TransactionReceipt> {
    let request = TransactionRequest {
        gas: Some(5_000_000),
        ..TransactionRequest::default().from(from).to(to).input(input.into())
    };
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    ensure!(receipt.status(), "a transaction of {from} to {to} reverted");
    Ok(receipt)
}
