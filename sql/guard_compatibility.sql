-- Names and places that running code knows; columns that it does not set; rows that it would no longer see.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded, "Other place" CASCADE;
CREATE SCHEMA guarded;
CREATE SCHEMA "Other place";
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE t (id bigint PRIMARY KEY, v int);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
CREATE TABLE "My ""T""" (id int);
CREATE VIEW seen AS SELECT * FROM t;
CREATE SEQUENCE s;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
CREATE FUNCTION twice(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2 * $1';
CREATE PROCEDURE act() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
RESET client_min_messages;

-- SET SCHEMA: the hint works
ALTER TABLE t SET SCHEMA "Other place";
BEGIN;
ALTER TABLE t SET SCHEMA "Other place";
CREATE VIEW guarded.t AS SELECT * FROM "Other place".t;
COMMIT;
SELECT count(*) FROM t;
\set VERBOSITY terse
-- a view that lacks a column is no replacement
BEGIN;
ALTER VIEW seen SET SCHEMA "Other place";
CREATE VIEW seen AS SELECT id FROM t;
COMMIT;
BEGIN;
ALTER VIEW seen SET SCHEMA "Other place";
SAVEPOINT s;
CREATE VIEW seen AS SELECT * FROM t;
ROLLBACK TO s;
COMMIT;
BEGIN;
SAVEPOINT s;
ALTER VIEW seen SET SCHEMA "Other place";
ROLLBACK TO s;
COMMIT;
-- already there, taken, missing: PostgreSQL's business
ALTER VIEW seen SET SCHEMA guarded;
ALTER TABLE IF EXISTS nobody SET SCHEMA "Other place";
ALTER TABLE nobody SET SCHEMA "Other place";
ALTER VIEW t SET SCHEMA "Other place";
ALTER VIEW seen SET SCHEMA nowhere;
ALTER SEQUENCE s SET SCHEMA "Other place";
\echo :SQLSTATE
ALTER TYPE mood SET SCHEMA "Other place";
\echo :SQLSTATE
ALTER FUNCTION twice(int) SET SCHEMA "Other place";
\echo :SQLSTATE
ALTER FUNCTION nobody(int) SET SCHEMA "Other place";

-- renames
\set VERBOSITY default
ALTER FUNCTION twice(int) RENAME TO "Double";
ALTER PROCEDURE act() RENAME TO react;
ALTER AGGREGATE total(int) RENAME TO summed;
ALTER TYPE mood RENAME TO feeling;
ALTER TYPE pair RENAME ATTRIBUTE a TO c;
ALTER DOMAIN positive RENAME TO above_zero;
ALTER SEQUENCE s RENAME TO counter;
ALTER SCHEMA "Other place" RENAME TO another;
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
\set VERBOSITY terse
-- the hint of the first
CREATE OR REPLACE FUNCTION guarded."Double"(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * $1';
ALTER FUNCTION twice(int) RENAME TO "Double";
ALTER FUNCTION twice(text) RENAME TO "Double";
ALTER TYPE mood RENAME VALUE 'no' TO 'blue';
ALTER TYPE mood RENAME VALUE 'sad' TO 'glad';
ALTER TYPE mood ADD VALUE 'blue';
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'blue';
ALTER SCHEMA nowhere RENAME TO another;
ALTER SCHEMA "Other place" RENAME TO guarded;
CREATE SCHEMA void;
ALTER SCHEMA void RENAME TO emptiness;
DROP SCHEMA emptiness;
-- what nobody else knew
BEGIN;
CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION fresh() RENAME TO fresher;
CREATE TYPE size AS ENUM ('s', 'm');
SAVEPOINT s;
ALTER TYPE size RENAME VALUE 's' TO 'xs';
ALTER TYPE size RENAME TO sizes;
RELEASE s;
CREATE SEQUENCE sq;
ALTER SEQUENCE sq RENAME TO sqq;
ALTER SEQUENCE sqq SET SCHEMA "Other place";
CREATE SCHEMA young CREATE TABLE a (id int);
ALTER SCHEMA young RENAME TO old;
DROP SCHEMA old CASCADE;
ROLLBACK;
CREATE TEMPORARY SEQUENCE mine;
ALTER SEQUENCE mine RENAME TO yours;
-- what code does not know by name
CREATE TABLE p (id int CONSTRAINT c CHECK (id > 0)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE INDEX i ON p (id);
ALTER INDEX i RENAME TO j;
ALTER TABLE p RENAME CONSTRAINT c TO d;
ALTER TABLE p1 RENAME TO p2;
ALTER TABLE p2 SET SCHEMA "Other place";
-- searches for the name end where PostgreSQL's do
SET search_path = "Other place", guarded;
ALTER SEQUENCE s RENAME TO counter;
ALTER TABLE t SET SCHEMA guarded;
SET search_path = guarded;

-- quoted and long names
ALTER TABLE "My ""T""" SET SCHEMA "Other place";
CREATE SEQUENCE a123456789012345678901234567890123456789012345678901234567890ab;
ALTER SEQUENCE a123456789012345678901234567890123456789012345678901234567890ab RENAME TO b;

-- NOT NULL without a value for the rows that are there
\set VERBOSITY default
ALTER TABLE "Other place".t ADD w int NOT NULL, ADD x int;
ALTER TABLE "Other place".t add column "Not Null" varchar(10) collate "C" not /* really */ null check ("Not Null" <> '');
\set VERBOSITY terse
ALTER TABLE "Other place".t ADD w int, ADD x int;
ALTER TABLE "Other place".t ADD IF NOT EXISTS w int NOT NULL;
ALTER TABLE "Other place".t ADD w int NOT NULL;
ALTER TABLE "Other place".t ADD y int NOT NULL DEFAULT 7;
ALTER TABLE "My ""T""" ADD w int NOT NULL;
BEGIN;
ALTER TABLE "Other place".t ADD z int NOT NULL;
\echo :SQLSTATE
ROLLBACK;

-- ROW LEVEL SECURITY
\set VERBOSITY default
ALTER TABLE "Other place".t ENABLE ROW LEVEL SECURITY;
BEGIN;
CREATE POLICY t_everybody ON "Other place".t USING (true); -- or what each role may see
ALTER TABLE "Other place".t ENABLE ROW LEVEL SECURITY;
COMMIT;
\set VERBOSITY terse
ALTER TABLE "Other place".t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
BEGIN;
INSERT INTO "My ""T""" VALUES (1, 1);
ALTER TABLE "My ""T""" ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON "My ""T""" USING (true);
COMMIT;
CREATE TABLE bare (id int);
ALTER TABLE bare ENABLE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
INSERT INTO bare VALUES (1);
BEGIN;
ALTER TABLE bare ENABLE ROW LEVEL SECURITY;
COMMIT;
BEGIN;
ALTER TABLE bare ENABLE ROW LEVEL SECURITY;
ALTER TABLE bare DISABLE ROW LEVEL SECURITY;
COMMIT;

-- somebody else's
CREATE ROLE regress_zdm_stranger;
GRANT ALL ON SCHEMA guarded, "Other place" TO regress_zdm_stranger;
SET ROLE regress_zdm_stranger;
ALTER TABLE bare SET SCHEMA "Other place";
ALTER TABLE bare ENABLE ROW LEVEL SECURITY;
ALTER FUNCTION twice(int) RENAME TO thrice;
ALTER TYPE mood RENAME TO feeling;
ALTER TYPE mood RENAME VALUE 'sad' TO 'sorry';
ALTER SEQUENCE s RENAME TO counter;
ALTER SCHEMA guarded RENAME TO another;
RESET ROLE;

-- several statements told beforehand
SELECT statement, verdict, rules FROM zdm.explain('
    CREATE TABLE made (id int);
    ALTER TABLE made SET SCHEMA "Other place";
    BEGIN;
    CREATE TABLE made2 (id int);
    ALTER TABLE made2 SET SCHEMA "Other place";
    COMMIT;
    ALTER SEQUENCE s RENAME TO counter;
    ALTER TYPE mood RENAME VALUE ''sad'' TO ''sorry''');

-- modes
SET zdm.rule_actions = 'rename-other=warn, set-schema=allow';
ALTER SEQUENCE s RENAME TO counter;
ALTER SEQUENCE counter SET SCHEMA "Other place";
RESET zdm.rule_actions;
SET zdm.mode = 'warn';
ALTER TYPE mood RENAME VALUE 'sad' TO 'sorry';
BEGIN;
ALTER TABLE bare SET SCHEMA "Other place";
CREATE VIEW bare AS SELECT * FROM "Other place".bare;
COMMIT;
BEGIN;
ALTER TABLE "Other place".bare RENAME TO nude;
COMMIT;
RESET zdm.mode;
SET zdm.safety_assured = on; ALTER TYPE mood RENAME TO feeling;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded, "Other place" CASCADE;
DROP ROLE regress_zdm_stranger;
