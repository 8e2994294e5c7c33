-- Third version: what deleting old tasks needs. This file is the reference of what it adds.

-- The blobs of a task, for its size and its deletion. Few tasks have one.
CREATE INDEX blob_task ON blob (task);
