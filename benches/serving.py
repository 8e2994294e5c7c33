"""Suites about `serve`: webhooks, start, rest, a hidden limit, a long time."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from stores import fill, place
from world import HERE, RUNS, Simulator, finished, show

HOOKS = int(os.environ.get("BENCH_HOOKS", 30_000))
SOAK_MINUTES = float(os.environ.get("BENCH_SOAK_MINUTES", 30))
HIDDEN_MINUTES = float(os.environ.get("BENCH_HIDDEN_MINUTES", 5))

HOOK = """
incoming:
  orders: { subscriber: { type: webhook, token: "${secret:TOKEN}" } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  orders: { incoming: orders, outgoing: nothing, keep: { tasks: 20000 } }
"""

ASKS = """
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${{MISTRAL_BASE_URI}}
    api_key: ${{secret:MISTRAL_API_KEY}}
    allow_private_addresses: true
    limits: {limits}
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }}, keep: {{ tasks: 10 }} }}
outgoing:
  ask:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "mistral-small-latest", max_tokens: 20, messages: [{{role: "user", content: "row \\(.id)"}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  ask: {{ incoming: rows, outgoing: ask, parallel: 32, keep: {{ tasks: 20000 }} }}
"""


class Serving:
    """A serving process; `ready_ms` is the time from its start until it said that work goes on."""

    def __init__(self, binary, environment, folder):
        began = time.monotonic()
        arguments = [binary, "serve", "--listen", "127.0.0.1:0", "--json"]
        self.log = open(folder / "serve.log", "w")
        self.process = subprocess.Popen(
            arguments, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.ready_ms = (time.monotonic() - began) * 1000

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def handles(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def rows(folder, count):
    with open(folder / "rows.jsonl", "w") as out:
        out.writelines(f'{{"id": {row}}}\n' for row in range(count))


def of_webhook(binary):
    load = Path(binary).parent / "examples" / "load"
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = {"TRAMONTANE_DATA": str(folder / "data"), "TOKEN": "let-me-in"}
        (folder / "flow.yaml").write_text(HOOK)
        finished([binary, "apply", "flow.yaml"], environment, folder)
        hooks = subprocess.run([binary, "webhooks", "--json"], env=environment, cwd=folder, capture_output=True, check=True)
        path = json.loads(hooks.stdout)[0]["path"]
        with Serving(binary, environment, folder) as serving:
            asked = [str(load), serving.url, str(HOOKS), "64", path, "let-me-in"]
            runs = [json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout) for _ in range(RUNS)]
    show("webhook: durable and answered, 64 connections", [run["per_second"] for run in runs], "events/s")
    show("webhook: p50", [run["p50_ms"] for run in runs], "ms")
    show("webhook: p99", [run["p99_ms"] for run in runs], "ms")


def of_serve(binary):
    backlog = int(os.environ.get("BENCH_BACKLOG", 1_000_000))
    with Simulator(binary, "0ms") as simulator:
        for count in (0, 100_000, backlog):
            with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
                folder = Path(name)
                environment = place(simulator, folder)
                fill(binary, folder, environment, count)
                with Serving(binary, environment, folder) as serving:
                    show(f"`serve` with {count:,} tasks: from start until ready", [serving.ready_ms], "ms")
                    time.sleep(5)
                    show(f"`serve` with {count:,} tasks: memory after five seconds", [serving.resident()], "MiB")
                    if count == 0:
                        before = serving.cpu_seconds()
                        time.sleep(30)
                        show("`serve` with nothing to do: of a core", [100 * (serving.cpu_seconds() - before) / 30], "%")


def of_hidden(binary):
    """A limit that nothing announces: 50 calls a second."""
    limit = 50
    count = int(limit * 60 * HIDDEN_MINUTES)
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        (folder / "faults.yaml").write_text(f"rate_limit: {{ requests_per_second: {limit} }}\n")
        ledger = folder / "ledger.jsonl"
        more = ["--faults", str(folder / "faults.yaml"), "--ledger", str(ledger)]
        with Simulator(binary, "0ms", more) as simulator:
            environment = place(simulator, folder)
            rows(folder, count)
            (folder / "flow.yaml").write_text(ASKS.format(limits="{ parallel: 64 }"))
            finished([binary, "apply", "flow.yaml"], environment, folder)
            wall, _ = finished([binary, "run", "rows"], environment, folder)
        statuses = [json.loads(line).get("status") for line in open(ledger) if '"answer"' in line]
    answered, refused = statuses.count(200), statuses.count(429)
    show("hidden limit: part of it that was used", [100 * answered / (wall * limit)], "%")
    show("hidden limit: calls refused", [100 * refused / (answered + refused)], "%")


def of_soak(binary):
    """Fifty tasks a second, one in twenty with a fault."""
    seconds = int(SOAK_MINUTES * 60)
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        (folder / "faults.yaml").write_text(
            "seed: 1\nrules:\n"
            "  - { match: { probability: 0.02 }, do: { status: 500 } }\n"
            "  - { match: { probability: 0.02 }, do: { status: 429, retry_after: 1 } }\n"
            "  - { match: { probability: 0.01 }, do: { cut: { after: 60 } } }\n"
        )
        with Simulator(binary, "20ms", ["--faults", str(folder / "faults.yaml")]) as simulator:
            environment = place(simulator, folder)
            rows(folder, 50 * seconds)
            breaker = "breaker: { after_unknown: 1000 }"
            (folder / "flow.yaml").write_text(ASKS.format(limits=f"{{ parallel: 64, requests_per_second: 50, {breaker} }}"))
            finished([binary, "apply", "flow.yaml"], environment, folder)
            with Serving(binary, environment, folder) as serving:
                subprocess.Popen([binary, "run", "rows"], env=environment, cwd=folder, stderr=subprocess.DEVNULL)
                samples = []
                for second in range(seconds):
                    time.sleep(1)
                    size = sum(path.stat().st_size for path in (folder / "data").glob("*.db*"))
                    samples.append((second, serving.resident(), serving.handles(), size / (1 << 20)))
    late = [sample for sample in samples if sample[0] >= min(300, seconds // 3)]
    show("soak: memory", [sample[1] for sample in late], "MiB")
    show("soak: growth of memory in ten minutes", [600 * slope([(at, memory) for at, memory, _, _ in late])], "MiB")
    show("soak: open files", [sample[2] for sample in late], "")
    show("soak: size of the store", [sample[3] for sample in late], "MiB")


def slope(points):
    """By least squares."""
    x = sum(at for at, _ in points) / len(points)
    y = sum(value for _, value in points) / len(points)
    return sum((at - x) * (value - y) for at, value in points) / sum((at - x) ** 2 for at, _ in points)
