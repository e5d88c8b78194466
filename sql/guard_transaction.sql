-- What a transaction block has done before makes a harmless statement dangerous: its locks last to the end.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS shape CASCADE;
CREATE SCHEMA shape;
RESET client_min_messages;
SET search_path = shape;
-- not what this is about
\set quiet 'drop-table=allow, drop-view=allow, drop-table-fk-locks=allow, truncate=allow, drop-primary-key=allow, drop-check=allow'
SET zdm.rule_actions = :'quiet';
\pset tuples_only on
\pset format unaligned
CREATE TABLE a (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off);
INSERT INTO a SELECT i, i FROM generate_series(1, 20000) AS i;
CREATE TABLE b (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off);
INSERT INTO b SELECT i, i FROM generate_series(1, 100) AS i;
CREATE TABLE c (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off);
INSERT INTO c SELECT i, i FROM generate_series(1, 100) AS i;
CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM b;
CREATE VIEW seen AS SELECT id FROM b;
ANALYZE a, b, c;

-- a second table locked against everybody: the whole text once
BEGIN;
ALTER TABLE a ADD COLUMN x int;
ALTER TABLE b ADD COLUMN x int;
ROLLBACK;
\set VERBOSITY terse
-- by whatever takes the lock
BEGIN; ALTER TABLE a ADD COLUMN x int; DROP TABLE c; ROLLBACK;
BEGIN; TRUNCATE b; TRUNCATE c; ROLLBACK;
BEGIN; LOCK TABLE a; ALTER TABLE b ADD COLUMN x int; ROLLBACK;
DO $$ BEGIN ALTER TABLE a ADD COLUMN x int; ALTER TABLE b ADD COLUMN x int; RAISE EXCEPTION 'undone'; END $$;
-- several statements in one message are a block too
BEGIN \; ALTER TABLE a ADD COLUMN x int \; ALTER TABLE b ADD COLUMN x int \; ROLLBACK;
-- the lock may come from a savepoint that was released, but not from one that was rolled back
BEGIN; SAVEPOINT s; ALTER TABLE a ADD COLUMN x int; RELEASE s; ALTER TABLE b ADD COLUMN x int; ROLLBACK;
BEGIN; SAVEPOINT s; ALTER TABLE a ADD COLUMN x int; ROLLBACK TO s; ALTER TABLE b ADD COLUMN x int; ROLLBACK;
BEGIN;
DO $$ BEGIN ALTER TABLE a ADD COLUMN x int; RAISE EXCEPTION 'undone'; EXCEPTION WHEN raise_exception THEN NULL; END $$;
ALTER TABLE b ADD COLUMN x int;
ROLLBACK;
-- silent: the same table, what belongs to it, its partitions, one statement, what is new, views, weaker locks
BEGIN; ALTER TABLE a ADD COLUMN x int; ALTER TABLE a ADD COLUMN y int; ALTER INDEX a_pkey RENAME TO a_key; ROLLBACK;
BEGIN; ALTER TABLE parts ADD COLUMN x int; DROP TABLE parts_1; ALTER TABLE parts_2 SET (fillfactor = 50); ROLLBACK;
BEGIN; ALTER TABLE parts_2 ADD CHECK (v > 0); ALTER TABLE parts_1 ADD CHECK (v > 0); ROLLBACK;
BEGIN; DROP TABLE a, c; ROLLBACK;
BEGIN; TRUNCATE a, c; ROLLBACK;
BEGIN; CREATE TABLE n (id int); ALTER TABLE n ADD COLUMN v int; ALTER TABLE a ADD COLUMN x int; DROP TABLE n; ROLLBACK;
BEGIN; DROP VIEW seen; ALTER TABLE b ADD COLUMN x int; CREATE VIEW seen AS SELECT id, x FROM b; ROLLBACK;
BEGIN; LOCK TABLE a IN EXCLUSIVE MODE; ALTER TABLE b ADD COLUMN x int; ROLLBACK;
BEGIN; LOCK TABLE a; LOCK TABLE b; ROLLBACK;
BEGIN; ALTER TABLE a RENAME TO a_old; ALTER TABLE b RENAME TO a; ALTER TABLE a_old RENAME TO b; COMMIT;
BEGIN; ALTER TABLE a RENAME TO a_old; ALTER TABLE b RENAME TO a; ALTER TABLE a_old RENAME TO b; COMMIT;

