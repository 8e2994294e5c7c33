-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

-- Secrets, sealed.

-- Definitions: what is asked about their past.

-- Who made a revision, from where (an address, cli) and why, in their words. NULL: made by an older version.
ALTER TABLE revision ADD COLUMN who TEXT;
ALTER TABLE revision ADD COLUMN origin TEXT;
ALTER TABLE revision ADD COLUMN why TEXT;

CREATE INDEX definition_history_by_name ON definition_history (kind, name, revision);

-- Variables that definitions which come through the API may name.
CREATE TABLE variable (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT                            -- NULL: the server's environment has it
);

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- Alerts, and the models that are in use.

-- Settings of the server.
