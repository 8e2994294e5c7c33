-- Third version: what deleting old tasks needs. This file is the reference of what it adds.

-- The blobs of a task, for its size and its deletion. Few tasks have one.
CREATE INDEX blob_task ON blob (task);

-- The second version looked after the order of keys only for what came after it. Of the open tasks of one key at most
-- one is not held: the first one of those that are not.
UPDATE task SET held = 1
    WHERE order_key IS NOT NULL AND state < 4 AND held = 0
      AND EXISTS (SELECT 1 FROM task AS earlier INDEXED BY task_order
                  WHERE earlier.lane = task.lane AND earlier.order_key = task.order_key AND earlier.order_key IS NOT NULL
                    AND earlier.state < 4 AND earlier.held = 0 AND earlier.id < task.id);
