"""The row of many keys: memory of every member when they are there, and how long one takes to serve again."""

import json
import statistics
import subprocess
import time

from .process import Failure, die_with_parent, resident_bytes
from .rows import SDK_CONNECTIONS, SIZE_VALUE_BYTES

# A slow disk, and etcd on a busy machine.
FILL_SECONDS_PER_MILLION = 1_200
SETTLE_SECONDS = 20
SERVED_SECONDS = 120
# Waiters ask before the member is there, so that none begins late.
WAITERS_READY_SECONDS = 0.3
RESTARTS = 3
READS = ("local", "linearizable")
MIB = 1 << 20
FILL_CLIENTS = 256
FILL_CONNECTIONS = 16


def measure(cluster, keys):
    """A report of the whole row."""
    cluster.leader()
    connections = SDK_CONNECTIONS if cluster.system == "quorate" else FILL_CONNECTIONS
    filled = json.loads(
        cluster.bench(
            "fill", "--keys", str(keys), "--value-bytes", str(SIZE_VALUE_BYTES), "--clients", str(FILL_CLIENTS),
            "--connections", str(connections), timeout=60 + FILL_SECONDS_PER_MILLION * keys / 1e6,
        )
    )  # fmt: skip
    loaded = residents(cluster)
    time.sleep(SETTLE_SECONDS)
    settled = residents(cluster)
    report = {
        "target": cluster.system, "keys": keys, "key_bytes": filled["key_bytes"], "value_bytes": SIZE_VALUE_BYTES,
        "fill_per_second": filled["keys_per_second"], "resident_mib_loaded": loaded, "resident_mib_settled": settled,
        "resident_mib": statistics.mean(settled.values()), "errors": 0, "first_error": None,
    }  # fmt: skip
    for way in ("stopped", "killed"):
        times = [restart(cluster, way, keys) for _ in range(RESTARTS)]
        for read in READS:
            report[f"restart_ms_{way}_{read}"] = [each[read] for each in times]
    return report


def residents(cluster):
    """MiB of each member."""
    leader = cluster.leader()
    names = {node: "leader" if node is leader else f"follower {number}" for number, node in enumerate(cluster.nodes, 1)}
    return {name: resident_bytes(node.process.pid) / MIB for node, name in names.items()}


def restart(cluster, way, keys):
    """Milliseconds from the start of a follower's process to its first answer, by what the read promises."""
    leader = cluster.leader()
    node = next(node for node in cluster.nodes if node is not leader)
    if way == "killed":
        node.kill()
    else:
        node.stop()
    waiters = {read: waiter(cluster, node, read, keys - 1) for read in READS}
    took = {}
    try:
        time.sleep(WAITERS_READY_SECONDS)
        began = time.monotonic()
        node.start()
        while len(took) < len(waiters):
            for read, process in waiters.items():
                if read not in took and process.poll() is not None:
                    took[read] = (time.monotonic() - began) * 1e3
                    if process.returncode != 0:
                        said = process.stderr.read().strip()
                        raise Failure(f"{cluster.system} did not serve a {read} read after it was {way}: {said}")
            time.sleep(0.0005)
    finally:
        for process in waiters.values():
            process.kill()
            process.wait()
            process.stderr.close()
    return took


def waiter(cluster, node, read, key):
    command = [
        cluster.options.bench, "served", "--target", cluster.system, "--endpoint", node.client, "--read", read,
        "--key", str(key), "--timeout-seconds", str(SERVED_SECONDS),
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
