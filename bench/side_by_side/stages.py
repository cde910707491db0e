"""Where the processor time and the bytes of a put go: by process and by thread, and within consensus by what it counts itself."""

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .process import Failure, die_with_parent
from .rows import SDK_CONNECTIONS

# The names that threads have, and what they do.
THREADS = {
    "tokio-rt-worker": "gRPC: calls, replies",
    "quorate-raft": "consensus and apply",
    "log-writer": "log: write and sync",
    "rocksdb:high": "RocksDB: flush",
    "rocksdb:low": "RocksDB: compaction",
}
OTHERS = "others"
APPLY = "of that, apply"
# In the middle of the measured time, away from its ends.
MARGIN_SECONDS = 1.0
SYNCS = 2_000
SYNC_BYTES = 8_192
COUNTERS = (
    "quorate_apply_seconds_sum", "quorate_log_sync_seconds_sum", "quorate_log_sync_seconds_count",
    "quorate_log_written_bytes_total", "quorate_proposal_groups_total", "quorate_revision",
)  # fmt: skip


@dataclass
class Sample:
    """What a process had used at a moment."""

    cpu_ns: dict
    written_bytes: int
    counters: dict


def sample(pid, http=None):
    cpu_ns = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            on_processor = int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            # It has ended since it was listed.
            continue
        cpu_ns[name] = cpu_ns.get(name, 0) + on_processor
    written = re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    return Sample(cpu_ns, int(written[1]), counters(http) if http else {})


def counters(http):
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for name in COUNTERS:
        values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        found[name] = sum(map(float, values))
    return found


def measure(cluster, clients, seconds, warmup):
    """A report: microseconds and bytes a put, by process and thread."""
    leader = cluster.leader()
    command = [
        cluster.options.bench, "load", "--target", "quorate", "--endpoints", cluster.endpoints(), "--op", "put",
        "--clients", str(clients), "--connections", str(SDK_CONNECTIONS), "--keys", str(cluster.options.keys),
        "--value-bytes", "256", "--seconds", str(seconds), "--warmup-seconds", str(warmup), "--json",
    ]  # fmt: skip
    load = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    try:
        time.sleep(warmup + MARGIN_SECONDS)
        before = everybody(cluster, load)
        time.sleep(seconds - 2 * MARGIN_SECONDS)
        after = everybody(cluster, load)
        out, err = load.communicate(timeout=warmup + 60)
    finally:
        load.kill()
        load.wait()
    if load.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {err.strip()}")
    puts = difference(before, after, leader, "quorate_revision")
    if puts < 1:
        raise Failure("nothing was written while it was measured")
    return report(cluster, leader, before, after, puts, json.loads(out))


def everybody(cluster, load):
    found = {node: sample(node.process.pid, node.http) for node in cluster.nodes}
    found["client"] = sample(load.pid)
    return found


def difference(before, after, who, counter):
    return after[who].counters[counter] - before[who].counters[counter]


def report(cluster, leader, before, after, puts, load):
    followers = [node for node in cluster.nodes if node is not leader]
    processes = {"client": [("client", None)], "leader": [(leader, leader)], "follower": [(node, node) for node in followers]}
    stages = {}
    for role, members in processes.items():
        each = [stages_of(before[key], after[key], puts, node is not None) for key, node in members]
        stages[role] = {stage: statistics.mean(one[stage] for one in each) for stage in each[0]}
    syncs = difference(before, after, leader, "quorate_log_sync_seconds_count")
    return {
        "puts": puts, "ops_per_second": load["ops_per_second"], "latency_us": load["latency_us"], "stages_us": stages,
        "cpu_us_per_put": sum(total(stages[role]) * len(members) for role, members in processes.items()),
        "puts_per_group": puts / difference(before, after, leader, "quorate_proposal_groups_total"),
        "puts_per_sync": puts / syncs,
        "sync_us": difference(before, after, leader, "quorate_log_sync_seconds_sum") / syncs * 1e6,
        "log_bytes_per_put": difference(before, after, leader, "quorate_log_written_bytes_total") / puts,
        "disk_bytes_per_put": (after[leader].written_bytes - before[leader].written_bytes) / puts,
    }  # fmt: skip


def stages_of(before, after, puts, is_member):
    """Microseconds a put of each kind of thread."""
    found = {}
    for name, on_processor in after.cpu_ns.items():
        stage = THREADS.get(name, OTHERS) if is_member else "SDK and gRPC"
        spent_us = (on_processor - before.cpu_ns.get(name, 0)) / 1e3 / puts
        found[stage] = found.get(stage, 0) + spent_us
    if is_member:
        found = {stage: found.get(stage, 0) for stage in (*THREADS.values(), OTHERS)}
        apply_seconds = after.counters["quorate_apply_seconds_sum"] - before.counters["quorate_apply_seconds_sum"]
        found[APPLY] = apply_seconds * 1e6 / puts
    return found


def total(stages):
    return sum(us for stage, us in stages.items() if stage != APPLY)


def sync_floor_us(directory):
    """The median time of a write of a few pages to a file that has its space, and its sync."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, SYNCS * SYNC_BYTES)
        page, times = os.urandom(SYNC_BYTES), []
        for number in range(SYNCS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), page, number * SYNC_BYTES)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def table_lines(found, clients, floor_us):
    """As a Markdown table."""
    stages = ["SDK and gRPC", *THREADS.values(), APPLY, OTHERS]
    lines = [f"| us of CPU a put, {clients} clients | client | leader | each follower |", "|---|---|---|---|"]
    for stage in stages:
        cells = [found["stages_us"][role].get(stage) for role in ("client", "leader", "follower")]
        lines.append(f"| {stage} | " + " | ".join("" if us is None else f"{us:.1f}" for us in cells) + " |")
    totals = [total(found["stages_us"][role]) for role in ("client", "leader", "follower")]
    lines.append("| all | " + " | ".join(f"{us:.1f}" for us in totals) + " |")
    lines += [
        "",
        f"{found['ops_per_second']:,.0f} puts/s, p50 {found['latency_us']['p50']:,.0f} us, {found['cpu_us_per_put']:.1f} us of CPU a put over all"
        f" processes; {found['puts_per_group']:.1f} puts a group, {found['puts_per_sync']:.1f} a sync, which takes"
        f" {found['sync_us']:.0f} us (alone, of {SYNC_BYTES} bytes: {floor_us:.0f} us); {found['log_bytes_per_put']:.0f} bytes of log and"
        f" {found['disk_bytes_per_put']:.0f} bytes to the disk a put at the leader.",
    ]
    return lines
