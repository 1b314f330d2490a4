// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ISwapAdapter} from "./interfaces/ISwapAdapter.sol";
import {ISwapSplitter} from "./interfaces/ISwapSplitter.sol";
import {IWETH} from "./interfaces/IWETH.sol";
import {Assets} from "./libraries/Assets.sol";
import {Push} from "./libraries/Push.sol";

/// @title SwapSplitter
/// @notice See {ISwapSplitter}.
contract SwapSplitter is ISwapSplitter, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc ISwapSplitter
    uint256 public constant MAX_LEGS = 16;
    /// @inheritdoc ISwapSplitter
    uint256 public constant MAX_HOPS = 3;
    /// @dev Of a leg's least rate.
    uint256 private constant ONE = 1e36;
    /// @dev More gas than is spent between looking at what is left and the call of a leg.
    uint256 private constant SPARE = 2000;

    /// @inheritdoc ISwapSplitter
    address public immutable VAULT;
    /// @inheritdoc ISwapSplitter
    address public immutable WETH;

    /// @inheritdoc ISwapSplitter
    mapping(address adapter => bytes32) public adapterCodehash;
    /// @inheritdoc ISwapSplitter
    mapping(address token => bool) public isConnector;

    /// @param authority_ The AccessManager that says who governs and who guards.
    /// @param vault Whom it swaps for. @param weth Wrapped ETH.
    constructor(address authority_, address vault, address weth) AccessManaged(authority_) {
        if (vault == address(0)) revert ZeroAddress();
        if (weth.code.length == 0) revert NoCode(weth);
        (VAULT, WETH) = (vault, weth);
    }

    /// @notice ETH comes from unwrapping; anyone else's is refused with `NotTheVault`.
    receive() external payable {
        if (msg.sender != WETH) revert NotTheVault(msg.sender);
    }

    // ---------------------------------------------------------------------------------------------- governance

    /// @inheritdoc ISwapSplitter
    function addAdapter(address adapter, bytes32 codehash) external restricted {
        if (adapter.code.length == 0) revert NoCode(adapter);
        if (adapter.codehash != codehash) revert WrongCode(adapter, adapter.codehash, codehash);
        adapterCodehash[adapter] = codehash;
        emit AdapterAdded(adapter, codehash);
    }

    /// @inheritdoc ISwapSplitter
    function removeAdapter(address adapter) external restricted {
        if (adapterCodehash[adapter] == 0) revert NotAnAdapter(adapter);
        delete adapterCodehash[adapter];
        emit AdapterRemoved(adapter, msg.sender);
    }

    /// @inheritdoc ISwapSplitter
    function addConnector(address token) external restricted {
        if (token.code.length == 0) revert NoCode(token);
        isConnector[token] = true;
        emit ConnectorAdded(token);
    }

    /// @inheritdoc ISwapSplitter
    function removeConnector(address token) external restricted {
        if (!isConnector[token]) revert NotAConnector(token);
        delete isConnector[token];
        emit ConnectorRemoved(token, msg.sender);
    }

    // ---------------------------------------------------------------------------------------------------- swaps

    /// @inheritdoc ISwapSplitter
    function swap(address sell, address buy, uint256 amount, Leg[] calldata legs)
        external
        payable
        nonReentrant
        returns (uint256 spent, uint256 received)
    {
        if (msg.sender != VAULT) revert NotTheVault(msg.sender);
        (address from, address to) = (_wrapped(sell), _wrapped(buy));
        if (from == to) revert SameToken(from);
        _requireSound(to, amount, legs);
        uint256 value = sell == Assets.NATIVE ? amount : 0;
        if (msg.value != value) revert AmountMismatch(msg.value, value);
        if (value != 0) IWETH(WETH).deposit{value: value}();
        (spent, received) = _run(from, legs);
        _handOver(sell);
        _handOver(buy);
    }

    /// @inheritdoc ISwapSplitter
    function sweep(address asset) external nonReentrant returns (uint256 amount) {
        amount = _send(asset);
        if (amount != 0) emit Swept(asset, amount);
    }

    function _wrapped(address asset) private view returns (address) {
        return asset == Assets.NATIVE ? WETH : asset;
    }

    function _requireSound(address to, uint256 amount, Leg[] calldata legs) private view {
        if (legs.length == 0 || legs.length > MAX_LEGS) revert LegCount(legs.length);
        uint256 sum = 0;
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            sum += leg.amount;
            if (leg.minRate == 0) revert NoMinimum(i);
            uint256 last = leg.hops.length;
            if (last == 0 || last > MAX_HOPS) revert HopCount(i, last);
            --last;
            for (uint256 k = 0; k <= last; ++k) {
                Hop calldata hop = leg.hops[k];
                bytes32 codehash = adapterCodehash[hop.adapter];
                if (codehash == 0) revert NotAnAdapter(hop.adapter);
                if (hop.adapter.codehash != codehash) {
                    revert WrongCode(hop.adapter, hop.adapter.codehash, codehash);
                }
                if (k != last && !isConnector[hop.buy]) revert NotAConnector(hop.buy);
            }
            if (leg.hops[last].buy != to) revert WrongPath(i, leg.hops[last].buy);
        }
        if (sum != amount) revert AmountMismatch(sum, amount);
    }

    function _run(address from, Leg[] calldata legs) private returns (uint256 spent, uint256 received) {
        uint256 passed = 0;
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            uint256 own = leg.amount;
            if (own + passed == 0) continue;
            (bool ok, uint256 got) = _try(i, leg, from, own + passed);
            if (ok) {
                (spent, passed) = (spent + own + passed, 0);
            } else if (own != 0) {
                // What others could not sell must not make this leg fail.
                if (passed != 0) (ok, got) = _try(i, leg, from, own);
                if (ok) spent += own;
                else if (leg.passOn) passed += own;
            }
            received += got;
        }
    }

    /// @dev A call of its own: whatever happens in it, it fails alone, and what comes back is 32 bytes at most.
    function _try(uint256 i, Leg calldata leg, address from, uint256 amount)
        private
        returns (bool ok, uint256 got)
    {
        bytes memory data = abi.encodeCall(SwapSplitter.runLeg, (from, amount, leg));
        uint256 allowance = leg.gas;
        if (gasleft() < Push.gasNeeded(allowance) + SPARE) revert InsufficientGas(i);
        assembly ("memory-safe") {
            ok := call(allowance, address(), 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
        bytes32 answer = Push.returned();
        if (ok) {
            got = uint256(answer);
            emit LegDone(i, amount, got);
        } else {
            emit LegFailed(i, amount, answer);
        }
    }

    /// @notice One leg, in a frame that can fail. Only this contract itself.
    /// @dev Reverts with `NotSelf`; `HopFailed`; `WrongInput`; `ApprovalLeft`; `NothingBought`;
    /// `BelowMinimum`, where the minimum is rounded up.
    /// @param from What the first hop sells.
    /// @param amount In its units.
    /// @return got What came in of the last hop's token, in its units.
    function runLeg(address from, uint256 amount, Leg calldata leg) external returns (uint256 got) {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        (address token, uint256 input) = (from, amount);
        for (uint256 k = 0; k < leg.hops.length; ++k) {
            Hop calldata hop = leg.hops[k];
            input = _hop(token, input, hop);
            token = hop.buy;
        }
        got = input;
        uint256 minimum = Math.mulDiv(amount, leg.minRate, ONE, Math.Rounding.Ceil);
        if (got < minimum) revert BelowMinimum(got, minimum);
    }

    /// @dev The adapter can take what it is given and no more; what it gives is what is here afterwards.
    function _hop(address sell, uint256 amount, Hop calldata hop) private returns (uint256 got) {
        (address adapter, address buy) = (hop.adapter, hop.buy);
        uint256 sellBefore = IERC20(sell).balanceOf(address(this));
        uint256 buyBefore = IERC20(buy).balanceOf(address(this));
        IERC20(sell).forceApprove(adapter, amount);
        bytes memory data = abi.encodeCall(ISwapAdapter.swap, (sell, buy, amount, hop.data));
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas(), adapter, 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
        if (!ok) revert HopFailed(Push.returned());
        uint256 taken = sellBefore - IERC20(sell).balanceOf(address(this));
        if (taken != amount) revert WrongInput(sell, taken, amount);
        uint256 left = IERC20(sell).allowance(address(this), adapter);
        if (left != 0) revert ApprovalLeft(sell, left);
        got = IERC20(buy).balanceOf(address(this)) - buyBefore;
        if (got == 0) revert NothingBought(buy);
    }

    /// @dev To the vault, all that is here of an asset that was swapped.
    function _handOver(address asset) private {
        if (asset == Assets.NATIVE) {
            uint256 wrapped = IERC20(WETH).balanceOf(address(this));
            if (wrapped != 0) IWETH(WETH).withdraw(wrapped);
        }
        _send(asset);
    }

    function _send(address asset) private returns (uint256 amount) {
        amount = Assets.balanceOf(asset, address(this));
        if (amount == 0) return 0;
        (bool ok, bytes32 reason) = Push.send(asset, VAULT, amount, gasleft());
        if (!ok) revert TransferFailed(asset, reason);
    }
}
