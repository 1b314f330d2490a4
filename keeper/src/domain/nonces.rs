//! Which nonces of a lane are spoken for, and what to do where they are not.

use std::collections::BTreeSet;

/// What a lane's nonces need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceCare {
    /// Every nonce from the chain's next one to the books' next one is held by an attempt.
    Fine,
    /// The books' next nonce is set to this one: it was used by somebody else, is held already, or nothing above it is
    /// held and it is simply given out again.
    Set(u64),
    /// Nothing holds these, and attempts above them cannot be mined before they are used: cancels fill them.
    Fill(Vec<u64>),
}

/// Judges a lane. `mined` is the next nonce by the newest block, `in_books` the one that the books give out next,
/// `pending` the next after all that the node holds, `held` those of live attempts. `stuck` says that attempts have
/// waited so long that what the node holds in a gap will not be mined by itself.
pub fn care(mined: u64, in_books: u64, pending: u64, held: &BTreeSet<u64>, stuck: bool) -> NonceCare {
    let highest = held.range(mined..).next_back().copied();
    let after_all = highest.map_or(mined, |n| n + 1);
    // What the node holds of others (or of batches that were given up) is mined soon, unless it is stuck.
    let foreign_end = if stuck { mined } else { pending.max(mined) };
    let gaps: Vec<u64> =
        (foreign_end..after_all).filter(|nonce| !held.contains(nonce)).take(MOST_FILLS).collect();
    if !gaps.is_empty() {
        return NonceCare::Fill(gaps);
    }
    let next = after_all.max(foreign_end);
    if in_books == next { NonceCare::Fine } else { NonceCare::Set(next) }
}

/// So many gaps are filled in one step.
const MOST_FILLS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(nonces: &[u64]) -> BTreeSet<u64> {
        nonces.iter().copied().collect()
    }

    #[test]
    fn nothing_to_do_when_all_are_held() {
        assert_eq!(care(5, 8, 8, &held(&[5, 6, 7]), false), NonceCare::Fine);
        assert_eq!(care(5, 8, 5, &held(&[5, 6, 7]), false), NonceCare::Fine, "evicted: to be sent again");
        assert_eq!(care(5, 5, 5, &held(&[]), false), NonceCare::Fine);
    }

    #[test]
    fn used_by_somebody_else() {
        assert_eq!(care(9, 8, 9, &held(&[7]), false), NonceCare::Set(9));
        assert_eq!(care(5, 5, 7, &held(&[]), false), NonceCare::Set(7), "in the node, not mined yet");
    }

    #[test]
    fn a_gap_under_attempts_is_filled_one_at_the_end_is_given_out_again() {
        assert_eq!(care(5, 8, 5, &held(&[6, 7]), false), NonceCare::Fill(vec![5]));
        assert_eq!(care(5, 8, 6, &held(&[6, 7]), false), NonceCare::Fine, "the node holds something there");
        assert_eq!(care(5, 8, 8, &held(&[6, 7]), true), NonceCare::Fill(vec![5]), "it does not move");
        assert_eq!(care(5, 8, 5, &held(&[]), false), NonceCare::Set(5));
    }

    proptest! {
        #[test]
        fn the_next_nonce_is_free_and_what_is_below_is_accounted_for(
            mined in 0u64..20, in_books in 0u64..40, pending in 0u64..40,
            held in prop::collection::btree_set(0u64..40, 0..8), stuck: bool,
        ) {
            let next = match care(mined, in_books, pending, &held, stuck) {
                NonceCare::Fine => in_books,
                NonceCare::Set(next) => next,
                NonceCare::Fill(gaps) => {
                    prop_assert!(gaps.iter().all(|g| *g >= mined && !held.contains(g)));
                    return Ok(());
                }
            };
            prop_assert!(next >= mined);
            prop_assert!(!held.range(mined..).any(|h| *h >= next));
            let node_holds = |n: &u64| !stuck && *n < pending;
            prop_assert!((mined..next).all(|n| held.contains(&n) || node_holds(&n)));
        }
    }
}
