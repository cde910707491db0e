"""What was promised, and whether it was met: the table that is shown."""

from dataclasses import dataclass

from .figures import number
from .rows import FAILOVER_ROW, LONG_ROW, OPEN_ROW, SIZE_ROW, peer_of


# How a figure is written, where its name is in the first column.
UNITS = {"ops/s": "/s", "writes/s a core": "/s", "resident MiB": " MiB", "ns/op": " ns"}


def unit_of(figure):
    return UNITS.get(figure, " us" if figure.endswith(" us") else " ms")


@dataclass(frozen=True)
class Goal:
    """A bound on one figure of a row: on its ratio to the peer's, or where there is no peer, on itself."""

    what: str
    row: str
    figure: str
    at_most: bool
    sdk: float
    # At one gRPC call for each operation.
    unary: float | None = None
    # Of the figure, not of its ratio.
    absolute: bool = False

    def is_met(self, value, bound):
        return value <= bound if self.at_most else value >= bound

    def bound_text(self, bound):
        if bound is None:
            return "-"
        return f"{'<=' if self.at_most else '>='} {bound:,.0f}" if self.absolute else f"{'<=' if self.at_most else '>='} {bound:g}x"


GOALS = (
    Goal("strong put, 1 client, p50", "put-c1", "p50 us", True, 0.6, 0.7),
    Goal("strong put, 64 clients", "put-c64", "ops/s", False, 5, 2.5),
    Goal("strong put, 64 clients, p99", "put-c64", "p99 us", True, 0.3),
    Goal("strong put, 256 clients", "put-c256", "ops/s", False, 8, 3),
    Goal("strong put, open loop at half of etcd's best, p99", OPEN_ROW, "p99 us", True, 0.5),
    Goal("the same for ten minutes, longest silence", LONG_ROW, "longest silence ms", True, 50, absolute=True),
    Goal("of that, what is not the disk's own", LONG_ROW, "longest silence beside it ms", True, 50, absolute=True),
    Goal("linearizable get, 64 clients", "get-c64", "ops/s", False, 8, 2),
    Goal("compare-and-swap, 64 clients", "cas-c64", "ops/s", False, 5, 2.5),
    Goal("lock and unlock of an own name, 64 clients", "lock-c64", "ops/s", False, 8, 3),
    Goal("one lock, 16 contenders, hand-overs", "contended-c16", "ops/s", False, 20, 10),
    Goal("lease grant, keep-alive and revoke, 64 clients", "lease-c64", "ops/s", False, 5, 3),
    Goal("watch, 1 writer, 100 watchers, events", "watch-w100", "ops/s", False, 3),
    Goal("watch, 1 writer, 100 watchers, p99", "watch-w100", "p99 us", True, 0.5),
    Goal("queue push, claim and ack, 64 clients", "queue-c64", "ops/s", False, 1),
    Goal("eventual write, batched", "eventual-batch", "ops/s", False, 1.5),
    Goal("eventual write, in process, a core", "eventual-store", "writes/s a core", False, 500_000, absolute=True),
    Goal("cached read, one thread", "cached-read", "ops/s", False, 5_000_000, absolute=True),
    Goal("cached read, nanoseconds", "cached-read", "ns/op", True, 1_000, absolute=True),
    Goal("conflict: last write", "resolve: last write, 256 bytes", "ops/s", False, 1_000_000, absolute=True),
    Goal("conflict: siblings", "resolve: siblings, 256 bytes", "ops/s", False, 1_000_000, absolute=True),
    Goal("conflict: max", "resolve: max, 10 digits", "ops/s", False, 1_000_000, absolute=True),
    Goal("conflict: union", "resolve: union, 3 strings each", "ops/s", False, 1_000_000, absolute=True),
    Goal("conflict: merge of JSON objects", "resolve: merge, 5 fields each", "ops/s", False, 1_000_000, absolute=True),
    Goal("fail-over, kill -9 of the leader, gap", FAILOVER_ROW, "gap ms", True, 0.4),
    Goal("memory a member, 1 M small keys", SIZE_ROW, "resident MiB", True, 0.4),
    Goal("restart of a member with 1 M keys, to a local read", SIZE_ROW, "restart ms", True, 0.3),
    Goal("the same, to a linearizable read", SIZE_ROW, "restart ms, linearizable", True, 0.3),
    Goal("the same after kill -9, to a linearizable read", SIZE_ROW, "restart ms after kill -9, linearizable", True, 0.3),
)
# What has to be measured for them; each once.
GOAL_ROWS = (
    "put-c1", "put-c64", "put-c256", "get-c64", "cas-c64", "lock-c64", "contended-c16", "lease-c64", "watch-w100",
    "queue-c64", "eventual-batch", "eventual-store", "cached-read", "eventual-resolve", OPEN_ROW, LONG_ROW, SIZE_ROW,
)  # fmt: skip


def judged(table):
    """Each goal whose row was measured, with its figures and verdicts."""
    lines = []
    for goal in GOALS:
        systems = table.get(goal.row, {})
        peer = peer_of(goal.row)
        base = None if goal.absolute else systems.get(peer, {}).get(goal.figure)
        sides = {}
        for system, bound in (("quorate", goal.sdk), ("quorate-unary", goal.unary)):
            cell = systems.get(system, {})
            if goal.figure not in cell:
                continue
            figure = cell[goal.figure]
            value = figure["median"] if goal.absolute else figure["ratio_to_peer"]
            is_met = None if bound is None or value is None else goal.is_met(value, bound)
            sides[system] = {"figure": figure, "value": value, "goal": bound, "met": is_met}
        if sides:
            lines.append({"what": goal.what, "peer": peer if base else None, "base": base, "sides": sides, "goal": goal})
    return lines


def verdicts(table):
    """The same for programs: what, value, goal and whether it was met, for each way to call Quorate."""
    return [
        {"what": line["what"], "system": system, "figure": line["goal"].figure, "ratio": not line["goal"].absolute}
        | {name: side[name] for name in ("value", "goal", "met")}
        for line in judged(table)
        for system, side in line["sides"].items()
    ]


def table_lines(table):
    """The same as a Markdown table."""
    lines = [
        "| what | peer | through the SDK | goal | | one gRPC call each | goal | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in judged(table):
        goal, base = line["goal"], line["base"]
        unit = unit_of(goal.figure)
        cells = [line["what"], f"{line['peer']} {with_spread(base, unit)}" if base else "-"]
        for system, bound in (("quorate", goal.sdk), ("quorate-unary", goal.unary)):
            side = line["sides"].get(system)
            if side is None:
                cells += ["-", goal.bound_text(bound), "-" if bound is None else "not measured"]
                continue
            cells += [with_ratio(side["figure"], unit, goal.absolute), goal.bound_text(bound), verdict(side["met"])]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def verdict(is_met):
    return "" if is_met is None else "met" if is_met else "**missed**"


def with_spread(figure, unit):
    text = number(figure["median"]) + unit
    return text if figure["spread"] is None else f"{text} ±{figure['spread']:.0%}"


def with_ratio(figure, unit, absolute):
    """The figure, and what it is of the peer's; of each round too, from the least to the most."""
    text = with_spread(figure, unit)
    if absolute or figure["ratio_to_peer"] is None:
        return text
    text += f", {figure['ratio_to_peer']:.2f}x"
    ratios = figure["ratios"]
    return text if len(ratios) < 2 else f"{text} ({min(ratios):.2f} to {max(ratios):.2f})"
