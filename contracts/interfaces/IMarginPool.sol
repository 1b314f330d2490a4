// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "./IOracleGuard.sol";
import {IVault} from "./IVault.sol";

/// @title IMarginPool
/// @notice European calls and puts on one underlying, settled in one collateral. A market of its own: what it loses, it
/// loses here.
///
/// An account has a *free* balance, and for each expiry in which it holds options a *book*: its options (legs), long and
/// short, and the margin locked for them. What a book can lose is its margin; what is free is nobody else's, and leaves
/// in every state of the pool. All options of a book settle together. Balances are a ledger, not shares: there is
/// nothing to inflate.
///
/// Units: collateral amounts in the collateral's smallest unit; prices, strikes and premiums in whole collateral per
/// whole underlying, with 18 decimals; sizes in whole underlying with 18 decimals, positive for long, negative for short;
/// volatility per square root of a year, with 18 decimals; bps are ten-thousandths; times are unix seconds. Rounding is
/// always against the account; what it leaves goes to the insurance fund or stays in the pool.
///
/// {MarginModel} has the margin's formula, docs/margin.md examples with numbers.
interface IMarginPool {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice One option of a book.
    struct Leg {
        uint96 strike;
        bool isCall;
        int112 size;
    }

    /// @notice What a valuation was made with. `v` is volatility times the square root of the years left.
    struct Market {
        uint256 lo; // the price of the underlying is in this interval
        uint256 hi;
        uint256 vInitial; // with the buffer; with the highest volatility when the last one is too old
        uint256 vMaintenance; // with the buffer
        uint256 vMark; // as it was set
    }

    /// @notice What one side signs (EIP-712, domain "Spillway MarginPool" version "1" of this pool).
    struct Quote {
        address account;
        uint40 expiry;
        uint96 strike;
        bool isCall;
        bool isBuy;
        uint128 size; // at most, over all its fills
        uint128 price; // the premium of one contract: at most for a buyer, at least for a seller
        uint64 nonce; // of the account; one quote per nonce
        uint40 deadline; // the last second
    }

    /// @notice What governance sets. Bounds in brackets.
    struct Rules {
        uint16 maxSpotBps; // [minSpotBps, 5000]; see MarginModel
        uint16 minSpotBps; // [maintenanceBps, 5000]
        uint16 maintenanceBps; // [100, 5000]
        uint16 putMarkBps; // [0, 10000]
        uint16 unpairedBps; // [10000, 30000]
        uint16 bufferBps; // on the volatility [0, 10000]
        uint16 volStepBps; // by which the volatility may change in an hour [1, 5000]
        uint32 volLife; // seconds after which initial margin counts with maxVol [600, 7 days]
        uint64 minVol; // [0.01e18, maxVol]
        uint64 maxVol; // [minVol, 5e18]
        uint16 feeBps; // of the underlying's value, from each side [0, 100]
        uint16 feeCapBps; // but at most so much of the premium [0, 5000]
        uint16 targetBps; // a liquidation leads so far from maintenance (0) to initial margin (10000)
        uint16 premiumBps; // an auction begins so far above the mark [0, 2000]
        uint16 incentiveBps; // insurance pays so far above the mark [0, 2000]
        uint16 insuranceBps; // of the fund, for one liquidation and for one settlement [0, 10000]
        uint32 auctionTime; // seconds until all of the margin is offered [60, 1 days]
        uint32 rescueTime; // seconds more until insurance is offered in full [60, 1 days]
        uint96 strikeStep; // strikes are multiples of it [1, ]
        uint32 maxTenor; // [1 days, 730 days]
        uint128 minSize; // of a trade that opens, and a multiple of nothing [1, ]
        uint128 maxNakedCalls; // in the whole pool: calls short beyond those long in the same book
        Terms terms; // of expiries that are first traded from now on
    }

