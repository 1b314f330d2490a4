// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISwapSplitter} from "./ISwapSplitter.sol";

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
/// The breaker bounds what leaves in a time: per asset in units, over all assets in USD. A batch that a
/// bucket does not hold is refused (`AboveLimit`). One that is beyond the hard multiple of the capacity of
/// the asset's or the USD bucket *trips*: nothing is settled, the asset (in USD: orders, or requests) is
/// paused, and the call returns, because a revert would undo the pause. All trips lie in one window of
/// `maxPause`, like a guardian's pauses; until `pauseCooldown` after it, what would trip is refused. The
/// instant tier's bucket only refuses.
///
/// Orders have three tiers by their amount: instant (the keeper alone), approved (M of N signatures), delayed
/// (announced, then payable unless a guardian vetoed it).
///
/// Who may call is said of each function. Governance, guardian and oracle guard are roles of the
/// AccessManager: who lacks the role gets `AccessManagedUnauthorized`, and who has it with a delay calls
/// through the AccessManager, which refuses by itself what is not scheduled or not due. What moves or books
/// money cannot be called from inside another such call: `ReentrancyGuardReentrantCall`. Views have no errors
/// where none is named, but for those of a token that does not say its balance.
///
/// Amounts are in the asset's own smallest unit (wei for ETH). Payments are exact; what a payment takes from
/// a bucket is rounded up, what a bucket has left is rounded down. Times are unix seconds. ETH is written as
/// the address of ERC-7528, `0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE`.
interface IVault {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What a pause stops. An asset is a scope of its own: see {pauseAsset}.
    enum Scope {
        Everything, // deposits, orders, requests (both ways of paying them), claims, sweeps and swaps
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

    /// @notice A batch in the wide form.
    struct Batch {
        address asset; // listed
        uint64 first; // the lane's next number, as the keeper's books expect it
        bytes24 head; // the lane's head, as the keeper's books expect it
        uint256 total; // the sum of the amounts, checked
        bytes32 auditHead; // of the keeper's audit ledger
        Payout[] payouts; // amount 0 settles the number as void
        bytes refs; // 8 bytes per payout, in order: the withdrawals' references
    }

    /// @notice One approver's signature: ECDSA, or what a contract accepts by ERC-1271.
    struct Approval {
        address approver;
        bytes signature;
    }

    /// @notice Which bucket.
    enum Limit {
        Asset, // what leaves of one asset, in units
        Usd, // what leaves of all assets that have a sane price, in USD with 18 decimals
        Instant // what leaves of one asset by the keeper alone, in units, per day; never trips, only refuses
    }

    /// @notice What governance sets and guardians may lower. Amounts in units; capacity, instantPerPayout and
    /// instantPerDay have at most 12 significant decimal digits between them.
    struct AssetLimits {
        uint256 capacity; // of the asset's bucket
        uint32 window; // seconds in which an empty bucket fills: 1 hour to 30 days, whole minutes
        uint8 unpricedShare; // percent of the capacity that counts while the asset has no sane price: 1 to 100
        uint256 instantPerPayout; // above: approval
        uint256 instantPerDay; // of all instant payouts together
        uint128 approvedPerPayout; // above: announcement
    }

    /// @notice A bucket now.
    struct LimitState {
        uint256 capacity;
        uint256 window; // seconds
        uint256 left; // rounded down
        uint256 fullAt; // unix seconds, rounded up; in the past when it is full
    }

    /// @notice An asset's float between its marks, in units.
    struct TreasuryState {
        uint256 minFloat; // below it a refill is due
        uint256 highWater; // above it there is surplus
        uint256 coldBalance; // swept less refilled
        uint256 surplus; // may be swept
        uint256 shortfall; // that a refill should bring
    }

    /// @notice What governance sets for an asset that is swapped, and guardians may lower.
    struct SwapRules {
        uint128 capacity; // units that may be sold per window; 0: it is only bought
        uint32 window; // seconds in which an empty bucket fills: 1 hour to 30 days
        uint16 slippageBps; // below the guard's price a swap may be: 1 to 1,000; 0: neither sold nor bought
    }

    /// @notice Float of one asset into float of another.
    struct SwapOrder {
        address sell; // both listed, and different
        address buy;
        uint256 amount; // units of `sell` that the legs may use
        uint256 minReceived; // units of `buy` for all of `amount`; not 0. For what is spent, its part, rounded up
        uint64 deadline; // unix seconds: the last in which it may happen
        ISwapSplitter.Leg[] legs; // their amounts add up to `amount`
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

