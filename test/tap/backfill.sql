-- zdm.backfill and the calls around it, function by function. Jobs run in other processes, so nothing here can be in
-- one transaction: objects are dropped at the end.
\set ECHO none
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SELECT * FROM no_plan();

CREATE SCHEMA fillings;
SET search_path = fillings, public;
CREATE ROLE fill_owner;
CREATE ROLE fill_other;
GRANT USAGE, CREATE ON SCHEMA fillings TO fill_owner;

-- the whole way
CREATE TABLE plain (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, v text);
INSERT INTO plain (id) SELECT g * 3 FROM generate_series(1, 5000) g;
SELECT zdm.backfill('plain', 'n = n + 1') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(state, 'done', 'a backfill ends as done') FROM zdm.jobs WHERE id = :job;
SELECT results_eq('SELECT min(n), max(n), count(*)::int FROM plain', 'VALUES (1, 1, 5000)', 'every row exactly once');
SELECT row_eq(format('SELECT kind, relation, owner::text, rows_done, rows_total, percent, workers, failed_rows, error FROM zdm.jobs WHERE id = %s', :job),
              ROW('backfill'::text, 'fillings.plain'::text, current_user::text, 5000::bigint, 5000::bigint, 100.0::numeric, 0, 0::bigint, NULL::text),
              'zdm.jobs tells what was done');
SELECT columns_are('zdm', 'jobs', ARRAY['id', 'kind', 'state', 'relation', 'description', 'owner', 'created_at',
    'started_at', 'finished_at', 'rows_done', 'rows_total', 'percent', 'rows_per_second', 'eta', 'batch_rows',
    'batch_ms', 'workers', 'waiting_for', 'failed_rows', 'attempts', 'error']);
SELECT columns_are('zdm', 'steps', ARRAY['job', 'step', 'phase', 'state', 'sql', 'started_at', 'finished_at',
    'lock_wait_ms', 'lock_held_ms', 'attempts', 'error']);
SELECT columns_are('zdm', 'failed_rows', ARRAY['job', 'key', 'sqlstate', 'message', 'at']);

-- an empty table, one row, a fixed batch
CREATE TABLE empty (id int PRIMARY KEY, n int);
SELECT zdm.backfill('empty', 'n = 1') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(state || rows_done, 'done0', 'an empty table is done at once') FROM zdm.jobs WHERE id = :job;
UPDATE plain SET n = 0;
SELECT zdm.backfill('plain', 'n = n + 1', batch_rows => 7, pause => '0s') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT min(n), max(n) FROM plain', 'VALUES (1, 1)', 'batches of 7 rows leave none out');
SELECT is(batch_rows, 7, 'batch_rows is kept') FROM zdm.jobs WHERE id = :job;

-- a condition
SELECT zdm.backfill('plain', $$v = 'x' -- a comment$$, $$id % 2 = 0 AND v IS NULL -- another$$) AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT count(*)::int, bool_and((v = ''x'') = (id % 2 = 0)) FROM plain WHERE v IS NOT NULL', 'VALUES (2500, true)', 'only rows that match');
SELECT is(rows_done, 2500::bigint, 'rows_done counts changed rows') FROM zdm.jobs WHERE id = :job;
SELECT zdm.backfill('plain', 'n = n + 1', 'n > 0') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT min(n), max(n) FROM plain', 'VALUES (2, 2)', 'a condition that stays true is met once per row');