    /// @notice How an expiry settles; as the rules were when it was first traded.
    struct Terms {
        uint32 window; // seconds, in 30 equal parts [300, 1 days], a multiple of 30
        uint8 observations; // parts that must be there and agree [16, 30]
        uint16 toleranceBps; // with their median [1, 1000]
        uint32 patience; // seconds after expiry in which later windows count [window, 7 days]
        uint32 challenge; // seconds that a proposed price waits [1 hours, 14 days]
    }

    /// @notice Where a settlement price came from.
    enum Source {
        None,
        Window, // the last `window` seconds before expiry
        LateWindow, // the first good one after it
        Governed, // proposed, and not challenged
        LastSeen // nobody acted for 30 days
    }

    /// @notice An account's options of one expiry.
    struct Book {
        uint128 margin;
        uint112 credit; // what settlement owes, before a haircut; at most 2^112 - 1
        bool listed; // among the expiry's accounts
        Leg[] legs;
    }

    /// @notice A liquidation.
    struct Auction {
        bool open;
        uint32 elapsed; // seconds of its own clock, which stands still while there is no price
        uint40 tickedAt;
    }

    /// @notice An expiry: from trading, through its price, to what is paid.
    struct Settlement {
        Terms terms;
        Source source;
        uint128 price; // 0: none yet
        uint128 proposed; // by governance
        uint40 proposedAt;
        uint128 lastSeen; // the last price at which anything was observed
        uint32 accounts; // that hold or held a book
        uint32 collected; // of them
        bool closed; // all are collected: what is owed is paid
        uint256 owed; // credits of all books
        uint128 pot; // what is there for them when closed
    }

    /// @notice A withdrawal that the vault did not take.
    struct Stranded {
        uint128 amount;
        uint48 since;
        address recipient;
    }

    // ----------------------------------------------------------------------------------------------- events

    event Deposited(address indexed account, uint256 amount, address from);
    event InsuranceFunded(address indexed account, uint256 amount);
    /// @notice `paid` of `amount` is request `requestId` of the vault; the two differ when the pool is short.
    event Withdrawn(
        address indexed account, address indexed recipient, uint256 amount, uint256 paid, uint64 requestId
    );
    event WithdrawalStranded(
        address indexed account, address indexed recipient, uint256 amount, bytes32 reason
    );
    event PaidDirectly(address indexed account, address indexed recipient, uint256 amount, uint256 paid);
    event MarginLocked(address indexed account, uint40 indexed expiry, uint256 amount);
    event MarginUnlocked(address indexed account, uint40 indexed expiry, uint256 amount);

    event Traded(
        address indexed buyer,
        address indexed seller,
        uint40 indexed expiry,
        uint96 strike,
        bool isCall,
        uint256 size,
        uint256 price,
        uint256 premium,
        uint256 fee, // of each side
        bytes32 maker, // the quotes' digests
        bytes32 taker
    );
    event QuoteCancelled(address indexed account, uint64 nonce);
    event QuotesCancelledBelow(address indexed account, uint64 nonce);

    event LiquidationStarted(
        address indexed account,
        uint40 indexed expiry,
        Market market,
        uint256 margin,
        uint256 initial,
        uint256 maintenance,
        uint256 liability
    );
    /// @notice The auction's clock stands at `elapsed`.
    event Ticked(address indexed account, uint40 indexed expiry, uint32 elapsed);
    /// @notice `bidder` took `share` (18 decimals) of every leg, shorts rounded up and longs down, with `paid` from the
    /// book's margin and `rescued` from the insurance fund. All other values are those before.
    event Liquidated(
        address indexed account,
        uint40 indexed expiry,
        address indexed bidder,
        uint256 share,
        uint256 paid,
        uint256 rescued,
        Market market,
        uint256 margin,
        uint256 initial,
        uint256 maintenance,
        uint256 liability
    );
    event LiquidationEnded(address indexed account, uint40 indexed expiry, uint256 margin);

