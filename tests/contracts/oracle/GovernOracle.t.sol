// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Action} from "script/govern/Action.sol";
import {Oracle} from "script/govern/Oracle.s.sol";
import {ScriptRunner} from "tests/contracts/ScriptRunner.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";

/// @notice script/govern/Oracle.s.sol: what it produces is sent by the account that it names, and has the effect.
contract GovernOracleTest is OracleFixture, ScriptRunner {
    string private constant FILE = "deployments/test-price.json";
    Oracle private script = new Oracle();

    function setUp() public {
        deployOracle();
        useScript(script, new Deploy().describe(params(), deployed));
        vm.writeFile(FILE, _price(8, 3600));
    }

    function params() internal view override returns (Deploy.Params memory p) {
        p = super.params();
        p.governanceDelay = 0;
    }

    /// @dev ETH, by Chainlink alone.
    function _price(uint256 decimals, uint256 heartbeat) private view returns (string memory) {
        return string.concat(
            '{"anchor":"2000000000000000000000","anchorBps":500,"quorum":1,"toleranceBps":100,"skew":60,',
            '"jumpBps":500,"volBps":500,"leapMultiple":5,"recoverCount":3,"recoverSpacing":60,"sources":[{"legs":[',
            '{"kind":"chainlink","description":"ETH / USD","floor":"1","ceiling":"1000000000000000000000000",',
            string.concat(
                '"decimals":',
                vm.toString(decimals),
                ',"heartbeat":',
                vm.toString(heartbeat),
                ',"target":"',
                vm.toString(address(feed)),
                '"}]}]}'
            )
        );
    }

    function test_governance_configures_from_a_file() public {
        Action.Transaction[] memory due = runAs(GOVERNANCE, abi.encodeCall(Oracle.configure, ("ETH", FILE)));
        assertEq(due.length, 1);
        assertEq(
            due[0].meaning,
            string.concat(
                "price ETH, 1 of these within 100 bps: ",
                vm.toString(address(feed)),
                "; it is about 2000000000000000000000e-18 USD now"
            )
        );
        assertEq(control.setupOf(ETH).targets.length, 1);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, Reasons.SINGLE_SOURCE);
    }

    function test_guardians_tighten_and_distrust() public {
        runAs(GOVERNANCE, abi.encodeCall(Oracle.configure, ("ETH", FILE)));
        vm.writeFile(FILE, _price(8, 1800));
        runAs(GUARDIAN, abi.encodeCall(Oracle.tighten, ("ETH", FILE)));
        assertEq(control.setupOf(ETH).config.sources[0].legs[0].heartbeat, 1800);
        runAs(GUARDIAN, abi.encodeCall(Oracle.distrust, ("ETH")));
        assertEq(control.setupOf(ETH).targets.length, 0);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, Reasons.NOT_CONFIGURED);
    }

    function test_anyone_records_and_pokes() public {
        report(feed, 2500e8);
        runAs(makeAddr("anyone"), abi.encodeCall(Oracle.record, ("ETH")));
        assertTrue(control.memoryOf(ETH).recovering);
        assertGt(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp);
        runAs(makeAddr("anyone"), abi.encodeCall(Oracle.poke, ("ETH")));
        (, uint256 until) = vault.priceOf(ETH);
        assertEq(until, 0);
    }

    function test_what_cannot_be_is_refused_with_the_next_step() public {
        assertNames(
            GUARDIAN, abi.encodeCall(Oracle.distrust, ("TDAI")), "asset", "TDAI has no price: see configure"
        );
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Oracle.configure, ("ETH", "deployments/none.json")),
            "file",
            "deployments/none.json does not exist"
        );
        script.use(deploymentFile, Action.Mode.Calldata, GUARDIAN, "");
        vm.expectPartialRevert(Action.NotAllowed.selector);
        script.configure("ETH", FILE);
    }

    /// @notice The rehearsal reads the real sources: a mistake is found before the delay, not after.
    function test_the_rehearsal_says_what_the_guard_would() public {
        vm.writeFile(FILE, _price(18, 3600));
        script.use(deploymentFile, Action.Mode.Calldata, GOVERNANCE, "");
        vm.expectRevert();
        script.configure("ETH", FILE);
    }
}
