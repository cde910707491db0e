"""Quorate and its peers side by side. `bench/compare` and `bench/grow` are the programs; here is what they do.

    options -> turns (rows, cluster, size_rows, eventual_rows) -> figures -> goals -> results
"""
