"""The rows of the eventual tier, and the peer of it: a Redis primary with two replicas under `redis-benchmark`.

Both answer a write when one process has it in memory. So both rates are given: writes answered a second, and the same
writes by the time until every node had them.
"""

import csv
import io
import resource
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PEER = "redis-replicas"
REPLICATED_SECONDS = 60
# What `redis-benchmark` is told to do before it is measured, and to find out how many writes fill the seconds.
CALIBRATION_WRITES = 50_000
TICK_SECONDS = 0.01


@dataclass(frozen=True)
class Row:
    """How many connections each has, and what is under way on each."""

    way: str  # "stream", "batch" (the SDK's), or "awaited" (the SDK, a write a call)
    clients: int
    per_request: int
    in_flight: int
    redis_clients: int
    redis_pipeline: int


ROWS = {
    # The goal: one connection of Quorate against fifty of Redis, which need them to be fast.
    "eventual-batch": Row("stream", 1, 512, 4, 50, 16),
    "eventual-batch-c1": Row("stream", 1, 512, 4, 1, 16),
    "eventual-batch-c50": Row("stream", 50, 16, 1, 50, 16),
    "eventual-sdk-batch": Row("batch", 1, 512, 4, 50, 16),
    "eventual-unary-c1": Row("awaited", 1, 1, 1, 1, 1),
    "eventual-unary-c64": Row("awaited", 64, 1, 1, 64, 1),
}


def quorate_arguments(row, options):
    """What `quorate-bench` is told, but for members, servers and times; and whether it is a load in the closed loop."""
    keys = ["--keys", str(options.keys)]
    if row.way == "awaited":
        return ["load", "--op", "eventual-put", "--clients", str(row.clients), "--connections", "1", "--json", *keys]
    return [
        "eventual-batch", "--way", row.way, "--connections", str(row.clients), "--writes-per-request",
        str(row.per_request), "--in-flight", str(row.in_flight), *keys,
    ]  # fmt: skip


def redis_command(redis, port, directory, primary_port, appendonly):
    """The command of one server; a replica, if there is a primary."""
    command = [
        redis, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--appendonly", appendonly,
        "--appendfsync", "everysec", "--save", "", "--loglevel", "warning",
    ]  # fmt: skip
    return command + (["--replicaof", "127.0.0.1", str(primary_port)] if primary_port else [])


def replication(address):
    """What a server says of its replication."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n")
        file = connection.makefile("rb")
        text = file.read(int(file.readline()[1:])).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def wait_until(what, holds):
    """Asks often: what is awaited is measured."""
    deadline = time.monotonic() + REPLICATED_SECONDS
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {REPLICATED_SECONDS} s: it is not so")
        time.sleep(0.002)


def ready(nodes):
    """Returns when both replicas follow the primary."""
    primary, *replicas = (node.client for node in nodes)
    wait_until("every replica follows", lambda: all(replication(at).get("master_link_status") == "up" for at in replicas))
    wait_until("the primary knows them", lambda: int(replication(primary)["connected_slaves"]) == len(replicas))


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_SECONDS


def redis_benchmark(options, node, row, writes):
    """One run: what it printed of SET."""
    command = [
        options.redis_benchmark, "-p", node.client.rsplit(":", 1)[1], "-t", "set", "-n", str(writes), "-d", "256",
        "-r", str(options.keys), "-c", str(row.redis_clients), "-P", str(row.redis_pipeline), "--csv",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return next(line for line in csv.DictReader(io.StringIO(done.stdout)) if line["test"] == "SET")


def redis_load(options, nodes, row):
    """A report as `quorate-bench` prints it."""
    primary, *replicas = nodes
    calibration = redis_benchmark(options, primary, row, CALIBRATION_WRITES)
    # The warm-up is a run of its own, and as many writes as fill the time at the rate before.
    per_second = float(calibration["rps"])
    if options.warmup_seconds:
        warm = redis_benchmark(options, primary, row, max(int(per_second * options.warmup_seconds), 1_000))
        per_second = float(warm["rps"])
    writes = max(int(per_second * options.seconds), 1_000)
    servers_before = sum(cpu_seconds(node.process.pid) for node in nodes)
    client_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = redis_benchmark(options, primary, row, writes)
    ended = time.monotonic()
    target = int(replication(primary.client)["master_repl_offset"])
    behind = lambda node: int(replication(node.client)["slave_repl_offset"]) < target  # noqa: E731
    wait_until("every replica has everything", lambda: not any(behind(node) for node in replicas))
    lag = time.monotonic() - ended
    client = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = sum(cpu_seconds(node.process.pid) for node in nodes) - servers_before
    busy += client.ru_utime + client.ru_stime - client_before.ru_utime - client_before.ru_stime
    seconds = writes / float(line["rps"])
    us = lambda name: float(line[name]) * 1e3  # noqa: E731
    return {
        "target": PEER, "op": "set", "connections": row.redis_clients, "pipeline": row.redis_pipeline,
        "seconds": seconds, "operations": writes, "ops_per_second": writes / seconds, "lag_ms": lag * 1e3,
        "even_ops_per_second": writes / (seconds + lag), "errors": 0, "first_error": None,
        "latency_us": {"p50": us("p50_latency_ms"), "p99": us("p99_latency_ms")},
        "cpu_us_per_op": busy / writes * 1e6, "cores_busy": busy / (seconds + lag),
    }  # fmt: skip
