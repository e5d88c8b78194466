-- Tables: dropped, emptied, renamed, moved, rewritten; views, sequences, triggers, rights and what else there is.

-- given
CREATE TABLE clients (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO clients SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
CREATE TABLE bills (id bigserial PRIMARY KEY, client_id int REFERENCES clients, sum numeric, state text DEFAULT 'new');
INSERT INTO bills (client_id, sum) SELECT i % 100 + 1, i FROM generate_series(1, 1000) AS i;
CREATE INDEX bills_client ON bills (client_id);
CREATE TABLE bill_lines (id int PRIMARY KEY, bill_id bigint REFERENCES bills);
INSERT INTO bill_lines SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW open_bills AS SELECT * FROM bills WHERE state = 'new';
CREATE VIEW open_sums AS SELECT client_id, sum FROM open_bills;
CREATE MATERIALIZED VIEW sums AS SELECT client_id, sum(sum) AS total FROM bills GROUP BY client_id;
CREATE SEQUENCE tickets;
CREATE TABLE lonely (a int);
INSERT INTO lonely SELECT generate_series(1, 500);
CREATE TYPE color AS ENUM ('red', 'green');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON bills FOR EACH ROW EXECUTE FUNCTION touch();

-- DROP
-- expect drop-table; when empty nothing
DROP TABLE "lonely";
-- expect drop-table; when empty nothing
DROP TABLE IF EXISTS public.lonely;
-- expect drop-table, drop-table-fk-locks; when empty drop-table-fk-locks
DROP TABLE bill_lines;
-- expect drop-table, drop-table-cascade, drop-table-fk-locks; when empty drop-table-cascade, drop-table-fk-locks
DROP TABLE "bills" CASCADE;
-- expect drop-table, drop-table-fk-locks; when empty drop-table-fk-locks
DROP TABLE lonely, bill_lines;
-- expect nothing
DROP TABLE IF EXISTS not_there;
-- expect nothing; in a transaction
CREATE TABLE made (a int);
DROP TABLE made;
-- expect nothing
CREATE TEMP TABLE scratch (a int);
DROP TABLE scratch;
-- expect nothing; error 2BP01
DROP TABLE clients;
-- expect drop-view; when empty drop-view
DROP VIEW open_sums;
-- expect drop-table-cascade, drop-view; when empty drop-table-cascade, drop-view
DROP VIEW IF EXISTS open_bills CASCADE;
-- expect drop-view; when empty drop-view
DROP MATERIALIZED VIEW sums;
-- expect drop-sequence; when empty drop-sequence
DROP SEQUENCE tickets;
-- expect drop-type; when empty drop-type
DROP TYPE color;
-- first
CREATE SCHEMA filled;
CREATE TABLE filled.t AS SELECT * FROM generate_series(1, 300);
-- expect drop-schema; when empty drop-schema
DROP SCHEMA filled CASCADE;
-- first
CREATE SCHEMA bare;
-- expect nothing
DROP SCHEMA bare;
-- expect nothing
DROP SCHEMA IF EXISTS not_there CASCADE;
-- expect nothing
DROP FUNCTION touch() CASCADE;
-- first
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE INDEX ON lonely (twice(a));
ALTER TABLE clients ADD CONSTRAINT even CHECK (twice(id) > 0), ALTER id SET DEFAULT twice(21);
-- expect nothing
DROP FUNCTION twice(int) CASCADE;
-- first
CREATE DOMAIN amount AS int;
ALTER TABLE lonely ADD b amount;
CREATE VIEW amounts AS SELECT b FROM lonely;
-- expect drop-type; when empty drop-type
DROP DOMAIN amount CASCADE;
-- first
ALTER TABLE lonely ADD b color DEFAULT 'red';
CREATE POLICY red ON clients USING ('red'::color = 'green');
-- expect drop-type; when empty drop-type
DROP TYPE color CASCADE;
-- first
CREATE SCHEMA parts;
CREATE TABLE log (a int) PARTITION BY RANGE (a);
CREATE TABLE parts.first PARTITION OF log FOR VALUES FROM (0) TO (10);
CREATE TABLE log_rest PARTITION OF log DEFAULT;
CREATE TABLE parts.keyed (a int REFERENCES clients);
CREATE VIEW both_sides AS SELECT a FROM parts.keyed UNION ALL SELECT id FROM clients;
-- expect drop-schema; when empty drop-schema
DROP SCHEMA parts CASCADE;
-- expect drop-sequence; when empty drop-sequence
DROP SEQUENCE bills_id_seq CASCADE;

-- TRUNCATE
-- expect truncate; when empty nothing
TRUNCATE lonely;
-- expect truncate; when empty nothing
TRUNCATE TABLE lonely, bill_lines RESTART IDENTITY;
-- expect truncate, truncate-cascade; when empty nothing
TRUNCATE bills CASCADE;
-- expect nothing; error 0A000
TRUNCATE clients;
-- expect nothing; in a transaction
CREATE TABLE made AS SELECT * FROM lonely;
TRUNCATE made;

-- RENAME and SET SCHEMA
-- expect rename-table
ALTER TABLE "bills" RENAME TO "invoices";
-- expect rename-table
ALTER TABLE IF EXISTS lonely RENAME TO lost;
-- expect rename-table
ALTER VIEW open_sums RENAME TO sums_open;
-- expect nothing; in a transaction
CREATE TABLE made (a int);
ALTER TABLE made RENAME TO remade;
-- expect nothing; in a transaction
ALTER TABLE lonely RENAME TO lost;
CREATE VIEW lonely AS SELECT * FROM lost;
-- expect nothing; in a transaction
CREATE TABLE lonely_new (LIKE lonely INCLUDING ALL);
INSERT INTO lonely_new SELECT * FROM lonely;
ALTER TABLE lonely RENAME TO lonely_old;
ALTER TABLE lonely_new RENAME TO lonely;
-- expect rename-table; in a transaction
ALTER TABLE lonely RENAME TO lost;
-- expect rename-other
ALTER SEQUENCE tickets RENAME TO numbers;
-- expect rename-other
ALTER TYPE color RENAME TO colour;
-- expect rename-other
ALTER FUNCTION touch() RENAME TO touch_row;
-- expect nothing
ALTER TRIGGER touched ON bills RENAME TO bills_touched;
-- first
CREATE SCHEMA archive;
-- expect set-schema
ALTER TABLE lonely SET SCHEMA archive;
-- first
CREATE SCHEMA archive;
CREATE TABLE archive.t (a int);
-- expect rename-schema
ALTER SCHEMA archive RENAME TO attic;
-- expect rename-enum-value
ALTER TYPE color RENAME VALUE 'red' TO 'crimson';
-- expect nothing
ALTER TYPE color ADD VALUE 'blue' AFTER 'red';
-- expect nothing
ALTER TYPE color ADD VALUE IF NOT EXISTS 'red';
-- expect nothing
CREATE TYPE state AS ENUM ('open', 'closed');

-- Storage
-- expect nothing
ALTER TABLE bills SET LOGGED;
-- expect set-logged-unlogged, unlogged-table; when empty unlogged-table
ALTER TABLE lonely SET UNLOGGED;
-- first
CREATE UNLOGGED TABLE fast AS SELECT * FROM bills;
-- expect set-logged-unlogged
ALTER TABLE fast SET LOGGED;
-- expect unlogged-table; when empty unlogged-table
CREATE UNLOGGED TABLE cache (key text PRIMARY KEY, value jsonb);
-- expect nothing
ALTER TABLE bills SET TABLESPACE pg_default;
-- first
SET allow_in_place_tablespaces = on;
SELECT 'CREATE TABLESPACE oracle_space LOCATION $$$$' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'oracle_space') \gexec
-- expect set-tablespace
ALTER TABLE bills SET TABLESPACE oracle_space;
-- expect nothing
ALTER TABLE bills SET ACCESS METHOD heap;
-- first
CREATE ACCESS METHOD another_heap TYPE TABLE HANDLER heap_tableam_handler;
-- expect set-access-method
ALTER TABLE lonely SET ACCESS METHOD another_heap;
-- expect nothing
ALTER TABLE bills SET (fillfactor = 80);
-- expect nothing
ALTER TABLE bills SET (autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = true);
-- expect disable-autovacuum; when empty disable-autovacuum
ALTER TABLE bills SET (autovacuum_enabled = false);
-- expect disable-autovacuum; when empty disable-autovacuum
ALTER TABLE bills SET (autovacuum_enabled = off, fillfactor = 70);
-- expect nothing
ALTER TABLE bills RESET (autovacuum_enabled);
-- expect nothing
ALTER TABLE bills CLUSTER ON bills_client;
-- expect nothing
ALTER TABLE bills SET WITHOUT CLUSTER;
-- expect cluster
CLUSTER bills USING bills_client;
-- expect cluster
CLUSTER VERBOSE clients USING clients_pkey;
-- expect vacuum-full
VACUUM FULL bills;
-- expect vacuum-full
VACUUM (FULL, ANALYZE) bills, lonely;
-- expect nothing
VACUUM ANALYZE bills;
-- expect nothing
VACUUM (FULL false) bills;
-- expect nothing
ANALYZE bills;
-- expect nothing
VACUUM (FREEZE, PARALLEL 0) lonely;

