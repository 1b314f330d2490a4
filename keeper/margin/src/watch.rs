//! The books of one pool, re-checked as a whole: marks once per series, then whole-number arithmetic per book, on all cores.
//! Only what changed since the last time is valued again.

use crate::{
    Leg, Market, Marks, Shape, Shares, Valuation,
    model::{per_unit, value},
};
use alloy_primitives::{Address, U256};
use std::{cmp::Reverse, collections::HashMap, thread};

/// A book: an account and, in unix seconds, an expiry.
pub type BookId = (Address, u64);

/// How far a margin is above what is required, in millionths of it: 1,000,000 is just enough.
pub const ENOUGH: u64 = 1_000_000;

/// Below so many books to value, threads cost more than they save.
const ALONE: usize = 2_000;

/// A book, and what the last check said of it.
#[derive(Clone, Debug)]
pub struct Book {
    pub id: BookId,
    /// Units of the collateral.
    pub margin: u128,
    pub valuation: Valuation,
    /// The margin in millionths of the maintenance margin, rounded down; the largest number when none is required.
    pub cover: u64,
    expiry: usize,
    legs: Box<[Held]>,
    shape: Shape,
    changed: bool,
}

impl Book {
    /// Whether anyone may liquidate it.
    pub fn is_below_maintenance(&self) -> bool {
        U256::from(self.margin) < self.valuation.maintenance
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    series: u32,
    size: i128,
}

#[derive(Clone, Debug)]
struct Expiry {
    time: u64,
    market: Market,
    changed: bool,
    series: Vec<Series>,
    known: HashMap<(u128, bool), u32>,
}

#[derive(Clone, Debug)]
struct Series {
    strike: u128,
    is_call: bool,
    marks: Marks,
}

/// All books of a pool.
#[derive(Clone, Debug)]
pub struct Watch {
    shares: Shares,
    per_unit: U256,
    expiries: Vec<Expiry>,
    books: Vec<Book>,
    known: HashMap<BookId, usize>,
    threads: usize,
}

impl Watch {
    /// An empty pool whose collateral has so many decimals, at most 36.
    pub fn new(shares: Shares, decimals: u8) -> Self {
        Self {
            shares,
            per_unit: per_unit(decimals),
            expiries: Vec::new(),
            books: Vec::new(),
            known: HashMap::new(),
            threads: thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Other rules: everything is valued again.
    pub fn set_shares(&mut self, shares: Shares) {
        if self.shares != shares {
            self.shares = shares;
            self.expiries.iter_mut().for_each(|e| e.changed = true);
        }
    }

    /// The market of an expiry, from now on.
    pub fn set_market(&mut self, expiry: u64, market: Market) {
        let at = self.expiry(expiry);
        let expiry = &mut self.expiries[at];
        if expiry.market != market {
            (expiry.market, expiry.changed) = (market, true);
        }
    }

    /// What a book holds from now on; without legs it is forgotten.
    pub fn set_book(&mut self, id: BookId, legs: &[Leg], margin: u128) {
        if legs.is_empty() {
            return self.forget(id);
        }
        let expiry = self.expiry(id.1);
        let shares = self.shares;
        let held = legs.iter().map(|leg| self.expiries[expiry].hold(leg, &shares)).collect();
        let book = Book {
            id,
            margin,
            valuation: Valuation::default(),
            cover: 0,
            expiry,
            legs: held,
            shape: Shape::of(legs),
            changed: true,
        };
        match self.known.get(&id) {
            Some(at) => self.books[*at] = book,
            None => {
                self.known.insert(id, self.books.len());
                self.books.push(book);
            }
        }
    }

    fn forget(&mut self, id: BookId) {
        let Some(at) = self.known.remove(&id) else { return };
        self.books.swap_remove(at);
        if let Some(moved) = self.books.get(at) {
            self.known.insert(moved.id, at);
        }
    }

    fn expiry(&mut self, time: u64) -> usize {
        self.expiries.iter().position(|e| e.time == time).unwrap_or_else(|| {
            let (market, series, known) = Default::default();
            self.expiries.push(Expiry { time, market, changed: false, series, known });
            self.expiries.len() - 1
        })
    }

    pub fn len(&self) -> usize {
        self.books.len()
    }

    pub fn is_empty(&self) -> bool {
        self.books.is_empty()
    }

    pub fn get(&self, id: &BookId) -> Option<&Book> {
        self.known.get(id).map(|at| &self.books[*at])
    }

    /// The last market of an expiry that has books.
    pub fn market(&self, expiry: u64) -> Option<Market> {
        self.expiries.iter().find(|e| e.time == expiry).map(|e| e.market)
    }

    /// A book's options.
    pub fn legs<'a>(&'a self, book: &'a Book) -> impl Iterator<Item = Leg> + 'a {
        book.legs.iter().map(|held| {
            let series = &self.expiries[book.expiry].series[held.series as usize];
            Leg { strike: series.strike, is_call: series.is_call, size: held.size }
        })
    }

    /// Values what changed, and returns how many books that were.
    pub fn recheck(&mut self) -> usize {
        let Self { shares, per_unit, expiries, books, .. } = self;
        let (shares, per_unit) = (*shares, *per_unit);
        for expiry in expiries.iter_mut().filter(|e| e.changed) {
            let market = expiry.market;
            expiry.series.iter_mut().for_each(|s| s.marks = Marks::of(s.strike, s.is_call, &market, &shares));
        }
        let each = if books.len() < ALONE { books.len() } else { books.len().div_ceil(self.threads) };
        let expiries_now: &[Expiry] = expiries;
        let check = |part: &mut [Book]| {
            let mut valued = 0;
            for book in part.iter_mut().filter(|b| b.changed || expiries_now[b.expiry].changed) {
                book.check(&expiries_now[book.expiry], &shares, per_unit);
                valued += 1;
            }
            valued
        };
        let mut parts = books.chunks_mut(each.max(1));
        let first = parts.next();
        let valued = thread::scope(|scope| {
            let others: Vec<_> = parts.map(|part| scope.spawn(|| check(part))).collect();
            let first = first.map_or(0, check);
            first + others.into_iter().map(|t| t.join().unwrap_or_default()).sum::<usize>()
        });
        expiries.iter_mut().for_each(|e| e.changed = false);
        valued
    }

    /// All books, the nearest to liquidation first; among equals the larger requirement.
    pub fn ranked(&self) -> Vec<&Book> {
        let mut order: Vec<_> = self.books.iter().collect();
        order.sort_unstable_by_key(|b| (b.cover, Reverse(b.valuation.maintenance), b.id));
        order
    }
}

impl Expiry {
    fn hold(&mut self, leg: &Leg, shares: &Shares) -> Held {
        let series = *self.known.entry((leg.strike, leg.is_call)).or_insert_with(|| {
            let marks = if self.market.lo.is_zero() {
                Marks::default()
            } else {
                Marks::of(leg.strike, leg.is_call, &self.market, shares)
            };
            self.series.push(Series { strike: leg.strike, is_call: leg.is_call, marks });
            // A strike is of 96 bits, but nobody pays for 2^32 of them.
            (self.series.len() - 1) as u32
        });
        Held { series, size: leg.size }
    }
}

impl Book {
    fn check(&mut self, expiry: &Expiry, shares: &Shares, per_unit: U256) {
        let legs = self.legs.iter().map(|held| (held.size, &expiry.series[held.series as usize].marks));
        self.valuation = value(legs, &self.shape, expiry.market.hi, shares, per_unit);
        self.cover = cover(self.margin, self.valuation.maintenance);
        self.changed = false;
    }
}

fn cover(margin: u128, maintenance: U256) -> u64 {
    if maintenance.is_zero() {
        return u64::MAX;
    }
    let millionths = U256::from(margin) * U256::from(ENOUGH) / maintenance;
    millionths.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
