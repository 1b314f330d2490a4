//! Double-entry: every move of money has two sides.
//!
//! A posting takes an amount from its credit account and gives it to its debit account, so the sum over all
//! accounts of an asset is zero by construction. `Cash`, `Cold`, `Pools`, `Gas` and `Lost` say where money is or went;
//! the others say whose it is:
//!
//! ```text
//! cash  = float + orders + swaps + depositors + requests + claims
//! cold  = reserve
//! pools = margin
//! gas   = purse
//! ```
//!
//! No withdrawal is charged a fee, so there is no account of fees earned.

use super::withdrawal::Door;

/// Whose money it is. One of each per asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What the vault contract holds on chain.
    Cash,
    /// Held, and owed to nobody: orders are paid from it. Negative while more was ordered than it holds.
    Float,
    /// Owed to accepted orders that are not final yet.
    Orders,
    /// Set aside from the float for swaps that have not ended.
    Swaps,
    /// Owed to depositors, as balances on chain.
    Depositors,
    /// Owed to requests that are not final yet.
    Requests,
    /// Owed to recipients whose push failed.
    Claims,
    /// Swept to cold storage and not refilled since, as the vault counts it.
    Cold,
    /// Whose that is: the float's, while it is away.
    Reserve,
    /// What margin pools hold, each in a contract of its own, for those whom they owe.
    Pools,
    /// Whose that is: accounts of the pools, their pots, their insurance funds.
    Margin,
    /// What the transactions of the lanes cost, in the chain's coin.
    Gas,
    /// What the lanes paid for that from their own accounts. It is not the vault's money.
    Purse,
    /// Left the vault by no way that there should be, until it is written off.
    Lost,
}

impl Account {
    pub const ALL: [Self; 14] = [
        Self::Cash,
        Self::Float,
        Self::Orders,
        Self::Swaps,
        Self::Depositors,
        Self::Requests,
        Self::Claims,
        Self::Cold,
        Self::Reserve,
        Self::Pools,
        Self::Margin,
        Self::Gas,
        Self::Purse,
        Self::Lost,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Float => "float",
            Self::Orders => "orders",
            Self::Swaps => "swaps",
            Self::Depositors => "depositors",
            Self::Requests => "requests",
            Self::Claims => "claims",
            Self::Cold => "cold",
            Self::Reserve => "reserve",
            Self::Pools => "pools",
            Self::Margin => "margin",
            Self::Gas => "gas",
            Self::Purse => "purse",
            Self::Lost => "lost",
        }
    }

    /// Says where money is or went, so that its balance is what it was debited less what it was credited. The others
    /// say whose it is, the other way round.
    pub fn is_debit(self) -> bool {
        matches!(self, Self::Cash | Self::Cold | Self::Pools | Self::Gas | Self::Lost)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == text)
    }
}

/// The two accounts of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    pub debit: Account,
    pub credit: Account,
}

impl Sides {
    const fn new(debit: Account, credit: Account) -> Self {
        Self { debit, credit }
    }

    /// A withdrawal was accepted: its owner's money is set aside for it.
    pub fn received(door: Door) -> Self {
        Self::new(owner(door), owed(door))
    }

    /// A withdrawal ended without a payment: what was set aside goes back to its owner.
    pub fn released(door: Door) -> Self {
        Self::new(owed(door), owner(door))
    }

    /// The recipient has the money.
    pub fn paid(door: Door) -> Self {
        Self::new(owed(door), Account::Cash)
    }

    /// The push failed: the vault keeps the money for the recipient.
    pub fn claimable(door: Door) -> Self {
        Self::new(owed(door), Account::Claims)
    }

    /// A claimant pulled.
    pub const CLAIMED: Self = Self::new(Account::Claims, Account::Cash);
    /// A depositor put money in.
    pub const DEPOSITED: Self = Self::new(Account::Cash, Account::Depositors);
    /// Money came in that nobody owns: a top-up of the float, or a gift.
    pub const FLOAT_RECEIVED: Self = Self::new(Account::Cash, Account::Float);
    /// A swap is planned: what it may sell is set aside.
    pub const SWAP_PLANNED: Self = Self::new(Account::Float, Account::Swaps);
    /// A swap sold it.
    pub const SOLD: Self = Self::new(Account::Swaps, Account::Cash);
    /// A swap ended and did not sell it.
    pub const NOT_SOLD: Self = Self::new(Account::Swaps, Account::Float);
    /// A swap sold it that these books had not set anything aside for.
    pub const UNPLANNED_SOLD: Self = Self::new(Account::Float, Account::Cash);
    /// A swap brought it, in the asset that it bought.
    pub const BOUGHT: Self = Self::new(Account::Cash, Account::Float);
    /// Surplus went to cold: where it is, and whose.
    pub const SWEPT: Self = Self::new(Account::Cold, Account::Cash);
    pub const RESERVED: Self = Self::new(Account::Float, Account::Reserve);
    /// A refill brought back what was swept.
    pub const REFILLED: Self = Self::new(Account::Cash, Account::Cold);
    pub const RESERVE_BACK: Self = Self::new(Account::Reserve, Account::Float);
    /// A margin pool owes more: somebody put money in.
    pub const POOL_RECEIVED: Self = Self::new(Account::Pools, Account::Margin);
    /// A margin pool owes less: somebody took it out.
    pub const POOL_PAID: Self = Self::new(Account::Margin, Account::Pools);
    /// A transaction cost it.
    pub const GAS: Self = Self::new(Account::Gas, Account::Purse);
    /// Money left the vault by no way that there should be, and a person books it so.
    pub const LOST: Self = Self::new(Account::Lost, Account::Cash);
    /// The float bears what was lost.
    pub const WRITTEN_OFF: Self = Self::new(Account::Float, Account::Lost);
    /// The chain paid an order that these books do not know (they went back in time).
    pub const UNMATCHED_PAID: Self = Self::new(Account::Float, Account::Cash);
    /// The same, and the push failed.
    pub const UNMATCHED_CLAIMABLE: Self = Self::new(Account::Float, Account::Claims);
    /// A withdrawal turned out to be one that the books had as unmatched: the float gets its money back, which
    /// the withdrawal's own postings then take.
    pub const MATCHED_PAID: Self = Self::new(Account::Cash, Account::Float);
    pub const MATCHED_CLAIMABLE: Self = Self::new(Account::Claims, Account::Float);
}

fn owner(door: Door) -> Account {
    match door {
        Door::Order => Account::Float,
        Door::Request => Account::Depositors,
    }
}

fn owed(door: Door) -> Account {
    match door {
        Door::Order => Account::Orders,
        Door::Request => Account::Requests,
    }
}
