-- Logical replication: tables whose UPDATEs cannot say which row they mean, columns that subscribers lack.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded, other CASCADE;
DROP PUBLICATION IF EXISTS regress_zdm_a, regress_zdm_b, regress_zdm_c;
CREATE SCHEMA guarded;
CREATE SCHEMA other;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE keyed (id int PRIMARY KEY, v int NOT NULL);
CREATE UNIQUE INDEX keyed_v ON keyed (v);
CREATE TABLE keyless (id int);
CREATE TABLE full_rows (id int);
ALTER TABLE full_rows REPLICA IDENTITY FULL;
CREATE TABLE other.keyless (id int);
CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts (PRIMARY KEY (id)) FOR VALUES FROM (10) TO (20);
CREATE TABLE alone (id int PRIMARY KEY, v int);
INSERT INTO keyed VALUES (1, 1);
-- What CREATE PUBLICATION says of wal_level depends on the server: these are asked of explain.
CREATE PUBLICATION regress_zdm_a FOR TABLE keyed, full_rows;
CREATE PUBLICATION regress_zdm_b FOR TABLE keyless WITH (publish = 'insert, truncate');
RESET client_min_messages;

SELECT rules, detail, hint FROM zdm.explain('
    CREATE PUBLICATION regress_zdm_c FOR TABLE keyed, full_rows;
    CREATE PUBLICATION regress_zdm_c FOR TABLE keyless WITH (publish = ''insert, truncate'');
    CREATE PUBLICATION regress_zdm_c FOR TABLE keyless, parts;
    CREATE PUBLICATION regress_zdm_c FOR TABLES IN SCHEMA other;
    CREATE PUBLICATION regress_zdm_b FOR TABLE keyless');
SELECT rules, detail LIKE '%keyless%' FROM zdm.explain('CREATE PUBLICATION regress_zdm_c FOR ALL TABLES');
ALTER PUBLICATION regress_zdm_b SET (publish = 'insert, update');
ALTER PUBLICATION regress_zdm_b SET (publish = 'insert');
ALTER PUBLICATION regress_zdm_b SET (publish = 'insert, update, delete');
ALTER PUBLICATION regress_zdm_b DROP TABLE keyless;
\set VERBOSITY terse
ALTER PUBLICATION regress_zdm_b ADD TABLE keyless;
ALTER PUBLICATION regress_zdm_b ADD TABLE keyed;
ALTER PUBLICATION regress_zdm_b DROP TABLE keyless;
ALTER PUBLICATION regress_zdm_b RENAME TO regress_zdm_c;
\echo :SQLSTATE
-- as written
CREATE PUBLICATION regress_zdm_b FOR TABLE keyed;
CREATE PUBLICATION regress_zdm_c FOR TABLE nobody;
-- what this transaction made has no subscribers' rows yet
BEGIN;
CREATE TABLE young (id int);
ALTER PUBLICATION regress_zdm_b ADD TABLE young;
ROLLBACK;
DROP PUBLICATION regress_zdm_b;

-- a column that subscribers may lack
\set VERBOSITY default
ALTER TABLE keyed ADD w int;
\set VERBOSITY terse
ALTER TABLE keyed ADD IF NOT EXISTS w int;
ALTER TABLE alone ADD w int;
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_b FOR TABLE alone (id, v), parts;
RESET client_min_messages;
ALTER TABLE alone ADD x int;
ALTER TABLE parts ADD x int;
ALTER PUBLICATION regress_zdm_b SET TABLE alone WHERE (id > 0);
ALTER TABLE alone ADD y int;
ALTER PUBLICATION regress_zdm_b SET TABLES IN SCHEMA other;
ALTER TABLE alone ADD z int;
ALTER TABLE other.keyless ADD x int;
DROP PUBLICATION regress_zdm_b;
BEGIN;
SET LOCAL client_min_messages = error;
CREATE PUBLICATION regress_zdm_b FOR ALL TABLES WITH (publish = 'truncate');
SET LOCAL client_min_messages = notice;
ALTER TABLE alone ADD a int;
ALTER PUBLICATION regress_zdm_b SET (publish = 'insert');
ALTER TABLE alone ADD b int;
CREATE TABLE made (id int);
ALTER TABLE made ADD b int;
CREATE UNLOGGED TABLE unsent (id int);
ROLLBACK;

-- replica identity
\set VERBOSITY default
ALTER TABLE keyed REPLICA IDENTITY FULL;
ALTER TABLE keyed REPLICA IDENTITY FULL;
\set VERBOSITY terse
ALTER TABLE keyed REPLICA IDENTITY NOTHING;
ALTER TABLE keyed REPLICA IDENTITY DEFAULT;
ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_v;
ALTER TABLE alone REPLICA IDENTITY FULL;
BEGIN;
SET LOCAL zdm.rule_actions = 'drop-index-blocking=allow';
DROP INDEX keyed_v;
ROLLBACK;
ALTER TABLE keyed REPLICA IDENTITY DEFAULT;

-- the key
\set VERBOSITY default
ALTER TABLE keyed DROP CONSTRAINT keyed_pkey;
\set VERBOSITY terse
ALTER TABLE keyed ADD PRIMARY KEY USING INDEX keyed_v;
ALTER TABLE full_rows ADD PRIMARY KEY (id);
ALTER TABLE full_rows DROP CONSTRAINT full_rows_pkey;
ALTER TABLE alone DROP CONSTRAINT alone_pkey;

SET zdm.rule_actions = 'add-column-published=reject, publication-no-replica-identity=reject';
ALTER TABLE keyed ADD q int;
\echo :SQLSTATE
SET zdm.safety_assured = on; ALTER TABLE keyed ADD q int;
CREATE PUBLICATION regress_zdm_c FOR TABLE keyless;
\echo :SQLSTATE

\set ECHO none
SET client_min_messages = error;
RESET zdm.rule_actions;
DROP PUBLICATION regress_zdm_a;
DROP SCHEMA guarded, other CASCADE;
