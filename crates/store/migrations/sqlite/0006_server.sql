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

-- Definitions: what is asked about their past.

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- Alerts, and the models that are in use.

-- Settings of the server.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL                   -- JSON
) STRICT, WITHOUT ROWID;
