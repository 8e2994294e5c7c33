-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

-- Secrets, sealed.

-- Sealed by a key that is not in the store, and each for its row: in another one it does not open.
CREATE TABLE secret (
    name       TEXT COLLATE "C" PRIMARY KEY,
    value      BYTEA NOT NULL,        -- store::seal; the id of the key stands in front
    created_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,       -- when its value was last set
    "by"       TEXT NOT NULL          -- who set it last
);

-- The key that seals. No row: nothing was ever sealed.
CREATE TABLE sealing (
    one        BIGINT PRIMARY KEY CHECK (one = 1),
    proof      BYTEA NOT NULL,        -- sealed by the key: a wrong one does not open it
    changed_at BIGINT NOT NULL,       -- when the key became the present one
    revision   BIGINT NOT NULL        -- counted up by every change of a secret
);

-- Definitions: what is asked about their past.

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- Alerts, and the models that are in use.

-- Settings of the server.
