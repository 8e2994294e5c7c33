-- The tables of a store, first version. This file is their reference.
--
-- Times are UTC milliseconds. A *body* is JSON text, or `@` and the 32 hex digits of a blob that holds it, then, each after
-- a space, those of the files that it names: no JSON text begins with `@`, and a body that does is always put into a
-- blob, so the two cannot be taken for each other.
-- States are `model::TaskState`'s numbers: 0 new, 1 processing, 2 retry, 3 waiting, 4 finished, 5 failed, 6 skipped,
-- 7 rejected, 8 unknown. Of the indexes on states a task on its normal way (0, 1, 4) is in one at a time.
-- Their conditions are comparisons: `IN (...)` builds a table of its own for each row that is written.

-- An incoming (pull) or a route (push). Rows are never deleted, so numbers are never used again.
CREATE TABLE lane (
    id   INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('pull', 'push')),
    name TEXT NOT NULL,               -- of the definition
    UNIQUE (kind, name)
) STRICT;

-- Where an incoming goes on. No row: from the beginning.
CREATE TABLE cursor (
    lane  INTEGER PRIMARY KEY REFERENCES lane,
    value BLOB NOT NULL,              -- of the subscriber's own making
    at    INTEGER NOT NULL            -- when it was set
) STRICT;

-- What one trigger of an incoming did.
CREATE TABLE run (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    lane       INTEGER NOT NULL REFERENCES lane,
    "trigger"  TEXT NOT NULL,         -- who or what: cli, schedule, ...
    started_at INTEGER NOT NULL
) STRICT;
CREATE INDEX run_lane ON run (lane);

-- A unit of work. Only what claiming and moving it needs: every step rewrites this row, so nothing wide stands here.
CREATE TABLE task (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    lane        INTEGER NOT NULL REFERENCES lane,
    run         INTEGER NOT NULL REFERENCES run,
    source      INTEGER,              -- the task whose data or answer it was made from
    state       INTEGER NOT NULL,
    priority    INTEGER NOT NULL,     -- smaller comes first
    due_at      INTEGER NOT NULL,     -- not before; of a processing task: when its claim runs out
    attempt     INTEGER NOT NULL,     -- the fence: counted up by every claim
    tries       INTEGER NOT NULL,     -- attempts that ended in a retry since the start, the last page or decision
    claims      INTEGER NOT NULL,     -- claims since the last recorded end
    order_key   TEXT,                 -- tasks of one lane with the same key keep their order
    unique_key  TEXT,                 -- at most one task ever has it
    created_at  INTEGER NOT NULL,
    finished_at INTEGER               -- when it reached an end state
) STRICT;
-- What can be claimed, in the order in which it is.
CREATE INDEX task_claimable ON task (lane, priority, due_at) WHERE state < 4 AND state <> 1;
-- What is claimed, for take-over, and what people look for, however many tasks are queued or done.
CREATE INDEX task_begun ON task (state) WHERE state > 0;
CREATE INDEX task_source ON task (source) WHERE source IS NOT NULL;
CREATE UNIQUE INDEX task_unique_key ON task (unique_key) WHERE unique_key IS NOT NULL;

-- A task's data.
CREATE TABLE payload (
    task INTEGER PRIMARY KEY,
    body TEXT NOT NULL                -- a body
) STRICT;

-- Where a task left off between pages or steps. Few tasks have one.
CREATE TABLE resume (
    task  INTEGER PRIMARY KEY,
    value BLOB NOT NULL               -- of the subscriber's or publisher's own making
) STRICT;

-- Why a task was born failed or rejected.
CREATE TABLE intake_problem (
    task    INTEGER PRIMARY KEY,
    problem TEXT NOT NULL             -- model::Problem as JSON
) STRICT;

-- START of an attempt: committed before the first byte leaves. Never changed.
CREATE TABLE attempt_start (
    key      INTEGER PRIMARY KEY,     -- task << 24 | number of the attempt
    at       INTEGER NOT NULL,
    revision INTEGER NOT NULL,        -- of the definitions it ran with
    request  TEXT,                    -- a body, secrets never in it; NULL: the payload as it is
    mark     BLOB                     -- what a driver needs to recognise a cut delivery
) STRICT;

