-- What is lost: DROP, TRUNCATE, guarantees, triggers, sequences. Warned of where something is lost, and nowhere else.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded, other CASCADE;
CREATE SCHEMA guarded;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL DEFAULT 'x' UNIQUE, age int CHECK (age > 0), note text);
INSERT INTO users (id, email, age) SELECT i, i, i FROM generate_series(1, 100) AS i;
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint CONSTRAINT by_user REFERENCES users);
INSERT INTO orders SELECT i, i FROM generate_series(1, 100) AS i;
CREATE INDEX orders_user ON orders (user_id);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint REFERENCES orders, user_id bigint REFERENCES users);
INSERT INTO items SELECT i, i, i FROM generate_series(1, 100) AS i;
CREATE VIEW adults AS SELECT id, note FROM users WHERE age > 17;
CREATE TABLE empty (id int PRIMARY KEY, a int NOT NULL DEFAULT 1 UNIQUE CHECK (a > 0));
CREATE SEQUENCE free;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE felt (at date, how mood);
INSERT INTO felt VALUES ('2024-01-01', 'sad');
RESET client_min_messages;

-- DROP TABLE
BEGIN;
DROP TABLE items;
ROLLBACK;
BEGIN;
DROP TABLE orders CASCADE;
ROLLBACK;
\set VERBOSITY terse
-- a line for each, and what is listed is what PostgreSQL would have taken
BEGIN;
\set VERBOSITY default
DROP TABLE users, items, orders CASCADE;
\set VERBOSITY terse
ROLLBACK;
-- PostgreSQL refuses: its own words
DROP TABLE users;
\echo :SQLSTATE
DROP TABLE nobody;
\echo :SQLSTATE
DROP TABLE adults;
\echo :SQLSTATE
DROP TABLE IF EXISTS nobody, other.nobody;
-- nothing is lost
DROP TABLE IF EXISTS empty;
CREATE TEMPORARY TABLE mine AS SELECT * FROM users;
DROP TABLE mine;
-- nobody else knew it
BEGIN;
CREATE TABLE new AS SELECT * FROM users;
SAVEPOINT s;
ALTER TABLE new DROP note, ALTER email DROP NOT NULL;
ROLLBACK TO s;
TRUNCATE new;
CREATE VIEW of_new AS SELECT * FROM new;
DROP TABLE new CASCADE;
COMMIT;
-- partitions come and go
CREATE TABLE events (at date) PARTITION BY RANGE (at);
CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events VALUES ('2023-05-05'), ('2024-05-05');
DROP TABLE events_2023;
BEGIN;
ALTER TABLE events DETACH PARTITION events_2024;
DROP TABLE events_2024;
ROLLBACK;
DROP TABLE events;

-- views: a new one in the same transaction is as good
DROP VIEW adults;
BEGIN;
CREATE VIEW adults AS SELECT id FROM users;
COMMIT;
BEGIN;
DROP VIEW adults;
CREATE VIEW adults AS SELECT id, age FROM users;
CREATE VIEW of_adults AS SELECT id FROM adults;
COMMIT;
BEGIN;
DROP VIEW adults CASCADE;
ROLLBACK;
DROP VIEW of_adults;
BEGIN;
DROP VIEW adults;
SAVEPOINT s;
DROP SEQUENCE free;
ROLLBACK TO s;
COMMIT;
BEGIN;
SAVEPOINT s;
CREATE VIEW adults AS SELECT id, age FROM users;
DROP VIEW adults;
COMMIT;
CREATE MATERIALIZED VIEW sums AS SELECT sum(age) FROM users;
DROP MATERIALIZED VIEW sums;

