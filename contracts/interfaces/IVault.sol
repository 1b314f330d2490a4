// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IVault
/// @notice Holds the money, owes it to depositors, claimants and requesters, and pays withdrawals in batches.
///
/// Two doors lead to one payment path:
/// - an *order* is a withdrawal that the operator accepted off chain. It is paid from the float: the part of
///   the vault's balance that nobody else owns. A lane settles orders in batches, and its ledger slot on chain
///   (next number, head) makes each sequence number payable once.
/// - a *request* is a withdrawal that a depositor asked for on chain. It is paid from the depositor's own money
///   and its stored commitment is deleted when it is paid.
///
/// A push that fails becomes a claim in the same transaction, so that no payment can block another.
///
/// Amounts are in the asset's own smallest unit (wei for ETH). Nothing in this contract rounds.
/// ETH is written as the address of ERC-7528, `0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE`.
interface IVault {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What a pause stops. An asset is a scope of its own: see {pauseAsset}.
    enum Scope {
        Everything, // deposits, orders, requests (both ways of paying them), claims and swaps
        Deposits,
        Orders,
        Requests,
        Swaps
    }

    /// @notice One payout in the wide form, for amounts of 2^96 and above.
    struct Payout {
        address recipient;
        uint256 amount;
    }

    /// @notice A withdrawal that a depositor asked for. The vault stores only `keccak256(abi.encode(request))`,
    /// so whoever pays, cancels or forces it brings the whole of it, as {Requested} announced it.
    struct Request {
        uint64 id;
        address owner;
        address asset;
        address recipient;
        uint256 amount;
        uint64 createdAt; // unix seconds
    }

    /// @notice What governance sets for an asset.
    struct AssetConfig {
        bool listed; // unlisted: no new deposit, request or order; what is owed stays payable
        uint32 payoutGas; // gas that one push to a recipient may use
        uint128 minRequest; // the smallest request, in units: dust must not cost the keeper more than it moves
    }

    // ----------------------------------------------------------------------------------------------- events

    event Deposited(address indexed asset, address indexed account, uint256 amount, address from);

    event Requested(
        uint64 indexed id,
        address indexed owner,
        address indexed asset,
        address recipient,
        uint256 amount,
        uint64 createdAt
    );
    event RequestCancelled(uint64 indexed id);
    /// @notice The requester paid himself after `exitDelay`.
    event RequestForced(uint64 indexed id, address indexed asset, uint256 amount);
    /// @notice A request in a batch was no longer owed (cancelled, forced or paid before): nothing was paid for it.
    event RequestSkipped(uint64 indexed id);

    /// @notice One batch of orders was settled. Recipients, amounts and references are in the calldata.
    /// @param first The sequence number of the first payout; the last is `first + count - 1`.
    /// @param total What was paid or turned into claims, in units of `asset`.
    /// @param head The lane's head after this batch.
    /// @param auditHead The head of the keeper's audit ledger when the batch was made.
    event Settled(
        address indexed lane,
        address indexed asset,
        uint64 first,
        uint64 count,
        uint256 total,
        bytes24 head,
        bytes32 auditHead
    );
    /// @notice One batch of requests was settled. `count` and `total` leave out the skipped ones.
    event RequestsSettled(
        address indexed lane, address indexed asset, uint64 count, uint256 total, bytes32 auditHead
    );
    /// @notice Numbers were given up without a payment.
    event Voided(address indexed lane, address indexed by, uint64 first, uint64 count, bytes24 head);

    /// @notice A push failed and became a claim. `number` is the sequence number in `lane` for an order;
    /// for a request `lane` is zero and `number` is the request's id.
    /// @param reason The first 32 bytes that the failed call returned, zero-padded.
    event PayoutFailed(
        address indexed asset,
        address indexed recipient,
        uint256 amount,
        address lane,
        uint64 number,
        bytes32 reason
    );
    event Claimed(address indexed asset, address indexed recipient, address indexed to, uint256 amount);

    event Paused(Scope indexed scope, uint48 until, address by);
    event Unpaused(Scope indexed scope, address by);
    event AssetPaused(address indexed asset, uint48 until, address by);
    event AssetUnpaused(address indexed asset, address by);