-- The end of an attempt. Never changed. An attempt that sent nothing has an end without a start.
CREATE TABLE attempt_end (
    key               INTEGER PRIMARY KEY,   -- as in attempt_start
    at                INTEGER NOT NULL,
    evidence          TEXT NOT NULL,         -- model::Evidence's word
    after_ms          INTEGER,               -- the wait that a `refused` asked for
    status            INTEGER,               -- HTTP
    problem           TEXT,                  -- model::Problem as JSON: why it is no success
    answer            TEXT,                  -- a body
    headers           TEXT,                  -- of the answer, a JSON object, secrets redacted
    request           TEXT,                  -- a body, where no START recorded it
    model             TEXT,                  -- the model that answered; this and what follows are model::Usage
    prompt_tokens     INTEGER,
    cached_tokens     INTEGER,               -- of the prompt_tokens
    completion_tokens INTEGER,
    total_tokens      INTEGER,
    pages             INTEGER,
    audio_seconds     INTEGER,
    characters        INTEGER,
    cost              INTEGER                -- estimated, in billionths of the currency's unit; NULL: no price is known
) STRICT;

-- Which blobs the bodies of which tasks name: those they are in, and files (`{"$blob": id}`). What stands here is not swept.
CREATE TABLE blob (
    id   TEXT NOT NULL,               -- 32 hex digits
    task INTEGER NOT NULL,
    PRIMARY KEY (id, task)
) STRICT, WITHOUT ROWID;

-- What people decided about tasks.
CREATE TABLE decision (
    id       INTEGER PRIMARY KEY,
    task     INTEGER NOT NULL,
    decision TEXT NOT NULL,           -- store::Decision's word
    "by"     TEXT NOT NULL,           -- a user's name, cli, a rule
    why      TEXT,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX decision_task ON decision (task);

-- What a task's data was before a decision edited it.
CREATE TABLE edited (
    decision INTEGER PRIMARY KEY,     -- decision.id
    body     TEXT NOT NULL            -- a body
) STRICT;

-- How many tasks there are by run, lane and state, kept in the same commits as the tasks. Run 0: all runs together.
-- No row: none.
CREATE TABLE tally (
    run   INTEGER NOT NULL,
    lane  INTEGER NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (run, lane, state)
) STRICT, WITHOUT ROWID;
-- Runs with open tasks, among any number of runs.
CREATE INDEX tally_open ON tally (run) WHERE state < 4;

-- What the attempts of a run used, kept in the same commits. Run 0: all runs together. NULL: no answer said.
CREATE TABLE run_usage (
    run               INTEGER PRIMARY KEY,
    calls             INTEGER NOT NULL,      -- attempts that used something
    unpriced          INTEGER NOT NULL,      -- those of them without a cost
    prompt_tokens     INTEGER,
    cached_tokens     INTEGER,
    completion_tokens INTEGER,
    total_tokens      INTEGER,
    pages             INTEGER,
    audio_seconds     INTEGER,
    characters        INTEGER,
    cost              INTEGER
) STRICT;

-- Definitions as they are now.
CREATE TABLE definition (
    kind     TEXT NOT NULL,           -- http_clients, incoming, outgoing, routes, ...
    name     TEXT NOT NULL,
    body     TEXT NOT NULL,           -- JSON; references to secrets and variables unresolved
    revision INTEGER NOT NULL,        -- that last changed it
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- One row per apply that changed something. The largest number is the present revision.
CREATE TABLE revision (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT;

-- Every definition as each revision changed it.
CREATE TABLE definition_history (
    revision INTEGER NOT NULL REFERENCES revision,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    body     TEXT,                    -- NULL: deleted
    PRIMARY KEY (revision, kind, name)
) STRICT, WITHOUT ROWID;

-- What tells this store from every other. One row.
CREATE TABLE identity (
    id       TEXT NOT NULL,           -- 8 random hex digits
    currency TEXT                     -- of all costs, set with the first price book: USD
) STRICT;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(4))));
