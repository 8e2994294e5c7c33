-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

-- What a token may be used for, words with a space between; empty: for all that its role may.
ALTER TABLE token ADD COLUMN scope TEXT NOT NULL DEFAULT '';

CREATE TABLE password (
    person     INTEGER PRIMARY KEY REFERENCES person,
    hash       TEXT NOT NULL,             -- Argon2id, with its salt and parameters
    changed_at INTEGER NOT NULL
) STRICT;

-- What the second factor is made from, sealed with the key of the store, for the name of its person.
CREATE TABLE factor (
    person       TEXT PRIMARY KEY REFERENCES person (name),
    sealed       BLOB NOT NULL,
    confirmed_at INTEGER,                 -- until then it is not asked for
    last_step    INTEGER NOT NULL         -- each step of 30 seconds counts once
) STRICT, WITHOUT ROWID;

-- What helps somebody who has lost it: each once.
CREATE TABLE recovery_code (
    hash   BLOB PRIMARY KEY,              -- SHA-256 of 100 random bits
    person INTEGER NOT NULL REFERENCES person
) STRICT, WITHOUT ROWID;

-- Links that let somebody set a password, each once.
CREATE TABLE link (
    hash       BLOB PRIMARY KEY,          -- SHA-256 of 256 random bits
    person     INTEGER REFERENCES person, -- NULL: the first administrator
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    person     INTEGER NOT NULL REFERENCES person,
    hash       BLOB NOT NULL UNIQUE,      -- SHA-256 of 256 random bits
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,          -- to about a minute
    expires_at INTEGER NOT NULL,
    origin     TEXT NOT NULL,             -- address at sign-in
    agent      TEXT NOT NULL              -- browser, as it says itself
) STRICT;

-- What was done stays.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the record is only added to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the record is only added to'); END;

-- Secrets, sealed.

-- Sealed by a key that is not in the store, and each for its row: in another one it does not open.
CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    value      BLOB NOT NULL,         -- store::seal; the id of the key stands in front
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,      -- when its value was last set
    "by"       TEXT NOT NULL          -- who set it last
) STRICT, WITHOUT ROWID;

-- The key that seals. No row: nothing was ever sealed.
CREATE TABLE sealing (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    proof      BLOB NOT NULL,         -- sealed by the key: a wrong one does not open it
    revision   INTEGER NOT NULL       -- counted up by every change of a secret
) STRICT;

-- Definitions: what is asked about their past.

-- Who made a revision, from where (an address, cli) and why, in their words. NULL: made by an older version.
ALTER TABLE revision ADD COLUMN who TEXT;
ALTER TABLE revision ADD COLUMN origin TEXT;
ALTER TABLE revision ADD COLUMN why TEXT;

CREATE INDEX definition_history_by_name ON definition_history (kind, name, revision);

-- Variables that definitions which come through the API may name.
CREATE TABLE variable (
    name  TEXT PRIMARY KEY,
    value TEXT                        -- NULL: the server's environment has it
) STRICT, WITHOUT ROWID;

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- What people call a task, where its incoming says so: an order's number. Few tasks have one.
CREATE TABLE task_identifier (
    task  INTEGER PRIMARY KEY,
    value TEXT NOT NULL               -- cut at 200 characters
) STRICT;
CREATE INDEX task_identifier_value ON task_identifier (value, task);

