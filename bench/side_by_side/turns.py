"""What is done, in which order: for every row the systems take turns."""

import json
import statistics
import sys
import time
from dataclasses import dataclass

from . import size_rows
from .cluster import Cluster
from .figures import summary
from .process import run
from .rows import (
    ALONE_ROWS, FAILOVER_ROW, LONG_ROW, LONG_SETTINGS, OPEN_ROWS, OPEN_SHARE, PEAK_ROWS, SIZE_ROW, systems_of,
)  # fmt: skip

ALONE_SECONDS = 300
ALONE_ARGUMENTS = {"eventual-store": ("--threads", "1"), "eventual-resolve": ()}


@dataclass(frozen=True)
class Turn:
    """One row, once, with one system."""

    row: str
    round: int
    rounds: int
    system: str


class Progress:
    """Says what is running and about how much is left, in one line that the next one replaces where that is possible."""

    def __init__(self, options, total):
        self.quiet, self.total, self.done, self.began = options.quiet, total, 0, time.monotonic()
        self.live = sys.stderr.isatty()

    def running(self, what):
        left = ""
        if self.done:
            seconds = (time.monotonic() - self.began) / self.done * (self.total - self.done)
            left = f", about {seconds / 60:.0f} min left" if seconds >= 60 else f", about {seconds:.0f} s left"
        self.say(f"[{self.done + 1}/{self.total}{left}] {what} ...", over=self.live)

    def finished(self, text):
        self.done += 1
        self.say(text, over=False)

    def say(self, text, over):
        if self.quiet:
            return
        erase = "\r\x1b[K" if self.live else ""
        print(erase + text, end="" if over else "\n", file=sys.stderr, flush=True)


def planned(options):
    """Every turn, in its order."""
    rounds = {FAILOVER_ROW: options.failover_trials, SIZE_ROW: options.size_rounds, LONG_ROW: 1}
    rows = options.rows + [FAILOVER_ROW] * bool(options.failover_trials)
    return [
        Turn(row, number, rounds.get(row, options.rounds), system)
        for row in rows
        for number in range(rounds.get(row, options.rounds))
        for system in systems_of(row, options.systems)
    ]


def measure(options):
    """All reports, each with its row and round."""
    turns, reports = planned(options), []
    progress = Progress(options, len(turns))
    for turn in turns:
        name = f"{turn.row} round {turn.round + 1} of {turn.rounds} {turn.system}"
        progress.running(name)
        found = alone(turn, options) if turn.row in ALONE_ROWS else [beside(turn, options, reports)]
        for report in found:
            report.setdefault("row", turn.row)
            report["round"] = turn.round
        reports += found
        progress.finished(f"{name}: " + "; ".join(summary(report) for report in found))
    return reports


def beside(turn, options, reports):
    """On a fresh cluster."""
    settings = LONG_SETTINGS if turn.row == LONG_ROW else {}
    with Cluster(turn.system, options, settings=settings) as cluster:
        if turn.row == FAILOVER_ROW:
            return cluster.failover()
        if turn.row == SIZE_ROW:
            return size_rows.measure(cluster, options.size_keys)
        if turn.row in OPEN_ROWS:
            rate = options.open_rate or round(OPEN_SHARE * peak(reports))
            return cluster.open_load(rate, options.long_minutes * 60 if turn.row == LONG_ROW else options.seconds)
        return cluster.load(turn.row)


def peak(reports):
    """The best rate of etcd's puts: of each row the median of its rounds."""
    rates = {}
    for report in reports:
        if report["target"] == "etcd" and report["row"] in PEAK_ROWS:
            rates.setdefault(report["row"], []).append(report["ops_per_second"])
    return max(statistics.median(each) for each in rates.values())


def alone(turn, options):
    """In one process, without a server."""
    said = json.loads(run([options.bench, turn.row, *ALONE_ARGUMENTS[turn.row], "--seconds", str(options.seconds)], ALONE_SECONDS))
    common = {"target": turn.system, "errors": 0, "first_error": None}
    if turn.row == "eventual-resolve":
        return [
            {**common, "row": f"resolve: {rate['conflict']}", "ops_per_second": rate["per_second"]}
            for rate in said["rates"]
        ]
    one = next(rate for rate in said["rates"] if rate["threads"] == 1)
    return [{**common, **said, "ops_per_second": one["writes_per_second"], "per_core": one["writes_per_cpu_second"]}]