    /// @notice One batch of orders was settled. The rest is in the calldata: asset, recipients, amounts, references,
    /// total, audit head, and the lane's head after it, which is the hash of the calldata.
    /// @param batch Lane (20 bytes), sequence number of the first payout (7), number of payouts (5): one word without a
    /// topic, for a topic costs 375 gas and a word 256. The last number is `first + count - 1`.
    event Settled(bytes32 batch);
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

    /// @notice The breaker tripped: the batch was far beyond `limit`, Asset or Usd. Nothing was settled, and
    /// the asset (limit Asset) or `scope` (limit Usd: Orders or Requests) is paused until `until`.
    /// @param asked What the batch asked for, and `left` what the limit had left: units, or USD with 18 decimals.
    event Tripped(
        Limit indexed limit,
        address indexed asset,
        Scope scope,
        uint256 asked,
        uint256 left,
        uint48 until,
        address by
    );
    event LimitsSet(address indexed asset, AssetLimits limits, address by);
    event UsdLimitSet(uint32 capacity, uint32 window, uint8 hardMultiple, address by);
    event OracleSet(address guard, uint32 priceLife);
    /// @notice `price / 10^decimals` USD per unit is what the USD bucket counts with until `until`; nothing when not
    /// `sane`.
    event Poked(address indexed asset, bool sane, uint256 price, uint8 decimals, uint32 until);

    event ApprovalsSet(address approvers, uint32 announceDelay);
    event Announced(
        bytes32 indexed id,
        address indexed lane,
        address indexed asset,
        address recipient,
        uint256 amount,
        bytes8 ref,
        uint48 payableFrom
    );
    event AnnouncementVetoed(bytes32 indexed id, address by);

    event Swept(address indexed asset, address indexed cold, uint256 amount, address by);
    event Refilled(address indexed asset, address indexed from, uint256 amount);
    event ColdSet(address cold);
    event MarksSet(address indexed asset, uint128 minFloat, uint128 highWater);

    /// @notice The vault swapped. `sellLow` and `buyHigh` are the guard's prices (USD per unit times 1e36) and
    /// `slippageBps` the greater of the two assets', from which the bound follows: see {swapBound}.
    /// @param required The larger of that bound and the order's own minimum, both for `spent`.
    event Swapped(
        address indexed lane,
        address indexed sell,
        address indexed buy,
        uint256 spent,
        uint256 received,
        uint256 required,
        uint256 sellLow,
        uint256 buyHigh,
        uint16 slippageBps
    );
    event SplitterSet(address splitter);
    event SwapRulesSet(address indexed asset, SwapRules rules, address by);

    // ----------------------------------------------------------------------------------------------- errors

    error ZeroAddress();
    error ZeroAmount();
    error OutOfRange(uint256 value, uint256 min, uint256 max);
    /// @notice It is not listed, or has no code: a call to an address without code would seem to succeed.
    error AssetNotListed(address asset);
    /// @notice `msg.value` is not the amount (ETH), or is not zero (ERC-20).
    error WrongValue(uint256 sent, uint256 expected);
    /// @notice In units, as in all errors with an asset, where nothing else is said.
    error InsufficientBalance(address asset, address account, uint256 asked, uint256 balance);
    error BelowMinRequest(address asset, uint256 amount, uint256 minimum);
    /// @notice Zero, the vault itself, or the asset.
    error BadRecipient(address recipient);
    /// @notice The push failed. `reason` as in {PayoutFailed}.
    error TransferFailed(address asset, address to, bytes32 reason);

    /// @notice No enabled lane; of the lane that numbers are voided of: never one.
    error NotALane(address caller);
    /// @notice The caller's books disagree with the chain: the lane stands at `next`, with `head`.
    error LaneMismatch(uint64 next, bytes24 head);
    /// @notice No payouts, no requests, or no numbers to void.
    error EmptyBatch();
    /// @notice References are 8 bytes for each payout.
    error ReferencesLength(uint256 length, uint256 expected);
    /// @notice Of packed payouts: not a multiple of 40 bytes.
    error PayoutsLength(uint256 length);
    /// @notice The amounts do not add up to the total.
    error TotalMismatch(uint256 stated, uint256 actual);
    error InsufficientFloat(address asset, uint256 asked, uint256 available);
    /// @notice A push (or a question to the oracle guard) failed, and too little gas is left to be sure that it had its
    /// allowance.
    error InsufficientGas();
    /// @notice The token took more than the payouts: it charges its sender, or lies about balances.
    error TokenTookMore(address asset, uint256 paid, uint256 taken);
    /// @notice Request `id` is of `asset`, and the batch of another.
    error WrongAsset(uint64 id, address asset);

