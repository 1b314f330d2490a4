// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title ISwapSplitter
/// @notice Executes the legs of a swap for the vault, and trusts none of them: each leg runs in a call of its own with
/// its own gas, can take no more than its input, counts by the balances before and after, and may fail alone. Holds
/// nothing between swaps.
///
/// Amounts are in units of the token. ETH is wrapped on the way in and unwrapped on the way out: legs see WETH.
interface ISwapSplitter {
    /// @notice One swap in one pool.
    struct Hop {
        address adapter; // governed, see {adapterCodehash}
        address buy; // what comes out, and the next hop sells: a connector; of the last hop, what the swap buys
        bytes data; // which pool, as the adapter says
    }

    /// @notice One route, and its share.
    struct Leg {
        uint256 amount; // that it sells; 0: only what failed legs pass on
        uint256 minRate; // units bought per unit sold, times 1e36, at least; not 0. The minimum is rounded up
        uint32 gas; // that one try may use
        bool passOn; // if it fails, the next leg that sells gets its amount; otherwise that is not sold
        Hop[] hops; // 1 to 3
    }

    /// @notice A leg paid `received`, which is what came in, not what an adapter said.
    event LegDone(uint256 indexed leg, uint256 amount, uint256 received);
    /// @notice A try failed, and nothing of it is left. A leg to which something was passed on is tried with all of it
    /// first, then with its own amount alone; what it does not sell of the former goes on to the next.
    /// @param reason The first 32 bytes that came back, zero-padded: an error's selector and the start of its first
    /// argument. Zero when it ran out of gas.
    event LegFailed(uint256 indexed leg, uint256 amount, bytes32 reason);
    event AdapterAdded(address indexed adapter, bytes32 codehash);
    event AdapterRemoved(address indexed adapter, address by);
    event ConnectorAdded(address indexed token);
    event ConnectorRemoved(address indexed token, address by);
    /// @notice What somebody had sent here went to the vault.
    event Swept(address indexed asset, uint256 amount);

    /// @notice Only the vault swaps, and only the wrapping contract sends ETH otherwise.
    error NotTheVault(address caller);
    error NotSelf(address caller);
    error ZeroAddress();
    /// @notice What is sold is what is bought: ETH and WETH are the same here.
    error SameToken(address token);
    error NoCode(address account);
    error WrongCode(address adapter, bytes32 actual, bytes32 expected);
    error NotAnAdapter(address adapter);
    error NotAConnector(address token);
    /// @notice A plan has 1 to {MAX_LEGS} legs.
    error LegCount(uint256 count);
    /// @notice A leg has 1 to {MAX_HOPS} hops.
    error HopCount(uint256 leg, uint256 count);
    /// @notice The last hop of a leg does not buy what the swap buys.
    error WrongPath(uint256 leg, address buy);
    /// @notice A leg must state a least rate.
    error NoMinimum(uint256 leg);
    /// @notice The legs' amounts are not the amount of the swap, or the ETH that came with it is not.
    error AmountMismatch(uint256 actual, uint256 expected);
    /// @notice Too little gas is left for a leg to have its own: it would fail for want of gas that the caller kept.
    error InsufficientGas(uint256 leg);
    /// @notice A hop failed: `reason` as in {LegFailed}.
    error HopFailed(bytes32 reason);
    /// @notice A hop took other than its input.
    error WrongInput(address token, uint256 taken, uint256 amount);
    /// @notice A hop left part of its approval.
    error ApprovalLeft(address token, uint256 left);
    error NothingBought(address token);
    /// @notice Units of what the leg buys; the minimum rounded up.
    error BelowMinimum(uint256 received, uint256 minimum);
    /// @notice `reason` as in {LegFailed}.
    error TransferFailed(address asset, bytes32 reason);

    /// @notice Sells at most `amount` of `sell`, which is here already (ETH: comes with the call), for `buy`. All that
    /// is bought, all that is not sold, and what was here before, goes to the vault. Only the vault.
    ///
    /// A failed leg costs its gas and nothing else. Reverts as a whole for a plan that is malformed, and for an adapter or
    /// a connector that is not governed.
    /// @dev What is spent and received is counted by balances and exact; a leg's minimum is rounded up.
    /// Pauses are the vault's to ask. Reverts with
    /// - `NotTheVault`; `SameToken`; `ReentrancyGuardReentrantCall`, as from a leg;
    /// - `LegCount`, `HopCount`, `NoMinimum`, `WrongPath`, `AmountMismatch` for a plan that is malformed;
    /// - `NotAnAdapter`; `WrongCode` when an adapter's code is not what was governed; `NotAConnector`;
    /// - `InsufficientGas` when less gas is left than the next leg may use;
    /// - `TransferFailed` when the vault does not get what is its own.
    ///
    /// A leg fails by itself, seen in {LegFailed}, with `HopFailed`, `WrongInput`, `ApprovalLeft`,
    /// `NothingBought` or `BelowMinimum`.
    /// @return spent Of `amount`, in units of `sell`.
    /// @return received By the legs, in units of `buy`: what was here before does not count.
    function swap(address sell, address buy, uint256 amount, Leg[] calldata legs)
        external
        payable
        returns (uint256 spent, uint256 received);

    /// @notice Sends what is here of `asset` to the vault. Anyone, but not within a swap.
    /// @dev Reverts with `TransferFailed`; `ReentrancyGuardReentrantCall` within a swap.
    /// @return amount In units of `asset`; 0 when nothing is here.
    function sweep(address asset) external returns (uint256 amount);

    /// @notice Governance: lets legs use `adapter`, whose code has `codehash`. Who lacks the role of this and
    /// what follows gets `AccessManagedUnauthorized`.
    /// @dev Reverts with `NoCode`; `WrongCode` when the code has another hash.
    function addAdapter(address adapter, bytes32 codehash) external;
    /// @notice Guardian: no leg uses it any more.
    /// @dev Reverts with `NotAnAdapter` when it is none.
    function removeAdapter(address adapter) external;
    /// @notice Governance: lets legs pass through `token`.
    /// @dev Reverts with `NoCode`.
    function addConnector(address token) external;
    /// @notice Guardian: no leg passes through it any more.
    /// @dev Reverts with `NotAConnector` when it is none.
    function removeConnector(address token) external;

    /// @notice The code that an adapter must have; 0: it is none.
    function adapterCodehash(address adapter) external view returns (bytes32);
    /// @notice Whether legs may pass through `token`. What a swap sells and buys needs not be one.
    function isConnector(address token) external view returns (bool);
    /// @notice Whom it swaps for.
    function VAULT() external view returns (address);
    /// @notice Wrapped ETH.
    function WETH() external view returns (address);
    /// @notice Legs that a plan has at most.
    function MAX_LEGS() external view returns (uint256);
    /// @notice Hops that a leg has at most.
    function MAX_HOPS() external view returns (uint256);
}
