-- zdm.in_transaction = 'defer': inside a transaction block what is instant is done at once, the rest by a job that exists
-- if the transaction commits.
\set ECHO none
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
SET search_path = guarded, public;
SET zdm.mode = 'off';
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 100);
CREATE TABLE t (id int, v int, r int, w text);
INSERT INTO t SELECT i, i, i, i FROM generate_series(1, 100) AS i;
CREATE INDEX by_w ON t (w);
CREATE TABLE bad (id int, v int, r int);
INSERT INTO bad VALUES (1, NULL, 1), (2, 5, 2), (2, -6, 1000);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts VALUES (1), (1000);
CREATE VIEW now AS
    SELECT 'index ' || indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index WHERE indrelid IN ('t'::regclass, 'bad'::regclass)
    UNION ALL SELECT 'constraint ' || conname || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END FROM pg_constraint
        WHERE conrelid IN ('t'::regclass, 'bad'::regclass) AND contype <> 'n'
    UNION ALL SELECT 'not null ' || attrelid::regclass || '.' || attname FROM pg_attribute
        WHERE attrelid IN ('t'::regclass, 'bad'::regclass) AND attnotnull AND attnum > 0
    ORDER BY 1;
RESET zdm.mode;
-- the ids of jobs are in the words
ALTER SEQUENCE zdm.job_id_seq RESTART WITH 700001;
RESET client_min_messages;
\pset tuples_only on
\pset format unaligned
\set ECHO all

-- the default refuses, and says that there is this
BEGIN;
CREATE INDEX by_v ON t (v);
ROLLBACK;

SET zdm.in_transaction = 'defer';
-- what it would do
SELECT statement, step, verdict, rules, lock, work, sql FROM zdm.explain('BEGIN; ALTER TABLE t ALTER v SET NOT NULL; CREATE UNIQUE INDEX ON t (v); COMMIT; CREATE INDEX ON t (v)');
SELECT verdict FROM zdm.explain('CREATE INDEX ON t (v)', true);

-- each kind; the tag is PostgreSQL's
BEGIN;
CREATE INDEX by_v ON t (v);
CREATE UNIQUE INDEX u ON t (r);
ALTER TABLE t ADD FOREIGN KEY (r) REFERENCES users;
ALTER TABLE t ADD CHECK (v > 0);
ALTER TABLE t ALTER v SET NOT NULL;
ALTER TABLE t ADD UNIQUE (v);
ALTER TABLE t ADD PRIMARY KEY (id);
DROP INDEX by_w;
REINDEX TABLE t;
-- now: what is instant
TABLE now;
INSERT INTO t VALUES (200, -1, 1, '');
ROLLBACK;
-- nothing of it is left
TABLE now;
SELECT count(*) FROM zdm.jobs WHERE id > 700000;

BEGIN;
CREATE INDEX by_v ON t (v);
SAVEPOINT s;
CREATE INDEX forgotten ON t (r);
ROLLBACK TO s;
ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES users, ALTER v SET NOT NULL, ADD x int DEFAULT 7;
ALTER TABLE t ADD PRIMARY KEY (id);
DROP INDEX by_w;
REINDEX TABLE t;
SELECT id, state FROM zdm.jobs WHERE id > 700000 ORDER BY id;
COMMIT;
CALL zdm.wait();
TABLE now;
SELECT id, state, description, error FROM zdm.jobs WHERE id > 700000 ORDER BY id;
SELECT job, step, phase, state, sql FROM zdm.steps WHERE job > 700000 ORDER BY job, step;
-- in the order of the transaction
SELECT array_agg(id ORDER BY started_at) = array_agg(id ORDER BY id) FROM zdm.jobs WHERE id > 700000;

