"""The nodes of one system, and the loads that are put on them."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import eventual_rows
from .process import Failure, Node, free_ports, run
from .rows import CACHE_ENTRIES, CACHE_KEYS, CACHE_ROWS, NODES, OPEN_CONNECTIONS, ROWS, SDK_CONNECTIONS, SDK_PEER

# What `quorate-bench` measures of Quorate alone.
WITHOUT_TARGET = ("eventual-batch", "cached")


class Cluster:
    """The nodes of one system on loopback, ended and erased when the block is left."""

    def __init__(self, system, options, members=NODES, settings=None, http=False):
        # Settings of Quorate that are not its defaults, by section.
        self.system, self.options, self.settings = system, options, settings or {}
        self.directory = Path(tempfile.mkdtemp(prefix="quorate-bench-", dir=options.directory))
        ports = free_ports(3 * members)
        clients, peers, self.http_ports = ports[:members], ports[members : 2 * members], ports[2 * members :]
        # Whether members of Quorate serve their metrics; a scrape costs a little.
        self.serves_http = http
        makers = {
            "etcd": self.etcd_node, SDK_PEER: self.etcd_node, "redis": self.redis_node,
            eventual_rows.PEER: self.redis_replica,
        }  # fmt: skip
        make = makers.get(system, self.quorate_node)
        nodes = 1 if system == "redis" else members
        self.nodes = [make(number, clients, peers) for number in range(nodes)]

    def etcd_node(self, number, clients, peers):
        name = f"n{number + 1}"
        client, peer = (f"http://127.0.0.1:{ports[number]}" for ports in (clients, peers))
        everyone = ",".join(f"n{i + 1}=http://127.0.0.1:{port}" for i, port in enumerate(peers))
        command = [
            self.options.etcd, "--name", name, "--data-dir", str(self.directory / name),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", everyone, "--initial-cluster-state", "new", "--log-level", "error",
        ]  # fmt: skip
        return Node(command, f"127.0.0.1:{clients[number]}", self.directory / f"{name}.log")

    def redis_node(self, number, clients, _):
        directory = self.directory / "redis"
        directory.mkdir()
        command = [
            self.options.redis, "--port", str(clients[number]), "--bind", "127.0.0.1", "--dir", str(directory),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning",
        ]  # fmt: skip
        return Node(command, f"127.0.0.1:{clients[number]}", self.directory / "redis.log")

    def redis_replica(self, number, clients, _):
        directory = self.directory / f"redis{number}"
        directory.mkdir()
        primary = clients[0] if number else None
        options = self.options
        command = eventual_rows.redis_command(
            options.redis, clients[number], directory, primary, options.redis_appendonly
        )
        return Node(command, f"127.0.0.1:{clients[number]}", self.directory / f"redis{number}.log")

    def quorate_node(self, number, clients, peers):
        name = f"n{number + 1}"
        config = self.directory / f"{name}.toml"
        http = f"127.0.0.1:{self.http_ports[number]}" if self.serves_http else "off"
        text = (
            f"member_id = {number + 1}\n"
            f"data_directory = {json.dumps(str(self.directory / name))}\n"
            f'listen_client = "127.0.0.1:{clients[number]}"\n'
            f'listen_peer = "127.0.0.1:{peers[number]}"\n'
            f'listen_http = "{http}"\n'
        )
        for section, values in self.settings.items():
            text += f"[{section}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        for i, port in enumerate(peers):
            text += f'[[cluster.members]]\nid = {i + 1}\npeer = "127.0.0.1:{port}"\n'
        config.write_text(text)
        command = [self.options.quorate, "server", "--config", str(config)]
        return Node(command, f"127.0.0.1:{clients[number]}", self.directory / f"{name}.log", http)

    def __enter__(self):
        try:
            for node in self.nodes:
                node.start()
            self.leader()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        for node in self.nodes:
            node.stop()
        if kind is not None and issubclass(kind, Failure):
            self.show_logs()
        shutil.rmtree(self.directory, ignore_errors=True)

    def show_logs(self):
        for node in self.nodes:
            lines = node.log.read_text(errors="replace").splitlines() if node.log.exists() else []
            print(f"--- last lines of {node.log.name} ({self.system})", *lines[-15:], sep="\n", file=sys.stderr)

    def endpoints(self):
        return ",".join(node.client for node in self.nodes)

    def leader(self):
        """The node that leads; waits until one does."""
        if self.system == eventual_rows.PEER:
            try:
                eventual_rows.ready(self.nodes)
            except TimeoutError as late:
                raise Failure(str(late)) from late
            return self.nodes[0]
        line = self.bench("leader", "--timeout-seconds", "30", timeout=60)
        for node in self.nodes:
            if node.client == line.strip():
                return node
        raise Failure(f"the leader {line.strip()!r} is none of {self.endpoints()}")

    def bench(self, verb, *arguments, timeout):
        target = [] if verb in WITHOUT_TARGET else ["--target", self.system]
        command = [self.options.bench, verb, *target, "--endpoints", self.endpoints(), *arguments]
        return run(command, timeout)

    def load(self, row):
        if row in eventual_rows.ROWS:
            return self.eventual(eventual_rows.ROWS[row])
        operation, clients, connections = ROWS[row]
        if operation == "watch":
            return self.watch(clients, connections)
        if row in CACHE_ROWS:
            keys = CACHE_ENTRIES if operation == "memory" else CACHE_KEYS
            return json.loads(self.measure("cached", "--way", operation, "--keys", str(keys)))
        if self.system == "quorate":
            connections = SDK_CONNECTIONS
        elif self.system == "redis":
            connections = clients
        line = self.measure(
            "load", "--op", operation, "--clients", str(clients), "--connections", str(connections),
            "--keys", str(self.options.keys), "--json",
        )  # fmt: skip
        return json.loads(line)

    def open_load(self, rate, seconds):
        connections = SDK_CONNECTIONS if self.system == "quorate" else OPEN_CONNECTIONS
        line = self.measure(
            "load", "--op", "put", "--rate", str(rate), "--connections", str(connections), "--keys",
            str(self.options.keys), "--probe-disk", str(self.directory), "--json", seconds=seconds,
        )  # fmt: skip
        return json.loads(line)

    def eventual(self, row):
        if self.system != eventual_rows.PEER:
            return json.loads(self.measure(*eventual_rows.quorate_arguments(row, self.options)))
        try:
            return eventual_rows.redis_load(self.options, self.nodes, row)
        except (TimeoutError, subprocess.SubprocessError) as failed:
            raise Failure(f"redis-benchmark: {failed}") from failed

    def watch(self, watchers, connections):
        line = self.measure("watch", "--watchers", str(watchers), "--connections", str(connections))
        return json.loads(line)

    def measure(self, *arguments, seconds=None):
        leader, roles = self.leader(), []
        for node in self.nodes:
            roles += ["--pid", f"{node.process.pid}:{'leader' if node is leader else 'follower'}"]
        seconds, warmup = seconds or self.options.seconds, self.options.warmup_seconds
        return self.bench(
            *arguments, "--value-bytes", "256", "--seconds", str(seconds), "--warmup-seconds", str(warmup), *roles,
            timeout=seconds + warmup + 120,
        )  # fmt: skip

    def failover(self):
        leader = self.leader()
        line = self.bench("failover", "--leader-pid", str(leader.process.pid), timeout=60)
        leader.process.wait()
        leader.start()
        self.leader()
        return json.loads(line)
