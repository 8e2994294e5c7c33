"""The figures of docs/benchmarks.md: whole processes, simulator and engine on the same machine.

Usage: bench.py BINARY [SUITE ...]      suites: start rows latency memory
BENCH_ROWS (10000), BENCH_MEMORY_ROWS (1000000) and BENCH_RUNS (3) change the sizes. Only Python's own library is needed;
the comparison with compare/ask.py needs aiohttp and is left out, with a line that says so, where it is missing.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
ROWS = int(os.environ.get("BENCH_ROWS", 10_000))
CHATS = int(os.environ.get("BENCH_CHATS", 200_000))
MEMORY_ROWS = int(os.environ.get("BENCH_MEMORY_ROWS", 1_000_000))
RUNS = int(os.environ.get("BENCH_RUNS", 3))

DEFINITIONS = """
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${{MISTRAL_BASE_URI}}
    api_key: ${{secret:MISTRAL_API_KEY}}
    allow_private_addresses: true
    limits: {{ parallel: {parallel} }}
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }} }}
  answers:
    subscriber: {{ type: answers, route: ask }}
    transformers: [ {{ type: jq, filter: '{{id: .data.id, text: .answer.choices[0].message.content}}' }} ]
outgoing:
  ask:
    transformers:
      - type: jq
        filter: '{{payload: {{model: "mistral-small-latest", max_tokens: 20, messages: [{{role: "user", content: "Describe \\(.name) in one sentence."}}]}}}}'
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
  file: {{ publisher: {{ type: file, path: result.jsonl }} }}
routes:
  ask: {{ incoming: rows, outgoing: ask, parallel: {parallel} }}
  save: {{ incoming: answers, outgoing: file }}
"""


def resident(process, samples):
    """Notes each second how much memory a process has, in MiB; nothing where the system has no /proc."""
    try:
        while process.returncode is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            samples.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
            time.sleep(1)
    except (OSError, IndexError):
        pass


def finished(arguments, environment, folder, samples=None):
    """Runs a process; returns wall seconds and the peak of its memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if samples is not None:
        threading.Thread(target=resident, args=(process, samples), daemon=True).start()
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}: {error.decode()[-2000:]}")
    return wall, usage.ru_maxrss / 1024


class Simulator:
    def __init__(self, binary, latency):
        self.process = subprocess.Popen([binary, "simulator", "--latency", latency], stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def world(folder, rows, parallel):
    with open(folder / "rows.jsonl", "w") as out:
        for row in range(rows):
            out.write(json.dumps({"id": row, "name": f"product {row}", "material": "oak", "price": 19.9}) + "\n")
    (folder / "definitions.yaml").write_text(DEFINITIONS.format(parallel=parallel))


def engine(binary, url, rows, parallel, samples=None):
    """One fresh run of the whole path; returns wall seconds and MiB."""
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        world(folder, rows, parallel)
        environment = {"MISTRAL_BASE_URI": url, "MISTRAL_API_KEY": "test-key", "TRAMONTANE_DATA": str(folder / "data")}
        finished([binary, "apply", "definitions.yaml"], environment, folder)
        figures = finished([binary, "run", "rows"], environment, folder, samples)
        written = sum(1 for _ in open(folder / "result.jsonl"))
        assert written == rows, f"{written} of {rows} rows came through"
        return figures


def script(url, rows, parallel):
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        world(folder, rows, parallel)
        arguments = [sys.executable, str(HERE / "compare" / "ask.py"), url, "rows.jsonl", "result.jsonl", str(parallel)]
        return finished(arguments, dict(os.environ), folder)


def show(name, values, unit):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"| {name} | {middle:,.1f} {unit} | {low:,.1f} – {high:,.1f} |", flush=True)


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
        rates = [float(subprocess.run(asked, capture_output=True, check=True, text=True).stdout) for _ in range(RUNS)]
    show("simulator: chats, 64 connections", rates, "chats/s")


def main():
    binary = str(Path(sys.argv[1]).resolve())
    suites = sys.argv[2:] or ["start", "simulator", "rows", "latency", "memory"]
    print(f"{os.cpu_count()} cores, {ROWS:,} rows, {RUNS} runs each: median, then lowest and highest\n\n| what | median | range |\n|---|---|---|")
    if "start" in suites:
        for arguments in (["--version"], ["entities"]):
            times = [finished([binary, *arguments], {}, "/")[0] * 1000 for _ in range(20)]
            show(f"`tramontane {arguments[0]}`", times, "ms")
    if "simulator" in suites:
        of_simulator(binary)
    if "rows" in suites:
        pairs(binary, "0ms", 128, "0 ms")
    if "latency" in suites:
        ours = pairs(binary, "50ms", 64, "50 ms")
        show("50 ms: part of 1,280 rows/s", [100 * value / 1280 for value in ours], "%")
    if "memory" in suites:
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


main()
