"""How throughput and memory grow: one thing becomes larger while all else stays."""

import json
from dataclasses import dataclass, replace

from .cluster import Cluster
from .process import Failure, resident_bytes
from .rows import SDK_CONNECTIONS
from .size_rows import FILL_CLIENTS, FILL_CONNECTIONS, FILL_SECONDS_PER_MILLION, MIB

# So that an empty cluster is not what is measured, and one that is full of large values fits on a disk.
BASE_KEYS = 10_000
LARGE_VALUE_KEYS = 1_000
CONNECTIONS_MAX = 16


@dataclass(frozen=True)
class Point:
    """What a cluster is and what is done to it."""

    keys: int = BASE_KEYS
    members: int = 3
    value_bytes: int = 256
    clients: int = 64


@dataclass(frozen=True)
class Axis:
    """What becomes larger."""

    name: str
    label: str
    base: Point
    # Name of the field of a point, and its sizes.
    field: str
    sizes: tuple

    def points(self):
        return [(size, replace(self.base, **{self.field: size})) for size in self.sizes]


FIGURES = {
    "put": ("puts a second", lambda found: found["put"]["ops_per_second"]),
    "put-p99": ("99th percentile of a put, ms", lambda found: found["put"]["latency_us"]["p99"] / 1e3),
    "get": ("linearizable gets a second", lambda found: found["get"]["ops_per_second"]),
    "get-p99": ("99th percentile of a get, ms", lambda found: found["get"]["latency_us"]["p99"] / 1e3),
    "memory": ("resident MiB of the largest member", lambda found: max(found["resident_mib"])),
}


def axes(quick):
    """The axes; a quick run leaves out what takes long."""
    keys = (10**4, 10**5) if quick else (10**4, 10**5, 10**6, 10**7)
    members = (1, 3, 5) if quick else (1, 2, 3, 4, 5)
    values = (64, 1 << 10, 16 << 10) if quick else (64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10)
    clients = (1, 32, 1_000) if quick else (1, 4, 16, 64, 256, 1_000)
    return [
        Axis("keys", "keys", Point(value_bytes=64), "keys", keys),
        Axis("members", "members", Point(), "members", members),
        Axis("value-bytes", "bytes of a value", Point(keys=LARGE_VALUE_KEYS), "value_bytes", values),
        Axis("clients", "clients", Point(), "clients", clients),
    ]


def measure(options, chosen, progress):
    """Every axis with its figures; and what failed, in sentences."""
    measured, failures = [], []
    for axis in chosen:
        found = {}
        for size, point in axis.points():
            for system in options.systems:
                name = f"{axis.name} {size:,} {system}"
                progress.running(name)
                try:
                    at = one(options, system, point)
                except Failure as failure:
                    failures.append(f"{name}: {failure}")
                    progress.finished(f"{name}: FAILED: {failure}")
                    continue
                found.setdefault(system, []).append((size, at))
                progress.finished(f"{name}: {summary(at)}")
        measured.append({"name": axis.name, "label": axis.label, "figures": lines(found), "points": found})
    return measured, failures


def one(options, system, point):
    """Fills a fresh cluster, puts, gets, and looks at its memory."""
    with Cluster(system, options, members=point.members) as cluster:
        connections = SDK_CONNECTIONS if system == "quorate" else CONNECTIONS_MAX
        cluster.leader()
        # Large values are no faster than their bytes.
        budget = 120 + (FILL_SECONDS_PER_MILLION + point.value_bytes) * point.keys / 1e6
        filled = cluster.bench(
            "fill", "--keys", str(point.keys), "--value-bytes", str(point.value_bytes), "--clients", str(FILL_CLIENTS),
            "--connections", str(min(FILL_CONNECTIONS, connections)), timeout=budget,
        )  # fmt: skip
        report = {"fill": json.loads(filled)}
        for operation in ("put", "get"):
            report[operation] = json.loads(
                cluster.bench(
                    "load", "--op", operation, "--filled", "--clients", str(point.clients), "--connections",
                    str(min(connections, point.clients)), "--keys", str(point.keys), "--value-bytes",
                    str(point.value_bytes), "--seconds", str(options.seconds), "--warmup-seconds",
                    str(options.warmup_seconds), "--json", timeout=options.seconds + options.warmup_seconds + 120,
                )
            )  # fmt: skip
        report["resident_mib"] = [resident_bytes(node.process.pid) / MIB for node in cluster.nodes]
    if failed := report["put"]["errors"] + report["get"]["errors"]:
        raise Failure(f"{failed} calls failed, first: {report['put']['first_error'] or report['get']['first_error']}")
    return report


def lines(found):
    """By figure: for each system, size and figure."""
    return [
        {
            "name": name,
            "label": label,
            "lines": {system: [(size, read(at)) for size, at in points] for system, points in found.items()},
        }
        for name, (label, read) in FIGURES.items()
    ]


def summary(found):
    return (
        f"{found['put']['ops_per_second']:,.0f} puts/s, {found['get']['ops_per_second']:,.0f} gets/s,"
        f" {max(found['resident_mib']):,.0f} MiB"
    )


def markdown(facts, command, measured):
    """Every axis as a table."""
    text = ["# How it grows", "", f"One run of `{command}`.", "", "| | |", "|---|---|"]
    text += [f"| {name} | {fact} |" for name, fact in facts.items()]
    for axis in measured:
        text += ["", f"## By {axis['label']}", ""]
        text += [f"| {axis['label']} | system | " + " | ".join(label for label, _ in FIGURES.values()) + " |"]
        text += ["|---" * (len(FIGURES) + 2) + "|"]
        for system, points in axis["points"].items():
            for size, at in points:
                cells = [f"{read(at):,.0f}" if read(at) >= 100 else f"{read(at):.3g}" for _, read in FIGURES.values()]
                text.append(f"| {size:,} | {system} | " + " | ".join(cells) + " |")
        text += ["", *(f"![{label}](growth-{name}-by-{axis['name']}.svg)" for name, (label, _) in FIGURES.items())]
    return text
