// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";

/// @notice What the handler knows of a pool from outside, and what it asks of it.
abstract contract MarginBooks is PoolFixture {
    enum Verb {
        Deposit,
        Withdraw,
        Strand,
        Retry,
        Lock,
        Unlock,
        Open,
        Reduce,
        Start,
        Tick,
        Bid,
        Rescue,
        Settle,
        Haircut,
        Redeem,
        Gap,
        Volatility,
        Pause,
        Donate
    }

    uint256 public constant VERBS = uint256(type(Verb).max) + 1;
    /// How often each verb did what it is for.
    mapping(Verb => uint256) public done;

    address[] public traders;
    mapping(address => uint256) private keys;
    /// Every expiry that was ever traded.
    uint40[] public expiries;
    uint256 public sumIn;
    uint256 public sumOut;
    uint256 public donated;
    uint256 internal price = 3000e18;
    bool internal sick;

    constructor() {
        deployPool();
        for (uint256 i = 0; i < 4; ++i) {
            (address account, uint256 key) = makeAddrAndKey(string.concat("trader ", vm.toString(i)));
            traders.push(account);
            keys[account] = key;
            _fund(account, 30_000e6);
        }
        expiries.push(expiry);
        expiries.push(expiry + 7 days);
    }

    function poolAddress() external view returns (IMarginPool) {
        return pool;
    }

    function vaultHolds() external view returns (uint256 balance, uint256 liabilities) {
        return (usd.balanceOf(address(vault)), vault.liabilitiesOf(address(usd)));
    }

    function poolHolds() external view returns (uint256) {
        return usd.balanceOf(address(pool));
    }

    function counts() external view returns (uint256, uint256) {
        return (traders.length, expiries.length);
    }

    function _fund(address account, uint256 amount) internal {
        fund(account, amount);
        sumIn += amount;
    }

    function _trader(uint256 seed) internal view returns (address) {
        return traders[seed % traders.length];
    }

    /// @dev One of the two newest, for trades; now and then an older one.
    function _expiry(uint256 seed) internal view returns (uint40) {
        if (seed % 16 == 0) return expiries[(seed / 16) % expiries.length];
        return expiries[expiries.length - 1 - (seed / 16) % 2];
    }

    function _sign(IMarginPool.Quote memory q) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[q.account], pool.digestOf(q));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Initial and maintenance margin now, and the liability; as if the guard were well.
    function _needs(address account, uint40 at)
        internal
        view
        returns (uint256 initial, uint256 maintenance, uint256 liability)
    {
        (initial, maintenance, liability,) = pool.valuationOf(account, at, IOracleGuard.Action.Payout);
    }

    function _margin(address account, uint40 at) internal view returns (uint256) {
        return pool.bookOf(account, at).margin;
    }

    function _isOpen(uint40 at) internal view returns (bool) {
        return block.timestamp < at;
    }

    function _setPrice(uint256 to) internal {
        price = _bound(to, 300e18, 20_000e18);
        setPrice(price - price / 1000, price + price / 1000);
    }

    function _setSick(bool is_) internal {
        sick = is_;
        prices.refuse(Assets.NATIVE, is_ ? 12 : 0);
    }
}