-- Matviews and views
-- expect refresh-matview-blocking
REFRESH MATERIALIZED VIEW sums;
-- first
CREATE UNIQUE INDEX ON sums (client_id);
-- expect refresh-matview-blocking
REFRESH MATERIALIZED VIEW sums;
-- first
CREATE UNIQUE INDEX ON sums (client_id);
-- expect refresh-matview-blocking; in a transaction
REFRESH MATERIALIZED VIEW sums;
-- first
CREATE UNIQUE INDEX ON sums (client_id);
-- expect nothing
REFRESH MATERIALIZED VIEW CONCURRENTLY sums;
-- first
CREATE MATERIALIZED VIEW later AS SELECT * FROM bills WITH NO DATA;
-- expect nothing
REFRESH MATERIALIZED VIEW later;
-- first
CREATE MATERIALIZED VIEW later AS SELECT (SELECT count(*) FROM open_sums) AS n WITH NO DATA;
-- expect nothing
REFRESH MATERIALIZED VIEW later;
-- first
CREATE MATERIALIZED VIEW later AS SELECT relname FROM pg_class WITH NO DATA;
-- expect nothing
REFRESH MATERIALIZED VIEW later;
-- expect nothing
REFRESH MATERIALIZED VIEW sums WITH NO DATA;
-- expect nothing
CREATE VIEW closed AS SELECT * FROM bills WHERE state = 'closed';
-- expect nothing
CREATE OR REPLACE VIEW open_sums AS SELECT client_id, sum FROM open_bills WHERE sum > 0;
-- expect nothing
CREATE MATERIALIZED VIEW names AS SELECT name FROM clients;
-- expect nothing
ALTER VIEW open_bills SET (security_barrier = true);
-- expect nothing; in a transaction
DROP VIEW open_sums;
CREATE VIEW open_sums AS SELECT client_id, sum, state FROM open_bills;