    event AssetConfigured(address indexed asset, AssetConfig config);
    event LaneEnabled(address indexed lane, uint64 next, bytes24 head);
    event LaneDisabled(address indexed lane, address by);

    // ----------------------------------------------------------------------------------------------- errors

    error ZeroAddress();
    error ZeroAmount();
    error OutOfRange(uint256 value, uint256 min, uint256 max);
    error AssetNotListed(address asset);
    /// @notice `msg.value` is not the amount (ETH), or is not zero (ERC-20).
    error WrongValue(uint256 sent, uint256 expected);
    error InsufficientBalance(address asset, address account, uint256 asked, uint256 balance);
    error BelowMinRequest(address asset, uint256 amount, uint256 minimum);
    error BadRecipient(address recipient);
    error TransferFailed(address asset, address to, bytes32 reason);

    /// @notice The caller is no enabled lane.
    error NotALane(address caller);
    /// @notice The caller's books disagree with the chain: the lane stands at `next`, with `head`.
    error LaneMismatch(uint64 next, bytes24 head);
    error EmptyBatch();
    error ReferencesLength(uint256 length, uint256 expected);
    error TotalMismatch(uint256 stated, uint256 actual);
    error InsufficientFloat(address asset, uint256 asked, uint256 available);
    /// @notice The transaction has too little gas left to give the next push its allowance.
    error InsufficientGas();
    /// @notice The token took more than the payouts: it charges its sender, or lies about balances.
    error TokenTookMore(address asset, uint256 paid, uint256 taken);
    error WrongAsset(uint64 id, address asset);

    error UnknownRequest(uint64 id);
    error NotRequestOwner(uint64 id, address caller);
    error ExitNotReached(uint64 id, uint256 readyAt);
    error NothingToClaim(address asset, address recipient);

    error IsPaused(Scope scope, uint48 until);
    error AssetIsPaused(address asset, uint48 until);
    /// @notice A guardian's window is over; he may pause again from `from` on.
    error GuardianCoolingDown(address guardian, uint48 from);
    error PauseTooLong(uint48 until, uint48 latest);
    error LaneAlreadyEnabled(address lane);

    // ------------------------------------------------------------------------------------- a depositor's life

    /// @notice Credits `account` with what arrives: `amount` of ETH, or the measured increase of the vault's
    /// balance for a token (less than `amount` when the token charges a fee on transfer).
    /// @dev Anyone may call. Reverts while `Everything`, `Deposits` or the asset is paused.
    /// @param asset A listed token, or ERC-7528 for ETH (then `msg.value == amount`).
    /// @param amount In units of `asset`.
    /// @param account Who owns the credited balance.
    /// @return credited In units of `asset`.
    function deposit(address asset, uint256 amount, address account)
        external
        payable
        returns (uint256 credited);

    /// @notice Asks for `amount` of the caller's balance to be paid to `recipient`. The keeper pays it; after
    /// `exitDelay` the caller can: {forceExit}.
    /// @dev Works while paused: it moves nothing out. Reverts for a recipient of zero, the vault or the asset.
    /// @return id The request's number, from 1 on.
    function request(address asset, uint256 amount, address recipient) external returns (uint64 id);

    /// @notice Takes an unpaid request back into the owner's balance. Only its owner. Works while paused.
    function cancel(Request calldata r) external;

    /// @notice Pays an unpaid request once `exitDelay` has passed since it was made, with no keeper. Only its
    /// owner. The same payment path as a batch: pauses and failing pushes are treated alike.
    function forceExit(Request calldata r) external;

    /// @notice Pays the caller's whole claim in `asset` to `to`, or reverts with the reason.
    /// @dev Reverts while `Everything` or the asset is paused.
    /// @return amount In units of `asset`.
    function claim(address asset, address to) external returns (uint256 amount);

    // -------------------------------------------------------------------------------------------- a lane's life

