"""From reports to verdicts: `cd bench && python3 -B -m unittest side_by_side.tests`."""

import unittest
from types import SimpleNamespace

from . import goals, growth, results, turns
from .figures import compare, summary
from .options import complete
from .rows import SIZE_ROW


def report(row, target, rate, **more):
    return {"row": row, "target": target, "ops_per_second": rate, "errors": 0, "first_error": None, **more}


def verdict(table, what):
    """Of the SDK and of one gRPC call each: whether the goal was met; none if it was not measured."""
    found = {line["system"]: line["met"] for line in goals.verdicts(table) if line["what"] == what}
    return found.get("quorate"), found.get("quorate-unary")


class Figures(unittest.TestCase):
    def test_a_ratio_is_that_of_medians_and_each_round_has_its_own(self):
        rates = {"etcd": (100, 200, 400), "quorate": (500, 900, 2_400)}
        table = compare([report("put-c64", name, rate) for name in rates for rate in rates[name]])
        figure = table["put-c64"]["quorate"]["ops/s"]
        self.assertEqual((figure["ratio_to_peer"], figure["ratios"]), (4.5, [5, 4.5, 6]))

    def test_errors_are_added_up(self):
        table = compare([report("put-c64", "quorate", 1) | {"errors": 2} for _ in range(2)])
        self.assertEqual(table["put-c64"]["quorate"]["errors"], 4)

    def test_a_summary_says_what_failed(self):
        self.assertIn("3 ERRORS, first: gone", summary(report("x", "quorate", 5) | {"errors": 3, "first_error": "gone"}))


class Goals(unittest.TestCase):
    def test_a_goal_is_met_at_its_bound_and_missed_below(self):
        for rate, unary, met in ((500, 250, (True, True)), (499, 249, (False, False))):
            systems = {"etcd": 100, "quorate": rate, "quorate-unary": unary}
            table = compare([report("put-c64", name, rate) for name, rate in systems.items()])
            self.assertEqual(verdict(table, "strong put, 64 clients"), met)

    def test_a_time_has_to_be_small(self):
        memory = {"etcd": 600, "quorate": 239}
        table = compare([report(SIZE_ROW, name, None, resident_mib=mib) for name, mib in memory.items()])
        self.assertEqual(verdict(table, "memory a member, 1 M small keys"), (True, None))

    def test_what_has_no_peer_is_held_against_the_figure(self):
        table = compare([report("cached-read", "quorate", 4_999_999)])
        self.assertEqual(verdict(table, "cached read, one thread"), (False, None))

    def test_without_its_peer_nothing_is_said(self):
        self.assertEqual(verdict(compare([report("put-c64", "quorate", 9)]), "strong put, 64 clients"), (None, None))

    def test_every_goal_has_a_row_that_is_measured(self):
        measured = {*goals.GOAL_ROWS, goals.FAILOVER_ROW}
        rows = {goal.row if not goal.row.startswith("resolve: ") else "eventual-resolve" for goal in goals.GOALS}
        self.assertEqual(rows - measured, set())
        self.assertEqual(measured - rows, set())

    def test_the_table_names_the_machine_and_what_was_missed(self):
        table = compare([report("put-c64", "etcd", 100), report("put-c64", "quorate", 400)])
        text = "\n".join(results.markdown({"processor": "one of sand"}, {"command": "compare"}, table))
        self.assertIn("one of sand", text)
        self.assertIn("| etcd 100/s | 400/s, 4.00x | >= 5x | **missed** |", text)


class Order(unittest.TestCase):
    def test_the_systems_take_turns(self):
        options = SimpleNamespace(rows=["put-c1"], systems=["etcd", "quorate"], rounds=2, failover_trials=0, size_rounds=1)
        self.assertEqual([turn.system for turn in turns.planned(options)], ["etcd", "quorate", "etcd", "quorate"])

    def test_half_of_the_best_is_that_of_the_peer_and_of_medians(self):
        rates = [("put-c64", "etcd", 100), ("put-c256", "etcd", 150), ("put-c256", "etcd", 900), ("put-c256", "etcd", 160)]
        reports = [report(*each) for each in [*rates, ("put-c256", "quorate", 5_000), ("get-c64", "etcd", 7_000)]]
        self.assertEqual(turns.peak(reports), 160)

    def test_what_needs_the_rate_of_other_rows_comes_after_them(self):
        options = SimpleNamespace(
            rows=["put-open", "put-c64"], goals=False, rounds=1, failover_trials=0, etcd="etcd", redis="", redis_benchmark=""
        )
        complete(options)
        self.assertEqual(options.rows, ["put-c64", "put-open"])

    def test_one_thing_becomes_larger_and_all_else_stays(self):
        for axis in growth.axes(quick=False):
            points = [point for _, point in axis.points()]
            for name in ("keys", "members", "value_bytes", "clients"):
                values = [getattr(point, name) for point in points]
                self.assertEqual(values, sorted(set(values)) if name == axis.field else values[:1] * len(values), axis.name)


if __name__ == "__main__":
    unittest.main()
