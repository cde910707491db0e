//! What must hold, in the situations in which known bugs would break it; `quorate-tests canaries` breaks each.

use quorate_tests::scenarios::{Kept, Promise};

async fn hold(promise: Promise) {
    match promise
        .hold()
        .await
        .unwrap_or_else(|error| panic!("{promise:?}: {error}"))
    {
        Kept::Kept(seen) => println!("{seen}"),
        Kept::Skipped(reason) => eprintln!("skipped: {reason}"),
    }
}

#[tokio::test]
async fn a_member_that_lost_power_after_it_voted_votes_for_nobody_else_in_that_term() {
    hold(Promise::Vote).await;
}

#[tokio::test]
async fn a_leader_that_leads_again_ends_no_lease_that_another_has_renewed() {
    hold(Promise::Lease).await;
}

#[tokio::test]
async fn a_waiter_that_died_in_the_queue_is_passed_over() {
    hold(Promise::Waiter).await;
}

#[tokio::test]
async fn what_a_dead_holder_wrote_late_is_refused() {
    hold(Promise::Fence).await;
}

#[tokio::test]
async fn a_retry_on_the_other_side_of_a_snapshot_is_applied_once() {
    hold(Promise::Retry).await;
}

#[tokio::test]
async fn an_item_that_was_claimed_before_a_snapshot_is_acknowledged_after_it() {
    hold(Promise::Receipt).await;
}

#[tokio::test]
async fn an_item_whose_claim_ran_out_is_acknowledged_once() {
    hold(Promise::Acknowledgement).await;
}

#[tokio::test]
async fn members_evict_the_same_entries() {
    hold(Promise::Eviction).await;
}
