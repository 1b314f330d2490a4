// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @notice StableSwap with its published integer arithmetic, for two and more plain tokens: what a pool at Curve
/// computes in Vyper, written anew for tests. Half of each fee leaves the pool, as there.
contract StableSwapPool {
    using SafeERC20 for IERC20;

    uint256 public constant FEE_PARTS = 1e10;
    uint256 private constant ONE = 1e18;

    /// @notice Parts of 1e10 of each fee that leave the pool.
    // forge-lint: disable-next-line(mixed-case-variable)
    uint256 public constant admin_fee = 5e9;
    /// @notice Amplification times its precision.
    // forge-lint: disable-next-line(mixed-case-variable)
    uint256 public immutable A_precise;
    uint256 public immutable A_PRECISION;
    /// @notice Parts of 1e10 of the output.
    uint256 public immutable fee;

    address[] public coins;
    /// @notice 1e18 times what brings a coin to 18 decimals.
    uint256[] public rates;
    uint256[] public balances;

    error DidNotConverge();

    constructor(
        address[] memory coins_,
        uint256[] memory rates_,
        uint256 amplification,
        uint256 precision,
        uint256 fee_
    ) {
        (coins, rates, balances) = (coins_, rates_, new uint256[](coins_.length));
        (A_precise, A_PRECISION, fee) = (amplification, precision, fee_);
    }

    /// @notice Adds to the balances, in no proportion, for no share.
    function donate(uint256[] calldata amounts) external {
        for (uint256 k = 0; k < amounts.length; k++) {
            balances[k] += amounts[k];
            IERC20(coins[k]).safeTransferFrom(msg.sender, address(this), amounts[k]);
        }
    }

    /// @notice As pools at Curve have it.
    function exchange(int128 i, int128 j, uint256 amount, uint256 least) external returns (uint256 paid) {
        paid = exchange(uint256(int256(i)), uint256(int256(j)), amount);
        require(paid >= least, "below the minimum");
    }

    /// @notice Swaps `amount` of coin `i` into coin `j`; returns what it pays.
    function exchange(uint256 i, uint256 j, uint256 amount) public returns (uint256 paid) {
        uint256[] memory scaled = _scaled();
        uint256 x = scaled[i] + (amount * rates[i]) / ONE;
        uint256 gross = scaled[j] - _balanceAfter(i, j, x, scaled) - 1;
        uint256 kept = (gross * fee) / FEE_PARTS;
        paid = ((gross - kept) * ONE) / rates[j];
        balances[i] += amount;
        // As there: the part is rounded down before it is brought to the token's decimals.
        // forge-lint: disable-next-line(divide-before-multiply)
        balances[j] -= paid + (((kept * admin_fee) / FEE_PARTS) * ONE) / rates[j];
        IERC20(coins[i]).safeTransferFrom(msg.sender, address(this), amount);
        IERC20(coins[j]).safeTransfer(msg.sender, paid);
    }

    function _scaled() private view returns (uint256[] memory scaled) {
        scaled = new uint256[](coins.length);
        for (uint256 k = 0; k < scaled.length; k++) {
            scaled[k] = (balances[k] * rates[k]) / ONE;
        }
    }

    function _invariant(uint256[] memory scaled) private view returns (uint256 d) {
        uint256 n = scaled.length;
        uint256 sum = 0;
        for (uint256 k = 0; k < n; k++) {
            sum += scaled[k];
        }
        uint256 leverage = A_precise * n;
        d = sum;
        for (uint256 round = 0; round < 255; round++) {
            uint256 product = d;
            for (uint256 k = 0; k < n; k++) {
                product = (product * d) / (scaled[k] * n);
            }
            uint256 before = d;
            d = ((leverage * sum) / A_PRECISION + product * n) * d
                / (((leverage - A_PRECISION) * d) / A_PRECISION + (n + 1) * product);
            if (_near(d, before)) return d;
        }
        revert DidNotConverge();
    }

    function _balanceAfter(uint256 i, uint256 j, uint256 x, uint256[] memory scaled)
        private
        view
        returns (uint256 y)
    {
        uint256 n = scaled.length;
        uint256 d = _invariant(scaled);
        uint256 leverage = A_precise * n;
        uint256 c = d;
        uint256 sum = 0;
        for (uint256 k = 0; k < n; k++) {
            if (k == j) continue;
            uint256 balance = k == i ? x : scaled[k];
            sum += balance;
            c = (c * d) / (balance * n);
        }
        c = (c * d * A_PRECISION) / (leverage * n);
        uint256 b = sum + (d * A_PRECISION) / leverage;
        y = d;
        for (uint256 round = 0; round < 255; round++) {
            uint256 before = y;
            y = (y * y + c) / (2 * y + b - d);
            if (_near(y, before)) return y;
        }
        revert DidNotConverge();
    }

    function _near(uint256 a, uint256 b) private pure returns (bool) {
        return a > b ? a - b <= 1 : b - a <= 1;
    }
}
