//! When something will happen, judged by how long it lately took.

/// The smallest of `sorted` that `percent` in a hundred do not exceed (nearest rank); none of none.
pub fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// How long withdrawals of an asset and tier take from receipt until they are final, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    sorted: Vec<i64>,
    /// How many of a thousand of the newer half took no longer than the older half's p50 and p90 said.
    hits_per_mille: Option<(u64, u64)>,
}

/// Fewer say nothing.
const ENOUGH: usize = 10;

impl Durations {
    /// From the newest to the oldest.
    pub fn new(newest_first: Vec<i64>) -> Self {
        let (newer, older) = newest_first.split_at(newest_first.len() / 2);
        let mut before = older.to_vec();
        before.sort_unstable();
        let within = |percent| {
            let said = percentile(&before, percent).filter(|_| newer.len() >= ENOUGH)?;
            let hits = newer.iter().filter(|ms| **ms <= said).count();
            Some((hits * 1_000 / newer.len()) as u64)
        };
        let hits_per_mille = within(50).zip(within(90));
        let mut sorted = newest_first;
        sorted.sort_unstable();
        Self { sorted, hits_per_mille }
    }

    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The estimate held against what came: see [`Durations::hits_per_mille`]'s field. 500 and 900 are what is promised.
    pub fn hits_per_mille(&self) -> Option<(u64, u64)> {
        self.hits_per_mille
    }

    /// When, of a withdrawal that was received at `since`, half and nine in ten of such are done, in unix milliseconds. What
    /// may not go on before `from` takes from there on as long as one that is handed in then.
    pub fn expected(&self, now: i64, since: i64, from: Option<i64>) -> Option<(i64, i64)> {
        let (start, age) = match from.filter(|from| *from > now) {
            Some(from) => (from, 0),
            None => (since, now - since),
        };
        self.for_age(age).map(|(p50, p90)| (start + p50, start + p90))
    }

    /// The p50 and p90 of those that took longer than `age`: what a withdrawal of that age takes in all. None when too few
    /// are known, or none took so long.
    pub fn for_age(&self, age: i64) -> Option<(i64, i64)> {
        if self.sorted.len() < ENOUGH {
            return None;
        }
        let longer = &self.sorted[self.sorted.partition_point(|ms| *ms <= age)..];
        Some((percentile(longer, 50)?, percentile(longer, 90)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let list: Vec<i64> = (1..=10).collect();
        assert_eq!(
            (percentile(&list, 50), percentile(&list, 90), percentile(&list, 91)),
            (Some(5), Some(9), Some(10))
        );
        assert_eq!((percentile(&[7], 1), percentile(&[], 50)), (Some(7), None));
    }

    #[test]
    fn who_waited_already_is_compared_with_those_that_waited_too() {
        let durations = Durations::new((1..=100).rev().collect());
        assert_eq!(durations.for_age(0), Some((50, 90)));
        assert_eq!(durations.for_age(90), Some((95, 99)));
        assert_eq!(durations.for_age(100), None);
        assert_eq!(Durations::new(vec![1; 9]).for_age(0), None, "too few");
    }

    #[test]
    fn what_may_not_go_on_yet_takes_its_time_from_then_on() {
        let durations = Durations::new((1..=100).rev().collect());
        assert_eq!(durations.expected(1_000, 1_000, None), Some((1_050, 1_090)));
        assert_eq!(durations.expected(1_090, 1_000, None), Some((1_095, 1_099)));
        assert_eq!(durations.expected(1_090, 1_000, Some(5_000)), Some((5_050, 5_090)));
        assert_eq!(durations.expected(6_000, 5_990, Some(5_000)), Some((6_045, 6_081)), "it may since");
        assert_eq!(durations.expected(1_200, 1_000, None), None, "none took so long");
    }

    #[test]
    fn the_estimate_is_held_against_what_came() {
        assert_eq!(Durations::new(vec![5; 100]).hits_per_mille(), Some((1_000, 1_000)));
        let slower = [vec![50; 10], vec![5; 10]].concat();
        assert_eq!(Durations::new(slower).hits_per_mille(), Some((0, 0)));
        let half: Vec<i64> = [1, 9].repeat(10);
        assert_eq!(Durations::new(half).hits_per_mille(), Some((500, 1_000)));
        assert_eq!(Durations::new(vec![5; 12]).hits_per_mille(), None, "too few");
    }
}
