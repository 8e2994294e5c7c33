-- The tables of a store, first version. migrations/sqlite/0001_first.sql is their reference; here stands what differs.
--
-- Bodies, and what else comes from data, are bytes: a text of PostgreSQL refuses some of them, and then the end of an
-- attempt could not be written. `convert_from(body, 'UTF8')` shows one.
-- Every step rewrites the row of a task, so its pages keep room for that, and its dead rows are swept early.
-- No foreign keys on what is written often: the statements that write look whether lane and run are there, and rows of
-- those are never deleted.

-- An incoming (pull) or a route (push). Rows are never deleted.
CREATE TABLE lane (
    id   BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL COLLATE "C" CHECK (kind IN ('pull', 'push')),
    name TEXT NOT NULL COLLATE "C",   -- of the definition
    UNIQUE (kind, name)
);

-- Where an incoming goes on. No row: from the beginning.
CREATE TABLE cursor (
    lane  BIGINT PRIMARY KEY,
    value BYTEA NOT NULL,             -- of the subscriber's own making
    at    BIGINT NOT NULL             -- when it was set
);

-- What one trigger of an incoming did.
CREATE TABLE run (
    id         BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    lane       BIGINT NOT NULL REFERENCES lane,
    "trigger"  TEXT NOT NULL,         -- who or what: cli, schedule, ...
    started_at BIGINT NOT NULL
);
CREATE INDEX run_lane ON run (lane);