    /// @notice Settles a batch of orders of one asset over the caller's lane: all of them, or a revert.
    /// The lane's head becomes `bytes24(keccak256(msg.data))`; `msg.data` holds the head before.
    /// @dev Only an enabled lane. Reverts while `Everything`, `Orders` or the asset is paused, when `first` and
    /// `head` are not the chain's, or when the float is below `total`. A push that fails becomes a claim.
    /// @param asset A listed asset.
    /// @param first The lane's next sequence number, as the keeper's books expect it.
    /// @param head The lane's head, as the keeper's books expect it.
    /// @param total The sum of the amounts, checked.
    /// @param auditHead The head of the keeper's audit ledger.
    /// @param payouts One word each: recipient (160 bits) followed by amount (96 bits). Amount 0 settles the
    /// number as void.
    /// @param refs 8 bytes per payout, in order: the withdrawals' references.
    function settle(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        bytes32 auditHead,
        bytes32[] calldata payouts,
        bytes calldata refs
    ) external;

    /// @notice {settle} for amounts that need more than 96 bits.
    function settleWide(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        bytes32 auditHead,
        Payout[] calldata payouts,
        bytes calldata refs
    ) external;

    /// @notice Pays requests of one asset. One that is no longer owed is skipped, so that nobody can block the
    /// others by cancelling.
    /// @dev Only an enabled lane. Reverts while `Everything`, `Requests` or the asset is paused.
    function settleRequests(address asset, bytes32 auditHead, Request[] calldata requests) external;

    /// @notice Gives up the next `count` numbers of `lane` without a payment. Whatever was signed for them can
    /// never be settled afterwards. At most 65,535 at
    /// once. Any enabled lane may do it for any lane, enabled or not: it can only refuse.
    /// The head becomes `bytes24(keccak256(msg.data))`. Works while paused.
    function voidNumbers(address lane, uint64 first, bytes24 head, uint64 count) external;

    // ------------------------------------------------------------------------------------- guardian, governance

    /// @notice Stops a scope for `duration` seconds. Guardian. A guardian's pauses end at most `maxPause` after
    /// the first of them began, and the same guardian can begin again only `pauseCooldown` after that end.
    function pause(Scope scope, uint32 duration) external;
    function pauseAsset(address asset, uint32 duration) external;

    /// @notice Governance: sets the end of a pause freely. The only way to make one longer.
    function extendPause(Scope scope, uint48 until) external;
    function extendAssetPause(address asset, uint48 until) external;

    /// @notice Governance: ends a pause now.
    function unpause(Scope scope) external;
    function unpauseAsset(address asset) external;

    /// @notice Guardian: takes the keeper's right from a lane. Its unsettled numbers can be voided by any lane.
    function disableLane(address lane) external;
    /// @notice Governance: gives an account a lane, or gives it back. A new lane starts at number 1 with the head
    /// `bytes24(keccak256(abi.encode(block.chainid, vault, lane)))`.
    function enableLane(address lane) external;
    /// @notice Governance: lists or unlists an asset and sets its parameters.
    function configureAsset(address asset, AssetConfig calldata config) external;

    // ------------------------------------------------------------------------------------------------ views

    function balanceOf(address asset, address account) external view returns (uint256);
    function claimOf(address asset, address recipient) external view returns (uint256);
    /// @notice Sum of depositor balances, unpaid requests and claims.
    function liabilitiesOf(address asset) external view returns (uint256);
    /// @notice What orders can be paid from: balance less liabilities, 0 if that is negative.
    function floatOf(address asset) external view returns (uint256);
    /// @notice `keccak256(abi.encode(request))` of an unpaid request, 0 otherwise.
    function commitmentOf(uint64 id) external view returns (bytes32);
    function lastRequestId() external view returns (uint64);
    function laneOf(address lane) external view returns (bool enabled, uint64 next, bytes24 head);
    function assetConfig(address asset) external view returns (AssetConfig memory);
    /// @notice 0 when it never was paused; in the past when it no longer is.
    function pausedUntil(Scope scope) external view returns (uint48);
    function assetPausedUntil(address asset) external view returns (uint48);
    /// @notice Seconds after which a requester may pay himself.
    function exitDelay() external view returns (uint32);
    function maxPause() external view returns (uint32);
    function pauseCooldown() external view returns (uint32);
}
