-- Second version: what an engine needs that is left alone. What the columns mean stands in the file for SQLite.

ALTER TABLE task ADD COLUMN held BOOLEAN NOT NULL DEFAULT false;
DROP INDEX task_claimable;
CREATE INDEX task_claimable ON task (lane, held, priority, due_at, id) WHERE state < 4 AND state <> 1;
CREATE INDEX task_order ON task (lane, order_key, id) WHERE order_key IS NOT NULL AND state < 4;

CREATE TABLE schedule (
    name      TEXT COLLATE "C" PRIMARY KEY,
    line      TEXT NOT NULL,
    since     BIGINT NOT NULL,
    paused_at BIGINT,
    paused_by TEXT
);

CREATE TABLE webhook (
    lane BIGINT PRIMARY KEY REFERENCES lane,
    path TEXT NOT NULL UNIQUE
);

CREATE TABLE entry (
    storage    TEXT NOT NULL COLLATE "C",
    key        BYTEA NOT NULL,
    value      BYTEA NOT NULL,
    version    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (storage, key)
);
CREATE INDEX entry_expires ON entry (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE drawn (
    client     TEXT COLLATE "C" PRIMARY KEY,
    next_call  BIGINT NOT NULL,
    next_token BIGINT NOT NULL,
    day        BIGINT NOT NULL,
    calls      BIGINT NOT NULL,
    cost       BIGINT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
