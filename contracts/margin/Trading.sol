// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {Accounts} from "./Accounts.sol";

/// @notice Trades by two signed quotes. See {IMarginPool}.
abstract contract Trading is Accounts, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant QUOTE_TYPE = keccak256(
        "Quote(address account,uint40 expiry,uint96 strike,bool isCall,bool isBuy,uint128 size,uint128 price,uint64 nonce,uint40 deadline)"
    );
    /// @dev A strike and the price are within this ratio of each other when a trade opens.
    uint256 private constant MAX_RATIO = 10;
    uint256 private constant MAX_SIZE = type(uint96).max;

    struct Deal {
        bytes32 maker; // the quotes' digests
        bytes32 taker;
        address buyer;
        address seller;
        IMarginPool.Market market;
        uint256 size;
        uint256 premium; // what the buyer pays; the seller gets `received`
        uint256 received;
        uint256 fee;
    }

    constructor() EIP712("Spillway MarginPool", "1") {}

    /// @notice See {IMarginPool-trade}.
    function trade(
        IMarginPool.Quote calldata maker,
        bytes calldata makerSignature,
        IMarginPool.Quote calldata taker,
        bytes calldata takerSignature,
        uint128 size
    ) external nonReentrant {
        Deal memory deal;
        (deal.maker, deal.taker) = (_fill(maker, makerSignature, size), _fill(taker, takerSignature, size));
        if (
            maker.expiry != taker.expiry || maker.strike != taker.strike || maker.isCall != taker.isCall
                || maker.isBuy == taker.isBuy || maker.account == taker.account
                || (maker.isBuy ? maker.price < taker.price : maker.price > taker.price)
        ) revert IMarginPool.QuotesDoNotMatch();
        (deal.buyer, deal.seller) =
            maker.isBuy ? (maker.account, taker.account) : (taker.account, maker.account);
        deal.size = size;
        _execute(maker, deal);
        emit IMarginPool.Traded(
            deal.buyer,
            deal.seller,
            maker.expiry,
            maker.strike,
            maker.isCall,
            size,
            maker.price,
            deal.premium,
            deal.fee,
            deal.maker,
            deal.taker
        );
    }

    /// @param q For the option and the price: the maker's.
    function _execute(IMarginPool.Quote calldata q, Deal memory deal) private {
        uint256 size = deal.size;
        if (size == 0) revert IMarginPool.ZeroAmount();
        if (size > MAX_SIZE) revert IMarginPool.OutOfRange("size", size, 1, MAX_SIZE);
        _requireBeforeExpiry(q.expiry);
        Side memory long = _open(deal.buyer, q.expiry);
        Side memory short = _open(deal.seller, q.expiry);
        long.reduces = _reduces(long, q, int256(size));
        short.reduces = _reduces(short, q, -int256(size));
        bool closing = long.reduces && short.reduces;
        deal.market =
            _market(q.expiry, closing ? IOracleGuard.Action.Liquidation : IOracleGuard.Action.Margin);
        if (!closing) _requireTradable(q, deal.market, size);
        _price(deal, q.price);

        Layout storage $ = _pool();
        $.free[deal.seller] += deal.received;
        $.insurance = ($.insurance + deal.premium - deal.received + 2 * deal.fee).toUint128();
        _pay(long, deal.premium + deal.fee);
        _pay(short, deal.fee);
        _change(long, q, int256(size), deal.market);
        _change(short, q, -int256(size), deal.market);
    }

    function _change(
        Side memory side,
        IMarginPool.Quote calldata q,
        int256 delta,
        IMarginPool.Market memory market
    ) private {
        _add(side.account, q.expiry, q.strike, q.isCall, delta);
        bool more = _countNaked(side.before, _book(side.account, q.expiry).legs);
        (uint256 naked, uint256 most) = (_pool().nakedCalls, _pool().rules.maxNakedCalls);
        if (more && naked > most) revert IMarginPool.TooManyNakedCalls(naked, most);
        _settle(side, market);
    }

    /// @dev Whether the leg becomes smaller and keeps its sign.
    function _reduces(Side memory side, IMarginPool.Quote calldata q, int256 delta)
        private
        pure
        returns (bool)
    {
        (int256 size,) = _sizeOf(side.before, q.strike, q.isCall);
        return delta > 0 ? size + delta <= 0 : size + delta >= 0 && size > 0;
    }

    /// @dev What only a trade that opens must keep to.
    function _requireTradable(IMarginPool.Quote calldata q, IMarginPool.Market memory market, uint256 size)
        private
    {
        Layout storage $ = _pool();
        if (block.timestamp < $.pausedUntil) revert IMarginPool.IsPaused($.pausedUntil);
        if (size < $.rules.minSize) revert IMarginPool.TooSmall(size, $.rules.minSize);
        if (q.expiry % 1 days != 8 hours || q.expiry > block.timestamp + $.rules.maxTenor) {
            revert IMarginPool.BadExpiry(q.expiry);
        }
        if (
            q.strike == 0 || q.strike % $.rules.strikeStep != 0 || q.strike > market.lo * MAX_RATIO
                || uint256(q.strike) * MAX_RATIO < market.hi
        ) revert IMarginPool.BadStrike(q.strike);
        IMarginPool.Settlement storage s = $.expiries[q.expiry].settlement;
        if (s.terms.window == 0) {
            s.terms = $.rules.terms;
            s.lastSeen = ((market.lo + market.hi) / 2).toUint128();
        }
    }

    function _price(Deal memory deal, uint256 price) private view {
        IMarginPool.Rules storage r = _pool().rules;
        uint256 premium = deal.size * price;
        (deal.premium, deal.received) = (_unitsUp(premium), _unitsDown(premium));
        uint256 ofValue = Math.ceilDiv(deal.size * deal.market.hi * r.feeBps, BPS);
        uint256 ofPremium = Math.ceilDiv(premium * r.feeCapBps, BPS);
        deal.fee = _unitsUp(Math.min(ofValue, ofPremium));
    }

    /// @dev From the free balance; what a reducing side lacks comes from the book's margin.
    function _pay(Side memory side, uint256 amount) private {
        uint256 balance = _pool().free[side.account];
        if (amount <= balance || !side.reduces) return _take(side.account, amount);
        IMarginPool.Book storage book = _book(side.account, side.expiry);
        uint256 rest = amount - balance;
        if (rest > book.margin) {
            revert IMarginPool.InsufficientBalance(side.account, amount, balance + book.margin);
        }
        _take(side.account, balance);
        book.margin -= rest.toUint128();
        emit IMarginPool.MarginUnlocked(side.account, side.expiry, rest);
    }

    // ----------------------------------------------------------------------------------------------- quotes

    /// @dev Checks a quote and takes note of what it fills.
    function _fill(IMarginPool.Quote calldata q, bytes calldata signature, uint128 size)
        private
        returns (bytes32 digest)
    {
        Layout storage $ = _pool();
        if (block.timestamp > q.deadline) revert IMarginPool.QuoteExpired(q.account, q.nonce);
        digest = _digest(q);
        Fill storage f = $.fills[q.account][q.nonce];
        (bytes16 quote, uint256 filled) = (f.quote, f.size);
        if (q.nonce < $.nonceFloor[q.account] || filled == type(uint128).max) {
            revert IMarginPool.NonceUsed(q.account, q.nonce);
        }
        if (filled != 0 && quote != bytes16(digest)) revert IMarginPool.NonceUsed(q.account, q.nonce);
        if (filled + size > q.size) {
            revert IMarginPool.QuoteFilled(q.account, q.nonce, q.size > filled ? q.size - filled : 0);
        }
        if (!SignatureChecker.isValidSignatureNowCalldata(q.account, digest, signature)) {
            revert IMarginPool.BadSignature(q.account);
        }
        (f.quote, f.size) = (bytes16(digest), uint128(filled + size));
    }

    /// @notice See {IMarginPool-cancelQuote}.
    function cancelQuote(uint64 nonce) external {
        _pool().fills[msg.sender][nonce].size = type(uint128).max;
        emit IMarginPool.QuoteCancelled(msg.sender, nonce);
    }

    /// @notice See {IMarginPool-cancelQuotesBelow}.
    function cancelQuotesBelow(uint64 nonce) external {
        if (nonce > _pool().nonceFloor[msg.sender]) _pool().nonceFloor[msg.sender] = nonce;
        emit IMarginPool.QuotesCancelledBelow(msg.sender, nonce);
    }

    /// @notice See {IMarginPool-digestOf}.
    function digestOf(IMarginPool.Quote calldata q) external view returns (bytes32) {
        return _digest(q);
    }

    function _digest(IMarginPool.Quote calldata q) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(QUOTE_TYPE, q)));
    }
}
