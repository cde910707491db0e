//! What is guarded by a lock and does not belong to the store.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Takes writes, each with the token of a hold. All clients of a run share it.
#[derive(Debug, Default)]
pub struct Outside {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    /// Of each lock, the greatest token that came, where they are looked at.
    greatest: BTreeMap<String, u64>,
}

impl Outside {
    /// Takes the write, or refuses it if it is `fenced` and a greater token has come before. Also, as which of all writes
    /// it came.
    pub fn write(&self, lock: &str, token: u64, fenced: bool) -> (u64, bool) {
        let mut state = self.state.lock();
        state.writes += 1;
        let order = state.writes;
        if !fenced {
            return (order, true);
        }
        let greatest = state.greatest.entry(lock.to_owned()).or_default();
        let accepted = token >= *greatest;
        *greatest = token.max(*greatest);
        (order, accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_smaller_than_one_that_came_before_is_refused_where_it_is_looked_at() {
        let outside = Outside::default();
        assert_eq!(outside.write("a", 5, true), (1, true));
        assert_eq!(outside.write("a", 4, true), (2, false));
        assert_eq!(outside.write("a", 4, false), (3, true));
        assert_eq!(outside.write("b", 4, true), (4, true));
        assert_eq!(outside.write("a", 5, true), (5, true));
    }
}
