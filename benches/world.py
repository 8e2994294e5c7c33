"""What the suites of bench.py share: processes that are started and measured, and how a figure is printed."""

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
    def __init__(self, binary, latency, more=()):
        arguments = [binary, "simulator", "--latency", latency, *more]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
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


def engine(binary, url, rows, parallel, samples=None, extra=None):
    """One fresh run of the whole path; returns wall seconds and MiB."""
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        world(folder, rows, parallel)
        environment = {"MISTRAL_BASE_URI": url, "MISTRAL_API_KEY": "test-key", "TRAMONTANE_DATA": str(folder / "data"), **(extra or {})}
        finished([binary, "apply", "definitions.yaml"], environment, folder)
        figures = finished([binary, "run", "rows"], environment, folder, samples)
        written = sum(1 for _ in open(folder / "result.jsonl"))
        assert written == rows, f"{written} of {rows} rows came through"
        return figures


FIGURES = []


def show(name, values, unit):
    FIGURES.append({"name": name, "unit": unit, "values": values})
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"| {name} | {middle:,.1f} {unit} | {low:,.1f} – {high:,.1f} |", flush=True)
