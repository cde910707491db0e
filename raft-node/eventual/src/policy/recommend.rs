//! Which policy would have been best for a trace, and why.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::policies::Policy;
use super::simulate::simulate;
use super::trace::Trace;

/// A policy that is better by less than this share of the requests is not worth being less simple.
const MARGIN: f64 = 0.005;

/// The simplest and best understood first.
const BY_SIMPLICITY: [Policy; 6] = [
    Policy::Lru,
    Policy::Fifo,
    Policy::Random,
    Policy::Ttl,
    Policy::Lfu,
    Policy::Arc,
];

/// Which policy would have been best, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// The simplest of those within half a percent of the requests of the best.
    pub policy: Policy,
    /// How many of the requests each would have answered from memory, from 0 to 1; the best first.
    pub hit_rates: Vec<(Policy, f64)>,
    /// The reason, for people: what each answers, and what of the trace makes the difference.
    pub why: String,
}

/// Runs a trace through each policy with memory for `capacity` entries. The same trace gives the same answer. It takes
/// time in proportion to the trace: some seconds for millions of requests.
pub fn recommend(trace: &Trace, capacity: NonZeroUsize) -> Recommendation {
    const SEED: u64 = 1;
    let mut hit_rates = BY_SIMPLICITY.map(|policy| (policy, simulate(trace, capacity, policy, SEED).hit_rate()));
    let best = hit_rates.iter().fold(0.0, |best: f64, (_, rate)| best.max(*rate));
    let good_enough = hit_rates.iter().find(|(_, rate)| *rate >= best - MARGIN);
    let policy = good_enough.map_or(Policy::Lru, |(policy, _)| *policy);
    // Stable: of equal ones the simpler is first.
    hit_rates.sort_by(|a, b| b.1.total_cmp(&a.1));
    let why = explain(trace, capacity, policy, &hit_rates);
    Recommendation {
        policy,
        hit_rates: hit_rates.to_vec(),
        why,
    }
}

fn explain(trace: &Trace, capacity: NonZeroUsize, policy: Policy, hit_rates: &[(Policy, f64)]) -> String {
    if trace.requests().is_empty() {
        return "the trace is empty, so nothing speaks against the default".into();
    }
    let mut uses: HashMap<u64, usize> = HashMap::new();
    for request in trace.requests() {
        *uses.entry(request.key_hash).or_default() += 1;
    }
    let keys = uses.len();
    if keys <= capacity.get() {
        return format!("all {keys} keys fit into memory for {capacity} entries, so nothing is ever evicted");
    }
    let once = uses.values().filter(|uses| **uses == 1).count();
    let spread = hit_rates.first().map_or(0.0, |best| best.1) - hit_rates.last().map_or(0.0, |worst| worst.1);
    let reason = match policy {
        _ if spread <= MARGIN => "it makes next to no difference which entries go",
        Policy::Lru => "what was used lately is what is asked for next",
        Policy::Fifo => "when an entry came says as much as when it was used, and costs reads nothing",
        Policy::Random => {
            "when entries were used does not say which are asked for next, as in a loop that does not fit"
        }
        Policy::Ttl => "entries that are about to expire are not asked for again before they do",
        Policy::Lfu => "some keys are asked for again and again, with long runs of others between",
        Policy::Arc => "keys asked for once pass through without displacing those that are asked for again",
    };
    let rates: Vec<String> = hit_rates
        .iter()
        .map(|(policy, rate)| format!("{policy} {:.1} %", rate * 100.0))
        .collect();
    format!(
        "{reason}. Answered from memory: {}. The trace has {} requests for {keys} keys, {:.0} % of which are asked for \
         only once, and {capacity} entries fit",
        rates.join(", "),
        trace.requests().len(),
        once as f64 * 100.0 / keys as f64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommended(trace: &Trace, capacity: usize) -> Recommendation {
        recommend(trace, NonZeroUsize::new(capacity).unwrap())
    }

    #[test]
    fn for_popular_keys_between_scans_it_is_a_policy_that_scans_do_not_wash_out() {
        let trace = Trace::zipf(20_000, 0.9, 300_000, 2).mixed_with(Trace::scan(300_000), 2_000, 4_000);
        let recommendation = recommended(&trace, 1_000);
        assert!(
            matches!(recommendation.policy, Policy::Lfu | Policy::Arc),
            "{recommendation:?}"
        );
        let rate = recommendation
            .hit_rates
            .iter()
            .find(|(policy, _)| *policy == recommendation.policy)
            .unwrap()
            .1;
        assert!(rate >= recommendation.hit_rates[0].1 - MARGIN);
        assert!(recommendation.hit_rates.is_sorted_by(|a, b| a.1 >= b.1));
        assert_eq!(recommendation.hit_rates.len(), Policy::ALL.len());
        assert!(
            recommendation.why.contains("asked for only once, and 1000 entries fit"),
            "{}",
            recommendation.why
        );
    }

    #[test]
    fn for_a_loop_that_does_not_fit_it_is_not_lru() {
        let recommendation = recommended(&Trace::looped(1_100, 100_000), 1_000);
        assert!(
            !matches!(recommendation.policy, Policy::Lru | Policy::Fifo),
            "{recommendation:?}"
        );
    }

    #[test]
    fn if_nothing_makes_a_difference_it_is_the_default() {
        let fits = recommended(&Trace::looped(50, 1_000), 50);
        assert_eq!(fits.policy, Policy::Lru);
        assert_eq!(
            fits.why,
            "all 50 keys fit into memory for 50 entries, so nothing is ever evicted"
        );
        let empty = recommended(&Trace::default(), 1);
        assert_eq!((empty.policy, empty.hit_rates[0]), (Policy::Lru, (Policy::Lru, 0.0)));
        let scan = recommended(&Trace::scan(1_000), 10);
        assert_eq!(scan.policy, Policy::Lru);
        assert!(
            scan.why
                .starts_with("it makes next to no difference which entries go. Answered"),
            "{}",
            scan.why
        );
    }
}