    event Observed(uint40 indexed expiry, uint256 round, uint256 part, uint256 price);
    event PriceFixed(uint40 indexed expiry, Source source, uint256 price);
    event PriceProposed(uint40 indexed expiry, uint256 price, uint256 countsFrom);
    event PriceChallenged(uint40 indexed expiry, uint256 price, address by);
    /// @notice A book settled: `value` is what its legs pay (negative: owe), `taken` came from its margin.
    event Collected(
        address indexed account, uint40 indexed expiry, int256 value, uint256 taken, uint256 freed
    );
    /// @notice `owed` to all credits, of which books paid `collected` and the fund `insured`; each credit is paid
    /// `credit * pot / owed`.
    event Closed(uint40 indexed expiry, uint256 owed, uint256 collected, uint256 insured, uint256 pot);
    event Redeemed(address indexed account, uint40 indexed expiry, uint256 credit, uint256 paid);

    event RulesSet(Rules rules);
    event GuardSet(address guard);
    event VolatilitySet(uint256 volatility, address by);
    event Paused(uint48 until, address by);
    event Unpaused(address by);

    // ----------------------------------------------------------------------------------------------- errors

    error ZeroAddress();
    error ZeroAmount();
    error OutOfRange(bytes32 what, uint256 value, uint256 min, uint256 max);
    error BadAsset(address asset, bytes32 problem);
    error NotExact(uint256 asked, uint256 received);
    error InsufficientBalance(address account, uint256 asked, uint256 balance);
    /// @notice The collateral's contract gave the pool less than it owes; `paid` would be this withdrawal's share.
    error PoolShort(uint256 paid, uint256 least);
    error NothingStranded(address account);
    error DirectNotReached(uint256 from, bytes32 reason);
    error TransferFailed(bytes32 reason);
    error InsufficientGas();
    error OnlySelf();
    error NotOurRequest(uint64 id);
    error IsPaused(uint48 until);
    error GuardianCoolingDown(address guardian, uint48 from);
    error PauseTooLong(uint48 until, uint48 latest);

    error NoPrice(uint256 lo, uint256 hi);
    /// @notice Expiries are at 08:00 UTC, in the future and within `maxTenor`.
    error BadExpiry(uint40 expiry);
    error Expired(uint40 expiry);
    error NotExpired(uint40 expiry);
    error BadStrike(uint96 strike);
    error QuotesDoNotMatch();
    error QuoteExpired(address account, uint64 nonce);
    error NonceUsed(address account, uint64 nonce);
    error QuoteFilled(address account, uint64 nonce, uint256 left);
    error BadSignature(address account);
    error TooSmall(uint256 size, uint256 least);
    error TooManyLegs(address account, uint40 expiry);
    error TooManyNakedCalls(uint256 would, uint256 most);
    /// @notice The account's book would have `margin`, and needs `initial`.
    error BelowInitialMargin(address account, uint40 expiry, uint256 margin, uint256 initial);

    error NotLiquidatable(address account, uint40 expiry, uint256 margin, uint256 maintenance);
    error AlreadyInLiquidation(address account, uint40 expiry);
    error NotInLiquidation(address account, uint40 expiry);
    error OwnBook(address account);
    error PaysTooLittle(uint256 paid, uint256 least);

    error NotObservable(uint40 expiry);
    error AlreadyObserved(uint40 expiry, uint256 round, uint256 part);
    error NoSettlementPrice(uint40 expiry);
    error AlreadySettled(uint40 expiry);
    error NothingProposed(uint40 expiry);
    error TooEarly(uint256 from);
    error NotClosed(uint40 expiry);
    error NothingToRedeem(address account, uint40 expiry);

    // ----------------------------------------------------------------------------------- an account's life

    /// @notice Credits `account` with `amount`, which must arrive whole: a collateral that charges fees is refused here.
    function deposit(uint256 amount, address account) external;

