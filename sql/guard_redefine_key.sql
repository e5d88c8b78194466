-- A primary key that takes the place of another in one statement: its index first, then one short ALTER TABLE.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE t (id int CONSTRAINT t_pkey PRIMARY KEY, a int, b int, c int NOT NULL, twice int);
    INSERT INTO t SELECT i, i, nullif(i, 5), i, least(i, 99) FROM generate_series(1, 100) AS i;
    CREATE TABLE parent (id int PRIMARY KEY, other int NOT NULL);
    INSERT INTO parent SELECT i, i FROM generate_series(1, 10) AS i;
    CREATE TABLE child (id int REFERENCES parent);
$$);

SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a, c) INCLUDE (b)') :run
SELECT compare();
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT "the; --" PRIMARY KEY (c), ALTER twice SET DEFAULT 1') :run
SELECT compare();
SELECT twin('ALTER TABLE t ADD PRIMARY KEY (id), DROP CONSTRAINT "the; --"') :run
SELECT compare();
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_pkey PRIMARY KEY (id) WITH (fillfactor = 70)') :run
SELECT compare();

-- what is in the way: PostgreSQL's own error, and the old key is there
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (b)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (twice)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (nothing)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE parent DROP CONSTRAINT parent_pkey, ADD PRIMARY KEY (other)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();
-- with CASCADE the foreign key goes, as the statement says
SELECT twin('ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE, ADD PRIMARY KEY (other)') :run
SELECT compare();
-- a key of an inheritance parent knows nothing of the rows of its children
CALL each_side($$
    CREATE TABLE elder (id int PRIMARY KEY, a int);
    CREATE TABLE younger () INHERITS (elder);
    INSERT INTO elder VALUES (1, 1);
    INSERT INTO younger VALUES (1, 1), (1, 1);
$$);
SELECT twin('ALTER TABLE elder ADD UNIQUE (a)') :run
SELECT twin('ALTER TABLE elder DROP CONSTRAINT elder_pkey, ADD PRIMARY KEY (id, a)') :run
SELECT compare();
-- refused as before
\set VERBOSITY terse
ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
\echo :SQLSTATE
BEGIN;
ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, a);
\echo :SQLSTATE
ROLLBACK;
\set VERBOSITY default
SELECT compare();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
