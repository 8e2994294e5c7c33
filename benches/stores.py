"""Suites about the store: PostgreSQL, a long backlog, what is written for a task."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from world import HERE, ROWS, RUNS, Simulator, engine, finished, show, world

BACKLOG = int(os.environ.get("BENCH_BACKLOG", 1_000_000))

# Tasks that wait for a far day, beside the rows that are measured.
WAITING = """
incoming:
  old: {{ subscriber: {{ type: file, path: old.jsonl }} }}
outgoing:
  nothing: {{ publisher: {{ type: none }} }}
routes:
  old: {{ incoming: old, outgoing: nothing, delay: {delay} }}
"""


class Cluster:
    """A PostgreSQL of its own, with the server's usual settings; `None` from `start` where there is none on this machine."""

    @classmethod
    def start(cls):
        # Debian keeps the server's tools off the path.
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        path = os.pathsep.join([*(str(folder) for folder in reversed(found)), os.environ.get("PATH", "")])
        if shutil.which("initdb", path=path) is None:
            print("| PostgreSQL | left out: its server is missing (apt install postgresql) | |")
            return None
        return cls(path)

    def __init__(self, path):
        self.path = path
        self.folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        # The server refuses to be run by root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
        self.port = 20_000 + os.getpid() % 20_000
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-E", "UTF8", "-U", "postgres")
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "-w", "start")

    def _run(self, tool, *arguments):
        subprocess.run([*self.user, shutil.which(tool, path=self.path), *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL)

    def fresh(self, name):
        self._run("psql", "-q", "-h", self.folder, "-p", str(self.port), "-U", "postgres", "-c", f"CREATE DATABASE {name}")
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)


def fill(binary, folder, environment, count, delay="1000h"):
    """So many tasks that wait."""
    with open(folder / "old.jsonl", "w") as out:
        for row in range(count):
            out.write(json.dumps({"id": row, "name": f"product {row}"}) + "\n")
    (folder / "old.yaml").write_text(WAITING.format(delay=delay))
    finished([binary, "apply", "old.yaml"], environment, folder)
    subprocess.run([binary, "run", "old"], env=environment, cwd=folder, check=False, capture_output=True)
    newest = [binary, "tasks", "list", "--route", "old", "--state", "new", "--limit", "1", "--json"]
    newest = subprocess.run(newest, env=environment, cwd=folder, check=True, capture_output=True).stdout
    assert count == 0 or json.loads(newest)[0]["id"] >= count, "the backlog is not there"


def of_postgres(binary):
    cluster = Cluster.start()
    if cluster is None:
        return
    with cluster, Simulator(binary, "0ms") as simulator:
        runs = []
        for number in range(RUNS):
            url = cluster.fresh(f"rows{number}")
            runs.append(ROWS / engine(binary, simulator.url, ROWS, 128, extra={"TRAMONTANE_DATABASE": url})[0])
        show("PostgreSQL on the same cores, 0 ms: durable rows", runs, "rows/s")
        with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
            folder = Path(name)
            environment = place(simulator, folder) | {"TRAMONTANE_DATABASE": cluster.fresh("backlog")}
            fill(binary, folder, environment, BACKLOG)
            show(f"PostgreSQL with a backlog of {BACKLOG:,}: durable rows", [measured(binary, folder, environment)], "rows/s")


def place(simulator, folder):
    return {"MISTRAL_BASE_URI": simulator.url, "MISTRAL_API_KEY": "test-key", "TRAMONTANE_DATA": str(folder / "data")}


def measured(binary, folder, environment):
    """Rows a second of one run beside what is there."""
    world(folder, ROWS, 128)
    finished([binary, "apply", "definitions.yaml"], environment, folder)
    return ROWS / finished([binary, "run", "rows"], environment, folder)[0]


def of_backlog(binary):
    """Claims and lists beside 10,000 tasks that wait, and beside a million."""
    rates, lists = [], []
    with Simulator(binary, "0ms") as simulator:
        for count in (10_000, BACKLOG):
            with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
                folder = Path(name)
                environment = place(simulator, folder)
                fill(binary, folder, environment, count)
                rates.append(measured(binary, folder, environment))
                show(f"beside a backlog of {count:,}: durable rows", [rates[-1]], "rows/s")
                for filters in ([], ["--state", "new"], ["--route", "ask"], ["--route", "old", "--state", "new"]):
                    asked = [binary, "tasks", "list", "--json", "--limit", "100", *filters]
                    times = [finished(asked, environment, folder)[0] * 1000 for _ in range(5)]
                    show(f"beside a backlog of {count:,}: `tasks list {' '.join(filters)}`", times, "ms")
                    lists.append(sorted(times)[2])
    show("backlog: rate beside the short one ÷ beside the long one", [rates[0] / rates[1]], "×")
    half = len(lists) // 2
    show("backlog: lists beside the long one ÷ beside the short one", [b / a for a, b in zip(lists[:half], lists[half:])], "×")


def of_written(binary):
    """Commits and bytes for a task, in the path of the rows: two tasks a row."""
    if shutil.which("strace") is None:
        print("| commits and bytes written for a task | left out: strace is missing (apt install strace) | |")
        return
    with Simulator(binary, "0ms") as simulator, tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = place(simulator, folder)
        world(folder, ROWS, 128)
        finished([binary, "apply", "definitions.yaml"], environment, folder)
        trace = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync,pwrite64", "-o", str(folder / "trace")]
        finished([*trace, binary, "run", "rows"], environment, folder)
        text = (folder / "trace").read_text()
        syncs = len(re.findall(r"(?:fdatasync|fsync)\(", text))
        written = sum(int(size) for size in re.findall(r"pwrite64\(.*\) = (\d+)$", text, re.M))
        show("syncs for a thousand tasks", [1000 * syncs / (2 * ROWS)], "")
        show("bytes written to the store for a task", [written / (2 * ROWS)], "bytes")
