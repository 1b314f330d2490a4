// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Script} from "forge-std/Script.sol";

import {Assets} from "contracts/libraries/Assets.sol";
import {GasBurner, Reverter, ReturnBomb} from "tests/contracts/mocks/Recipients.sol";
import {NoReturnToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @title Puts two tokens and some hostile recipients on a local chain.
/// @notice Writes a parameter file for script/Deploy.s.sol, with the recipients beside the parameters, to the file
/// that SPILLWAY_PARAMS names.
///
///     SPILLWAY_PARAMS=deployments/local.params.json \
///     forge script tests/contracts/script/TestAssets.s.sol --rpc-url URL --broadcast --private-key KEY
contract TestAssets is Script {
    /// The first accounts of anvil's own mnemonic, for whoever names no others.
    address private constant GOVERNANCE = 0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f;
    address private constant GUARDIAN = 0xa0Ee7A142d267C1f36714E4a8F75612F20a79720;
    address private constant LANE = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8;

    function run() external {
        vm.startBroadcast();
        address tusd = address(new NoReturnToken("Test USD", "TUSD", 6));
        address tdai = address(new PlainToken("Test DAI", "TDAI", 18));
        address blocked = address(uint160(uint256(keccak256("a blocked recipient"))));
        NoReturnToken(tusd).setBlocked(blocked, true);
        string memory r = "recipients";
        vm.serializeAddress(r, "reverter", address(new Reverter()));
        vm.serializeAddress(r, "gasBurner", address(new GasBurner()));
        vm.serializeAddress(r, "returnBomb", address(new ReturnBomb()));
        string memory recipients = vm.serializeAddress(r, "blocked", blocked);
        vm.stopBroadcast();

        string memory o = "params";
        vm.serializeAddress(o, "governance", vm.envOr("SPILLWAY_GOVERNANCE", GOVERNANCE));
        vm.serializeAddress(o, "guardians", vm.envOr("SPILLWAY_GUARDIANS", ",", _one(GUARDIAN)));
        vm.serializeAddress(o, "lanes", vm.envOr("SPILLWAY_LANES", ",", _one(LANE)));
        vm.serializeUint(o, "governanceDelay", uint256(0));
        vm.serializeUint(o, "exitDelay", uint256(1 days));
        vm.serializeUint(o, "maxPause", uint256(3 days));
        vm.serializeUint(o, "pauseCooldown", uint256(7 days));
        vm.serializeUint(o, "announceDelay", uint256(1 days));
        vm.serializeUint(o, "upgradeDelay", uint256(2 days));
        vm.serializeUint(o, "probation", uint256(7 days));
        vm.serializeUint(o, "priceLife", uint256(1 hours));
        vm.serializeUint(o, "usdCapacity", uint256(1_000_000_000));
        vm.serializeUint(o, "usdWindow", uint256(1 days));
        vm.serializeUint(o, "hardMultiple", uint256(2));
        vm.serializeAddress(o, "approvers", new address[](0));
        vm.serializeUint(o, "approvals", uint256(0));
        vm.serializeAddress(o, "cold", vm.envOr("SPILLWAY_COLD", GOVERNANCE));
        vm.serializeString(o, "recipients", recipients);
        string[] memory assets = new string[](3);
        assets[0] = _asset("ETH", Assets.NATIVE, 18, 50_000);
        assets[1] = _asset("TUSD", tusd, 6, 100_000);
        assets[2] = _asset("TDAI", tdai, 18, 100_000);
        vm.writeJson(vm.serializeString(o, "assets", assets), vm.envString("SPILLWAY_PARAMS"));
    }

    function _asset(string memory symbol, address token, uint256 decimals, uint256 payoutGas)
        private
        returns (string memory)
    {
        vm.serializeString(symbol, "symbol", symbol);
        vm.serializeAddress(symbol, "address", token);
        vm.serializeUint(symbol, "decimals", decimals);
        vm.serializeUint(symbol, "payoutGas", payoutGas);
        // Above all that a run pays: the limits are there, and do not bind.
        string memory capacity = vm.toString(10_000_000 * 10 ** decimals);
        vm.serializeString(symbol, "capacity", capacity);
        vm.serializeUint(symbol, "window", uint256(1 days));
        vm.serializeUint(symbol, "unpricedShare", uint256(100));
        vm.serializeString(symbol, "instantPerPayout", capacity);
        vm.serializeString(symbol, "instantPerDay", capacity);
        vm.serializeString(symbol, "approvedPerPayout", capacity);
        vm.serializeString(symbol, "minFloat", "0");
        vm.serializeString(symbol, "highWater", capacity);
        return vm.serializeString(symbol, "minRequest", "1");
    }

    function _one(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