    /// @notice It is not owed: paid, forced or cancelled already, never made, or not what {Requested}
    /// announced.
    error UnknownRequest(uint64 id);
    error NotRequestOwner(uint64 id, address caller);
    /// @notice The owner can force it from `readyAt` on, unix seconds.
    error ExitNotReached(uint64 id, uint256 readyAt);
    error NothingToClaim(address asset, address recipient);

    /// @notice `until` is the first second in which it is not, as in {AssetIsPaused}.
    error IsPaused(Scope scope, uint48 until);
    error AssetIsPaused(address asset, uint48 until);
    /// @notice A guardian's window is over; he may pause again from `from` on.
    error GuardianCoolingDown(address guardian, uint48 from);
    /// @notice The guardian's window ends at `latest`.
    error PauseTooLong(uint48 until, uint48 latest);
    error LaneAlreadyEnabled(address lane);

    /// @notice More than the bucket has left. From `retryAt` on (unix seconds) it fits if nothing else is paid; the
    /// largest number means never. `asked` and `left` are units, or USD with 18 decimals.
    error AboveLimit(Limit limit, address asset, uint256 asked, uint256 left, uint256 retryAt);
    /// @notice A payout is above what this tier may pay.
    error AboveTier(address asset, uint256 most);
    error ApprovalExpired(uint64 deadline);
    /// @notice It stands: announced by the lane since it was last enabled, not paid, and less than 7 days
    /// due.
    error AlreadyAnnounced(bytes32 id);
    /// @notice It does not stand: see {AlreadyAnnounced}. To {veto}: there is nothing to veto.
    error NotAnnounced(bytes32 id);
    error NotYetPayable(bytes32 id, uint48 payableFrom);
    error Vetoed(bytes32 id);
    /// @notice A guardian's limit must not exceed the present one in anything.
    error NotLower();
    /// @notice `value` is left of an amount when all three are divided by their common powers of ten: too many digits.
    error LimitTooPrecise(address asset, uint256 value);
    /// @notice Seconds.
    error NotWholeMinutes(uint256 window);
    /// @notice A sweep may take what is above `highWater`, a swap what is above `minFloat`.
    error NoSurplus(address asset, uint256 asked, uint256 surplus);

    /// @notice No splitter is set.
    error NoSplitter();
    /// @notice It swaps for another vault.
    error NotOurSplitter(address splitter);
    /// @notice No guard is set, or it has no price: nothing is swapped without one.
    error NoPrice(address asset);
    error SameAsset(address asset);
    error DeadlinePassed(uint64 deadline);
    /// @notice A swap must state a minimum.
    error NoMinimum();
    /// @notice The asset has no {SwapRules}.
    error NotSwapped(address asset);
    /// @notice More than the bucket has left to sell. From `retryAt` on (unix seconds) it fits if nothing
    /// else is sold; the largest number means never.
    error AboveSwapLimit(address asset, uint256 asked, uint256 left, uint256 retryAt);
    /// @notice Every leg failed.
    error NothingSwapped();
    /// @notice Units of what is bought.
    error ReceivedTooLittle(uint256 received, uint256 required);
    /// @notice The vault's balance of `asset` changed by `measured`, and not by the `said` that the splitter tells: the
    /// token charges for transfers, or somebody lies.
    error SwapMismatch(address asset, uint256 said, uint256 measured);

    // ------------------------------------------------------------------------------------- a depositor's life

    /// @notice Credits `account` with what arrives: `amount` of ETH, or the measured increase of the vault's
    /// balance for a token (less than `amount` when the token charges a fee on transfer). Anyone.
    /// @dev Stopped by pauses of `Everything`, `Deposits` and the asset: `IsPaused`, `AssetIsPaused`. Reverts
    /// with `AssetNotListed`; `ZeroAddress` for no account; `WrongValue` when `msg.value` is not `amount`
    /// (ETH) or not zero (token); `ZeroAmount` when nothing arrives; `OutOfRange` when 2^128 units or more
    /// would be owed of the asset; with what the token says, or `SafeERC20FailedOperation`, when it does not
    /// transfer.
    /// @param asset A listed token, or ERC-7528 for ETH (then `msg.value == amount`).
    /// @param amount In units of `asset`.
    /// @param account Who owns the credited balance.
    /// @return credited In units of `asset`.
    function deposit(address asset, uint256 amount, address account)
        external
        payable
        returns (uint256 credited);