-- types, schemas
\set VERBOSITY default
DROP TYPE mood;
\echo :SQLSTATE
BEGIN;
DROP TYPE mood CASCADE;
ROLLBACK;
CREATE SCHEMA other;
DROP SCHEMA other CASCADE;
CREATE SCHEMA other CREATE TABLE a (id int) CREATE TABLE b (id int) CREATE VIEW c AS SELECT 1 AS one;
DROP SCHEMA other;
\echo :SQLSTATE
BEGIN;
DROP SCHEMA other CASCADE;
ROLLBACK;
\set VERBOSITY terse
BEGIN;
CREATE SCHEMA newer CREATE TABLE a (id int);
DROP SCHEMA newer CASCADE;
COMMIT;

-- columns
\set VERBOSITY default
BEGIN;
ALTER TABLE users DROP COLUMN email;
ALTER TABLE orders DROP COLUMN user_id, DROP COLUMN IF EXISTS nothing;
ROLLBACK;
CREATE VIEW adults AS SELECT id, note FROM users;
ALTER TABLE users DROP COLUMN note;
\echo :SQLSTATE
BEGIN;
ALTER TABLE users DROP COLUMN note CASCADE;
ROLLBACK;
BEGIN;
ALTER TABLE users ADD fresh int;
ALTER TABLE users DROP fresh;
ROLLBACK;
\set VERBOSITY terse

-- guarantees
BEGIN;
ALTER TABLE users DROP CONSTRAINT users_email_key;
ALTER TABLE users DROP CONSTRAINT users_age_check;
ALTER TABLE users ALTER email DROP DEFAULT;
ALTER TABLE users ALTER email DROP NOT NULL;
ALTER TABLE users ALTER email DROP NOT NULL, ALTER email DROP DEFAULT, ALTER note DROP NOT NULL, ALTER note DROP DEFAULT;
ALTER TABLE users DROP CONSTRAINT IF EXISTS nothing;
ALTER TABLE orders DROP CONSTRAINT by_user;
ALTER TABLE items DROP CONSTRAINT items_pkey;
ROLLBACK;
-- a CHECK that says no more than NOT NULL does
BEGIN;
ALTER TABLE users ADD CONSTRAINT proof CHECK (email IS NOT NULL) NOT VALID;
ALTER TABLE users DROP CONSTRAINT proof;
COMMIT;
ALTER TABLE users ADD CONSTRAINT proof CHECK (email IS NOT NULL) NOT VALID;
ALTER TABLE users DROP CONSTRAINT proof;
-- but what says it for children too is not said by what does not
BEGIN;
SET LOCAL zdm.rule_actions = 'validate-in-same-txn=allow';
ALTER TABLE users ADD CONSTRAINT alone CHECK (age > 0) NO INHERIT NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT alone;
ALTER TABLE users DROP CONSTRAINT users_age_check;
ROLLBACK;
ALTER TABLE users DROP CONSTRAINT users_pkey;
\echo :SQLSTATE

-- indexes
BEGIN;
SET LOCAL zdm.rule_actions = 'drop-index-blocking=allow';
\set VERBOSITY default
DROP INDEX orders_user;
ROLLBACK;
CREATE INDEX orders_user_too ON orders (user_id, id);
\set VERBOSITY terse
DROP INDEX orders_user;
DROP INDEX orders_user_too;

-- TRUNCATE
TRUNCATE users;
\echo :SQLSTATE
BEGIN;
TRUNCATE felt;
TRUNCATE felt;
ROLLBACK;
\set VERBOSITY default
BEGIN;
TRUNCATE users CASCADE;
ROLLBACK;
\set VERBOSITY terse

