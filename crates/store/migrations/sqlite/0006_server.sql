-- Sixth version: what a server needs that stands on a company's network. This file is the reference of what it adds.

-- People: how they sign in, and where they are signed in.

-- Secrets, sealed.

-- Definitions: what is asked about their past.

-- Tasks: how they are found, decided about by the thousand, and looked at again.

-- Alerts, and the models that are in use.

-- Settings of the server.