    /// @notice Asks for `amount` of the caller's balance to be paid to `recipient`. The keeper pays it; after
    /// `exitDelay` the caller can: {forceExit}. Anyone who has a balance, also of an asset that is unlisted.
    /// @dev No pause stops it: it moves nothing out. Reverts with `ZeroAmount`; `BelowMinRequest`;
    /// `BadRecipient` for zero, the vault or the asset; `InsufficientBalance` when the caller has less.
    /// @param amount In units of `asset`, at least its `minRequest`; paid exactly.
    /// @return id The request's number, from 1 on.
    function request(address asset, uint256 amount, address recipient) external returns (uint64 id);

    /// @notice Takes an unpaid request back into the owner's balance. Only its owner.
    /// @dev No pause stops it. Reverts with `NotRequestOwner`; `UnknownRequest` when it is not owed: paid,
    /// forced or cancelled already, or `r` is not what {Requested} announced.
    function cancel(Request calldata r) external;

    /// @notice Pays an unpaid request, with no keeper, once `exitDelay` has passed since it was made. Only
    /// its owner. It is pushed as in a batch: with `payoutGas`, and what fails becomes the recipient's claim.
    /// Counts in the buckets of the asset and of USD (rounded up, at most what they have left), and is never
    /// refused by them.
    /// @dev Stopped by pauses of `Everything`, `Requests` and the asset: `IsPaused`, `AssetIsPaused`. Reverts
    /// with `NotRequestOwner`; `ExitNotReached` before its time; `UnknownRequest` as {cancel};
    /// `AssetNotListed` when the token's code is gone (an unlisted asset is paid); `InsufficientGas`;
    /// `TokenTookMore`.
    function forceExit(Request calldata r) external;

    /// @notice Pays the caller's whole claim in `asset` to `to`, or reverts with the reason. For whoever has
    /// a claim; past all limits, and with as much gas as the call has.
    /// @dev Stopped by pauses of `Everything` and the asset: `IsPaused`, `AssetIsPaused`. Reverts with
    /// `NothingToClaim`; `BadRecipient` for zero, the vault or the asset; `TransferFailed` when the push
    /// fails; `AssetNotListed` when the token's code is gone (an unlisted asset is paid); `TokenTookMore`.
    /// @return amount In units of `asset`, exactly what was owed.
    function claim(address asset, address to) external returns (uint256 amount);

    // -------------------------------------------------------------------------------------------- a lane's life

    /// @notice Settles a batch of orders of one asset over the caller's lane: each payout is pushed, or
    /// becomes its recipient's claim, and the lane moves on by their number. Otherwise nothing is settled and
    /// the lane stays where it is, in one of two ways: the call reverts; or the breaker trips, which pauses,
    /// emits {Tripped} and returns without a revert. So {Settled} says that a batch is settled, and the
    /// call's success does not. The lane's head becomes `bytes24(keccak256(msg.data))`; `msg.data` holds the
    /// head before.
    ///
    /// The batch follows the selector in packed form, because words of zeros cost gas too:
    /// - asset (20 bytes), listed; total (12), the sum of the amounts, checked;
    /// - position (32): where the keeper's books expect the lane, as its slot holds it: head (24), next sequence
    ///   number (7), 1 (enabled);
    /// - the head of the keeper's audit ledger (32);
    /// - the payouts, 40 bytes each: recipient (20), amount (12), the withdrawal's reference (8). Amount 0 settles the
    ///   number as void. Neither more nor less, or `PayoutsLength`.
    ///
    /// So there is one way to write a batch. {settleWide} takes the same by the ABI.
    /// @dev Only an enabled lane, or `NotALane`. Amounts are in units, of the instant tier, and paid exactly;
    /// what they take from a bucket is rounded up. Stopped by pauses of `Everything`, `Orders` and the asset:
    /// `IsPaused`, `AssetIsPaused`. Reverts with
    /// - `LaneMismatch` when the position is not the chain's; `EmptyBatch` without payouts;
    /// - `AssetNotListed`, also when the token's code is gone;
    /// - `InsufficientFloat` when the total is above {floatOf};
    /// - `AboveLimit` when a bucket has less left than the total, and the breaker does not trip;
    /// - `AboveTier` when a payout is above `instantPerPayout`; `TotalMismatch`;
    /// - `InsufficientGas` when a push failed that may have had less than its `payoutGas`;
    /// - `TokenTookMore`; `OutOfRange` when a failed push would make 2^128 units or more owed of the asset.
    function settle() external;