-- keys of all kinds
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE DOMAIN code AS varchar(40);
CREATE TYPE mood AS ENUM ('low', 'mid', 'high');
CREATE FUNCTION walk(table_name text, create_sql text, insert_sql text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE create_sql;
    EXECUTE insert_sql;
    RETURN zdm.backfill(table_name::regclass, 'n = n + 1', batch_rows => 33);
END $$;
SELECT walk('k_uuid', 'CREATE TABLE k_uuid (id uuid PRIMARY KEY, n int DEFAULT 0)', 'INSERT INTO k_uuid SELECT gen_random_uuid() FROM generate_series(1, 1000)') AS job \gset
SELECT walk('k_text', 'CREATE TABLE k_text (id text COLLATE "C" PRIMARY KEY, n int DEFAULT 0)', $$INSERT INTO k_text SELECT 'k"''\' || g || chr(228) FROM generate_series(1, 1000) g$$) AS job \gset
SELECT walk('k_varchar', 'CREATE TABLE k_varchar (id varchar(20) PRIMARY KEY, n int DEFAULT 0)', 'INSERT INTO k_varchar SELECT g::text FROM generate_series(1, 1000) g') AS job \gset
SELECT walk('k_citext', 'CREATE TABLE k_citext (a int, b public.citext, n int DEFAULT 0, PRIMARY KEY (a, b))', $$INSERT INTO k_citext SELECT g % 7, CASE WHEN g % 2 = 0 THEN 'Ab' ELSE 'aB' END || g FROM generate_series(1, 1000) g$$) AS job \gset
SELECT walk('k_domain', 'CREATE TABLE k_domain (id code PRIMARY KEY, n int DEFAULT 0)', 'INSERT INTO k_domain SELECT g::text FROM generate_series(1, 1000) g') AS job \gset
SELECT walk('k_time', 'CREATE TABLE k_time (at timestamptz, x float8, n int DEFAULT 0, PRIMARY KEY (at, x))', $$INSERT INTO k_time SELECT '2024-01-01'::timestamptz + g * interval '1 microsecond', 1.0 / g FROM generate_series(1, 1000) g$$) AS job \gset
SELECT walk('k_infinite', 'CREATE TABLE k_infinite (x float8 PRIMARY KEY, n int DEFAULT 0)', $$INSERT INTO k_infinite SELECT g::float8 FROM generate_series(1, 997) g UNION ALL VALUES ('NaN'::float8), ('Infinity'), ('-Infinity')$$) AS job \gset
SELECT walk('k_enum', 'CREATE TABLE k_enum (m mood, day date, n int DEFAULT 0, PRIMARY KEY (m, day))', $$INSERT INTO k_enum SELECT m, date '2024-01-01' + g FROM generate_series(1, 334) g, unnest(enum_range(NULL::mood)) m LIMIT 1000$$) AS job \gset
SELECT walk('k_unique', 'CREATE TABLE k_unique (a int NOT NULL, b int NOT NULL, c int, n int DEFAULT 0, UNIQUE (c), UNIQUE (a, b))', 'INSERT INTO k_unique SELECT g / 10, g % 10, g FROM generate_series(1, 1000) g') AS job \gset
SELECT walk('"K odd"', 'CREATE TABLE "K odd" ("The ""Id""" int PRIMARY KEY, n int DEFAULT 0)', 'INSERT INTO "K odd" SELECT g FROM generate_series(-500, 499) g') AS job \gset
SELECT walk('k_parts', 'CREATE TABLE k_parts (id int PRIMARY KEY, n int DEFAULT 0) PARTITION BY RANGE (id);'
    'CREATE TABLE k_parts_1 PARTITION OF k_parts FOR VALUES FROM (0) TO (300);'
    'CREATE TABLE k_parts_2 PARTITION OF k_parts FOR VALUES FROM (300) TO (400) PARTITION BY HASH (id);'
    'CREATE TABLE k_parts_2a (n int DEFAULT 0, id int PRIMARY KEY);'
    'ALTER TABLE k_parts_2 ATTACH PARTITION k_parts_2a FOR VALUES WITH (MODULUS 1, REMAINDER 0);'
    'CREATE TABLE k_parts_3 PARTITION OF k_parts DEFAULT', 'INSERT INTO k_parts SELECT g FROM generate_series(1, 1000) g') AS job \gset
SELECT walk('k_parent', 'CREATE TABLE k_parent (id int PRIMARY KEY, n int DEFAULT 0); CREATE TABLE k_child (PRIMARY KEY (id)) INHERITS (k_parent)',
    'INSERT INTO k_parent SELECT g FROM generate_series(1, 500) g; INSERT INTO k_child SELECT g FROM generate_series(1, 500) g') AS job \gset
CALL zdm.wait(timeout => '120s');
SELECT is_empty($$SELECT * FROM zdm.jobs WHERE state <> 'done'$$, 'keys of every kind are walked along');
SELECT results_eq(format('SELECT min(n), max(n), count(*)::int FROM %s', t), 'VALUES (1, 1, 1000)', 'each row once: ' || t)
  FROM unnest(ARRAY['k_uuid', 'k_text', 'k_varchar', 'k_citext', 'k_domain', 'k_time', 'k_infinite', 'k_enum', 'k_unique', '"K odd"', 'k_parts', 'k_parent']) t;

-- a table without a key, for work where a row can be met twice
CREATE TABLE keyless_too (a int, b int, n int DEFAULT 0, j json, x numeric);
INSERT INTO keyless_too (a, b, x) SELECT g, g, 1.0 FROM generate_series(1, 3000) g;
SELECT zdm.backfill('keyless_too', 'b = a * 2, j = json_build_object(''a'', a), x = a::numeric(10, 2)', options => '{"path": "striped"}') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT count(*)::int FROM keyless_too WHERE b = a * 2 AND j->>''a'' = a::text AND x::text = a || ''.00''', 'VALUES (3000)', 'a table without a key');
SELECT zdm.backfill('keyless_too', 'b = a * 2, x = a::numeric(10, 2)') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(rows_done, 0::bigint, 'of which a second run writes nothing') FROM zdm.jobs WHERE id = :job;
SELECT zdm.backfill('keyless_too', 'b = b + 1, n = 1', 'n = 0 AND a > 1000') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT b - a * 2, count(*)::int FROM keyless_too GROUP BY 1 ORDER BY 1', 'VALUES (0, 1000), (1, 2000)', 'where the condition ends it, counting is fine');
-- DEFAULT: one that is always the same, and others
ALTER TABLE keyless_too ALTER n SET DEFAULT 7, ALTER b SET DEFAULT random(), ALTER x DROP DEFAULT;
SELECT zdm.backfill('keyless_too', 'n = DEFAULT, x = DEFAULT', options => '{"path": "ctid"}') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(count(*), 3000::bigint, 'a default that is always the same') FROM keyless_too WHERE n = 7 AND x IS NULL;
SELECT throws_ok($$SELECT zdm.backfill('keyless_too', 'b = DEFAULT')$$, '0A000', NULL, 'and one that is not');
ALTER TABLE plain ALTER n SET DEFAULT 5;
SELECT zdm.backfill('plain', 'n = DEFAULT') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(count(*), 5000::bigint, 'by key') FROM plain WHERE n = 5;
ALTER TABLE plain ALTER n SET DEFAULT 0;
-- where a BEFORE trigger has a say, every row is written: that may be what it is for
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.v := 'said'; RETURN new; END$$;
UPDATE plain SET v = NULL;
CREATE TRIGGER says BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION say();
SELECT zdm.backfill('plain', 'v = DEFAULT', 'v IS NULL') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(count(*), 5000::bigint, 'a trigger fires though the row is right') FROM plain WHERE v = 'said';
SELECT throws_ok(format('SELECT zdm.verify(%s)', :job), '0A000', NULL, 'and then nothing can be verified');
DROP TRIGGER says ON plain;
-- rows that are right are not written, by key either
SELECT zdm.backfill('plain', 'v = id::text') AS job \gset
CALL zdm.wait(:job, '60s');
UPDATE plain SET v = 'other' WHERE id <= 30;
SELECT zdm.backfill('plain', 'v = id::text') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(rows_done, 10::bigint, 'rows that are right are not written') FROM zdm.jobs WHERE id = :job;

-- zdm.verify
UPDATE plain SET v = NULL, n = 0;
SELECT zdm.backfill('plain', 'v = id::text', 'v IS NULL') AS job \gset
SELECT throws_ok(format('SELECT zdm.verify(%s)', :job), '55000', NULL, 'zdm.verify of a job that has not ended') WHERE (SELECT state <> 'done' FROM zdm.jobs WHERE id = :job);
CALL zdm.wait(:job, '60s');
SELECT zdm.verify(:job) AS verifier \gset
CALL zdm.wait(:verifier, '60s');
SELECT row_eq(format('SELECT kind, state, rows_done, failed_rows FROM zdm.jobs WHERE id = %s', :verifier), ROW('backfill'::text, 'done'::text, 0::bigint, 0::bigint), 'what was filled is right');
UPDATE plain SET v = 'spoilt' WHERE id IN (3, 300, 15000);
SELECT zdm.verify(:job) AS verifier \gset
CALL zdm.wait(:verifier, '60s');
SELECT results_eq(format('SELECT key, message FROM zdm.failed_rows WHERE job = %s ORDER BY key::int', :verifier), $$VALUES ('3', 'the row is not as set_clause would make it'), ('300', 'the row is not as set_clause would make it'), ('15000', 'the row is not as set_clause would make it')$$, 'differences are reported');
SELECT is(count(*), 3::bigint, 'and left alone') FROM plain WHERE v = 'spoilt';
SELECT throws_ok(format('SELECT zdm.retry(%s)', :verifier), '55000', NULL, 'a report has nothing to retry');
SELECT zdm.verify(:job, repair => true) AS verifier \gset
CALL zdm.wait(:verifier, '60s');
SELECT row_eq(format('SELECT state, rows_done, failed_rows FROM zdm.jobs WHERE id = %s', :verifier), ROW('done'::text, 3::bigint, 0::bigint), 'or repaired');
SELECT is_empty($$SELECT 1 FROM plain WHERE v <> id::text$$, 'so that all is right');
SELECT zdm.backfill('plain', 'n = n + 1') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT throws_ok(format('SELECT zdm.verify(%s)', :job), '0A000', NULL, 'what counts cannot be verified');
SELECT throws_ok('SELECT zdm.verify(123456789)', '42704', NULL, 'zdm.verify of an unknown job');
SELECT zdm.backfill('keyless_too', 'b = a * 3') AS job \gset
CALL zdm.wait(:job, '60s');
UPDATE keyless_too SET b = 0 WHERE a = 77;
SELECT zdm.verify(:job) AS verifier \gset
CALL zdm.wait(:verifier, '60s');
SELECT results_eq(format('SELECT a FROM keyless_too t JOIN zdm.failed_rows f ON f.key = t.ctid::text WHERE job = %s', :verifier), 'VALUES (77)', 'without a key, by place');
SELECT zdm.verify(:job, true) AS verifier \gset
CALL zdm.wait(:verifier, '60s');
SELECT is(count(*), 3000::bigint, 'and repaired') FROM keyless_too WHERE b = a * 3;

-- zdm.plan_backfill
CREATE TABLE planned (id int PRIMARY KEY, ref int REFERENCES plain (id), n int);
INSERT INTO planned SELECT g FROM generate_series(1, 1000) g;
ANALYZE planned;
CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
CREATE TRIGGER fires BEFORE UPDATE OF n ON planned FOR EACH ROW EXECUTE FUNCTION idle();
CREATE TRIGGER does_not BEFORE UPDATE OF id ON planned FOR EACH ROW EXECUTE FUNCTION idle();
SELECT results_eq($$SELECT item FROM zdm.plan_backfill('planned', 'n = n + 1, ref = 3')$$, ARRAY['statement', 'rows', 'path', 'batches', 'WAL', 'time', 'size now', 'growth', 'triggers', 'foreign keys checked', 'keys', 'throttles now', 'blockers now'], 'what a plan tells');
SELECT results_eq($$SELECT value FROM zdm.plan_backfill('planned', 'n = n + 1, ref = 3') WHERE item IN ('rows', 'triggers', 'foreign keys checked', 'blockers now')$$, ARRAY['1000 of 1000', 'fires', 'planned_ref_fkey', 'none'], 'rows, triggers, foreign keys, blockers');
SELECT matches(value, '^9[0-9] of 1000$|^10[0-9] of 1000$', 'rows under a condition') FROM zdm.plan_backfill('planned', 'n = 1', 'id <= 100') WHERE item = 'rows';
SELECT matches(value, '^striped', 'the path asked for') FROM zdm.plan_backfill('keyless_too', 'n = 1', options => '{"path": "striped"}') WHERE item = 'path';
SELECT throws_ok($$SELECT zdm.plan_backfill('keyless_too', 'n = n + 1')$$, '0A000', NULL, 'what zdm.backfill would refuse');
SELECT throws_ok($$SELECT zdm.plan_backfill('planned', 'n = nofun(1)')$$, '42883', NULL, 'or cannot do');
BEGIN READ ONLY;
SELECT isnt_empty($$SELECT zdm.plan_backfill('planned', 'n = n + 1', 'id > 3')$$, 'a plan writes nothing');
ROLLBACK;
SELECT is(count(*), 0::bigint, 'and starts no job') FROM zdm.jobs WHERE relation = 'fillings.planned';

-- what the call refuses, at the call
CREATE VIEW a_view AS SELECT * FROM plain;
CREATE TABLE keyless (n int);
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, n int);
SELECT throws_ok($$SELECT zdm.backfill('a_view', 'n = 1')$$, '42809', NULL, 'a view is no table');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = n + 1')$$, '0A000', 'table "keyless" has no key to walk along', 'a table without a key, for work that counts');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = random()')$$, '0A000', NULL, 'or that is never the same');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = extract(epoch from now())')$$, '0A000', NULL, 'or that depends on the time');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = (SELECT max(n) FROM keyless)')$$, '0A000', NULL, 'or on other rows of the table');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = n + 1', 'n > 0')$$, '0A000', NULL, 'or whose condition stays true');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = 1', options => '{"path": "keyset"}')$$, '0A000', NULL, 'or along the key it has not');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = n + 1', options => '{"path": "ctid"}')$$, '0A000', NULL, 'work that counts along the heap');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = n + 1', options => '{"path": "striped"}')$$, '0A000', NULL, 'likewise in stripes');
SELECT throws_ok($$SELECT zdm.backfill('keyless', 'n = missing')$$, '42703', NULL, 'an unknown column, without a key');
SELECT throws_ok($$SELECT zdm.backfill('pg_class', 'relname = relname')$$, '42501', NULL, 'a system catalog');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = ')$$, '42601', NULL, 'a syntax error');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'nn = 1')$$, '42703', NULL, 'an unknown column');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', 'nn = 1')$$, '42703', NULL, 'an unknown column in the condition');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = nofun(n)')$$, '42883', NULL, 'an unknown function');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = ''x''::text')$$, '42804', NULL, 'a wrong type');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = $1')$$, '42P02', NULL, 'a parameter');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1 WHERE true')$$, '42601', NULL, 'more than assignments');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1 FROM empty')$$, '42601', NULL, 'a FROM');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1; DROP TABLE plain')$$, '42601', NULL, 'a second statement');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', 'true) OR (true')$$, '42601', NULL, 'a condition that breaks out');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', 'true LIMIT 1')$$, '42601', NULL, 'more than a condition');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'id = id + 1')$$, '0A000', NULL, 'the key itself');
SELECT throws_ok($$SELECT zdm.backfill('plain', '(n, id) = (1, 2)')$$, '0A000', NULL, 'the key in a row');
SELECT throws_ok($$SELECT zdm.backfill(NULL, 'n = 1')$$, '22004', NULL, 'no relation');
SELECT throws_ok($$SELECT zdm.backfill('plain', NULL)$$, '22004', NULL, 'no set_clause');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"speed": 1}')$$, '22023', NULL, 'an unknown option');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '[1]')$$, '22023', NULL, 'options that are no object');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"window": "22-06"}')$$, '22023', NULL, 'a window that is none');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"window": "22:00-06:00 Middle/Earth"}')$$, '22023', NULL, 'a time zone that is none');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"window": ["22:00-06:00"]}')$$, '22023', NULL, 'an option that is no text');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"only_when": "nonsense"}')$$, '42703', NULL, 'a condition about nothing');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"only_when": "true) OR (true"}')$$, '42601', NULL, 'a condition that breaks out');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', options => '{"path": "sideways"}')$$, '22023', NULL, 'a path that is none');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', workers => 2)$$, '0A000', NULL, 'several workers, to come');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', workers => 0)$$, '22023', NULL, 'no workers');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', max_failed_rows => -1)$$, '22023', NULL, 'fewer failed rows than none');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', batch_rows => 0)$$, '22023', NULL, 'batches of no rows');
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1', batch_time => '-1s')$$, '22023', NULL, 'negative time');
CREATE TEMP TABLE gone_soon (id int PRIMARY KEY, n int);
SELECT throws_ok($$SELECT zdm.backfill('gone_soon', 'n = 1')$$, '0A000', NULL, 'a temporary table');
SELECT lives_ok($$SELECT zdm.backfill('deferred', 'n = 1', options => '{"path": "keyset"}')$$, 'a deferrable key will do');
BEGIN READ ONLY;
SELECT throws_ok($$SELECT zdm.backfill('plain', 'n = 1')$$, '25006', NULL, 'a read-only transaction');
ROLLBACK;

-- steering
SELECT throws_ok('SELECT zdm.cancel(123456789)', '42704', NULL, 'cancel of an unknown job');
SELECT throws_ok('SELECT zdm.pause(123456789)', '42704', NULL, 'pause of an unknown job');
SELECT throws_ok(format('SELECT zdm.cancel(%s)', :job), '55000', NULL, 'cancel of a job that is done');
SELECT throws_ok(format('SELECT zdm.resume(%s)', :job), '55000', NULL, 'resume of a job that is done');
SELECT throws_ok(format('SELECT zdm.retry(%s)', :job), '55000', NULL, 'retry of a job that is done');
UPDATE plain SET n = 0;
SELECT zdm.backfill('plain', 'n = n + 1', batch_rows => 10, pause => '1h') AS job \gset
SELECT zdm.pause(:job);
SELECT is(state, 'paused', 'a paused job is paused') FROM zdm.jobs WHERE id = :job;
CALL zdm.wait(:job, '10s');
SELECT pass('zdm.wait returns for a paused job');
SELECT zdm.resume(:job);
SELECT isnt(state, 'paused', 'a resumed job is not') FROM zdm.jobs WHERE id = :job;
SELECT zdm.cancel(:job);
CALL zdm.wait(:job, '10s');
SELECT is(state, 'cancelled', 'a cancelled job is cancelled') FROM zdm.jobs WHERE id = :job;
SELECT cmp_ok((SELECT count(*) FROM plain WHERE n = 1), '<=', 20::bigint, 'and has done no more than a batch or two');

-- throttles that need no other server; each waits with nothing held, says so, and goes on
CREATE FUNCTION nothing_is_held(job bigint) RETURNS boolean LANGUAGE sql AS $$
    SELECT bool_and(backend_xmin IS NULL AND backend_xid IS NULL) FROM pg_stat_activity
     WHERE backend_type = 'zdm worker' AND application_name = 'zdm job ' || job AND state = 'idle'
$$;
CREATE PROCEDURE until(condition text) LANGUAGE plpgsql AS $$
DECLARE held boolean;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXECUTE 'SELECT ' || condition INTO held;
        EXIT WHEN held;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
CREATE TABLE switch (is_on boolean);
INSERT INTO switch VALUES (false);
UPDATE plain SET n = 0;
SELECT zdm.backfill('plain', 'n = n + 1', options => '{"only_when": "(SELECT is_on FROM switch)"}') AS job \gset
CALL until(format($$(SELECT waiting_for = 'only_when, which does not hold' FROM zdm.jobs WHERE id = %s)$$, :job));
CALL until(format('nothing_is_held(%s)', :job));
SELECT row_eq(format('SELECT state, waiting_for, rows_done FROM zdm.jobs WHERE id = %s', :job), ROW('running'::text, 'only_when, which does not hold'::text, 0::bigint), 'only_when holds a job up');
SELECT ok(nothing_is_held(:job), 'which holds nothing meanwhile');
UPDATE switch SET is_on = true;
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT min(n), max(n) FROM plain', 'VALUES (1, 1)', 'and goes on when it holds');
SELECT to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '2 h', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '3 h', 'HH24:MI') || ' Asia/Tokyo' AS later,
       to_char(now() AT TIME ZONE 'Asia/Tokyo' - interval '2 h', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '3 h', 'HH24:MI') || ' Asia/Tokyo' AS now \gset
SELECT zdm.backfill('plain', 'n = n + 1', options => jsonb_build_object('window', :'later')) AS job \gset
CALL until(format($$(SELECT waiting_for LIKE 'its window%%' FROM zdm.jobs WHERE id = %s)$$, :job));
SELECT is(waiting_for, 'its window, ' || :'later', 'a job waits for its window') FROM zdm.jobs WHERE id = :job;
SELECT zdm.cancel(:job);
SELECT zdm.backfill('plain', 'n = n + 1', options => jsonb_build_object('window', :'now')) AS job \gset
CALL zdm.wait(:job, '60s');
SELECT is(state, 'done', 'and works in it') FROM zdm.jobs WHERE id = :job;

-- zdm.tune, and a budget of WAL
SET zdm.max_wal_rate = '64kB';
SELECT zdm.backfill('plain', 'n = n + 1') AS job \gset
RESET zdm.max_wal_rate;
CALL until(format($$(SELECT waiting_for LIKE 'WAL budget%%' FROM zdm.jobs WHERE id = %s)$$, :job));
SELECT ok(waiting_for LIKE 'WAL budget%' AND batch_rows < 300, 'a budget of WAL slows a job down') FROM zdm.jobs WHERE id = :job;
SELECT throws_ok(format($$SELECT zdm.tune(%s::bigint, max_wal_rate => '8 parsecs')$$, :job), '22023', NULL, 'zdm.tune with a size that is none');
SELECT throws_ok(format($$SELECT zdm.tune(%s::bigint, batch_time => '-1 s')$$, :job), '22023', NULL, 'zdm.tune with a negative time');
SELECT throws_ok(format($$SELECT zdm.tune(%s::bigint, workers => 0)$$, :job), '22023', NULL, 'zdm.tune with no worker');
SELECT throws_ok('SELECT zdm.tune(123456789, workers => 1)', '42704', NULL, 'zdm.tune of an unknown job');
SELECT throws_ok('SELECT zdm.tune(NULL)', '22004', NULL, 'zdm.tune of no job');
SELECT lives_ok(format('SELECT zdm.tune(%s)', :job), 'zdm.tune that changes nothing');
SELECT zdm.tune(:job, max_wal_rate => '0', batch_time => '1 s');
CALL zdm.wait(:job, '60s');
SELECT is(state, 'done', 'until it is tuned') FROM zdm.jobs WHERE id = :job;
SELECT throws_ok(format($$SELECT zdm.tune(%s::bigint, max_wal_rate => '8MB')$$, :job), '55000', NULL, 'zdm.tune of a job that is done');

-- a row that fails, and retry
CREATE TABLE bad (id int PRIMARY KEY, a int, n int DEFAULT 0);
INSERT INTO bad SELECT g, CASE WHEN g = 500 THEN 0 ELSE 1 END FROM generate_series(1, 1000) g;
SELECT zdm.backfill('bad', 'n = n + 1 / a', batch_rows => 100) AS job \gset
\set ON_ERROR_STOP 0
CALL zdm.wait(:job, '60s');
\set ON_ERROR_STOP 1
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22012', 'zdm.wait raises the error of the job');
SELECT row_eq(format('SELECT state, rows_done, error FROM zdm.jobs WHERE id = %s', :job), ROW('failed'::text, 499::bigint, 'division by zero'::text), 'a row that fails ends the job');
SELECT results_eq(format('SELECT key, sqlstate, message FROM zdm.failed_rows WHERE job = %s', :job), $$VALUES ('500', '22012', 'division by zero')$$, 'and is named');
UPDATE bad SET a = 1;
SELECT zdm.retry(:job);
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT min(n), max(n) FROM bad', 'VALUES (1, 1)', 'zdm.retry goes on from there');

-- rows that fail, up to a number of them
UPDATE bad SET n = 0, a = CASE WHEN id % 100 IN (0, 1) THEN 0 ELSE 1 END;
SELECT zdm.backfill('bad', 'n = n + 1 / a', max_failed_rows => 20) AS job \gset
CALL zdm.wait(:job, '60s');
SELECT row_eq(format('SELECT state, rows_done, failed_rows, error FROM zdm.jobs WHERE id = %s', :job), ROW('done'::text, 980::bigint, 20::bigint, NULL::text), 'as many failed rows as allowed');
SELECT results_eq(format('SELECT key::int FROM zdm.failed_rows WHERE job = %s ORDER BY 1', :job), 'SELECT id FROM bad WHERE a = 0 ORDER BY 1', 'they are the ones that fail');
SELECT results_eq('SELECT n, count(*)::int FROM bad GROUP BY 1 ORDER BY 1', 'VALUES (0, 20), (1, 980)', 'all others are done, once');
UPDATE bad SET a = 1 WHERE id < 500;
SELECT zdm.retry(:job);
CALL zdm.wait(:job, '60s');
SELECT row_eq(format('SELECT state, rows_done, failed_rows FROM zdm.jobs WHERE id = %s', :job), ROW('done'::text, 989::bigint, 11::bigint), 'zdm.retry takes failed rows again');
UPDATE bad SET a = 1;
SELECT zdm.retry(:job);
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT n, count(*)::int FROM bad GROUP BY 1 ORDER BY 1', 'VALUES (1, 1000)', 'until none is left');
SELECT throws_ok(format('SELECT zdm.retry(%s)', :job), '55000', NULL, 'then there is nothing to retry');
UPDATE bad SET n = 0, a = CASE WHEN id % 100 IN (0, 1) THEN 0 ELSE 1 END;
SELECT zdm.backfill('bad', 'n = n + 1 / a', max_failed_rows => 19) AS job \gset
\set ON_ERROR_STOP 0
CALL zdm.wait(:job, '60s');
\set ON_ERROR_STOP 1
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22012', 'one more than allowed fails the job');
SELECT row_eq(format('SELECT state, failed_rows FROM zdm.jobs WHERE id = %s', :job), ROW('failed'::text, 20::bigint), 'and is kept');
UPDATE bad SET a = 1;
SELECT zdm.retry(:job);
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT n, count(*)::int FROM bad GROUP BY 1 ORDER BY 1', 'VALUES (1, 1000)', 'zdm.retry goes on, and takes them again');
-- with a condition that the backfill makes false the walk is repeated, and ends all the same
UPDATE bad SET n = NULL, a = CASE WHEN id % 100 = 7 THEN 0 ELSE 1 END;
SELECT zdm.backfill('bad', 'n = 1 / a', 'n IS NULL', max_failed_rows => 10) AS job \gset
CALL zdm.wait(:job, '60s');
SELECT row_eq(format('SELECT state, rows_done, failed_rows FROM zdm.jobs WHERE id = %s', :job), ROW('done'::text, 990::bigint, 10::bigint), 'failed rows that match still do not keep a job from its end');
-- a constraint, a trigger, a key of two columns
CREATE TABLE pairs (a text, b int, n int CHECK (n <> 3), PRIMARY KEY (a, b));
INSERT INTO pairs SELECT 'x "' || g, g, 0 FROM generate_series(1, 5) g;
CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no fours' USING ERRCODE = 'ZZ444'; END$$;
CREATE TRIGGER fours BEFORE UPDATE ON pairs FOR EACH ROW WHEN (new.n = 4) EXECUTE FUNCTION complain();
SELECT zdm.backfill('pairs', 'n = b', max_failed_rows => 5) AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq(format('SELECT b, f.sqlstate FROM pairs p JOIN zdm.failed_rows f ON f.key = ROW(p.a, p.b)::text WHERE f.job = %s ORDER BY 1', :job), $$VALUES (3, '23514'), (4, 'ZZ444')$$, 'a row that breaks a constraint or a trigger, by its whole key');
-- an error that is no row's
CREATE FUNCTION no_disk() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE 'no space' USING ERRCODE = 'disk_full'; END$$;
SELECT zdm.backfill('bad', 'n = no_disk()', max_failed_rows => 1000) AS job \gset
\set ON_ERROR_STOP 0
CALL zdm.wait(:job, '60s');
\set ON_ERROR_STOP 1
SELECT row_eq(format('SELECT state, failed_rows, error FROM zdm.jobs WHERE id = %s', :job), ROW('failed'::text, 0::bigint, 'no space'::text), 'an error of the server stops the job');

-- what zdm.wait says
SELECT throws_ok('CALL zdm.wait(1)', '25001', NULL, 'zdm.wait in a function');
SELECT throws_ok('DO $$BEGIN CALL zdm.wait(1); END$$', '25001', NULL, 'zdm.wait in DO');
\set ON_ERROR_STOP 0
BEGIN;
CALL zdm.wait(1);
ROLLBACK;
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '25001', 'zdm.wait in a transaction block');
CALL zdm.wait(123456789);
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '42704', 'zdm.wait for an unknown job');
SELECT zdm.backfill('plain', 'n = n + 1', batch_rows => 1, pause => '1h') AS job \gset
CALL zdm.wait(:job, '10ms');
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '57014', 'zdm.wait longer than its timeout');
\set ON_ERROR_STOP 1
SELECT zdm.cancel(:job);

-- a transaction
BEGIN;
SELECT zdm.backfill('plain', 'n = 77') AS job \gset
ROLLBACK;
SELECT is_empty(format('SELECT 1 FROM zdm.jobs WHERE id = %s', :job), 'a job that is rolled back never was');

-- rights
CREATE TABLE guarded (id int PRIMARY KEY, a int, b int, secret int);
INSERT INTO guarded SELECT g, g, 0, g FROM generate_series(1, 100) g;
GRANT SELECT (id, a, b), UPDATE (b) ON guarded TO fill_owner;
SET ROLE fill_owner;
SELECT throws_ok($$SELECT zdm.backfill('guarded', 'a = 1')$$, '42501', NULL, 'no right to a column set');
SELECT throws_ok($$SELECT zdm.backfill('guarded', 'b = secret')$$, '42501', NULL, 'no right to a column read');
SELECT throws_ok($$SELECT zdm.backfill('guarded', 'b = 1', 'secret = 1')$$, '42501', NULL, 'no right to a column in the condition');
SELECT zdm.backfill('guarded', 'b = a') AS job \gset
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT count(*)::int FROM guarded WHERE b = a', 'VALUES (100)', 'rights to the columns are enough');
SELECT throws_ok('SELECT * FROM zdm.job', '42501', NULL, 'the table of jobs is closed');
SELECT throws_ok('SELECT * FROM zdm.job_progress', '42501', NULL, 'and so is their progress');
SELECT throws_ok('SELECT * FROM zdm.job_row', '42501', NULL, 'and so are their rows');
SELECT is_empty('SELECT * FROM zdm.failed_rows', 'a role sees no failed rows of others');
SELECT results_eq('SELECT DISTINCT owner = ''fill_owner'' FROM zdm.jobs', ARRAY[true], 'a role sees its own jobs');
SET ROLE fill_other;
SELECT is_empty('SELECT * FROM zdm.jobs', 'and no others');
SELECT throws_ok(format('SELECT zdm.cancel(%s)', :job), '42501', NULL, 'nor does it steer them');
SELECT throws_ok(format('SELECT zdm.tune(%s, workers => 1)', :job), '42501', NULL, 'nor tune them');
RESET ROLE;
GRANT pg_monitor TO fill_other;
SET ROLE fill_other;
SELECT isnt_empty('SELECT * FROM zdm.jobs', 'pg_monitor sees all');
RESET ROLE;
BEGIN;
CREATE POLICY mine ON guarded USING (true);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
COMMIT;
SET ROLE fill_owner;
SELECT throws_ok($$SELECT zdm.backfill('guarded', 'b = a')$$, '42501', NULL, 'a policy that could hide rows');
RESET ROLE;

-- the settings of the call, and users' triggers, deferred ones too
CREATE TABLE told (what text);
CREATE TABLE context (id int PRIMARY KEY, t text, n int DEFAULT 0);
INSERT INTO context SELECT g FROM generate_series(1, 3) g;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO fillings.told VALUES (tg_name || ' ' || current_user); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON context DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();
GRANT SELECT, UPDATE ON context TO fill_owner;
GRANT INSERT ON told TO fill_owner;
SET ROLE fill_owner;
SET TimeZone = 'Asia/Kolkata';
SELECT zdm.backfill('context', $$t = current_setting('TimeZone') || ' ' || current_user || ' ' || current_setting('search_path')$$) AS job \gset
RESET TimeZone;
RESET ROLE;
CALL zdm.wait(:job, '60s');
SELECT results_eq('SELECT DISTINCT t FROM context', ARRAY['Asia/Kolkata fill_owner fillings, public'], 'a job runs as its owner, under the settings of the call');
SELECT results_eq('SELECT what, count(*)::int FROM told GROUP BY 1', $$VALUES ('late fill_owner', 3)$$, 'a deferred trigger fires as the owner of the job');

-- endings
SELECT zdm.backfill('plain', 'n = n + 1', batch_rows => 1, pause => '100ms') AS job \gset
DROP TABLE plain CASCADE;
\set ON_ERROR_STOP 0
CALL zdm.wait(:job, '60s');
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '42P01', 'a job ends when its table is dropped');
\set ON_ERROR_STOP 1
SELECT is(error, 'table fillings.plain was dropped', 'and says why') FROM zdm.jobs WHERE id = :job;
SET ROLE fill_owner;
CREATE TABLE orphan (id int PRIMARY KEY, n int DEFAULT 0);
INSERT INTO orphan SELECT g FROM generate_series(1, 1000) g;
SELECT zdm.backfill('orphan', 'n = 1', batch_rows => 1, pause => '100ms') AS job \gset
RESET ROLE;
ALTER TABLE orphan OWNER TO CURRENT_USER;
\set ON_ERROR_STOP 0
CALL zdm.wait(:job, '60s');
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '42501', 'a job ends when its owner loses the right');
\set ON_ERROR_STOP 1
SELECT is_empty('SELECT * FROM zdm.uninstall_blockers()', 'backfills do not stand in the way of DROP EXTENSION');

DROP SCHEMA fillings CASCADE;
DROP OWNED BY fill_owner, fill_other;
DROP ROLE fill_owner, fill_other;
SELECT * FROM finish();
