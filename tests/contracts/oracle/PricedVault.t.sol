// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {Setup} from "contracts/oracle/Types.sol";
import {Deploy} from "script/Deploy.s.sol";
import {OracleSetup} from "script/OracleSetup.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";

/// @notice Vault and guard together, as script/Deploy.s.sol sets them up from a file: prices bound what leaves in USD, and a
/// price that turns insane makes limits tighter and freezes no payment.
contract PricedVaultTest is OracleFixture {
    uint256 private constant CAPACITY = 1000e18;
    address private immutable ALICE = makeAddr("alice");
    address private immutable BOB = makeAddr("bob");
    string private json;

    function setUp() public {
        deployOracle();
        json = _file();
        Deploy script = new Deploy();
        Deploy.Params memory p = script.read(json);
        script.check(p);
        deployed = script.deploy(p, address(script));
        (vault, manager, guard) = (deployed.vault, deployed.manager, deployed.guard);
        control = OracleGuardExtension(address(guard));
        fundAll(1_000_000e18);
    }

    function _leg(string memory kind, address target, string memory more)
        private
        pure
        returns (string memory)
    {
        return string.concat(
            '{"legs":[{"kind":"',
            kind,
            '","target":"',
            vm.toString(target),
            '","floor":"1000000000000000000","ceiling":"1000000000000000000000000",',
            more,
            "}]"
        );
    }

    function _price() private view returns (string memory) {
        string memory sources = string.concat(
            _leg(
                "chainlink",
                address(feed),
                '"description":"ETH / USD","decimals":8,"heartbeat":3600,"widthBps":50'
            ),
            "},",
            _leg(
                "pyth",
                address(pyth),
                string.concat(
                    '"id":"',
                    vm.toString(ETH_USD),
                    '","decimals":8,"heartbeat":3600,"confBps":100,"confMultiple":2'
                )
            ),
            "},",
            _leg(
                "v3",
                address(pool),
                string.concat(
                    '"decimals":18,"window":1800,"maxTicks":200,"baseDecimals":18,"quoteDecimals":6,"minLiquidity":"',
                    vm.toString(LIQUIDITY / 2),
                    _wethIsToken1() ? '","baseIsToken1":true' : '","baseIsToken1":false'
                )
            ),
            ',"role":1,"toleranceBps":300}'
        );
        return string.concat(
            '{"anchor":"2000000000000000000000","anchorBps":100,"quorum":2,"toleranceBps":100,"skew":60,',
            '"jumpBps":500,"volBps":500,"leapMultiple":5,"recoverCount":3,"recoverSpacing":60,"sources":[',
            sources,
            "]}"
        );
    }

    /// @dev script/params/example.json with names and an ETH that has a price, and a token that has none.
    function _file() private view returns (string memory) {
        string memory limits = string.concat(
            '"payoutGas":100000,"minRequest":"1","capacity":"',
            vm.toString(CAPACITY),
            '","window":86400,"unpricedShare":25,"instantPerPayout":"1000000000000000000000",',
            '"instantPerDay":"1000000000000000000000000","approvedPerPayout":"1000000000000000000000",',
            '"minFloat":"0","highWater":"1000000000000000000000000000000"'
        );
        string memory assets = string.concat(
            '[{"symbol":"ETH","decimals":18,"address":"',
            vm.toString(ETH),
            '",',
            limits,
            ',"price":',
            _price(),
            '},{"symbol":"TDAI","decimals":18,"address":"',
            vm.toString(address(dai)),
            '",',
            limits,
            "}]"
        );
        return string.concat(
            '{"governance":"',
            vm.toString(GOVERNANCE),
            '","guardians":["',
            vm.toString(GUARDIAN),
            '"],"lanes":["',
            vm.toString(LANE),
            '"],"approvers":[],"approvals":0,"cold":"0x0000000000000000000000000000000000000000",',
            '"governanceDelay":172800,"exitDelay":86400,"maxPause":259200,"pauseCooldown":604800,',
            '"announceDelay":86400,"upgradeDelay":172800,"probation":604800,"priceLife":3600,',
            '"usdCapacity":1000000,"usdWindow":86400,"hardMultiple":2,"assets":',
            assets,
            "}"
        );
    }

    function test_the_file_says_what_is_configured() public view {
        Setup memory s = setup();
        assertEq(abi.encode(control.setupOf(ETH)), abi.encode(s));
        assertEq(control.setupOf(address(dai)).targets.length, 0);
        (uint256 price, uint256 until) = vault.priceOf(ETH);
        assertEq(price, 2010e18, "the upper end");
        assertEq(until, block.timestamp + 1 hours);
        (, until) = vault.priceOf(address(dai));
        assertEq(until, 0);
    }

    /// @notice An asset without a configured price counts with its tighter unit limit; the others in USD.
    function test_without_feeds_the_unit_limit_counts() public {
        assertFalse(vault.poke(address(dai)));
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).capacity, CAPACITY / 4);
        settleOne(address(dai), BOB, 200e18);
        assertEq(vault.limitState(address(dai), IVault.Limit.Usd).left, 1_000_000e18);
        settleOne(ETH, BOB, 100e18);
        assertApproxEqAbs(vault.limitState(ETH, IVault.Limit.Usd).left, 1_000_000e18 - 201_000e18, 1e15);
    }

    /// @notice The whole line: a feed goes wrong, swaps stop, limits fall back, withdrawals go on, the price comes back.
    function test_an_insane_price_tightens_limits_and_freezes_no_withdrawal() public {
        depositFor(ALICE, ETH, 50e18);
        IVault.Request memory mine = requestFrom(ALICE, ETH, 20e18, BOB);
        IVault.Request memory other = requestFrom(ALICE, ETH, 20e18, BOB);

        report(feed, 20_000e8); // a feed ten times too high
        guard.record(ETH);
        assertFalse(vault.poke(ETH));
        assertEq(vault.limitState(ETH, IVault.Limit.Asset).capacity, CAPACITY / 4);
        assertGt(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp);

        uint256 before = BOB.balance;
        settleOne(ETH, BOB, 100e18);
        vm.prank(LANE);
        vault.settleRequests(ETH, 0, listOf(mine));
        vm.warp(block.timestamp + 1 days);
        vm.prank(ALICE);
        vault.forceExit(other);
        vm.prank(ALICE);
        vault.request(ETH, 10e18, ALICE);
        settleOne(address(dai), BOB, 100e18);
        assertEq(BOB.balance - before, 140e18);
        assertEq(
            vault.limitState(ETH, IVault.Limit.Usd).left, 1_000_000e18, "nothing is counted in a wrong price"
        );
        // Above the tighter limit it waits for the bucket, it is not lost.
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        vm.expectPartialRevert(IVault.AboveLimit.selector);
        settle(ETH, positionAt(next, head), 300e18, 0, one(BOB, 300e18));

        vm.warp(block.timestamp + 1);
        _refresh(2000e8);
        assertTrue(vault.poke(ETH), "recovering is good enough for a payout in kind");
        (, uint64 reasons) = verdictOf(ETH);
        assertTrue(reasons & Reasons.RECOVERING != 0);
        vm.expectPartialRevert(IOracleGuard.Refused.selector);
        guard.read(ETH, IOracleGuard.Action.Swap);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(block.timestamp + 60);
            guard.record(ETH);
        }
        guard.read(ETH, IOracleGuard.Action.Swap);
        assertEq(vault.limitState(ETH, IVault.Limit.Asset).capacity, CAPACITY);
    }

    /// @notice The vault's question has gas for every source, and fails loudly with less.
    function testFuzz_a_poke_keeps_the_price_or_reverts(uint256 gas) public {
        gas = bound(gas, 50_000, 2_000_000);
        (bool ok,) = address(vault).call{gas: gas}(abi.encodeCall(IVault.poke, (ETH)));
        (uint256 price, uint256 until) = vault.priceOf(ETH);
        assertEq(price, 2010e18);
        assertEq(until, block.timestamp + 1 hours);
        if (gas > 1_200_000) assertTrue(ok);
    }

    function test_a_file_that_is_wrong_is_refused_by_key() public {
        Deploy script = new Deploy();
        _expectKey(script, '"jumpBps"', '"jumpBp"', ".assets[0].price.jumpBp");
        _expectKey(script, '"skew":60', '"skew":70000', ".assets[0].price.skew");
        _expectKey(script, '"kind":"pyth"', '"kind":"python"', ".assets[0].price.sources[1].legs[0].kind");
        Deploy.Params memory p = script.read(vm.replace(json, '"quorum":2', '"quorum":3'));
        vm.expectRevert();
        script.deploy(p, address(script));
    }

    function _expectKey(Deploy script, string memory from, string memory to, string memory key) private view {
        (bool ok, bytes memory reason) =
            address(script).staticcall(abi.encodeCall(Deploy.read, (vm.replace(json, from, to))));
        assertFalse(ok, key);
        assertEq(bytes4(reason), OracleSetup.BadKey.selector);
        (string memory said,) = abi.decode(this.afterSelector(reason), (string, string));
        assertEq(said, key);
    }

    function afterSelector(bytes calldata reason) external pure returns (bytes memory) {
        return reason[4:];
    }
}
