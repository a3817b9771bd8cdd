//! Chance from a seed, so that what a test did can be done again.

use shared::live::machine_time;

/// SplitMix64: what it brings depends on the seed alone.
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// The seed that this environment variable gives, or else the time.
pub fn seed(variable: &str) -> u64 {
    let given = std::env::var(variable).ok().map(|seed| seed.parse().unwrap());
    given.unwrap_or_else(|| machine_time().0)
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