    /// @notice Gives `amount` of the caller's free balance to the insurance fund, for good.
    function fundInsurance(uint256 amount) external;

    /// @notice Moves free balance into a book's margin. Always possible before expiry.
    function lock(uint40 expiry, uint256 amount) external;

    /// @notice Moves margin back; what is left must cover the initial margin.
    function unlock(uint40 expiry, uint256 amount) external;

    /// @notice Sends `amount` of the caller's free balance into the vault's queue: a deposit by this pool, and a request to
    /// `recipient`. When the vault refuses, the amount is kept as stranded: see {retry}.
    /// @param least What must be paid for it: `amount`, unless the collateral took from the pool and the caller accepts a
    /// share (`amount * balance / held`).
    function withdraw(uint256 amount, address recipient, uint256 least) external returns (uint256 paid);

    /// @notice Sends what is stranded for `account` into the vault's queue again. When the vault still refuses after 3 days,
    /// pays it directly. Anyone may call.
    function retry(address account) external;

    /// @notice Forces a request that this pool made, once the vault's `exitDelay` has passed: see {IVault-forceExit}. It
    /// pays the request's recipient, so anyone may call.
    function forceExit(IVault.Request calldata r) external;

    /// @notice Matches two signed quotes of opposite sides at the maker's price. Each side's book must then hold its initial
    /// margin, which is taken from its free balance; or the trade reduced its leg and its margin covers no less of what
    /// is required than before. Anyone may submit.
    /// @dev Paused or without a healthy price: only when both sides reduce.
    function trade(
        Quote calldata maker,
        bytes calldata makerSignature,
        Quote calldata taker,
        bytes calldata takerSignature,
        uint128 size
    ) external;

    /// @notice The caller's quote with `nonce` fills no more.
    function cancelQuote(uint64 nonce) external;

    /// @notice None of the caller's quotes with a nonce below `nonce` fills any more.
    function cancelQuotesBelow(uint64 nonce) external;

    // ----------------------------------------------------------------------------------------- liquidation

    /// @notice Starts the auction of a book whose margin is below maintenance. Anyone.
    function startLiquidation(address account, uint40 expiry) external;

    /// @notice Advances the auction's clock, by two minutes at most; ends an auction whose book is healthy again. Anyone.
    function tick(address account, uint40 expiry) external;

    /// @notice Takes a share of a book in liquidation into the caller's book, which must then hold its initial margin.
    /// @param share With 18 decimals; no more is taken than leads the book to its target.
    /// @param least Reverts if less than this is paid with it.
    /// @return taken The share.
    /// @return paid From the margin and the insurance fund, in units.
    function bid(address account, uint40 expiry, uint256 share, uint256 least)
        external
        returns (uint256 taken, uint256 paid);

    // ------------------------------------------------------------------------------------------ settlement

    /// @notice Writes the price into its part of the window. Anyone; the first in a part counts. Reverts unless the oracle
    /// guard calls both prices healthy.
    function observe(uint40 expiry) external;

    /// @notice Fixes the settlement price as soon as there is one. Anyone.
    function fixPrice(uint40 expiry) external;

    /// @notice Governance: proposes a price when no window was good within the patience.
    function proposePrice(uint40 expiry, uint128 price) external;

    /// @notice Guardian: takes the proposal away.
    function challengePrice(uint40 expiry) external;

    /// @notice Settles the next `count` books of an expiry; with the last one fixes what all credits are paid. Anyone.
    function collect(uint40 expiry, uint256 count) external;

    /// @notice Pays an account's credit into its free balance, once all books are collected. Anyone.
    function redeem(address account, uint40 expiry) external;

    // -------------------------------------------------------------------------------------------- control

    /// @notice Governance: see {Rules}.
    function setRules(Rules calldata rules) external;

    /// @notice Governance: where prices come from.
    function setGuard(address guard) external;

