"""Suites about those who watch: what 200 listeners cost, what ten dashboards take from the engine, and what slow sockets do."""

import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from serving import ASKS, HOOK, Serving, rows
from stores import place
from world import HERE, RUNS, Simulator, finished, show

LISTENERS = int(os.environ.get("BENCH_LISTENERS", 200))
PER_SECOND = 50
SECONDS = int(os.environ.get("BENCH_LISTEN_SECONDS", 20))
WATCHED_ROWS = int(os.environ.get("BENCH_WATCHED_ROWS", 20_000))


def token(binary, environment, folder):
    subprocess.run([binary, "people", "add", "ann", "--role", "operator"], env=environment, cwd=folder, check=True)
    made = subprocess.run([binary, "tokens", "add", "ann", "--json"], env=environment, cwd=folder, capture_output=True, check=True)
    return json.loads(made.stdout)["token"]


async def listen(url, bearer, bytes_heard):
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /api/v1/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {bearer}\r\n\r\n".encode())
    try:
        while piece := await reader.read(1 << 16):
            bytes_heard[0] += len(piece)
    except asyncio.CancelledError:
        writer.close()


def ask(url, bearer, path, body=None, more=None):
    headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json", **(more or {})}
    request = urllib.request.Request(url + path, data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


async def events(serving, bearer, path, listeners):
    """Sends events evenly for a while; returns what part of a core the server took meanwhile."""
    heard = [0]
    tasks = [asyncio.create_task(listen(serving.url, bearer, heard)) for _ in range(listeners)]
    await asyncio.sleep(3)
    before, began = serving.cpu_seconds(), time.monotonic()

    def send_all():
        for number in range(PER_SECOND * SECONDS):
            ask(serving.url, "let-me-in", path, json.dumps({"n": number}).encode())
            wait = began + (number + 1) / PER_SECOND - time.monotonic()
            if wait > 0:
                time.sleep(wait)

    await asyncio.to_thread(send_all)
    part = 100 * (serving.cpu_seconds() - before) / (time.monotonic() - began)
    for task in tasks:
        task.cancel()
    return part, heard[0]


def of_listeners(binary):
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = {"TRAMONTANE_DATA": str(folder / "data"), "TOKEN": "let-me-in", "TRAMONTANE_CONNECTIONS_EACH": "1000"}
        (folder / "flow.yaml").write_text(HOOK)
        finished([binary, "apply", "flow.yaml"], environment, folder)
        hooks = subprocess.run([binary, "webhooks", "--json"], env=environment, cwd=folder, capture_output=True, check=True)
        path = json.loads(hooks.stdout)[0]["path"]
        bearer = token(binary, environment, folder)
        with Serving(binary, environment, folder) as serving:
            alone, _ = asyncio.run(events(serving, bearer, path, 0))
            listened, heard = asyncio.run(events(serving, bearer, path, LISTENERS))
    show(f"{PER_SECOND} webhook events a second: of a core, with nobody listening", [alone], "%")
    show(f"{PER_SECOND} webhook events a second: of a core, more for {LISTENERS} listeners", [listened - alone], "%")
    show("bytes that one listener hears in a second", [heard / LISTENERS / SECONDS], "bytes")


def of_slow(binary):
    """Sockets that send a part of a request and nothing more."""
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = {"TRAMONTANE_DATA": str(folder / "data"), "TRAMONTANE_CONNECTIONS_EACH": "5000"}
        with Serving(binary, environment, folder) as serving:
            host, port = serving.url.removeprefix("http://").split(":")
            slow, times = [], []
            for number in range(2_000):
                one = socket.create_connection((host, int(port)))
                one.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: ")
                slow.append(one)
                if number % 20 == 19:
                    began = time.monotonic()
                    urllib.request.urlopen(f"{serving.url}/healthz").read()
                    times.append((time.monotonic() - began) * 1000)
            memory = serving.resident()
            for one in slow:
                one.close()
    show("/healthz beside up to 2,000 slow sockets: the slowest of 100", [max(times)], "ms")
    show("memory with 2,000 slow sockets", [memory], "MiB")


async def dashboards(serving, bearer, count, done):
    """Each listens, and asks for a page of tasks and for health every second."""
    heard = [0]
    tasks = [asyncio.create_task(listen(serving.url, bearer, heard)) for _ in range(count)]

    async def page():
        while not done.is_set():
            for path in ("/api/v1/tasks?limit=50", "/api/v1/health"):
                await asyncio.to_thread(ask, serving.url, bearer, path)
            await asyncio.sleep(1)

    pages = [asyncio.create_task(page()) for _ in range(count)]
    await done.wait()
    await asyncio.gather(*pages)
    for task in tasks:
        task.cancel()


async def watched(serving, bearer, count):
    """Runs the rows; returns how many a second came through."""
    done = asyncio.Event()
    watching = asyncio.create_task(dashboards(serving, bearer, count, done))
    await asyncio.sleep(1)
    began = time.monotonic()
    run = ask(serving.url, bearer, "/api/v1/runs", b'{"incoming": "rows", "again": true}')["run"]

    def wait():
        while True:
            runs = ask(serving.url, bearer, "/api/v1/runs?limit=1")["items"]
            if runs[0]["id"] == run and runs[0]["tasks"].get("finished") == WATCHED_ROWS + 1:
                return time.monotonic()
            time.sleep(0.1)

    ended = await asyncio.to_thread(wait)
    done.set()
    await watching
    return WATCHED_ROWS / (ended - began)


def of_watched(binary):
    rates = {0: [], 10: []}
    with Simulator(binary, "0ms") as simulator, tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = place(simulator, folder)
        rows(folder, WATCHED_ROWS)
        flow = ASKS.format(limits="{ parallel: 64 }").replace(", keep: { tasks: 10 }", "").replace(", keep: { tasks: 20000 }", "")
        (folder / "flow.yaml").write_text(flow)
        finished([binary, "apply", "flow.yaml"], environment, folder)
        bearer = token(binary, environment, folder)
        with Serving(binary, environment, folder) as serving:
            asyncio.run(watched(serving, bearer, 0))
            for _ in range(RUNS):
                for count, of_count in rates.items():
                    of_count.append(asyncio.run(watched(serving, bearer, count)))
    show("rows a second, nobody watches", rates[0], "rows/s")
    show("rows a second, ten dashboards watch", rates[10], "rows/s")