    /// @notice {settle} for amounts or a total that need more than 96 bits.
    /// @dev Who, pauses, trips and errors as {settle}; `ReferencesLength` instead of `PayoutsLength`. A sum
    /// beyond 256 bits is an arithmetic panic.
    function settleWide(Batch calldata b) external;

    /// @notice Settles a batch that approvers have signed: payouts up to `approvedPerPayout`, not counted against
    /// the instant tier's day.
    /// @dev Who, pauses, trips and errors as {settleWide}, with `AboveTier` above `approvedPerPayout`. Also
    /// `ApprovalExpired` after the deadline, and what {IApprovers-check} reverts with: `TooFewApprovals`,
    /// `NotAnApprover`, `BadSignature`. Reverts without a reason while no approvers are set: {setApprovals}.
    /// @param deadline Unix seconds, the last in which it may be settled; part of what is signed.
    /// @param approvals In ascending order of the approvers' addresses.
    function settleApproved(Batch calldata b, uint64 deadline, Approval[] calldata approvals) external;

    /// @notice Says that an order will be paid by the caller's lane. It is payable `announceDelay` later, for 7 days,
    /// unless a guardian vetoed it or the lane was disabled meanwhile. Only an enabled lane.
    /// @dev No pause stops it: it moves nothing. Reverts with `NotALane`; `AssetNotListed`; `BadRecipient`
    /// for zero, the vault or the asset; `ZeroAmount`; `Vetoed` when the same was vetoed once;
    /// `AlreadyAnnounced` while the same stands.
    /// @param amount In units of `asset`; paid exactly.
    /// @param ref The withdrawal's reference.
    /// @return id As {announcementId} gives it.
    function announce(address asset, address recipient, uint256 amount, bytes8 ref)
        external
        returns (bytes32 id);

    /// @notice Settles announced orders of any amount, each once, not counted against the instant tier's day.
    /// @dev Who, pauses, trips and errors as {settleWide}, but no `AboveTier`. Also, for each payout that is
    /// not void: `Vetoed`; `NotAnnounced` when it never was by this lane, was paid, has been due for 7 days,
    /// or the lane was disabled since; `NotYetPayable`.
    function settleAnnounced(Batch calldata b) external;

    /// @notice Pays requests of one asset, also of one that is unlisted. One that is no longer owed is
    /// skipped ({RequestSkipped}), so that nobody can block the others by cancelling. Only an enabled lane,
    /// which stays where it is: a request is payable once by its own commitment. {RequestsSettled} says that
    /// the batch is settled: when the breaker trips, the call returns with {Tripped} and no revert, and all
    /// are owed as before.
    /// @dev Amounts are in units and paid exactly; what they take from the buckets of the asset and of USD is
    /// rounded up. Stopped by pauses of `Everything`, `Requests` and the asset: `IsPaused`, `AssetIsPaused`.
    /// Reverts with `NotALane`; `EmptyBatch`; `WrongAsset` for a request of another asset; `AboveLimit` when
    /// a bucket has less left than what is owed of them, and the breaker does not trip; `AssetNotListed` when
    /// the token's code is gone; `InsufficientGas`; `TokenTookMore`.
    function settleRequests(address asset, bytes32 auditHead, Request[] calldata requests) external;

    /// @notice Gives up the next `count` numbers of `lane` without a payment, at most 65,535 at once.
    /// Whatever was signed for them can never be settled afterwards. Any enabled lane may do it for any lane,
    /// enabled or not: it can only refuse. The head becomes `bytes24(keccak256(msg.data))`.
    /// @dev No pause stops it. Reverts with `NotALane` when the caller is no enabled lane, or `lane` never
    /// was one; `EmptyBatch` for none; `OutOfRange` for more than 65,535; `LaneMismatch` when `lane` does not
    /// stand at `first` with `head`.
    function voidNumbers(address lane, uint64 first, bytes24 head, uint64 count) external;

    // ------------------------------------------------------------------------------------- guardian, governance

    /// @notice Guardian: stops a scope for `duration` seconds. A guardian's pauses end at most `maxPause`
    /// after the first of them began, and the same guardian can begin again only `pauseCooldown` after that
    /// end. A pause that ends later already stays as it is.
    /// @dev Reverts with `ZeroAmount` for no duration; `GuardianCoolingDown` between two windows;
    /// `PauseTooLong` when it would end after the window.
    function pause(Scope scope, uint32 duration) external;
    /// @notice Guardian: {pause} for one asset, in the same window of that guardian; the same errors.
    function pauseAsset(address asset, uint32 duration) external;
    /// @notice Oracle guard: {pause} for swaps alone, in a window of its own like a guardian's; the same
    /// errors.
    function pauseSwaps(uint32 duration) external;

