-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

-- Secrets, sealed.

-- Definitions: what is asked about their past.

-- Tasks: how they are found, decided about by the thousand, and looked at again.

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
