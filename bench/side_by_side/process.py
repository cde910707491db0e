"""Server processes on loopback, each ended by whoever started it."""

import ctypes
import random
import signal
import socket
import subprocess
from pathlib import Path

STOP_SECONDS = 30
# Ports below the range from which the kernel takes ports for outgoing connections.
PORTS = range(20_000, 32_000)
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """Something that ends the comparison, said in one sentence."""


def die_with_parent():
    """In the child: it gets SIGKILL when this script ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    held, ports = [], []
    try:
        for port in random.sample(PORTS, 200):
            listener = socket.socket()
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                listener.close()
                continue
            held.append(listener)
            ports.append(port)
            if len(ports) == count:
                return ports
    finally:
        for listener in held:
            listener.close()
    raise Failure(f"cannot find {count} free ports between {PORTS.start} and {PORTS.stop}")


class Node:
    """One server process."""

    def __init__(self, command, client, log, http=None):
        self.command, self.client, self.log, self.http, self.process = command, client, log, http, None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
            )

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self):
        """As a crash ends it."""
        self.process.kill()
        self.process.wait()


def resident_bytes(pid):
    """Resident memory of a process that is the kernel's account of it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"process {pid} has no resident memory: it has ended")


def run(command, timeout):
    """What a program prints; a failure says what it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, preexec_fn=die_with_parent, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(command)} did not end within {timeout} s") from late
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