    /// @notice Governance: sets the end of a pause freely. The only way to one that outlasts a guardian's
    /// window.
    /// @dev Reverts with `OutOfRange` above 2^32 - 1.
    /// @param until Unix seconds. In that second the pause is over.
    function extendPause(Scope scope, uint48 until) external;
    /// @notice Governance: {extendPause} for one asset; the same error.
    function extendAssetPause(address asset, uint48 until) external;

    /// @notice Governance: ends a pause now. No errors but for the role.
    function unpause(Scope scope) external;
    /// @notice Governance: ends the pause of one asset now, a trip of the breaker too. No errors but for the
    /// role.
    function unpauseAsset(address asset) external;

    /// @notice Guardian: takes the keeper's right from a lane. Its unsettled numbers can be voided by any lane.
    /// @dev Reverts with `NotALane` when it is not enabled.
    function disableLane(address lane) external;
    /// @notice Governance: gives an account a lane, or gives it back. A new lane starts at number 1 with the
    /// head `bytes24(keccak256(abi.encode(block.chainid, vault, lane)))`. One that comes back goes on where
    /// it stood; what it had announced must be announced again.
    /// @dev Reverts with `ZeroAddress`; `LaneAlreadyEnabled`.
    function enableLane(address lane) external;
    /// @notice Governance: lists or unlists an asset and sets its parameters. One that is unlisted has no
    /// price, and keeps the gas of its pushes.
    /// @dev Reverts with `ZeroAddress`; to list, with `AssetNotListed` for an address without code that is
    /// not ETH, and `OutOfRange` for a `payoutGas` that is not 25,000 to 1,000,000.
    function configureAsset(address asset, AssetConfig calldata config) external;

    /// @notice Governance: sets an asset's limits, a capacity of at most 2^128 - 1. Kept exactly, or refused.
    /// What is spent stays spent: buckets keep the time until they are full.
    /// @dev Reverts with `OutOfRange` for an `unpricedShare`, a capacity or a window out of its bounds, and
    /// for an `approvedPerPayout` below `instantPerPayout`; `NotWholeMinutes`; `LimitTooPrecise` for too many
    /// digits.
    function setLimits(address asset, AssetLimits calldata limits) external;
    /// @notice Guardian: the same, with nothing above what it was and no shorter window.
    /// @dev Reverts with `NotLower`, and as {setLimits}.
    function lowerLimits(address asset, AssetLimits calldata limits) external;
    /// @notice Governance: the bucket over all assets that have a sane price, and how far beyond a limit the
    /// breaker trips.
    /// @dev Reverts with `OutOfRange` for a window or multiple out of its bounds; `NotWholeMinutes`.
    /// @param capacity In whole USD.
    /// @param window Seconds: 1 hour to 30 days, whole minutes.
    /// @param hardMultiple A batch beyond this multiple of a limit's capacity trips the breaker: 1 to 100.
    function setUsdLimit(uint32 capacity, uint32 window, uint8 hardMultiple) external;
    /// @notice Guardian: the same, not higher and no shorter window; the multiple stays.
    /// @dev Reverts with `NotLower`, and as {setUsdLimit} for the window.
    function lowerUsdLimit(uint32 capacity, uint32 window) external;
    /// @notice Governance: who judges prices, and how long one that was poked counts, in seconds. Prices that
    /// were poked before keep their end. A guard without code: no prices.
    /// @dev Reverts with `OutOfRange` for a `priceLife` that is not 1 minute to 1 day.
    function setOracle(address guard, uint32 priceLife) external;
    /// @notice Takes the guard's price of `asset` into the vault, or forgets the one it has when the guard
    /// has none that is sane, or the asset is not listed: then the asset's bucket counts with `unpricedShare`
    /// of its capacity. Anyone; no pause stops it.
    /// @dev The upper end of the guard's price is kept, rounded up to what 32 bits hold: against what leaves.
    /// Reverts with `InsufficientGas` when the guard failed that may have had less than 1,000,000 gas;
    /// nothing else that it does reverts.
    /// @return sane Whether there is a price now.
    function poke(address asset) external returns (bool sane);