-- What calls used by hour, lane and model, kept in the same commits as the ends of attempts. Stays when tasks are deleted.
CREATE TABLE usage_hour (
    hour              INTEGER NOT NULL,      -- since 1970, UTC
    lane              INTEGER NOT NULL,
    model             TEXT NOT NULL,         -- empty: the answer named none
    calls             INTEGER NOT NULL,      -- attempts that used something
    unpriced          INTEGER NOT NULL,      -- those of them without a cost
    prompt_tokens     INTEGER,
    cached_tokens     INTEGER,
    completion_tokens INTEGER,
    total_tokens      INTEGER,
    pages             INTEGER,
    audio_seconds     INTEGER,
    characters        INTEGER,
    cost              INTEGER,
    PRIMARY KEY (hour, lane, model)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_hour
    SELECT at / 3600000, task.lane, coalesce(model, ''), count(*), count(*) - count(cost),
           CASE WHEN count(prompt_tokens) > 0 THEN CAST(total(prompt_tokens) AS INTEGER) END,
           CASE WHEN count(cached_tokens) > 0 THEN CAST(total(cached_tokens) AS INTEGER) END,
           CASE WHEN count(completion_tokens) > 0 THEN CAST(total(completion_tokens) AS INTEGER) END,
           CASE WHEN count(total_tokens) > 0 THEN CAST(total(total_tokens) AS INTEGER) END,
           CASE WHEN count(pages) > 0 THEN CAST(total(pages) AS INTEGER) END,
           CASE WHEN count(audio_seconds) > 0 THEN CAST(total(audio_seconds) AS INTEGER) END,
           CASE WHEN count(characters) > 0 THEN CAST(total(characters) AS INTEGER) END,
           CASE WHEN count(cost) > 0 THEN CAST(total(cost) AS INTEGER) END
    FROM attempt_end JOIN task ON task.id = attempt_end.key >> 24
    WHERE coalesce(model, prompt_tokens, cached_tokens, completion_tokens, total_tokens, pages, audio_seconds, characters,
                   cost) IS NOT NULL
    GROUP BY 1, 2, 3;

-- Work about many tasks that goes on by itself, slice by slice, from the newest task to the oldest.
CREATE TABLE activity (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,         -- decide, export
    phase      TEXT NOT NULL,         -- working, paused, done, cancelled, failed
    who        TEXT NOT NULL,         -- whose it is
    origin     TEXT NOT NULL,         -- from where they asked for it
    wish       TEXT NOT NULL,         -- JSON: what is done, and with which tasks
    below      INTEGER NOT NULL,      -- only tasks with numbers below this one are still to come
    total      INTEGER,               -- so many it was about when it began; NULL: more than were counted
    done       INTEGER NOT NULL,
    refused    INTEGER NOT NULL,      -- tasks that it did not fit
    problems   TEXT NOT NULL,         -- JSON: why, of the first few
    problem    TEXT,                  -- model::Problem as JSON: why it failed as a whole
    result     TEXT,                  -- id of the blob that it made
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    worked_ms  INTEGER NOT NULL,      -- how long it was worked on
    ended_at   INTEGER,
    holder     TEXT,                  -- who works on it
    held_until INTEGER                -- and until when, unless they say so again
) STRICT;
CREATE INDEX activity_working ON activity (id) WHERE phase = 'working';

-- Filters that people keep.
CREATE TABLE saved_view (
    owner  TEXT NOT NULL,             -- a person's name; empty: everybody's
    name   TEXT NOT NULL,
    filter TEXT NOT NULL,
    at     INTEGER NOT NULL,          -- of the last change
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;

-- Answers to calls with an Idempotency-Key, for a day.
CREATE TABLE kept_answer (
    key    BLOB PRIMARY KEY,          -- SHA-256 of the person and their key
    asked  BLOB NOT NULL,             -- SHA-256 of method, path and body
    who    TEXT NOT NULL,
    at     INTEGER NOT NULL,
    status INTEGER,                   -- NULL: it is under way, or was cut
    type   TEXT,                      -- of its content
    body   BLOB                       -- NULL: it is not kept, as it held a secret or was too long
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_answer_at ON kept_answer (at);
CREATE INDEX kept_answer_who ON kept_answer (who);

-- Alerts, and the models that are in use.

-- How alerts stand.
CREATE TABLE alert (
    name        TEXT PRIMARY KEY,     -- of the definition
    rule        TEXT NOT NULL,        -- what it watches for, as JSON; another rule begins anew
    state       TEXT NOT NULL,        -- JSON of the engine's own making
    version     INTEGER NOT NULL,     -- counted up by every change of the state: who knows an older one says nothing
    muted_until INTEGER,              -- NULL: it is not muted
    muted_by    TEXT
) STRICT, WITHOUT ROWID;

-- What alerts said.
CREATE TABLE alert_message (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    alert TEXT NOT NULL,
    what  TEXT NOT NULL,              -- firing, more, still, resolved, test
    at    INTEGER NOT NULL,
    body  TEXT NOT NULL               -- JSON of the engine's own making
) STRICT;
CREATE INDEX alert_message_alert ON alert_message (alert, id);

-- To whom they said it, and how that went.
CREATE TABLE alert_send (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    message  INTEGER NOT NULL REFERENCES alert_message,
    place    INTEGER NOT NULL,        -- which of the definition's `send`, counted from 0
    shown    TEXT NOT NULL,           -- where to, without what is secret
    state    TEXT NOT NULL,           -- due, sending, sent, failed, unknown
    attempt  INTEGER NOT NULL,        -- the fence: counted up by every claim
    due_at   INTEGER,                 -- not before; of one that is being sent: when its claim runs out. NULL: it has ended
    ended_at INTEGER,
    problem  TEXT                     -- model::Problem as JSON: why it was not sent, or not yet
) STRICT;
CREATE INDEX alert_send_due ON alert_send (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX alert_send_message ON alert_send (message);

-- What one engine does for all of them, and until when it is that one.
CREATE TABLE turn (
    what   TEXT PRIMARY KEY,
    engine TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- HTTP clients whose key the service refused, until it takes it again.
CREATE TABLE key_refused (
    client TEXT PRIMARY KEY,          -- name of the definition
    status INTEGER NOT NULL,          -- of the answer
    since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When the models of an HTTP client are to be looked at, and how that went last.
CREATE TABLE model_check (
    client     TEXT PRIMARY KEY,      -- name of the definition
    due_at     INTEGER NOT NULL,
    checked_at INTEGER,               -- NULL: not yet
    problem    TEXT                   -- model::Problem as JSON: why it failed
) STRICT, WITHOUT ROWID;

-- The models that were there at the last look.
CREATE TABLE model_seen (
    client       TEXT NOT NULL,
    id           TEXT NOT NULL,
    aliases      TEXT NOT NULL,       -- a JSON list
    created_at   INTEGER,
    retires_at   INTEGER,             -- NULL: no date is known
    replacement  TEXT,                -- the model that the service names for it
    capabilities TEXT NOT NULL,       -- a JSON list
    seen_at      INTEGER NOT NULL,
    PRIMARY KEY (client, id)
) STRICT, WITHOUT ROWID;

-- Which models answered the calls of which routes, of the thirty days before the last look.
CREATE TABLE model_used (
    model TEXT NOT NULL,
    route TEXT NOT NULL,              -- or an incoming; empty where its task is gone
    calls INTEGER NOT NULL,
    PRIMARY KEY (model, route)
) STRICT, WITHOUT ROWID;

-- Tasks that failed of late. A task on its normal way is never in it.
CREATE INDEX task_failed ON task (finished_at) WHERE state = 5;

-- Settings of the server.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL                   -- JSON
) STRICT, WITHOUT ROWID;
