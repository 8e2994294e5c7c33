-- Fifth version: people, their tokens, and the record of what they did. This file is the reference of what it adds.

CREATE TABLE person (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,          -- viewer, operator, editor, admin
    sees_payloads INTEGER NOT NULL,       -- payloads, requests and answers
    is_disabled   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

-- Of a token only its hash is here: who reads the store can make no session of it.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    person     INTEGER NOT NULL REFERENCES person,
    label      TEXT NOT NULL,
    role       TEXT NOT NULL,             -- at most
    hash       BLOB NOT NULL UNIQUE,      -- SHA-256 of 256 random bits
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    expires_at INTEGER
) STRICT;

-- Rows are added, and never changed.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    origin  TEXT NOT NULL,
    what    TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT
) STRICT;
