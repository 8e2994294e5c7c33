-- Third version: what deleting old tasks needs.

CREATE INDEX blob_task ON blob (task);
