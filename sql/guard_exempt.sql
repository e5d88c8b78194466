-- What the guard stands aside for, and what it does not.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
RESET client_min_messages;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;

-- temporary tables
CREATE TEMPORARY TABLE mine AS SELECT * FROM t;
CREATE INDEX ON mine (v);
ALTER TABLE mine ALTER v SET NOT NULL;
ALTER TABLE mine ADD z serial;
ALTER TABLE mine ALTER v TYPE bigint;
ALTER TABLE mine RENAME v TO w;
VACUUM FULL mine;
BEGIN;
DROP INDEX mine_v_idx;
ALTER TABLE mine ADD CHECK (w > 0), ADD UNIQUE (id);
COMMIT;
DROP TABLE mine;

-- what this transaction made
BEGIN;
CREATE TABLE new AS SELECT * FROM t;
CREATE INDEX ON new (v);
ALTER TABLE new ADD PRIMARY KEY (id), ALTER v SET NOT NULL, ADD CHECK (v > 0);
ALTER TABLE new RENAME v TO w;
ALTER TABLE new RENAME TO newer;
SAVEPOINT s;
ALTER TABLE newer ALTER w TYPE bigint;
DROP INDEX new_v_idx;
ROLLBACK TO s;
ALTER TABLE newer ALTER w TYPE bigint;
RELEASE s;
SAVEPOINT s;
CREATE TABLE newest AS SELECT * FROM t;
RELEASE s;
ALTER TABLE newest ALTER v TYPE bigint;
COMMIT;
-- later it is like any other
BEGIN;
ALTER TABLE newest ALTER v TYPE int;
\echo :SQLSTATE
ROLLBACK;
CREATE INDEX ON newer (w);
-- a table emptied in this transaction is not one that it made, but it is empty
BEGIN;
TRUNCATE newest;
ALTER TABLE newest ALTER v TYPE int;
ROLLBACK;
-- a new column, an index of this transaction on an old table
BEGIN;
ALTER TABLE t ADD fresh int;
ALTER TABLE t ALTER fresh SET NOT NULL;
\echo :SQLSTATE
ROLLBACK;

-- an empty table: scan, rewrite and index build take no time
CREATE TABLE empty (id int, v int);
CREATE INDEX ON empty (v);
CREATE UNIQUE INDEX one ON empty (v);
DROP INDEX one;
REINDEX TABLE empty;
ALTER TABLE empty ALTER v SET NOT NULL, ADD CHECK (v > 0), ADD UNIQUE (v), ADD PRIMARY KEY (id);
ALTER TABLE empty ALTER v TYPE bigint;
ALTER TABLE empty ADD z serial, ADD y float DEFAULT random();
ALTER TABLE empty ADD FOREIGN KEY (id) REFERENCES t;
VACUUM FULL empty;
CLUSTER empty USING empty_pkey;
BEGIN;
CREATE INDEX ON empty (y);
COMMIT;
-- but code that uses the old names breaks all the same
ALTER TABLE empty RENAME v TO w;
\echo :SQLSTATE
-- and a table without rows that has pages is scanned
CREATE TABLE emptied (id int) WITH (autovacuum_enabled = off);
INSERT INTO emptied VALUES (1);
DELETE FROM emptied;
CREATE INDEX ON emptied (id);
-- the other side of a foreign key
CREATE TABLE points (t_id int);
ALTER TABLE points ADD FOREIGN KEY (t_id) REFERENCES t;
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'points'::regclass;

-- a partitioned table has no pages itself
CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX ON events (at);
INSERT INTO events VALUES (1, '2024-05-05');
CREATE INDEX ON events (id);
\echo :SQLSTATE
ALTER TABLE events ALTER id TYPE bigint;
\echo :SQLSTATE

-- unlogged tables, matviews and other schemas are not exempt
CREATE UNLOGGED TABLE fast AS SELECT * FROM t;
CREATE INDEX ON fast (v);
CREATE MATERIALIZED VIEW sums AS SELECT sum(v) FROM t;
CREATE INDEX ON sums (sum);

-- renames
ALTER TABLE t RENAME COLUMN v TO w;
\echo :SQLSTATE
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME TO u;
\echo :SQLSTATE
CREATE VIEW seen AS SELECT * FROM t;
ALTER VIEW seen RENAME TO looked;
\echo :SQLSTATE
ALTER TABLE t RENAME CONSTRAINT t_pkey TO t_key;
ALTER INDEX t_key RENAME TO t_pkey;
ALTER TABLE events_2024 RENAME TO events_of_2024;
ALTER SEQUENCE empty_z_seq RENAME TO empty_seq;
ALTER TABLE t RENAME nothing TO w;
\echo :SQLSTATE
ALTER TABLE t RENAME v TO id;
\echo :SQLSTATE
ALTER TABLE nobody RENAME TO u;
\echo :SQLSTATE
ALTER TABLE IF EXISTS nobody RENAME TO u;
ALTER TABLE t RENAME TO empty;
\echo :SQLSTATE

-- VACUUM FULL, CLUSTER
VACUUM FULL t;
\echo :SQLSTATE
VACUUM (FULL, ANALYZE) t (id), fast;
\echo :SQLSTATE
VACUUM FULL;
\echo :SQLSTATE
VACUUM (FULL false) t;
VACUUM (ANALYZE) t;
CLUSTER t USING t_pkey;
\echo :SQLSTATE
CLUSTER;
\echo :SQLSTATE
VACUUM FULL nobody;
\echo :SQLSTATE
CLUSTER seen USING t_pkey;
\echo :SQLSTATE
BEGIN;
VACUUM FULL t;
\echo :SQLSTATE
ROLLBACK;

-- somebody else's table gets PostgreSQL's own answer
CREATE ROLE regress_zdm_stranger;
GRANT ALL ON SCHEMA guarded TO regress_zdm_stranger;
SET ROLE regress_zdm_stranger;
\set VERBOSITY terse
CREATE INDEX ON t (v);
\echo :SQLSTATE
DROP INDEX t_pkey;
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME TO u;
ALTER TABLE t ALTER v TYPE bigint;
ALTER TABLE t ALTER v SET NOT NULL;
ALTER TABLE t ADD z serial;
-- what MAINTAIN (17) is the right for; the words changed with it
\set VERBOSITY sqlstate
REINDEX TABLE t;
CLUSTER t USING t_pkey;
VACUUM FULL t;
\echo :SQLSTATE
\set VERBOSITY default
RESET ROLE;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
DROP ROLE regress_zdm_stranger;
