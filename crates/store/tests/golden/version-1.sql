-- What stands in version-1.db, on top of migrations/sqlite/0001_first.sql: a store as years of use leave it. Every state,
-- every kind of end, odd text, large numbers, what was edited, what was cut. `how_it_was_made` in tests/golden.rs runs it.

UPDATE identity SET id = '0a1b2c3d', currency = 'EUR';

INSERT INTO lane (id, kind, name) VALUES
    (1, 'pull', 'products'), (2, 'push', 'describe'), (3, 'push', 'odd '' " name ✓'), (7, 'push', 'gone'), (8, 'pull', 'orders');
INSERT INTO cursor (lane, value, at) VALUES (1, x'00ff7b22706f73223a317d', 1790000000000), (8, CAST('"page 2"' AS BLOB), 0);
INSERT INTO run (id, lane, "trigger", started_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
    SELECT i, iif(i % 4 = 0, 8, 1), iif(i % 3, 'cli', 'schedule nächtlich'), 1790000000000 + i FROM n;

-- 300 tasks: the state goes round, 3 of 10 belong to a pull. Among the open ones of lane 2, keys stand several times.
INSERT INTO task (id, lane, run, source, state, priority, due_at, attempt, tries, claims, order_key, unique_key,
                  created_at, finished_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    SELECT i,
           iif(i <= 20, iif(i % 4 = 0, 8, 1), iif(i % 10 = 0, 7, iif(i % 3, 2, 3))),
           iif(i <= 20, i, i % 20 + 1),
           CASE WHEN i > 290 THEN 99999 WHEN i > 100 THEN i - 100 END,
           i % 9,
           i % 5 - 2,
           CASE i % 50 WHEN 7 THEN 0 WHEN 8 THEN 9000000000000000 ELSE 1790000000000 + i END,
           iif(i % 9 IN (0, 7), 0, i % 4 + 1),
           i % 3, iif(i % 9 = 1, 1, 0),
           CASE WHEN i <= 20 THEN '' WHEN i % 3 = 1 THEN 'key ' || (i % 4) WHEN i % 17 = 0 THEN '✓ 漢字' END,
           CASE WHEN i % 11 = 0 THEN 'event/' || i WHEN i = 13 THEN 'schedule/nightly/1790000000000' END,
           1790000000000 + i * 10,
           iif(i % 9 >= 4, 1790000000000 + i * 10 + 5, NULL)
    FROM n;

INSERT INTO payload (task, body)
    SELECT id, CASE
        WHEN id % 60 = 1 THEN '@' || printf('%032x', id)
        WHEN id % 60 = 2 THEN '@' || printf('%032x', id) || ' ' || printf('%032x', id + 1000)
        WHEN id % 8 = 0 THEN '{"text":"✓ 𝄞 \u0000 \ud800 \"quoted\" \\ '' -- ; DROP TABLE task"}'
        WHEN id % 8 = 1 THEN '{"rtl":"‏שלום","combined":"e' || char(769) || '","tab":"\t","number":1e400,"big":123456789012345678901234567890}'
        WHEN id % 8 = 2 THEN substr(replace(hex(zeroblob(60)), '00', '['), 1, 60) || '0' || substr(replace(hex(zeroblob(60)), '00', ']'), 1, 60)
        WHEN id % 8 = 3 THEN '"' || replace(hex(zeroblob(80)), '00', 'long ' || id) || '"'
        WHEN id % 8 = 4 THEN '{"file":{"$blob":"' || printf('%032x', id) || '","size":3}}'
        WHEN id % 8 = 5 THEN 'null'
        WHEN id % 8 = 6 THEN '{"a":1,"a":2,"":{"":""}}'
        ELSE '{}' END
    FROM task;
INSERT INTO blob (id, task) SELECT printf('%032x', id), id FROM task WHERE id % 60 IN (1, 2) OR (id % 8 = 4);
INSERT INTO blob (id, task) SELECT printf('%032x', id + 1000), id FROM task WHERE id % 60 = 2;
INSERT INTO resume (task, value) SELECT id, CAST('{"next":"' || id || '"}' AS BLOB) FROM task WHERE id % 7 = 0;
INSERT INTO intake_problem (task, problem)
    SELECT id, '{"code":"schema_type","place":"/näme","reason":"a text, not ✗","severity":"error"}' FROM task WHERE state = 7;

INSERT INTO attempt_start (key, at, revision, request, mark)
    SELECT id << 24 | number, 1790000000000 + id * 10 + number, 2,
           CASE WHEN id % 60 = 3 THEN '@' || printf('%032x', id + 2000) WHEN id % 2 THEN '{"payload":{"messages":[]}}' END,
           iif(id % 5 = 0, x'00010203', NULL)
    FROM task JOIN (SELECT 1 AS number UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)
    WHERE number <= attempt;
INSERT INTO blob (id, task) SELECT printf('%032x', id + 2000), id FROM task WHERE id % 60 = 3 AND attempt > 0;
-- The last attempt of a task that is processing has no end.
INSERT INTO attempt_end (key, at, evidence, after_ms, status, problem, answer, headers, request, model, prompt_tokens,
                         cached_tokens, completion_tokens, total_tokens, pages, audio_seconds, characters, cost)
    SELECT key, at + 3,
           CASE key % 6 WHEN 0 THEN 'not_sent' WHEN 1 THEN 'refused' WHEN 2 THEN 'rejected' WHEN 3 THEN 'error_answer'
                        WHEN 4 THEN 'answered' ELSE 'unknown' END,
           iif(key % 6 = 1, 1500, NULL), iif(key % 6 IN (0, 5), NULL, 200 + key % 6 * 50),
           iif(key % 6 = 4, NULL, '{"code":"http_500","reason":"„kaputt“","hint":"try again","severity":"error"}'),
           iif(key % 6 = 4, '{"choices":[{"message":{"content":"✓"}}]}', NULL),
           iif(key % 6 = 4, '{"content-type":"application/json"}', NULL), NULL,
           iif(key % 6 = 4, 'mistral-small-latest', NULL), iif(key % 6 = 4, 10, NULL), iif(key % 6 = 4, 2, NULL),
           iif(key % 6 = 4, 5, NULL), iif(key % 6 = 4, 15, NULL), NULL, NULL, NULL, iif(key % 6 = 4, 1234567, NULL)
    FROM attempt_start JOIN task ON task.id = attempt_start.key >> 24
    WHERE NOT (task.state = 1 AND (key & 16777215) = task.attempt);

INSERT INTO decision (id, task, decision, "by", why, at)
    SELECT id, id, CASE id % 6 WHEN 0 THEN 'retry' WHEN 1 THEN 'resolve_finished' WHEN 2 THEN 'resolve_failed'
                               WHEN 3 THEN 'resolve_resend' WHEN 4 THEN 'cancel' ELSE 'skip' END,
           'José', iif(id % 2, 'because ''so'' — ✓', NULL), 1790000000000 + id
    FROM task WHERE id % 13 = 0;
INSERT INTO edited (decision, body) SELECT id, '{"before":' || id || '}' FROM decision WHERE id % 26 = 0;

INSERT INTO tally (run, lane, state, count) SELECT run, lane, state, count(*) FROM task GROUP BY run, lane, state;
INSERT INTO tally (run, lane, state, count) SELECT 0, lane, state, count(*) FROM task GROUP BY lane, state;
INSERT INTO run_usage
    SELECT run, count(*), 0, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(total_tokens), NULL, NULL,
           NULL, sum(cost)
    FROM attempt_end JOIN task ON task.id = attempt_end.key >> 24 WHERE model IS NOT NULL GROUP BY run;
INSERT INTO run_usage
    SELECT 0, sum(calls), 0, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(total_tokens), NULL, NULL,
           NULL, sum(cost)
    FROM run_usage;

INSERT INTO revision (number, at) VALUES (1, 1789000000000), (2, 1789500000000);
INSERT INTO definition (kind, name, body, revision) VALUES
    ('incoming', 'products', '{"subscriber":{"type":"file","path":"products.jsonl"}}', 1),
    ('incoming', 'orders', '{"subscriber":{"type":"file","path":"${ORDERS}"}}', 1),
    ('outgoing', 'none', '{"publisher":{"type":"none"}}', 1),
    ('routes', 'describe', '{"incoming":"products","outgoing":"none"}', 2);
INSERT INTO definition_history (revision, kind, name, body)
    SELECT revision, kind, name, body FROM definition
    UNION ALL SELECT 2, 'routes', 'gone', NULL UNION ALL SELECT 1, 'routes', 'gone', '{"incoming":"products","outgoing":"none"}';
