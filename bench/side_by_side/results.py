"""Writes what was found: JSON for programs, Markdown for people."""

import json
from pathlib import Path

from .figures import names_of, number, with_peer
from .goals import table_lines, verdicts
from .rows import peer_of


def write(directory, facts, settings, table, reports):
    """`comparison.json` and `comparison.md`; returns their names."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "comparison.json", directory / "comparison.md"
    files[0].write_text(as_json(facts, settings, table, reports))
    files[1].write_text("\n".join(markdown(facts, settings, table)) + "\n")
    return [str(file) for file in files]


def as_json(facts, settings, table, reports):
    everything = {
        "machine": facts, "settings": settings, "goals": verdicts(table), "comparison": table, "reports": reports,
    }  # fmt: skip
    return json.dumps(everything, indent=1) + "\n"


def markdown(facts, settings, table):
    lines = ["# Quorate beside its peers", "", f"One run of `{settings['command']}`.", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {fact} |" for name, fact in facts.items()]
    lines += [
        "",
        "Clients and servers share the machine. Each figure is the median of the rounds, with half the distance between the",
        "extremes; a ratio is that of the medians, in parentheses that of each round, from the least to the most.",
        "",
        *table_lines(table),
        "",
        "## Every figure",
        "",
        "| row | system | figure | median | spread | to the peer |",
        "|---|---|---|---|---|---|",
    ]
    for row, systems in table.items():
        for system, cell in systems.items():
            for name in names_of(cell):
                figure = cell[name]
                spread = "" if figure["spread"] is None else f"{figure['spread']:.0%}"
                ratio = "" if system == peer_of(row) else with_peer(figure)
                lines.append(f"| {row} | {system} | {name} | {number(figure['median'])} | {spread} | {ratio} |")
            if cell["errors"]:
                lines.append(f"| {row} | {system} | **errors** | {cell['errors']} | | |")
    return lines