-- a job that fails: what the NOTICE said stays, and nothing else
\set VERBOSITY terse
BEGIN;
ALTER TABLE bad ALTER v SET NOT NULL;
CREATE UNIQUE INDEX u ON bad (id);
ALTER TABLE bad ADD CONSTRAINT positive CHECK (v > 0);
ALTER TABLE bad ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES users;
ALTER TABLE bad ADD PRIMARY KEY (id);
COMMIT;
\set VERBOSITY default
SELECT max(id) - 4 AS first FROM zdm.jobs \gset
CALL zdm.wait(:first);
\echo :SQLSTATE
CALL zdm.wait(:first + 1);
\echo :SQLSTATE
CALL zdm.wait(:first + 2);
\echo :SQLSTATE
CALL zdm.wait(:first + 3);
\echo :SQLSTATE
CALL zdm.wait(:first + 4);
\echo :SQLSTATE
TABLE now;
-- and tried again when the rows are right
UPDATE bad SET id = v + 10, v = 1, r = 1 WHERE v = -6;
UPDATE bad SET v = 1 WHERE v IS NULL;
SELECT zdm.retry(:first), zdm.retry(:first + 2), zdm.retry(:first + 4);
CALL zdm.wait();
TABLE now;
SELECT id, state, error FROM zdm.jobs WHERE id >= :first ORDER BY id;

-- in a function, a DO block, a statement of several
\set VERBOSITY terse
DO $$ BEGIN EXECUTE 'CREATE INDEX by_do ON t (r)'; END $$;
CALL zdm.wait();
CREATE INDEX one ON t (r) \; CREATE INDEX two ON t (w);
CALL zdm.wait();
-- caught: forgotten
DO $$ BEGIN CREATE INDEX caught ON t (r); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT description, state FROM zdm.jobs ORDER BY id DESC LIMIT 3;

-- what is made in the transaction is private, and passes
BEGIN;
CREATE TABLE fresh (id int);
INSERT INTO fresh SELECT generate_series(1, 10);
CREATE INDEX ON fresh (id);
ALTER TABLE fresh ADD PRIMARY KEY (id);
ROLLBACK;
-- policy
BEGIN;
SET LOCAL zdm.mode = 'warn';
CREATE INDEX by_w ON t (w);
ROLLBACK;
BEGIN;
SET LOCAL zdm.mode = 'reject';
CREATE INDEX by_w ON t (w);
ROLLBACK;
BEGIN;
SET LOCAL zdm.safety_assured = on;
CREATE INDEX by_w ON t (w);
ROLLBACK;
BEGIN;
SET LOCAL zdm.rule_actions = 'create-index-blocking=allow';
CREATE INDEX by_w ON t (w);
ROLLBACK;
-- what has no safe form is refused; what needs a backfill cannot be deferred
BEGIN;
ALTER TABLE t ALTER v TYPE bigint;
\echo :SQLSTATE
ROLLBACK;
BEGIN;
ALTER TABLE t ADD filled float8 DEFAULT random();
\echo :SQLSTATE
ROLLBACK;
-- nor what is planned for the partitions of now, or may be used at once
BEGIN;
CREATE INDEX ON parts (id);
\echo :SQLSTATE
ROLLBACK;
BEGIN;
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (300);
\echo :SQLSTATE
ROLLBACK;
BEGIN;
ALTER TABLE parts ADD CONSTRAINT c CHECK (id >= 0);
COMMIT;
CALL zdm.wait();
SELECT count(*), bool_and(convalidated) FROM pg_constraint WHERE conname = 'c' AND conrelid IN ('parts'::regclass, 'parts_1'::regclass);
-- VALIDATE in the transaction that has added the constraint
BEGIN;
ALTER TABLE t ADD CONSTRAINT later CHECK (v > -5) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT later;
COMMIT;
CALL zdm.wait();
SELECT convalidated FROM pg_constraint WHERE conname = 'later';
-- PostgreSQL's own errors are its own
BEGIN;
CREATE INDEX by_v ON t (r);
\echo :SQLSTATE
ROLLBACK;
-- two-phase commit knows nothing of jobs
BEGIN;
CREATE INDEX by_w ON t (w);
PREPARE TRANSACTION 'zdm';
\echo :SQLSTATE

-- outside a block nothing is deferred
CREATE INDEX by_w ON t (w);
SELECT state FROM zdm.jobs ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM zdm.uninstall_blockers();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