    /// @notice Governance: who approves (an {IApprovers}; zero: nobody), and how long announced orders wait,
    /// in seconds. What is announced already keeps its time.
    /// @dev Reverts with `OutOfRange` for a delay that is not 1 hour to 30 days.
    function setApprovals(address approvers_, uint32 announceDelay_) external;
    /// @notice Guardian: an announced order will never be paid, and the same can never be announced again.
    /// @dev Reverts with `NotAnnounced` when it never was, was paid, or is vetoed already.
    function veto(bytes32 id) external;

    // ------------------------------------------------------------------------------------------------ treasury

    /// @notice Sends surplus (float above the high-water mark) to the cold address, also of an asset that is
    /// unlisted. Only an enabled lane. No bucket counts it.
    /// @dev Stopped by pauses of `Everything` and the asset: `IsPaused`, `AssetIsPaused`. Reverts with
    /// `NotALane`; `ZeroAddress` while there is no cold address; `ZeroAmount`; `NoSurplus` for more than
    /// there is; `TransferFailed`; `TokenTookMore`.
    /// @param amount In units; sent exactly.
    function sweep(address asset, uint256 amount) external;
    /// @notice Brings money back from cold into the float, and books it as such: the cold balance falls by
    /// it, to zero at least. Anyone; plain transfers to the vault reach the float as well, unbooked.
    /// @dev No pause stops it. Reverts with `AssetNotListed`, and as {deposit} with `WrongValue`,
    /// `ZeroAmount` and what the token says.
    /// @return arrived In units, measured.
    function refill(address asset, uint256 amount) external payable returns (uint256 arrived);
    /// @notice Governance: the one destination of sweeps; zero: nothing is swept. No errors but for the role.
    function setCold(address cold_) external;
    /// @notice Governance: below `minFloat` a refill is due, above `highWater` there is surplus. In units.
    /// @dev Reverts with `OutOfRange` when `minFloat` is above `highWater`.
    function setMarks(address asset, uint128 minFloat, uint128 highWater) external;

    // --------------------------------------------------------------------------------------------------- swaps

