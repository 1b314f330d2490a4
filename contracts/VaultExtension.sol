// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Proxy} from "@openzeppelin/contracts/proxy/Proxy.sol";

import {IVault} from "./interfaces/IVault.sol";
import {Assets} from "./libraries/Assets.sol";
import {LaneControl} from "./vault/LaneControl.sol";

/// @title VaultExtension
/// @notice The second part of {Vault}. A call that is not found here either runs in {VaultTreasury}.
contract VaultExtension is LaneControl, Proxy {
    /// @notice The third part of the code, part of this contract's code hash.
    address public immutable TREASURY;

    error NoCode(address treasury);

    /// @param treasury A {VaultTreasury}.
    constructor(address treasury) {
        if (treasury.code.length == 0) revert NoCode(treasury);
        TREASURY = treasury;
        _disableInitializers();
    }

    /// @notice Of ETH that is sent to the vault, {Vault} takes care.
    receive() external payable {
        revert IVault.WrongValue(msg.value, 0);
    }

    function _implementation() internal view override returns (address) {
        return TREASURY;
    }

    /// @notice Sets the authority and the times, in seconds, for good. Whoever is first may; the proxy's
    /// constructor calls it.
    /// @dev Reverts with `InvalidInitialization` the second time, and on the contracts behind the proxy;
    /// `ZeroAddress`; `OutOfRange`.
    /// @param authority_ The AccessManager that says who governs and who guards.
    /// @param exitDelay_ 1 hour to 30 days.
    /// @param maxPause_ 1 hour to 14 days.
    /// @param pauseCooldown_ At least `maxPause_`, at most 90 days.
    function initialize(address authority_, uint32 exitDelay_, uint32 maxPause_, uint32 pauseCooldown_)
        external
        initializer
    {
        if (authority_ == address(0)) revert IVault.ZeroAddress();
        _requireWithin(exitDelay_, 1 hours, 30 days);
        _requireWithin(maxPause_, 1 hours, 14 days);
        _requireWithin(pauseCooldown_, maxPause_, 90 days);
        __AccessManaged_init(authority_);
        Layout storage $ = _vault();
        ($.exitDelay, $.maxPause, $.pauseCooldown) = (exitDelay_, maxPause_, pauseCooldown_);
    }

    /// @notice See {IVault-configureAsset}.
    function configureAsset(address asset, IVault.AssetConfig calldata config) external restricted {
        if (asset == address(0)) revert IVault.ZeroAddress();
        if (config.listed) {
            if (asset != Assets.NATIVE && asset.code.length == 0) revert IVault.AssetNotListed(asset);
            // Below, an honest recipient fails; above, a batch holds few payouts.
            _requireWithin(config.payoutGas, 25_000, 1_000_000);
        }
        Layout storage $ = _vault();
        Asset storage a = $.assets[asset];
        if (config.listed && a.limits.payoutGas == 0) $.listed.push(asset);
        (a.limits.listed, a.minRequest) = (config.listed, config.minRequest);
        // What is owed in an asset that is no longer listed is still pushed with its allowance, and counts in its own
        // bucket alone: a token that turned hostile must not empty the one that all share.
        if (config.listed) a.limits.payoutGas = uint24(config.payoutGas);
        else a.limits.priceUntil = 0;
        emit IVault.AssetConfigured(asset, config);
    }

    /// @notice See {IVault-assetConfig}.
    function assetConfig(address asset) external view returns (IVault.AssetConfig memory) {
        Asset storage a = _vault().assets[asset];
        return IVault.AssetConfig(a.limits.listed, a.limits.payoutGas, a.minRequest);
    }

    /// @notice See {IVault-assets}.
    function assets() external view returns (address[] memory) {
        return _vault().listed;
    }

    /// @notice See {IVault-balanceOf}.
    function balanceOf(address asset, address account) external view returns (uint256) {
        return _vault().balances[asset][account];
    }

    /// @notice See {IVault-claimOf}.
    function claimOf(address asset, address recipient) external view returns (uint256) {
        return _vault().claims[asset][recipient];
    }

    /// @notice See {IVault-liabilitiesOf}.
    function liabilitiesOf(address asset) external view returns (uint256) {
        return _vault().assets[asset].hot.liabilities;
    }

    /// @notice See {IVault-commitmentOf}.
    function commitmentOf(uint64 id) external view returns (bytes32) {
        return _vault().commitments[id];
    }

    /// @notice See {IVault-lastRequestId}.
    function lastRequestId() external view returns (uint64) {
        return _vault().lastRequestId;
    }

    /// @notice See {IVault-exitDelay}.
    function exitDelay() external view returns (uint32) {
        return _vault().exitDelay;
    }

    /// @notice See {IVault-version}.
    function version() external pure returns (uint64) {
        return 1;
    }
}
