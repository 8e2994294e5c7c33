-- Fourth version: engines that work on one store know of each other. This file is the reference of what it adds.

-- An engine that is there, until when it is taken for it unless it says so again, and the largest number of an engine that
-- it has made room for.
CREATE TABLE engine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    heard INTEGER NOT NULL,
    until INTEGER NOT NULL
);