-- foreign keys to different tables
\set VERBOSITY default
BEGIN;
ALTER TABLE c ADD FOREIGN KEY (v) REFERENCES a NOT VALID;
ALTER TABLE c ADD FOREIGN KEY (v) REFERENCES b NOT VALID;
ROLLBACK;
CREATE TABLE two (x int REFERENCES a, y int, FOREIGN KEY (y) REFERENCES b);
DROP TABLE two;
\set VERBOSITY terse
BEGIN; CREATE TABLE n1 (x int REFERENCES a); CREATE TABLE n2 (x int REFERENCES b); ROLLBACK;
-- silent: the same table again, a new one, itself, one at a time
CREATE TABLE two (x int REFERENCES a, y int REFERENCES a, z int PRIMARY KEY, up int REFERENCES two);
DROP TABLE two;
BEGIN; CREATE TABLE n1 (x int PRIMARY KEY REFERENCES a); CREATE TABLE n2 (x int REFERENCES n1, y int REFERENCES a); ROLLBACK;
BEGIN; SAVEPOINT s; CREATE TABLE n1 (x int REFERENCES a); ROLLBACK TO s; CREATE TABLE n2 (x int REFERENCES b); ROLLBACK;

-- VALIDATE under a lock that is held already
\set VERBOSITY default
BEGIN;
ALTER TABLE a ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
ALTER TABLE a VALIDATE CONSTRAINT positive;
\echo :SQLSTATE
ROLLBACK;
ALTER TABLE a ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
BEGIN;
ALTER TABLE b ADD COLUMN x int;
ALTER TABLE a VALIDATE CONSTRAINT positive;
ROLLBACK;
\set VERBOSITY terse
BEGIN; LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE; ALTER TABLE a VALIDATE CONSTRAINT positive; ROLLBACK;
-- silent: in a block by itself, before the lock, after a lock that was given back or blocks nobody, on nothing
BEGIN; ALTER TABLE a VALIDATE CONSTRAINT positive; ALTER TABLE a ADD COLUMN x int; ROLLBACK;
BEGIN; SAVEPOINT s; ALTER TABLE a ADD COLUMN x int; ROLLBACK TO s; ALTER TABLE a VALIDATE CONSTRAINT positive; ROLLBACK;
BEGIN; LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE; ALTER TABLE a VALIDATE CONSTRAINT positive; ROLLBACK;
BEGIN; CREATE TABLE n (v int); ALTER TABLE n ADD CONSTRAINT k CHECK (v > 0) NOT VALID; INSERT INTO n VALUES (1); ALTER TABLE n VALIDATE CONSTRAINT k; ROLLBACK;
ALTER TABLE a VALIDATE CONSTRAINT positive;
BEGIN; ALTER TABLE a ADD COLUMN x int; ALTER TABLE a VALIDATE CONSTRAINT positive; ROLLBACK;
ALTER TABLE a DROP CONSTRAINT positive;

