//! What part of a limit is one engine's, where several work on one store.

/// One engine's part: of what is counted in whole calls, those that came first take what cannot be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// How many engines there are.
    engines: u32,
    /// How many of them came before this one.
    before: u32,
}

impl Share {
    /// The only engine.
    pub(crate) const ALL: Self = Self { engines: 1, before: 0 };
    /// One of which the others have not heard yet.
    pub(crate) const NONE: Self = Self { engines: u32::MAX, before: u32::MAX };

    /// Of engines in the order in which they came, the part of this one; nothing for one that is not among them.
    pub(crate) fn among(engines: impl Iterator<Item = i64>, own: i64) -> Self {
        let (mut share, mut is_there) = (Self { engines: 0, before: 0 }, false);
        for engine in engines {
            share.engines += 1;
            share.before += u32::from(engine < own);
            is_there |= engine == own;
        }
        if is_there { share } else { Self::NONE }
    }

    /// Its part of so many calls.
    pub(crate) fn of(self, parallel: u32) -> usize {
        let rest = u32::from(self.before < parallel % self.engines);
        (parallel / self.engines + rest) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        for count in 1..=9 {
            for parallel in 0..70 {
                let parts = (0..count).map(|own| Share::among(0..count, own).of(parallel));
                let parts: Vec<usize> = parts.collect();
                assert_eq!(parts.iter().sum::<usize>(), parallel as usize);
                assert!(parts.is_sorted_by(|one, next| *one == *next || *one == next + 1), "{parts:?}");
            }
            assert_eq!(Share::among(0..count, 100).of(64), 0);
        }
        assert_eq!((Share::ALL.of(64), Share::NONE.of(64)), (64, 0));
    }
}
