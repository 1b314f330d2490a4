//! Quotes against the protocols' own bytecode, to the unit.

mod chain;

use chain::World;
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn a_quote_is_what_a_swap_pays() {
    let mut random = StdRng::seed_from_u64(1);
    let mut world = World::new(&mut random);
    let wrong: Vec<String> = (0..600).filter_map(|_| world.random_swap(&mut random).err()).collect();
    assert!(wrong.is_empty(), "{} of 600: {}", wrong.len(), wrong[0]);
}