-- rows in bulk while others are locked out
\set VERBOSITY default
BEGIN;
ALTER TABLE a ADD COLUMN x int;
UPDATE a SET x = 1;
ROLLBACK;
\set VERBOSITY terse
BEGIN; ALTER TABLE b ADD COLUMN x int; INSERT INTO c SELECT i, i FROM generate_series(101, 20000) AS i; ROLLBACK;
BEGIN; ALTER TABLE b ADD COLUMN x int; DELETE FROM a; ROLLBACK;
BEGIN; ALTER TABLE c ADD FOREIGN KEY (v) REFERENCES b NOT VALID; UPDATE a SET v = 1; ROLLBACK;
DO $$ BEGIN ALTER TABLE a ADD COLUMN x int; UPDATE a SET x = 1; RAISE EXCEPTION 'undone'; END $$;
SET zdm.max_dml_rows = 50;
BEGIN; ALTER TABLE b ADD COLUMN x int; INSERT INTO c SELECT i, i FROM generate_series(101, 200) AS i; ROLLBACK;
RESET zdm.max_dml_rows;
-- reads as well: a table is large when the planner says so
SET seq_page_cost = 1000;
BEGIN; ALTER TABLE b ADD COLUMN x int; SELECT count(v) FROM a; ROLLBACK;
BEGIN; ALTER TABLE b ADD COLUMN x int; CREATE TABLE n AS SELECT * FROM a; ROLLBACK;
BEGIN; ALTER TABLE b ADD COLUMN x int; SELECT count(*) >= 0 FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid; SELECT v FROM a LIMIT 1; ROLLBACK;
RESET seq_page_cost;
-- silent: few rows, before the lock, after it, under locks that change no schema, plans only looked at
BEGIN; ALTER TABLE a ADD COLUMN x int; UPDATE a SET x = 1 WHERE id < 10; SELECT count(*) FROM a; ROLLBACK;
BEGIN; UPDATE a SET v = v; ALTER TABLE a ADD COLUMN x int; ROLLBACK;
BEGIN; SAVEPOINT s; ALTER TABLE a ADD COLUMN x int; ROLLBACK TO s; UPDATE a SET v = v; ROLLBACK;
BEGIN; TRUNCATE b; INSERT INTO b SELECT i, i FROM generate_series(1, 20000) AS i; ROLLBACK;
BEGIN; LOCK TABLE b; INSERT INTO c SELECT i, i FROM generate_series(101, 20000) AS i; ROLLBACK;
BEGIN; CREATE TABLE n (id int); INSERT INTO n SELECT generate_series(1, 20000); ROLLBACK;
BEGIN; ALTER TABLE a ADD COLUMN x int; EXPLAIN (COSTS off) UPDATE a SET x = 1; ROLLBACK;
SET zdm.mode = 'off'; BEGIN; ALTER TABLE a ADD COLUMN x int; UPDATE a SET x = 1; ROLLBACK; RESET zdm.mode;

-- writes of too many rows, anywhere; the hint is the same work in small transactions
VACUUM ANALYZE a;
SET zdm.max_dml_rows = 1000;
\set VERBOSITY default
UPDATE a SET v = v;
\set VERBOSITY terse
CREATE FUNCTION hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'passes';
EXCEPTION WHEN SQLSTATE 'ZD001' THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN hint;
END $$;
SET zdm.rule_actions = 'unbatched-dml=reject';
SELECT hint_of('UPDATE a SET v = 1');
SELECT hint_of('UPDATE a SET v = v + 0, id = id WHERE v > 3 AND (id <> 7 OR v IN (SELECT 1 WHERE true))');
SELECT hint_of($$ update shape . a set v = length('where''s') where v::text <> 'set' -- all
$$);
SELECT hint_of('DELETE FROM a');
SELECT hint_of('DELETE FROM a WHERE v > 100000 OR v < 15000');
SELECT hint_of('UPDATE a AS x SET v = y.v FROM a AS y WHERE y.id = x.id');
SELECT hint_of('UPDATE a SET v = 1 RETURNING id');
SELECT hint_of('WITH gone AS (DELETE FROM a RETURNING id) SELECT count(*) < 0 FROM gone');
SELECT hint_of('UPDATE a SET v = 1 WHERE id = 3');
SET zdm.rule_actions = :'quiet';
DO $$ DECLARE n int := 0; BEGIN UPDATE a SET v = v + n; END $$;
DELETE FROM a;
INSERT INTO a SELECT i, i FROM generate_series(1, 20000) AS i;
ANALYZE a;
PREPARE many AS UPDATE a SET v = $1;
EXECUTE many(1);
DEALLOCATE many;
MERGE INTO a USING (SELECT generate_series(1, 20000) AS id) AS n ON a.id = n.id WHEN MATCHED THEN UPDATE SET v = 2;
SET zdm.rule_actions = 'unbatched-dml=reject';
UPDATE a SET v = 3;
\echo :SQLSTATE
SELECT count(*) FROM a WHERE v = 3;
SET zdm.safety_assured = on;
UPDATE a SET v = 3 WHERE id = 1;
SHOW zdm.safety_assured;
UPDATE a SET v = 4;
SHOW zdm.safety_assured;
SET zdm.rule_actions = :'quiet';
SET zdm.mode = 'warn';
VACUUM ANALYZE a;
\set VERBOSITY default
UPDATE a SET v = 5;
\set VERBOSITY terse
RESET zdm.mode;
-- silent: few rows, other kinds, tables of one's own, foreign keys at work, plans only looked at
UPDATE a SET v = 6 WHERE id = 2;
INSERT INTO b SELECT i, i FROM generate_series(1000, 3000) AS i;
CREATE TEMP TABLE mine AS SELECT * FROM a;
UPDATE mine SET v = 7;
BEGIN; CREATE TABLE n AS SELECT * FROM a; UPDATE n SET v = 8; ROLLBACK;
CREATE TABLE child (id int REFERENCES b ON DELETE CASCADE);
INSERT INTO child SELECT 1 FROM generate_series(1, 5000);
ANALYZE child;
DELETE FROM b WHERE id = 1;
EXPLAIN (COSTS off) UPDATE a SET v = 9;
SET zdm.rule_actions = 'unbatched-dml=allow';
UPDATE a SET v = 10;
SET zdm.rule_actions = :'quiet';
RESET zdm.max_dml_rows;