    /// @notice Swaps float of one asset into float of another over the splitter's legs. Only an enabled lane.
    /// What left and what arrived is measured on the vault's own balances: at least the larger of the order's
    /// minimum for what was spent and {swapBound} arrives, or everything reverts, whatever pools and adapters
    /// do. Both are rounded up, and so is what the bucket of `sell` counts of `spent`. ETH is wrapped by the
    /// splitter.
    /// @dev Stopped by pauses of `Everything`, `Swaps` and either asset: `IsPaused`, `AssetIsPaused`. Reverts
    /// with
    /// - `NotALane`; `DeadlinePassed`; `SameAsset`; `ZeroAmount`; `NoMinimum`; `AssetNotListed` for either;
    /// - `NoSurplus` when the float of `sell` would fall below its `minFloat`;
    /// - `NotSwapped` without rules for both; `NoPrice`, or the guard's own `Refused` when a price is not
    ///   good enough for a swap;
    /// - `NoSplitter`; `TransferFailed`; what {ISwapSplitter-swap} reverts with; `NothingSwapped` when every
    ///   leg failed;
    /// - `SwapMismatch`, as for a token that charges for transfers; `ReceivedTooLittle`;
    /// - `AboveSwapLimit` when the bucket of `sell` has less left than was spent.
    /// @return spent Units of `sell`, at most `o.amount`: what failed legs left is back.
    /// @return received Units of `buy`.
    function swap(SwapOrder calldata o) external returns (uint256 spent, uint256 received);
    /// @notice Governance: who executes swaps; zero: nobody. It gets the amount of a swap, and no other right.
    /// @dev Reverts with `NotOurSplitter` for one that swaps for another vault, without a reason for what is
    /// no splitter.
    function setSplitter(address splitter_) external;
    /// @notice Governance: how much of an asset is sold in a time, and how far below the guard's price. What was sold
    /// stays counted.
    /// @dev Reverts with `OutOfRange` for a window that is not 1 hour to 30 days, or more than 1,000 bps.
    function setSwapRules(address asset, SwapRules calldata rules) external;
    /// @notice Guardian: the same, with nothing above what it was and no shorter window.
    /// @dev Reverts with `NotLower`, and as {setSwapRules}.
    function lowerSwapRules(address asset, SwapRules calldata rules) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice What a depositor has in the vault, without open requests. In units.
    function balanceOf(address asset, address account) external view returns (uint256);
    /// @notice What `recipient` can {claim}. In units.
    function claimOf(address asset, address recipient) external view returns (uint256);
    /// @notice Sum of depositor balances, unpaid requests and claims. In units.
    function liabilitiesOf(address asset) external view returns (uint256);
    /// @notice What orders can be paid from: balance less liabilities, 0 if that is negative. In units.
    function floatOf(address asset) external view returns (uint256);
    /// @notice `keccak256(abi.encode(request))` of an unpaid request, 0 otherwise.
    function commitmentOf(uint64 id) external view returns (bytes32);
    /// @notice The id of the newest request; ids begin at 1.
    function lastRequestId() external view returns (uint64);
    /// @notice A lane: whether it may pay, its next number, and its head. Zeros when it never was enabled.
    function laneOf(address lane) external view returns (bool enabled, uint64 next, bytes24 head);
    /// @notice What {configureAsset} last set. The gas of a push stays when an asset is unlisted.
    function assetConfig(address asset) external view returns (AssetConfig memory);
    /// @notice When a pause ends or ended, in unix seconds: 0 when there never was one; not in the future
    /// when it is over.
    function pausedUntil(Scope scope) external view returns (uint48);
    /// @notice {pausedUntil} for one asset: a scope that stops everything stops it too.
    function assetPausedUntil(address asset) external view returns (uint48);
    /// @notice Seconds after which a requester may pay himself.
    function exitDelay() external view returns (uint32);
    /// @notice Seconds that the pauses of one guardian, or the trips of the breaker, last at most.
    function maxPause() external view returns (uint32);
    /// @notice Seconds after the end of such a window until the same guardian can open another.
    function pauseCooldown() external view returns (uint32);
    /// @notice A bucket now. For `Limit.Usd` the asset does not matter.
    function limitState(address asset, Limit limit) external view returns (LimitState memory);
    /// @notice When `amount` will fit the buckets if nothing else is paid: now, a later second, or the largest number
    /// when it never fits. `instant` asks the instant tier's bucket too.
    function retryAt(address asset, uint256 amount, bool instant) external view returns (uint256);
    /// @notice The limits of an asset as they were set. In units; zeros when they never were: then nothing fits.
    function assetLimits(address asset) external view returns (AssetLimits memory);
    /// @notice What {setUsdLimit} or {lowerUsdLimit} last set: whole USD, seconds, a multiple.
    function usdLimit() external view returns (uint32 capacity, uint32 window, uint8 hardMultiple);
    /// @notice The price that was last poked, as it is kept, which is rounded up: USD per unit times 1e36,
    /// and until when (unix seconds) it counts: 0, or not in the future, when it does not.
    function priceOf(address asset) external view returns (uint256 price, uint256 until);
    /// @notice Who checks signatures of the approved tier, and how long announced orders wait, in seconds.
    /// Zeros until {setApprovals}: then nothing is approved, and what is announced does not wait.
    function approvals() external view returns (address approvers_, uint32 announceDelay_);
    /// @notice What names an announcement: `keccak256(abi.encode(lane, asset, recipient, amount, ref))`.
    function announcementId(address lane, address asset, address recipient, uint256 amount, bytes8 ref)
        external
        pure
        returns (bytes32);
    /// @notice Zeros when it is not announced, or was paid.
    function announcementOf(bytes32 id)
        external
        view
        returns (uint48 announcedAt, uint48 payableFrom, bool vetoed);
    /// @notice Where sweeps go; zero when that is not set: then nothing is swept.
    function cold() external view returns (address);
    /// @notice Marks and cold balance of an asset, what may be swept and what is missing in the float. In units.
    function treasuryOf(address asset) external view returns (TreasuryState memory);
    /// @notice Who executes swaps; zero: nobody.
    function splitter() external view returns (address);
    /// @notice What {setSwapRules} or {lowerSwapRules} last set; zeros: the asset is not swapped.
    function swapRules(address asset) external view returns (SwapRules memory);
    /// @notice The bucket of what may be sold of `asset`, now.
    function swapLimitState(address asset) external view returns (LimitState memory);
    /// @notice The least that must arrive for `spent`, by the guard's prices now: ceil(spent * low price of
    /// `sell` / high price of `buy` * (10,000 - slippage) / 10,000), where slippage is the greater of the two
    /// assets'. In units of `buy`.
    /// @dev Reverts as {swap} with `NotSwapped`, `NoPrice` or the guard's `Refused`.
    function swapBound(address sell, address buy, uint256 spent) external view returns (uint256);
    /// @notice Every asset that ever was listed.
    function assets() external view returns (address[] memory);
    /// @notice The implementation's version.
    function version() external pure returns (uint64);
}
