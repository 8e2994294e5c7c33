-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

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
    changed_at INTEGER NOT NULL,      -- when the key became the present one
    revision   INTEGER NOT NULL       -- counted up by every change of a secret
) STRICT;

-- Definitions: what is asked about their past.

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- Alerts, and the models that are in use.

-- Settings of the server.