-- Sequences
-- expect nothing
CREATE SEQUENCE more START 100;
-- expect nothing
ALTER SEQUENCE tickets OWNED BY lonely.a;
-- expect nothing
ALTER SEQUENCE tickets INCREMENT BY 10;
-- expect nothing
SELECT setval('tickets', 100);
-- expect sequence-overflow; when empty sequence-overflow
ALTER SEQUENCE tickets CYCLE;
-- first
SELECT setval('tickets', 2000000000);
-- expect sequence-overflow; when empty sequence-overflow
ALTER SEQUENCE tickets AS int;
-- first
SELECT nextval('tickets');
-- expect nothing
ALTER SEQUENCE tickets AS int;
-- expect nothing
ALTER SEQUENCE bills_id_seq RESTART WITH 5000;

-- Triggers, rules, rights
-- expect nothing
CREATE TRIGGER stamped BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION touch();
-- expect nothing
CREATE OR REPLACE TRIGGER touched AFTER UPDATE ON bills FOR EACH ROW EXECUTE FUNCTION touch();
-- expect nothing
DROP TRIGGER touched ON bills;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE bills DISABLE TRIGGER ALL;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE bills DISABLE TRIGGER touched;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE bills DISABLE TRIGGER USER;
-- expect nothing
ALTER TABLE bills ENABLE TRIGGER touched;
-- expect create-rule; when empty create-rule
CREATE RULE no_delete AS ON DELETE TO clients DO INSTEAD NOTHING;
-- expect nothing
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
-- expect nothing
GRANT SELECT ON bills TO PUBLIC;
-- expect nothing
REVOKE ALL ON bills FROM PUBLIC;
-- expect nothing
ALTER TABLE bills OWNER TO CURRENT_USER;
-- expect enable-rls; when empty nothing
ALTER TABLE bills ENABLE ROW LEVEL SECURITY;
-- first
CREATE POLICY everyone ON bills USING (true);
-- expect nothing
ALTER TABLE bills ENABLE ROW LEVEL SECURITY;
-- expect nothing; in a transaction
CREATE POLICY everyone ON bills USING (true);
ALTER TABLE bills ENABLE ROW LEVEL SECURITY;
-- first
CREATE POLICY everyone ON bills USING (true);
-- expect nothing
ALTER POLICY everyone ON bills USING (id > 0);
-- expect nothing
ALTER TABLE bills DISABLE ROW LEVEL SECURITY;

