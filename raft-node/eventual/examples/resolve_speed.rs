//! Prints how many reads with a conflict one core resolves in a second, for each strategy, and what eviction costs a read.
//!
//! `cargo run -p quorate-eventual --example resolve_speed`

// It measures real time.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use quorate_eventual::policy::{Eviction, Policy, Tick, Words};
use quorate_eventual::resolve::{Candidate, replace, resolve};
use quorate_eventual::{Hlc, Strategy};

fn main() {
    println!(
        "{:<34} {:>14} {:>14} {:>14}",
        "resolutions/s", "1 candidate", "2 candidates", "5 candidates"
    );
    for (name, strategy, values) in cases() {
        let rates = [1, 2, 5].map(|count| {
            let candidates = candidates(strategy, &values[..count]);
            per_second(|| drop(black_box(resolve(black_box(&candidates)))))
        });
        println!("{name:<34} {:>14} {:>14} {:>14}", rates[0], rates[1], rates[2]);
    }
    println!("\n{:<34} {:>14}", "writes/s over 1 candidate", "");
    for (name, strategy, values) in cases() {
        let current = candidates(strategy, &values[..1]);
        let rate = per_second(|| {
            drop(black_box(replace(
                strategy,
                black_box(&current),
                values[1].as_bytes(),
                None,
            )))
        });
        println!("{name:<34} {rate:>14}");
    }
    println!("\n{:<34} {:>14}", "uses/s noted by a policy", "");
    for policy in Policy::ALL {
        let mut eviction = Eviction::new(policy);
        let mut words = Words::new(1);
        let mut usage = eviction.inserted(1, Tick(1));
        let mut now = 1;
        let rate = per_second(|| {
            now += 1;
            eviction.used(black_box(&mut usage), Tick(now), words.draw());
        });
        println!("{:<34} {rate:>14}", policy.name());
    }
}

/// Five values for each strategy.
fn cases() -> Vec<(&'static str, Strategy, Vec<String>)> {
    let bytes: Vec<String> = (0..5).map(|number| format!("{number}{}", "x".repeat(255))).collect();
    let numbers = (0..5).map(|number| format!("{}", 1_700_000_000 + number)).collect();
    let arrays = (0..5)
        .map(|number| format!(r#"["worker-{number}","worker-{}","all"]"#, number + 1))
        .collect();
    let objects = (0..5)
        .map(|number| {
            format!(r#"{{"step":{number},"by":{{"worker":"w-{number}","host-{number}":true}},"done":0.{number}}}"#)
        })
        .collect();
    vec![
        ("last write, 256 bytes", Strategy::LastWrite, bytes.clone()),
        ("siblings, 256 bytes", Strategy::Siblings, bytes),
        ("max, 10 digits", Strategy::Max, numbers),
        ("union, 3 strings each", Strategy::Union, arrays),
        ("merge, 5 fields each, 2 levels", Strategy::Merge, objects),
    ]
}

fn candidates(strategy: Strategy, values: &[String]) -> Vec<Candidate<'_>> {
    let stamped = values.iter().zip(1..);
    stamped
        .map(|(value, number)| Candidate {
            value: value.as_bytes(),
            strategy,
            hlc: Hlc(number),
            actor: 6 - number,
            number,
        })
        .collect()
}

/// How often something can be done in a second; tried for some 200 ms.
fn per_second(mut work: impl FnMut()) -> u64 {
    const TRIED_FOR: Duration = Duration::from_millis(200);
    let start = Instant::now();
    let mut done = 0u64;
    while start.elapsed() < TRIED_FOR {
        (0..1_000).for_each(|_| work());
        done += 1_000;
    }
    (done as f64 / start.elapsed().as_secs_f64()) as u64
}
