-- SET NOT NULL: the scan runs without the lock, or not at all where a valid CHECK already says it.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE users (id int, email text, age int, "Last Login" date, maybe int, a int, b int, c int, d int, e int);
    INSERT INTO users SELECT i, 'user' || i, i, 'epoch', nullif(i, 7), i, i, i, i, i FROM generate_series(1, 100) AS i;
$$);

SELECT twin('ALTER TABLE users ALTER COLUMN email SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER "Last Login" SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER id SET NOT NULL, ALTER age SET NOT NULL') :run
SELECT compare();

-- it is NOT NULL already: nothing to do
SELECT twin('ALTER TABLE users ALTER email SET NOT NULL') :run
-- no column, no table, and a view
SELECT twin('ALTER TABLE users ALTER nothing SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE nobody ALTER nothing SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('CREATE VIEW recent AS SELECT * FROM users');
SELECT twin('ALTER TABLE recent ALTER maybe SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ALTER ctid SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');

-- a NULL in the way: PostgreSQL's own error, and no trace
SELECT twin('ALTER TABLE users ALTER maybe SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ALTER a SET NOT NULL, ALTER maybe SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a valid CHECK that implies it, as the server's own prover decides: instant
CALL each_side($$
    ALTER TABLE users ADD CONSTRAINT c1 CHECK (a IS NOT NULL), ADD CONSTRAINT c2 CHECK (b > 0 AND b IS NOT NULL);
$$);
SELECT twin('ALTER TABLE users ALTER a SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER b SET NOT NULL') :run
SELECT compare();

-- one that is not enough: NULL passes c > 0, and NOT VALID says nothing
CALL each_side($$
    ALTER TABLE users ADD CONSTRAINT c3 CHECK (c > 0), ADD CONSTRAINT c4 CHECK (d IS NOT NULL) NOT VALID,
        ADD CONSTRAINT c5 CHECK (e IS NOT NULL OR d > 0);
$$);
SELECT twin('ALTER TABLE users ALTER c SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER d SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER e SET NOT NULL') :run
SELECT compare();

-- the playbook's own steps pass as they are
CALL each_side('ALTER TABLE users ALTER d DROP NOT NULL, DROP CONSTRAINT c4');
SELECT twin('ALTER TABLE users ADD CONSTRAINT c4 CHECK (d IS NOT NULL) NOT VALID') :run
SELECT twin('ALTER TABLE users VALIDATE CONSTRAINT c4') :run
SELECT twin('ALTER TABLE users ALTER d SET NOT NULL') :run
SELECT twin('ALTER TABLE users DROP CONSTRAINT c4') :run
SELECT compare();

-- names of 63 bytes, and one taken by somebody else
CALL each_side($$
    CREATE TABLE "Table 789_123456789_123456789_123456789_123456789_123456789_123" (
        "Column 89_123456789_123456789_123456789_123456789_123456789_123" int, maybe int,
        CONSTRAINT "Table 789_123456789_123456789_maybe_not_null" CHECK (maybe > 0));
    INSERT INTO "Table 789_123456789_123456789_123456789_123456789_123456789_123" VALUES (1, 1);
    ALTER TABLE users ADD CONSTRAINT users_maybe_zdm_not_null CHECK (maybe <> 77) NOT VALID;
    UPDATE users SET maybe = 7 WHERE maybe IS NULL;
$$);
SELECT twin('ALTER TABLE "Table 789_123456789_123456789_123456789_123456789_123456789_123" ALTER "Column 89_123456789_123456789_123456789_123456789_123456789_123" SET NOT NULL, ALTER maybe SET NOT NULL') :run
SELECT twin('ALTER TABLE users ALTER maybe SET NOT NULL') :run
SELECT compare();

-- children: NOT NULL reaches them all
CALL each_side($$
    CREATE TABLE parent (id int, other int);
    CREATE TABLE child () INHERITS (parent);
    INSERT INTO child VALUES (1, 1);
    CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO events VALUES (1, '2024-05-05');
$$);
SELECT twin('ALTER TABLE parent ALTER id SET NOT NULL') :run
SELECT twin('ALTER TABLE ONLY parent ALTER other SET NOT NULL') :run
SELECT twin('ALTER TABLE events ALTER id SET NOT NULL') :run
SELECT twin('ALTER TABLE events_2024 ALTER at SET NOT NULL') :run
SELECT twin('ALTER TABLE parent ALTER id DROP NOT NULL') :run
SELECT compare();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