-- A unit of work. Only what claiming and moving it needs.
CREATE SEQUENCE task_number;
CREATE TABLE task (
    id          BIGINT PRIMARY KEY,   -- from task_number
    lane        BIGINT NOT NULL,
    run         BIGINT NOT NULL,
    source      BIGINT,               -- the task whose data or answer it was made from
    priority    BIGINT NOT NULL,      -- smaller comes first
    due_at      BIGINT NOT NULL,      -- not before; of a processing task: when its claim runs out
    created_at  BIGINT NOT NULL,
    finished_at BIGINT,               -- when it reached an end state
    attempt     INTEGER NOT NULL,     -- the fence: counted up by every claim
    tries       INTEGER NOT NULL,     -- attempts that ended in a retry since the start, the last page or decision
    claims      INTEGER NOT NULL,     -- claims since the last recorded end
    state       SMALLINT NOT NULL,
    order_key   BYTEA,                -- tasks of one lane with the same key keep their order
    unique_key  BYTEA                 -- at most one task ever has it
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- What can be claimed, in the order in which it is.
CREATE INDEX task_claimable ON task (lane, priority, due_at, id) WHERE state < 4 AND state <> 1;
-- What is claimed, for take-over, and what people look for, newest first, however many tasks are queued or done.
CREATE INDEX task_begun ON task (state, id) WHERE state > 0;
CREATE INDEX task_source ON task (source) WHERE source IS NOT NULL;
-- Of its digest: an index takes no text longer than a third of a page.
CREATE UNIQUE INDEX task_unique_key ON task (sha256(unique_key)) WHERE unique_key IS NOT NULL;

-- A task's data.
CREATE TABLE payload (
    task BIGINT PRIMARY KEY,
    body BYTEA NOT NULL
);

-- Where a task left off between pages or steps. Few tasks have one.
CREATE TABLE resume (
    task  BIGINT PRIMARY KEY,
    value BYTEA NOT NULL              -- of the subscriber's or publisher's own making
);

-- Why a task was born failed or rejected.
CREATE TABLE intake_problem (
    task    BIGINT PRIMARY KEY,
    problem TEXT NOT NULL             -- model::Problem as JSON
);

-- START of an attempt: committed before the first byte leaves. Never changed.
CREATE TABLE attempt_start (
    key      BIGINT PRIMARY KEY,      -- task << 24 | number of the attempt
    at       BIGINT NOT NULL,
    revision BIGINT NOT NULL,         -- of the definitions it ran with
    request  BYTEA,                   -- a body, secrets never in it; NULL: the payload as it is
    mark     BYTEA                    -- what a driver needs to recognise a cut delivery
);

-- The end of an attempt. Never changed. An attempt that sent nothing has an end without a start.
CREATE TABLE attempt_end (
    key               BIGINT PRIMARY KEY,    -- as in attempt_start
    at                BIGINT NOT NULL,
    evidence          TEXT NOT NULL,         -- model::Evidence's word
    after_ms          BIGINT,                -- the wait that a `refused` asked for
    status            INTEGER,               -- HTTP
    problem           TEXT,                  -- model::Problem as JSON: why it is no success
    answer            BYTEA,                 -- a body
    headers           BYTEA,                 -- of the answer, a JSON object, secrets redacted
    request           BYTEA,                 -- a body, where no START recorded it
    model             BYTEA,                 -- the model that answered; this and what follows are model::Usage
    prompt_tokens     BIGINT,
    cached_tokens     BIGINT,                -- of the prompt_tokens
    completion_tokens BIGINT,
    total_tokens      BIGINT,
    pages             BIGINT,
    audio_seconds     BIGINT,
    characters        BIGINT,
    cost              BIGINT                 -- estimated, in billionths of the currency's unit; NULL: no price is known
);

-- Which blobs the bodies of which tasks name. What stands here is not swept.
CREATE TABLE blob (
    id   TEXT NOT NULL COLLATE "C",   -- 32 hex digits
    task BIGINT NOT NULL,
    PRIMARY KEY (id, task)
);

-- What people decided about tasks.
CREATE TABLE decision (
    id       BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    task     BIGINT NOT NULL REFERENCES task,
    decision TEXT NOT NULL,           -- store::Decision's word
    "by"     TEXT NOT NULL,           -- a user's name, cli, a rule
    why      TEXT,
    at       BIGINT NOT NULL
);
CREATE INDEX decision_task ON decision (task);

-- What a task's data was before a decision edited it.
CREATE TABLE edited (
    decision BIGINT PRIMARY KEY REFERENCES decision,
    body     BYTEA NOT NULL
);

-- How many tasks there are by run, lane and state. Run 0: all runs together. No row: none.
CREATE TABLE tally (
    run   BIGINT NOT NULL,
    lane  BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (run, lane, state)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
-- Runs with open tasks, among any number of runs.
CREATE INDEX tally_open ON tally (run) WHERE state < 4;

-- What the attempts of a run used. Run 0: all runs together. NULL: no answer said.
CREATE TABLE run_usage (
    run               BIGINT PRIMARY KEY,
    calls             BIGINT NOT NULL,       -- attempts that used something
    unpriced          BIGINT NOT NULL,       -- those of them without a cost
    prompt_tokens     BIGINT,
    cached_tokens     BIGINT,
    completion_tokens BIGINT,
    total_tokens      BIGINT,
    pages             BIGINT,
    audio_seconds     BIGINT,
    characters        BIGINT,
    cost              BIGINT
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

-- Definitions as they are now.
CREATE TABLE definition (
    kind     TEXT NOT NULL COLLATE "C",   -- http_clients, incoming, outgoing, routes, ...
    name     TEXT NOT NULL COLLATE "C",
    body     TEXT NOT NULL,               -- JSON; references to secrets and variables unresolved
    revision BIGINT NOT NULL,             -- that last changed it
    PRIMARY KEY (kind, name)
);

-- One row per apply that changed something. The largest number is the present revision.
CREATE TABLE revision (
    number BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL
);

-- Every definition as each revision changed it.
CREATE TABLE definition_history (
    revision BIGINT NOT NULL REFERENCES revision,
    kind     TEXT NOT NULL COLLATE "C",
    name     TEXT NOT NULL COLLATE "C",
    body     TEXT,                    -- NULL: deleted
    PRIMARY KEY (revision, kind, name)
);

-- What tells this store from every other. One row.
CREATE TABLE identity (
    id       TEXT NOT NULL,           -- 8 random hex digits
    currency TEXT                     -- of all costs, set with the first price book: USD
);
INSERT INTO identity (id) VALUES (left(gen_random_uuid()::text, 8));

-- Only here: the writes of late, each with its transaction. Whoever lost the answer to a commit over a broken connection
-- finds its write here, or knows that it never happened. Old rows are deleted.
CREATE TABLE written (
    call BIGINT PRIMARY KEY,          -- random
    at   BIGINT NOT NULL              -- by the server's clock
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_threshold = 5000);
