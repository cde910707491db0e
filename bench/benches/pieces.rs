//! How long the pieces of work take on this machine whose instructions `bench/check-cost` counts.
//!
//! `make micro`, or with a choice: `cargo bench --workspace --profile dev --bench pieces -- resolve`.

use clap::ValueEnum;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quorate_bench::cost::Workload;

fn pieces(criterion: &mut Criterion) {
    for workload in Workload::value_variants() {
        // The row `cached-read` of `bench/compare` is this one.
        if workload.needs_member() {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory for its data");
        let mut piece = workload.prepare(directory.path()).expect("it can be made ready");
        let mut group = criterion.benchmark_group("pieces");
        group.throughput(Throughput::Elements(piece.operations().into()));
        group.bench_function(workload.name(), |bencher| {
            bencher.iter(|| piece.step().expect("its answers are right"));
        });
        group.finish();
    }
}

criterion_group!(benches, pieces);
criterion_main!(benches);