-- style, where it is asked for
CREATE INDEX by_v ON c (v);
BEGIN; DROP TABLE child; CREATE TABLE child (id int); ALTER TABLE b ADD COLUMN x int; ALTER TABLE b ADD COLUMN y int; SELECT 1; ROLLBACK;
SET zdm.rule_actions = 'statement-after-access-exclusive=warn';
BEGIN; ALTER TABLE b ADD COLUMN x int; ALTER TABLE b ADD COLUMN y int; SELECT 1; ROLLBACK;
BEGIN; LOCK TABLE b; ALTER TABLE b ALTER v SET STATISTICS 10; SELECT 1; ROLLBACK;
SET zdm.rule_actions = 'combinable-alters=warn';
BEGIN; ALTER TABLE b ADD COLUMN x int; ALTER TABLE b ADD COLUMN y int; SELECT 1; ROLLBACK;
SET zdm.rule_actions = 'create-table-force=warn, drop-table=allow, drop-table-fk-locks=allow';
BEGIN; DROP TABLE child; CREATE TABLE child (id int); CREATE TABLE another (id int); ROLLBACK;
SET zdm.rule_actions = 'replace-index-drop-first=warn, drop-index-blocking=allow, create-index-blocking=allow, drop-index-needed=allow';
BEGIN; DROP INDEX by_v; CREATE INDEX by_v_id ON c (v, id); ROLLBACK;
BEGIN; DROP INDEX by_v; CREATE INDEX by_id ON c (id); ROLLBACK;
BEGIN; CREATE INDEX by_v_id ON c (v, id); DROP INDEX by_v; ROLLBACK;
SET zdm.rule_actions = :'quiet';

-- the transaction's own locks are in nobody's way but others'
SET zdm.long_transaction = 0;
SET zdm.lock_patience = 0;
BEGIN;
SELECT count(*) FROM b;
LOCK TABLE b IN SHARE MODE;
SAVEPOINT s;
ALTER TABLE b ADD COLUMN x int;
ALTER TABLE b ADD COLUMN y int;
CREATE INDEX by_x ON c (v);
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE b ADD COLUMN y int;
ROLLBACK;
RESET zdm.long_transaction;
RESET zdm.lock_patience;

-- explained without running it
\pset format aligned
SELECT statement, verdict, rules, lock, work FROM zdm.explain($$
    BEGIN;
    ALTER TABLE shape.a ADD CONSTRAINT k CHECK (v > 0) NOT VALID;
    ALTER TABLE shape.b ADD COLUMN x int;
    CREATE TABLE shape.n (x int REFERENCES shape.a, y int REFERENCES shape.b);
    COMMIT;
    ALTER TABLE shape.b ADD COLUMN y int;
$$);

SET client_min_messages = error;
DROP SCHEMA shape CASCADE;
