// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IOracleGuard
/// @notice Judges prices. docs/oracle.md says how, and names the reasons.
interface IOracleGuard {
    enum Verdict {
        Healthy,
        Degraded, // usable where a payment in kind is bounded; for a swap or margin as {read} says
        Insane // not to be used
    }

    /// @notice What a price is asked for.
    enum Action {
        Payout, // in kind
        Swap,
        Margin, // open, increase, take out collateral
        Liquidation,
        Repayment // and adding collateral
    }

    /// @notice The price of `asset` has reasons that `action` does not tolerate.
    error Refused(address asset, Action action, Verdict verdict, uint64 reasons);

    /// @notice The price of `asset`, and what to think of it. Never reverts, but for want of gas: each call to a source takes
    /// what it may use to be there, whether it uses it or not. A million is enough for three sources of which each
    /// burns all that; who bounds the gas treats a revert as no price.
    /// @dev Anyone. `InsufficientGas` when the next source could not have its gas.
    /// @return verdict What it may be used for.
    /// @return hi The upper end of the price: USD per smallest unit, times 1e36; rounded up. 0 when `Insane`.
    /// @return lo The lower end, rounded down.
    /// @return reasons One bit each. Those below bit 32 are a source's and alone change no verdict: what they led to is
    /// said by those from 32 on, of which there are none when `Healthy`.
    function peek(address asset)
        external
        view
        returns (Verdict verdict, uint256 hi, uint256 lo, uint64 reasons);

    /// @notice The price of `asset` for `action`, as {peek} gives it, or a revert with the reasons. Payouts and repayments
    /// are never refused: they need no price, and get 0 and 0 when there is none.
    /// @dev Anyone. Reverts with `Refused`; `InsufficientGas` as {peek}.
    /// @return lo USD per smallest unit, times 1e36, rounded down.
    /// @return hi The same, rounded up.
    function read(address asset, Action action) external view returns (uint256 lo, uint256 hi);
}
