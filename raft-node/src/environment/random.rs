//! Randomness.

/// Where random numbers come from.
pub trait Random: Send + Sync + 'static {
    /// A random number that is not 0.
    fn nonzero_u64(&self) -> u64;
}

/// The machine's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    fn nonzero_u64(&self) -> u64 {
        rand::random_range(1..=u64::MAX)
    }
}
