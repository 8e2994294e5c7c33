"""The figures of docs/benchmarks.md: whole processes, simulator and engine on the same machine.

Usage: bench.py BINARY [--json FILE] [SUITE ...]
Suites: start simulator rows latency memory postgres webhook backlog serve hidden written found; and soak, only where it is named.
BENCH_ROWS (10000), BENCH_MEMORY_ROWS, BENCH_BACKLOG (1000000), BENCH_FOUND (1000000), BENCH_SOAK_MINUTES (30) and BENCH_RUNS (3) change the sizes.
Only Python's own library is needed; the comparison with compare/ask.py needs aiohttp and is left out, with a line that says
so, where it is missing. So is what needs PostgreSQL's server tools or strace.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import finding
import listening
import serving
import stores
from world import FIGURES, HERE, ROWS, RUNS, Simulator, engine, finished, show, world

CHATS = int(os.environ.get("BENCH_CHATS", 200_000))
MEMORY_ROWS = int(os.environ.get("BENCH_MEMORY_ROWS", 1_000_000))


def script(url, rows, parallel):
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        world(folder, rows, parallel)
        arguments = [sys.executable, str(HERE / "compare" / "ask.py"), url, "rows.jsonl", "result.jsonl", str(parallel)]
        return finished(arguments, dict(os.environ), folder)


def pairs(binary, latency, parallel, title):
    """Engine and script in turn, so that a drift of the machine's speed meets both."""
    have_aiohttp = subprocess.run([sys.executable, "-c", "import aiohttp"], capture_output=True).returncode == 0
    ours, theirs = [], []
    with Simulator(binary, latency) as simulator:
        for _ in range(RUNS):
            ours.append(ROWS / engine(binary, simulator.url, ROWS, parallel)[0])
            if have_aiohttp:
                theirs.append(ROWS / script(simulator.url, ROWS, parallel)[0])
    show(f"{title}: durable rows, `parallel: {parallel}`", ours, "rows/s")
    if have_aiohttp:
        show(f"{title}: the script that keeps nothing", theirs, "rows/s")
        show(f"{title}: engine ÷ script", [a / b for a, b in zip(ours, theirs)], "×")
    else:
        print(f"| {title}: the script | left out: aiohttp is missing (pip install aiohttp) | |")
    return ours


def of_simulator(binary):
    """How soon the simulator listens, and how many chats it answers with the one who asks beside it."""
    times = []
    for _ in range(RUNS * 3):
        began = time.monotonic()
        with Simulator(binary, "0ms"):
            times.append((time.monotonic() - began) * 1000)
    show("simulator: from its start until it listens", times, "ms")
    load = Path(binary).parent / "examples" / "load"
    with Simulator(binary, "0ms") as running:
        asked = [str(load), running.url, str(CHATS), "64"]
        runs = [json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout) for _ in range(RUNS)]
    show("simulator: chats, 64 connections", [run["per_second"] for run in runs], "chats/s")


def of_start(binary):
    for arguments in (["--version"], ["entities"]):
        times = [finished([binary, *arguments], {}, "/")[0] * 1000 for _ in range(20)]
        show(f"`tramontane {arguments[0]}`", times, "ms")


def of_latency(binary):
    ours = pairs(binary, "50ms", 64, "50 ms")
    show("50 ms: part of 1,280 rows/s", [100 * value / 1280 for value in ours], "%")


def of_memory(binary):
    with Simulator(binary, "0ms") as simulator:
        for rows in (MEMORY_ROWS // 10, MEMORY_ROWS):
            samples = []
            wall, memory = engine(binary, simulator.url, rows, 128, samples)
            show(f"{rows:,} rows: peak memory of the engine", [memory], "MiB")
            quarter = len(samples) // 4
            for name, part in (("second", samples[quarter : 2 * quarter]), ("last", samples[-quarter:])):
                if quarter > 1:
                    show(f"{rows:,} rows: memory in the {name} quarter of the run", part, "MiB")
            show(f"{rows:,} rows: speed", [rows / wall], "rows/s")


SUITES = {
    "start": of_start,
    "simulator": of_simulator,
    "rows": lambda binary: pairs(binary, "0ms", 128, "0 ms"),
    "latency": of_latency,
    "memory": of_memory,
    "postgres": stores.of_postgres,
    "written": stores.of_written,
    "backlog": stores.of_backlog,
    "webhook": serving.of_webhook,
    "serve": serving.of_serve,
    "hidden": serving.of_hidden,
    "found": finding.of_found,
    "listeners": listening.of_listeners,
    "watched": listening.of_watched,
    "slow": listening.of_slow,
    "soak": serving.of_soak,
}


def main():
    arguments = sys.argv[1:]
    to = None
    if "--json" in arguments:
        at = arguments.index("--json")
        to, arguments = Path(arguments[at + 1]), arguments[:at] + arguments[at + 2 :]
    if not arguments or set(arguments[1:]) - set(SUITES):
        sys.exit(__doc__)
    binary = str(Path(arguments[0]).resolve())
    suites = arguments[1:] or [name for name in SUITES if name != "soak"]
    print(f"{os.cpu_count()} cores, {ROWS:,} rows, {RUNS} runs each: median, then lowest and highest\n\n| what | median | range |\n|---|---|---|")
    for name in suites:
        print(f"measuring: {name}", file=sys.stderr)
        SUITES[name](binary)
    if to:
        to.write_text(json.dumps(FIGURES, indent=1))


main()