-- triggers, rules, autovacuum, unlogged tables
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER mine BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE felt DISABLE TRIGGER ALL;
\set VERBOSITY default
ALTER TABLE orders DISABLE TRIGGER ALL;
ALTER TABLE orders DISABLE TRIGGER mine;
ALTER TABLE orders ENABLE TRIGGER ALL;
\set VERBOSITY terse
CREATE RULE never AS ON DELETE TO felt DO INSTEAD NOTHING;
CREATE RULE into_users AS ON UPDATE TO adults DO INSTEAD NOTHING;
ALTER TABLE felt SET (autovacuum_enabled = off);
ALTER TABLE felt SET (autovacuum_enabled = off);
ALTER TABLE felt SET (fillfactor = 90, autovacuum_enabled = on);
CREATE UNLOGGED TABLE fast (id int);
CREATE UNLOGGED TABLE IF NOT EXISTS fast (id int);
CREATE UNLOGGED TABLE faster AS SELECT 1;
CREATE TABLE slow (id int);
ALTER TABLE slow SET UNLOGGED;
ALTER TABLE slow SET UNLOGGED;
CREATE TABLE IF NOT EXISTS slow (id int, name text);
CREATE TABLE IF NOT EXISTS slow (id bigint);
CREATE TABLE IF NOT EXISTS slow (id int4);
CREATE TABLE IF NOT EXISTS slow (id serial);

-- sequences
SELECT setval('free', 2000000000);
\set VERBOSITY default
ALTER SEQUENCE free AS integer;
\set VERBOSITY terse
ALTER SEQUENCE free AS bigint;
ALTER SEQUENCE free MAXVALUE 2000000001;
ALTER SEQUENCE free NO MAXVALUE;
ALTER SEQUENCE free RESTART WITH 1;
ALTER SEQUENCE free RESTART WITH 1;
ALTER SEQUENCE free CYCLE;
ALTER SEQUENCE free CYCLE OWNED BY NONE;
ALTER SEQUENCE IF EXISTS nobody RESTART;
CREATE TABLE counted (id serial);
SELECT setval('counted_id_seq', 100);
ALTER SEQUENCE counted_id_seq RESTART;

-- DROP OWNED, DROP DATABASE
CREATE ROLE regress_zdm_owner;
DROP OWNED BY regress_zdm_owner;
ALTER TABLE slow OWNER TO regress_zdm_owner;
\set VERBOSITY default
DROP OWNED BY regress_zdm_owner;
\set VERBOSITY terse
DROP DATABASE IF EXISTS regress_zdm_nobody;
CREATE DATABASE regress_zdm_other;
BEGIN;
DROP DATABASE regress_zdm_other;
ROLLBACK;
SET client_min_messages = error;
DROP DATABASE regress_zdm_other;
RESET client_min_messages;

-- a unique index whose duplicates cannot be looked for beforehand
CREATE TABLE hidden (a int, b text);
INSERT INTO hidden VALUES (1, 'a');
ALTER TABLE hidden OWNER TO regress_zdm_owner;
GRANT ALL ON SCHEMA guarded TO regress_zdm_owner;
REVOKE SELECT ON hidden FROM regress_zdm_owner;
SET ROLE regress_zdm_owner;
CREATE UNIQUE INDEX ON hidden (a);
-- somebody else's
DROP TABLE felt;
TRUNCATE felt;
ALTER TABLE users DROP note;
ALTER SEQUENCE free RESTART;
DROP TYPE mood CASCADE;
DROP VIEW adults;
DROP SCHEMA other CASCADE;
DROP DATABASE postgres;
RESET ROLE;

-- what to do about it is a matter of settings
SET zdm.rule_actions = 'drop-table=reject, drop-column=allow, drop-view=reject';
\set VERBOSITY default
DROP TABLE felt;
\echo :SQLSTATE
SET zdm.safety_assured = on; DROP TABLE felt;
\set VERBOSITY terse
ALTER TABLE orders DROP user_id;
BEGIN;
DROP VIEW adults;
COMMIT;
\echo :SQLSTATE
BEGIN;
DROP VIEW adults;
CREATE VIEW adults AS SELECT 1 AS one;
COMMIT;
SET zdm.rule_actions = 'drop-table=rewrite';
\echo :SQLSTATE
RESET zdm.rule_actions;
SET zdm.mode = 'reject';
DROP TABLE items;
SET zdm.mode = 'warn';
DROP TABLE orders CASCADE;
SET zdm.mode = 'off';
DROP TABLE users CASCADE;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded, other CASCADE;
DROP OWNED BY regress_zdm_owner;
DROP ROLE regress_zdm_owner;
