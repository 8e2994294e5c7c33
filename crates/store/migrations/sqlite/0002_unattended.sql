-- Second version: what an engine needs that is left alone. This file is the reference of what it adds.

-- 1: an earlier task of the same lane and order key is still open, so this one cannot be claimed yet.
ALTER TABLE task ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
-- What can be claimed, in the order in which it is: held tasks are passed over, however many there are.
DROP INDEX task_claimable;
CREATE INDEX task_claimable ON task (lane, held, priority, due_at) WHERE state < 4 AND state <> 1;
-- The open tasks of one key, in their order.
CREATE INDEX task_order ON task (lane, order_key, id) WHERE order_key IS NOT NULL AND state < 4;

-- How far the occurrences of a schedule have been seen to.
CREATE TABLE schedule (
    name      TEXT PRIMARY KEY,       -- of the definition
    line      TEXT NOT NULL,          -- cron and time zone; another line begins anew
    since     INTEGER NOT NULL,       -- occurrences after this time are still to come
    paused_at INTEGER,                -- NULL: it is not paused
    paused_by TEXT
) STRICT, WITHOUT ROWID;

-- The address of each webhook: 32 random hex digits, given once, so that it cannot be guessed.
CREATE TABLE webhook (
    lane INTEGER PRIMARY KEY REFERENCES lane,
    path TEXT NOT NULL UNIQUE
) STRICT;

-- Entries of storages.
CREATE TABLE entry (
    storage    TEXT NOT NULL,         -- name of the definition
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,         -- JSON
    version    INTEGER NOT NULL,      -- counted up by every write
    at         INTEGER NOT NULL,      -- of the last write
    expires_at INTEGER,               -- NULL: never
    PRIMARY KEY (storage, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_expires ON entry (expires_at) WHERE expires_at IS NOT NULL;

-- What was drawn from the limits of an HTTP client. Shared by all engines.
CREATE TABLE drawn (
    client    TEXT PRIMARY KEY,       -- name of the definition
    next_call INTEGER NOT NULL,       -- microseconds: the time from which on a call is within the rate (GCRA)
    next_token INTEGER NOT NULL,      -- the same for tokens
    day       INTEGER NOT NULL,       -- days since 1970, UTC
    calls     INTEGER NOT NULL,       -- of that day
    cost      INTEGER NOT NULL        -- of that day, billionths; what is reserved included
) STRICT, WITHOUT ROWID;
