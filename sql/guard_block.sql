-- A safe form that needs its own transactions is refused where it cannot have them; what is instant passes there.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
RESET client_min_messages;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 100);
CREATE TABLE t (id int, v int, r int) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) AS i;
CREATE INDEX by_id ON t (id);
CREATE VIEW now AS
    SELECT 'index ' || indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index WHERE indrelid = 'guarded.t'::regclass
    UNION ALL SELECT 'constraint ' || conname FROM pg_constraint
        WHERE conrelid = 'guarded.t'::regclass AND contype <> 'n'
    UNION ALL SELECT 'not null ' || attname FROM pg_attribute
        WHERE attrelid = 'guarded.t'::regclass AND attnotnull AND attnum > 0
    ORDER BY 1;

-- BEGIN: the whole text once
BEGIN;
CREATE INDEX by_v ON t (v);
\echo :SQLSTATE
ROLLBACK;
-- then only the codes
\set VERBOSITY terse
BEGIN;
SAVEPOINT s;
CREATE UNIQUE INDEX by_v ON t (v);
\echo :SQLSTATE
ROLLBACK TO s;
DROP INDEX by_id;
\echo :SQLSTATE
ROLLBACK TO s;
REINDEX TABLE t;
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ALTER v SET NOT NULL;
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ADD CHECK (v > 0);
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ADD FOREIGN KEY (r) REFERENCES users;
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ADD UNIQUE (v);
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ADD PRIMARY KEY (id);
\echo :SQLSTATE
ROLLBACK TO s;
-- what has no safe form is refused for that, not for the block
ALTER TABLE t ALTER v TYPE bigint;
\echo :SQLSTATE
ROLLBACK TO s;
-- PostgreSQL's own errors are its own
CREATE INDEX by_id ON t (v);
\echo :SQLSTATE
ROLLBACK TO s;
ALTER TABLE t ALTER nothing SET NOT NULL;
\echo :SQLSTATE
ROLLBACK TO s;
-- what is instant passes, and is undone with the block
ALTER TABLE t ADD x int, ADD CONSTRAINT c CHECK (v > 0) NOT VALID;
ALTER TABLE t ALTER v SET DEFAULT 7;
ALTER TABLE t DROP COLUMN r;
TABLE now;
ROLLBACK;
TABLE now;

-- two statements in one message
CREATE INDEX by_v ON t (v) \; SELECT 1;
\echo :SQLSTATE
SELECT 1 \; CREATE INDEX by_v ON t (v);
\echo :SQLSTATE
ALTER TABLE t ADD x int \; ALTER TABLE t DROP x;
\echo :SQLSTATE

-- DO, function, procedure
DO 'BEGIN CREATE INDEX by_v ON t (v); END';
\echo :SQLSTATE
DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER v SET NOT NULL'; END $$;
\echo :SQLSTATE
CREATE FUNCTION by_function() RETURNS void LANGUAGE sql AS 'CREATE INDEX by_v ON t (v)';
SELECT by_function();
\echo :SQLSTATE
CREATE PROCEDURE by_procedure() LANGUAGE plpgsql AS 'BEGIN COMMIT; CREATE INDEX by_v ON t (v); END';
CALL by_procedure();
\echo :SQLSTATE
CREATE PROCEDURE instant() LANGUAGE plpgsql AS 'BEGIN ALTER TABLE t ADD x int; COMMIT; ALTER TABLE t DROP x; END';
CALL instant();
\echo :SQLSTATE
-- a rule for it inside as well
DO 'BEGIN ALTER TABLE t RENAME v TO w; END';
\echo :SQLSTATE
-- the error can be caught, as any other
DO $$ BEGIN CREATE INDEX by_v ON t (v); EXCEPTION WHEN active_sql_transaction THEN RAISE NOTICE 'caught'; END $$;
DO $$ BEGIN ALTER TABLE t RENAME v TO w; EXCEPTION WHEN SQLSTATE 'ZD001' THEN RAISE NOTICE 'caught'; END $$;
TABLE now;

-- autocommit off in psql is a block
\set AUTOCOMMIT off
CREATE INDEX by_v ON t (v);
\echo :SQLSTATE
ROLLBACK;
\set AUTOCOMMIT on
TABLE now;

-- a schema with its tables and indexes is made in one statement
CREATE SCHEMA regress_zdm_other CREATE TABLE made (id int) CREATE INDEX ON made (id);
DROP TABLE regress_zdm_other.made;
DROP SCHEMA regress_zdm_other;

-- prepared by name: a utility statement cannot be
PREPARE p AS CREATE INDEX by_v ON t (v);
\echo :SQLSTATE

-- outside it goes, several commands in one statement as well
\set VERBOSITY default
ALTER TABLE t ALTER v SET NOT NULL, ADD CONSTRAINT c CHECK (v > 0), ADD x int, ADD CONSTRAINT u UNIQUE (v),
    ADD FOREIGN KEY (r) REFERENCES users, DROP CONSTRAINT IF EXISTS nothing, ALTER id SET DEFAULT 5;
TABLE now;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
