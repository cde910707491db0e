"""From reports to a table: medians, spreads, ratios."""

import statistics

from .rows import PEERS, peer_of


def latency(percentile):
    return lambda report: report.get("latency_us", {}).get(percentile)


def restarts(way, read):
    """The median of the restarts of one cluster."""

    def figure(report):
        times = report.get(f"restart_ms_{way}_{read}")
        return statistics.median(times) if times else None

    return figure


FIGURES = {
    "ops/s": lambda report: report.get("ops_per_second"),
    "even/s": lambda report: report.get("even_ops_per_second"),
    "p50 us": latency("p50"),
    "p99 us": latency("p99"),
    "p99.9 us": latency("p99_9"),
    "longest silence ms": lambda report: report.get("longest_stall_ms"),
    "longest sync of the probe ms": lambda report: report.get("longest_sync_ms"),
    "longest silence beside it ms": lambda report: report.get("longest_stall_apart_ms"),
    "CPU us/op": lambda report: report.get("cpu_us_per_op"),
    "missed": lambda report: report.get("missed"),
    "ns/op": lambda report: report.get("ns_per_op"),
    "bytes/entry": lambda report: report.get("bytes_per_entry"),
    "writes/s a core": lambda report: report.get("per_core"),
    "gap ms": lambda report: report.get("gap_ms"),
    "resident MiB": lambda report: report.get("resident_mib"),
    "restart ms": restarts("stopped", "local"),
    "restart ms, linearizable": restarts("stopped", "linearizable"),
    "restart ms after kill -9": restarts("killed", "local"),
    "restart ms after kill -9, linearizable": restarts("killed", "linearizable"),
}
# In the summary of a run, beside the rate.
BRIEF = (
    ("longest silence ms", "longest silence {:.1f} ms"), ("longest sync of the probe ms", "the disk's own {:.1f} ms"),
    ("longest silence beside it ms", "beside that {:.1f} ms"), ("gap ms", "longest gap {:,.0f} ms"), ("resident MiB", "{:,.0f} MiB resident a member"),
    ("restart ms", "serves after {:,.0f} ms"), ("restart ms, linearizable", "linearizably after {:,.0f} ms"),
    ("restart ms after kill -9", "killed, after {:,.0f} ms"), ("p50 us", "p50 {:,.0f} us"), ("p99 us", "p99 {:,.0f} us"),
    ("ns/op", "{:,.0f} ns each"), ("missed", "{:,.0f} not from the cache"), ("bytes/entry", "{:,.0f} bytes resident an entry"), ("writes/s a core", "{:,.0f}/s a core"),
    ("CPU us/op", "{:.1f} us CPU/op"),
)  # fmt: skip


def summary(report):
    """A report in a line."""
    parts = []
    if (rate := report.get("ops_per_second")) is not None:
        parts.append(f"{report['row']} {rate:,.0f}/s" if report.get("row", "").startswith("resolve") else f"{rate:,.0f}/s")
    if "even_ops_per_second" in report:
        parts.append(f"{report['even_ops_per_second']:,.0f}/s until all have it (lag {report['lag_ms']:,.0f} ms)")
    for name, text in BRIEF:
        if (figure := FIGURES[name](report)) is not None:
            parts.append(text.format(figure))
    if "cores_busy" in report:
        parts.append(f"{report['cores_busy']:.2f} cores")
    if report.get("errors"):
        parts.append(f"{report['errors']} ERRORS, first: {report['first_error']}")
    return ", ".join(parts)


def median_and_spread(values):
    """The median, and half the distance between the extremes as a share of it; one value has no spread."""
    median = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / median if median and len(values) > 1 else None
    return {"median": median, "spread": spread, "values": values}


def compare(reports):
    """row -> system -> figure -> median, spread and the ratio to the peer's, also of each round."""
    table = {}
    for report in reports:
        cell = table.setdefault(report["row"], {}).setdefault(report["target"], {"errors": 0})
        cell["errors"] += report.get("errors", 0)
        for name, read in FIGURES.items():
            if (figure := read(report)) is not None:
                cell.setdefault(name, []).append(figure)
    for row, systems in table.items():
        for cell in systems.values():
            for name in names_of(cell):
                cell[name] = median_and_spread(cell[name])
        peer = systems.get(peer_of(row), {})
        for cell in systems.values():
            for name in names_of(cell):
                base = peer.get(name)
                cell[name]["ratio_to_peer"] = cell[name]["median"] / base["median"] if base and base["median"] else None
                # What was measured one after the other, so that a slow phase met both.
                pairs = zip(cell[name]["values"], base["values"]) if base else ()
                cell[name]["ratios"] = [value / other for value, other in pairs if other]
    return table


def names_of(cell):
    return [name for name in cell if name != "errors"]


def print_table(table):
    """One line a row and system: median, spread, and (ratio to the peer). Figures that no row has are left out."""
    found = {name for systems in table.values() for cell in systems.values() for name in cell}
    heads = ["row", "system", *(name for name in FIGURES if name in found)]
    lines = []
    for row, systems in table.items():
        for system, cell in systems.items():
            figures = [shown(cell[name], system) if name in cell else "" for name in heads[2:]]
            if cell["errors"]:
                figures[0] += f" {cell['errors']} ERRORS"
            lines.append([row, system, *figures])
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, ["-" * width for width in widths], *lines]:
        cells = [text.ljust(width) if i < 2 else text.rjust(width) for i, (text, width) in enumerate(zip(line, widths))]
        print("| " + " | ".join(cells) + " |")


def shown(figure, system):
    text = number(figure["median"])
    if figure["spread"] is not None:
        text += f" ±{figure['spread']:.0%}"
    ratio = figure["ratio_to_peer"]
    return text if system in PEERS or ratio is None else f"{text} ({ratio:.2f}x)"


def with_peer(figure):
    return "" if figure["ratio_to_peer"] is None else f"{figure['ratio_to_peer']:.2f}x"


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