    /// @notice The role VOLATILITY: within minVol and maxVol, and by no more than volStepBps per hour since the last.
    function setVolatility(uint64 volatility) external;

    /// @notice Guardian: stops trades that open risk, for at most a day in eight. All else goes on.
    function pause(uint32 duration) external;

    /// @notice Governance: prolongs or shortens a pause.
    function extendPause(uint48 until) external;

    /// @notice Governance: ends a pause.
    function unpause() external;

    // ---------------------------------------------------------------------------------------------- views

    /// @notice What the options are on: a token, or ERC-7528 for ETH. Set for good.
    function underlying() external view returns (address);
    /// @notice The token that everything is settled in. Set for good.
    function collateral() external view returns (address);
    /// @notice Where prices come from.
    function guard() external view returns (IOracleGuard);
    /// @notice What an account may {withdraw}, {lock} or trade with. In units.
    function freeOf(address account) external view returns (uint256);
    /// @notice An account's withdrawal that the vault did not take: units, the first refusal in unix seconds,
    /// and for whom it is. Zeros for none: see {retry}.
    function strandedOf(address account) external view returns (Stranded memory);
    /// @notice Free and locked balances, credits' pots, stranded withdrawals and insurance together. In
    /// units.
    function held() external view returns (uint256);
    /// @notice What the insurance fund holds. In units.
    function insurance() external view returns (uint256);
    /// @notice Calls short beyond those long in the same book, over all books that are not settled. In whole
    /// underlying with 18 decimals, at most `maxNakedCalls` when a trade adds to them.
    function nakedCalls() external view returns (uint256);
    /// @notice The volatility per square root of a year, with 18 decimals, and when it was set, in unix
    /// seconds. After `volLife` initial margin counts with `maxVol`.
    function volatility() external view returns (uint64 value, uint40 setAt);
    /// @notice When the pause of the opening of risk ends or ended, in unix seconds: 0 when there never was
    /// one.
    function pausedUntil() external view returns (uint48);
    /// @notice What {setRules} last set.
    function rules() external view returns (Rules memory);
    /// @notice An account's options of one expiry, the margin locked for them, and what {collect} credited;
    /// empty when there is none.
    function bookOf(address account, uint40 expiry) external view returns (Book memory);
    /// @notice The auction of a book; zeros when it is not in liquidation.
    function auctionOf(address account, uint40 expiry) external view returns (Auction memory);
    /// @notice How far an expiry is; zeros when it was never traded.
    function settlementOf(uint40 expiry) external view returns (Settlement memory);
    /// @notice The accounts of an expiry, from `from` on, at most `count`, in the order in which {collect}
    /// settles them. Empty beyond the last.
    function accountsOf(uint40 expiry, uint256 from, uint256 count) external view returns (address[] memory);
    /// @notice What a quote is signed as: its EIP-712 digest.
    function digestOf(Quote calldata quote) external view returns (bytes32);
    /// @notice How much of an account's nonce is filled, in whole underlying with 18 decimals; 2^128 - 1 when
    /// it is cancelled.
    function filledOf(address account, uint64 nonce) external view returns (uint256);
    /// @notice What a book needs and owes now, in units rounded up, with a price that is fit for `action`.
    /// @dev Reverts with `Expired`; `NoPrice`, or the guard's `Refused` when the price is not fit.
    function valuationOf(address account, uint40 expiry, IOracleGuard.Action action)
        external
        view
        returns (uint256 initial, uint256 maintenance, uint256 liability, Market memory market);
    /// @notice What a bid for the whole book would be paid now: from its margin and from the insurance fund.
    /// In units. Without an auction, as when one begins.
    /// @dev Reverts as {valuationOf} for a liquidation.
    function offerOf(address account, uint40 expiry)
        external
        view
        returns (uint256 fromMargin, uint256 rescue);
    /// @notice The implementation's version.
    function version() external pure returns (uint64);
}
