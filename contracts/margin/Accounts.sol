// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Push} from "../libraries/Push.sol";
import {Books} from "./Books.sol";

/// @notice Money in, money out, and between free balance and margin. The only calls to collateral and vault. See
/// {IMarginPool}.
abstract contract Accounts is Books, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice The vault whose queue withdrawals go through. A pool calls its `deposit`, `request` and `forceExit`.
    IVault public immutable VAULT;

    /// @dev That a deposit and a request may use.
    uint256 private constant VAULT_GAS = 1_000_000;
    /// @dev For so long the vault may refuse.
    uint256 private constant VAULT_PATIENCE = 3 days;

    /// @notice See {IMarginPool-deposit}.
    function deposit(uint256 amount, address account) external nonReentrant {
        Layout storage $ = _pool();
        if (account == address(0)) revert IMarginPool.ZeroAddress();
        if (amount == 0) revert IMarginPool.ZeroAmount();
        IERC20 token = IERC20($.collateral);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 balance = token.balanceOf(address(this));
        if (balance != before + amount) revert IMarginPool.NotExact(amount, balance - before);
        $.free[account] += amount;
        $.held = ($.held + amount).toUint128();
        emit IMarginPool.Deposited(account, amount, msg.sender);
    }

    /// @notice See {IMarginPool-fundInsurance}.
    function fundInsurance(uint256 amount) external nonReentrant {
        _take(msg.sender, amount);
        _pool().insurance += amount.toUint128();
        emit IMarginPool.InsuranceFunded(msg.sender, amount);
    }

    /// @notice See {IMarginPool-lock}.
    function lock(uint40 expiry, uint256 amount) external nonReentrant {
        _requireBeforeExpiry(expiry);
        if (amount == 0) revert IMarginPool.ZeroAmount();
        _take(msg.sender, amount);
        IMarginPool.Book storage book = _book(msg.sender, expiry);
        book.margin = (book.margin + amount).toUint128();
        emit IMarginPool.MarginLocked(msg.sender, expiry, amount);
    }

    /// @notice See {IMarginPool-unlock}.
    function unlock(uint40 expiry, uint256 amount) external nonReentrant {
        IMarginPool.Book storage book = _book(msg.sender, expiry);
        uint256 margin = book.margin;
        if (amount == 0) revert IMarginPool.ZeroAmount();
        if (amount > margin) revert IMarginPool.InsufficientBalance(msg.sender, amount, margin);
        IMarginPool.Leg[] memory legs = book.legs;
        margin -= amount;
        if (legs.length != 0) {
            _requireBeforeExpiry(expiry);
            (uint256 initial,) = _requirement(legs, _market(expiry, IOracleGuard.Action.Margin));
            if (margin < initial) {
                revert IMarginPool.BelowInitialMargin(msg.sender, expiry, margin, initial);
            }
        }
        book.margin = margin.toUint128();
        _pool().free[msg.sender] += amount;
        emit IMarginPool.MarginUnlocked(msg.sender, expiry, amount);
    }

    /// @notice See {IMarginPool-withdraw}.
    function withdraw(uint256 amount, address recipient, uint256 least)
        external
        nonReentrant
        returns (uint256 paid)
    {
        Layout storage $ = _pool();
        if (amount == 0) revert IMarginPool.ZeroAmount();
        if (recipient == address(0) || recipient == address(this)) revert IMarginPool.ZeroAddress();
        _take(msg.sender, amount);
        paid = _shareOf(amount);
        if (paid < least) revert IMarginPool.PoolShort(paid, least);
        (bool ok, bytes32 said) = _tryVault(paid, recipient);
        if (ok) return _left(msg.sender, recipient, amount, paid, said);

        IMarginPool.Stranded storage s = $.stranded[msg.sender];
        // The time counts from the first refusal: more of the same is no new one.
        if (s.amount == 0) s.since = uint48(block.timestamp);
        s.amount = (s.amount + amount).toUint128();
        s.recipient = recipient;
        emit IMarginPool.WithdrawalStranded(msg.sender, recipient, amount, said);
    }

    /// @notice See {IMarginPool-retry}.
    function retry(address account) external nonReentrant {
        IMarginPool.Stranded memory s = _pool().stranded[account];
        if (s.amount == 0) revert IMarginPool.NothingStranded(account);
        delete _pool().stranded[account];
        uint256 paid = _shareOf(s.amount);
        (bool ok, bytes32 said) = _tryVault(paid, s.recipient);
        if (ok) {
            _left(account, s.recipient, s.amount, paid, said);
            return;
        }
        uint256 from = s.since + VAULT_PATIENCE;
        if (block.timestamp < from) revert IMarginPool.DirectNotReached(from, said);
        _pool().held -= s.amount;
        (ok, said) = Push.send(_pool().collateral, s.recipient, paid, gasleft());
        if (!ok) revert IMarginPool.TransferFailed(said);
        emit IMarginPool.PaidDirectly(account, s.recipient, s.amount, paid);
    }

    /// @notice See {IMarginPool-forceExit}.
    function forceExit(IVault.Request calldata r) external {
        if (r.owner != address(this)) revert IMarginPool.NotOurRequest(r.id);
        VAULT.forceExit(r);
    }

    /// @dev When the collateral's contract took from the pool, all that leave share the loss alike.
    function _shareOf(uint256 amount) private view returns (uint256) {
        uint256 balance = IERC20(_pool().collateral).balanceOf(address(this));
        uint256 held_ = _pool().held;
        return balance >= held_ ? amount : Math.mulDiv(amount, balance, held_);
    }

    function _left(address account, address recipient, uint256 amount, uint256 paid, bytes32 id)
        private
        returns (uint256)
    {
        _pool().held -= amount.toUint128();
        emit IMarginPool.Withdrawn(account, recipient, amount, paid, uint64(uint256(id)));
        return paid;
    }

    /// @return ok Whether the vault took it. @return said The request's id, or the reason.
    function _tryVault(uint256 amount, address recipient) private returns (bool ok, bytes32 said) {
        bytes memory data = abi.encodeCall(Accounts.sendToVault, (amount, recipient));
        assembly ("memory-safe") {
            ok := call(VAULT_GAS, address(), 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
        said = Push.returned();
        // A caller who gives little gas could make the vault seem to refuse.
        if (!ok && gasleft() < Push.gasNeeded(VAULT_GAS)) revert IMarginPool.InsufficientGas();
    }

    /// @notice The pool's own step of a withdrawal: deposit and request, or neither.
    function sendToVault(uint256 amount, address recipient) external returns (uint64 requestId) {
        if (msg.sender != address(this)) revert IMarginPool.OnlySelf();
        address token = _pool().collateral;
        IERC20(token).forceApprove(address(VAULT), amount);
        uint256 credited = VAULT.deposit(token, amount, address(this));
        return VAULT.request(token, credited, recipient);
    }
}