-- The rest
-- expect nothing
COMMENT ON TABLE bills IS 'what is to be paid';
-- expect nothing
CREATE STATISTICS s ON client_id, state FROM bills;
-- expect nothing; in a transaction
LOCK TABLE bills IN SHARE ROW EXCLUSIVE MODE NOWAIT;
-- expect nothing; in a transaction
LOCK TABLE bills;
-- expect nothing; in a transaction
LOCK TABLE bills IN SHARE MODE;
-- expect nothing; in a transaction
LOCK TABLE bills, clients IN ROW EXCLUSIVE MODE;
-- expect nothing
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
-- expect nothing
CREATE TABLE IF NOT EXISTS clients (id int PRIMARY KEY, name text NOT NULL);
-- expect if-not-exists-mismatch; when empty if-not-exists-mismatch
CREATE TABLE IF NOT EXISTS clients (id int PRIMARY KEY, name text NOT NULL, city text);
-- expect nothing
CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
-- expect nothing
CREATE TABLE ar_internal_metadata ("key" character varying NOT NULL PRIMARY KEY, value character varying, created_at timestamp(6) NOT NULL);
-- expect nothing
INSERT INTO clients VALUES (1000, 'x');
-- expect nothing
UPDATE bills SET state = 'paid' WHERE id = 1;
-- expect nothing
DELETE FROM bill_lines WHERE id = 5;
-- expect nothing
SET lock_timeout = '5s';
-- expect nothing
DO $$ BEGIN PERFORM 1; END $$;
-- first
ALTER TABLE lonely OWNER TO oracle_owner;
-- expect drop-owned; when empty drop-owned
DROP OWNED BY oracle_owner;
-- first
ALTER VIEW open_bills OWNER TO oracle_owner;
CREATE POLICY theirs ON clients TO oracle_owner USING (true);
CREATE POLICY ours ON bill_lines TO oracle_owner, CURRENT_USER USING (true);
-- expect drop-owned; when empty drop-owned
DROP OWNED BY oracle_owner CASCADE;
-- first
DROP DATABASE IF EXISTS oracle_other;
CREATE DATABASE oracle_other;
-- expect drop-database; when empty drop-database
DROP DATABASE oracle_other;
-- expect nothing
DROP DATABASE IF EXISTS not_there;
