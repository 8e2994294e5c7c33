"""Suites about many tasks through the API: pages by filters, and reads in a second."""

import http.client
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlparse

from serving import Serving
from world import HERE, finished, show

TASKS = int(os.environ.get("BENCH_FOUND", 1_000_000))
ASKS = int(os.environ.get("BENCH_ASKS", 1_000))
READERS = int(os.environ.get("BENCH_READERS", 4))
READ_SECONDS = float(os.environ.get("BENCH_READ_SECONDS", 15))

ROUTES = 10
DAY = 86_400_000

FLOW = "incoming:\n  rows: { subscriber: { type: inline, payloads: [] } }\noutgoing:\n  nothing: { publisher: { type: none } }\nroutes:\n" + "".join(
    f"  r{number}: {{ incoming: rows, outgoing: nothing }}\n" for number in range(ROUTES)
)

# Of a hundred tasks 90 are finished, six failed, two skipped, one is unknown and one new.
FILL = f"""
INSERT INTO lane (kind, name) VALUES ('pull', 'rows') ON CONFLICT DO NOTHING;
{"".join(f"INSERT INTO lane (kind, name) VALUES ('push', 'r{number}') ON CONFLICT DO NOTHING;" for number in range(ROUTES))}
INSERT INTO run (lane, "trigger", started_at) VALUES ((SELECT id FROM lane WHERE kind = 'pull'), 'bench', :since);
CREATE TEMP TABLE made AS
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :tasks)
    SELECT n, (SELECT id FROM lane WHERE name = 'r' || (n * 7 % {ROUTES})) AS lane, :since + n * :step AS created,
           CASE WHEN n * 37 % 100 < 90 THEN 4 WHEN n * 37 % 100 < 96 THEN 5 WHEN n * 37 % 100 < 98 THEN 6
                WHEN n * 37 % 100 < 99 THEN 8 ELSE 0 END AS state
    FROM numbers;
INSERT INTO task (id, lane, run, state, priority, due_at, attempt, tries, claims, created_at, finished_at, held)
    SELECT n, lane, (SELECT max(id) FROM run), state, 0, 9000000000000000, state > 0, 0, 0, created,
           CASE WHEN state > 3 THEN created + 900 END, 0 FROM made;
INSERT INTO payload (task, body) SELECT n, '{{"order":{{"id":"A' || n || '"}},"text":"' || hex(zeroblob(120)) || '"}}' FROM made;
INSERT INTO attempt_start (key, at, revision) SELECT n << 24 | 1, created, 1 FROM made WHERE state > 0;
INSERT INTO attempt_end (key, at, evidence, status, problem, answer, model, total_tokens, cost)
    SELECT n << 24 | 1, created + n * 13 % 2000, 'answered', CASE state WHEN 5 THEN 429 ELSE 200 END,
           CASE WHEN state IN (5, 8) THEN '{{"code":"' || CASE n * 11 % 3 WHEN 0 THEN 'rate_limited' WHEN 1 THEN 'timeout' ELSE 'bad_answer' END
                || '","reason":"it was so","severity":"error"}}' END,
           '{{"text":"' || hex(zeroblob(120)) || '"}}', 'model-' || (n * 3 % 5), n % 900, n * 17 % 9000000 FROM made WHERE state > 0;
INSERT INTO tally (run, lane, state, count) SELECT 0, lane, state, count(*) FROM made GROUP BY lane, state;
INSERT INTO tally (run, lane, state, count) SELECT (SELECT max(id) FROM run), lane, state, count(*) FROM made GROUP BY lane, state;
"""

# Four words each: rare and common states, one that nothing fits, one that a span of time bounds.
FILTERS = [
    "status:failed route:r{route} code:rate_limited cost:>0.001",
    "status:finished route:r{route} model:model-{model} duration:>1900ms",
    "-status:finished route:r{route} model:model-{model} cost:>0.008",
    "route:r{route} model:model-{model} cost:>0.0089 age:<{days}d",
    "status:finished code:nothing model:model-{model} cost:>0.001",
    "status:failed,unknown route:r{route} code:timeout attempts:>0",
    "status:unknown route:r{route} code:429 model:model-{model}",
]


def fill_found(binary, folder, environment):
    (folder / "flow.yaml").write_text(FLOW)
    finished([binary, "apply", "flow.yaml"], environment, folder)
    store = sqlite3.connect(folder / "data" / "tramontane.db")
    store.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
    now = int(time.time() * 1000)
    values = {"tasks": TASKS, "since": now - 30 * DAY, "step": 30 * DAY // TASKS}
    text = FILL
    for name, value in values.items():
        text = text.replace(f":{name}", str(value))
    store.executescript(f"BEGIN; {text} COMMIT;")
    store.close()


def token(binary, folder, environment):
    finished([binary, "people", "add", "bench", "--role", "viewer", "--no-payloads"], environment, folder)
    made = subprocess.run([binary, "tokens", "add", "bench", "--json"], env=environment, cwd=folder, capture_output=True, check=True)
    return json.loads(made.stdout)["token"]


class Api:
    def __init__(self, url, token):
        self.connection = http.client.HTTPConnection(urlparse(url).netloc)
        self.headers = {"authorization": f"Bearer {token}"}

    def get(self, path):
        self.connection.request("GET", f"/api/v1{path}", headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body.decode()}")
        return json.loads(body)


def read(url, token, seconds, done):
    """Reads tasks, runs and small pages over one connection; nobody who may not see payloads leaves a record."""
    api, count, chance = Api(url, token), 0, random.Random(os.getpid())
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if count % 4:
            api.get(f"/tasks/{chance.randrange(1, TASKS)}" if count % 2 else "/runs?limit=1")
        else:
            api.get("/tasks?limit=10&state=failed")
        count += 1
    done.put(count)


def of_found(binary):
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as name:
        folder = Path(name)
        environment = {"TRAMONTANE_DATA": str(folder / "data")}
        fill_found(binary, folder, environment)
        with Serving(binary, environment, folder) as serving:
            bearer = token(binary, folder, environment)
            api, chance, times, short = Api(serving.url, bearer), random.Random(1), [], 0
            for ask in range(ASKS):
                text = FILTERS[ask % len(FILTERS)]
                text = text.format(route=chance.randrange(ROUTES), model=chance.randrange(5), days=chance.randrange(1, 30))
                cursor = f"&cursor={chance.randrange(1, TASKS)}" if ask % 2 else ""
                began = time.monotonic()
                page = api.get(f"/tasks?limit=100&filter={quote(text)}{cursor}")
                times.append((time.monotonic() - began) * 1000)
                short += len(page["items"]) < 100 and page["next"] is not None
            times.sort()
            what = f"page of 100 among {TASKS:,} tasks, 4 filters"
            for part in (50, 95, 99):
                show(f"{what}: p{part}", [times[len(times) * part // 100]], "ms")
            show(f"{what}: short pages with more behind them", [100 * short / ASKS], "%")
            done = multiprocessing.Queue()
            readers = [multiprocessing.Process(target=read, args=(serving.url, bearer, READ_SECONDS, done)) for _ in range(READERS)]
            [reader.start() for reader in readers]
            count = sum(done.get() for _ in readers)
            [reader.join() for reader in readers]
            show(f"API reads, {READERS} connections", [count / READ_SECONDS], "reads/s")
