-- House style: silent until it is asked for, and then for what others can see.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE users (id bigint PRIMARY KEY, v int, name varchar(10));
INSERT INTO users SELECT i, i FROM generate_series(1, 10) AS i;
CREATE INDEX by_v ON users (v);
RESET client_min_messages;
CREATE FUNCTION asked(class text) RETURNS text LANGUAGE sql
AS $$
    SELECT set_config('zdm.rule_actions', string_agg(rule || '=warn', ', ' ORDER BY rule), false)
    FROM zdm.rules WHERE rules.class = asked.class AND rule <> 'cached-plan-break'
$$;
SELECT asked('style') IS NOT NULL;
\set VERBOSITY terse

-- types
SET zdm.rule_actions = 'prefer-bigint=warn, prefer-identity=warn, prefer-text=warn, ban-char=warn,
    prefer-timestamptz=warn, timestamp-precision=warn, ban-money=warn, prefer-jsonb=warn';
\set VERBOSITY default
CREATE TABLE bad (id serial PRIMARY KEY, a varchar(5), b char(3), c timestamp, d timestamptz(0), e money, f json);
\set VERBOSITY terse
CREATE TABLE good (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a varchar, b text, c timestamptz, d timestamptz(3),
    e numeric, f jsonb, g int, h name);
CREATE TEMPORARY TABLE mine (id serial PRIMARY KEY, a varchar(5));
CREATE TABLE pairs (a int, b smallint, c bigint, PRIMARY KEY (a, c));
ALTER TABLE users ADD at timestamp, ADD tags varchar(7)[];
ALTER TABLE users ALTER name TYPE varchar(20);
CREATE TABLE IF NOT EXISTS bad (a varchar(5));

-- tables and constraints
SET zdm.rule_actions = 'table-without-pk=warn, unnamed-constraint=warn, not-valid-forgotten=warn,
    fk-type-mismatch=warn, fk-missing-index=warn, create-table-fk=warn, require-table-schema=warn';
CREATE TABLE guarded.keyless (id int);
CREATE TABLE guarded.child (id bigint CONSTRAINT child_key PRIMARY KEY, user_id int CONSTRAINT f REFERENCES guarded.users);
CREATE TABLE guarded.child2 (id bigint PRIMARY KEY, user_id bigint, CHECK (id > 0));
CREATE TABLE guarded.child3 (id bigint CONSTRAINT child3_key PRIMARY KEY, user_id int,
    CONSTRAINT f FOREIGN KEY (user_id) REFERENCES guarded.users);
\set VERBOSITY default
ALTER TABLE guarded.child2 ADD CONSTRAINT g FOREIGN KEY (user_id) REFERENCES guarded.users NOT VALID;
\set VERBOSITY terse
CREATE INDEX ON guarded.child2 (user_id, id);
ALTER TABLE guarded.child2 ADD CONSTRAINT h FOREIGN KEY (user_id) REFERENCES guarded.users;
ALTER TABLE child2 ADD CHECK (id < 100);
DROP TABLE IF EXISTS nobody;
CREATE TEMPORARY TABLE mine2 (id int);
DROP TABLE mine2;

-- indexes
SET zdm.rule_actions = 'duplicate-index=warn, redundant-index=warn, wide-index=warn';
\set VERBOSITY default
CREATE INDEX again ON users (v);
\set VERBOSITY terse
CREATE INDEX longer ON users (v, id);
CREATE INDEX descending ON users (v DESC);
CREATE INDEX partial ON users (v) WHERE id > 5;
CREATE INDEX partial2 ON users (v) WHERE id > 5;
CREATE INDEX expression ON users (lower(name));
CREATE INDEX expression2 ON users (lower(name));
CREATE INDEX pattern ON users (name text_pattern_ops);
CREATE INDEX hashed ON users USING hash (v);
CREATE UNIQUE INDEX only_once ON users (v, id, name);
CREATE INDEX prefix ON users (v, id);
CREATE INDEX wide ON users (at, v, id, name);
CREATE INDEX IF NOT EXISTS again ON users (v);

-- types of one's own
SET zdm.rule_actions = 'create-enum=warn, ban-create-domain=warn, create-domain-with-constraint=warn,
    enum-value-in-txn=warn, enum-value-unordered=warn';
CREATE TYPE mood AS ENUM ('sad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN any_int AS int;
ALTER TYPE mood ADD VALUE 'glad';
ALTER TYPE mood ADD VALUE 'calm' BEFORE 'glad';
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad';
BEGIN;
ALTER TYPE mood ADD VALUE 'bad' AFTER 'sad';
ROLLBACK;

-- names
SET zdm.rule_actions = 'identifier-too-long=warn';
SET client_min_messages = warning;
CREATE TABLE a23456789012345678901234567890123456789012345678901234567890123 (id int);
CREATE TABLE b234567890123456789012345678901234567890123456789012345678901234 (id int);
CREATE TABLE "Straße 56789012345678901234567890123456789012345678901234567890123" (id int);
CREATE FUNCTION a_name_that_is_much_longer_than_the_sixty_three_bytes_that_it_may_have() RETURNS int LANGUAGE sql
    AS 'SELECT 1 AS another_name_that_is_much_longer_than_the_sixty_three_bytes_that_it_may_have';
COMMENT ON TABLE users IS 'a text of more than sixty-three bytes is no name, of course, is it?';
ALTER TABLE users ALTER name SET DEFAULT 'a text of more than sixty-three bytes is no name, of course, is it?';
RESET client_min_messages;

-- what follows the lock rules
SET zdm.rule_actions = 'drop-fk-constraint=warn, alter-constraint-deferrable=warn, rename-constraint=warn,
    change-column-default=warn, set-storage=warn, set-compression=warn, create-or-replace-view=warn, drop-partition=warn,
    inherit=warn, no-inherit=warn, create-trigger=warn, owner-change=warn, lock-table-explicit=warn, revoke=warn,
    create-extension=warn, cached-plan-break=warn';
ALTER TABLE child2 ALTER CONSTRAINT g DEFERRABLE;
ALTER TABLE child2 DROP CONSTRAINT g;
ALTER TABLE users RENAME CONSTRAINT users_pkey TO users_key;
ALTER TABLE users ALTER v SET DEFAULT 1, ALTER name SET STORAGE EXTERNAL, ALTER name SET COMPRESSION pglz;
CREATE VIEW seen AS SELECT 1 AS one;
CREATE OR REPLACE VIEW seen AS SELECT 2 AS one;
CREATE OR REPLACE VIEW unseen AS SELECT 2 AS one;
CREATE TABLE more (v int) INHERITS (users);
ALTER TABLE more NO INHERIT users;
ALTER TABLE more INHERIT users;
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
DROP TABLE p1;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER mine BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE users OWNER TO CURRENT_USER;
CREATE ROLE regress_zdm_owner;
ALTER TABLE users OWNER TO regress_zdm_owner;
GRANT SELECT ON users TO regress_zdm_owner;
REVOKE SELECT ON users FROM regress_zdm_owner;
BEGIN;
LOCK TABLE users IN ACCESS SHARE MODE;
COMMIT;
CREATE EXTENSION IF NOT EXISTS plpgsql;
ALTER TABLE users DROP name;

-- all at once, and then none
SELECT asked('style') IS NOT NULL;
CREATE TABLE everything (id int4, a char(2), u int REFERENCES users, CHECK (id > 0));
RESET zdm.rule_actions;
CREATE TABLE nothing_said (id int4, a char(2), u int REFERENCES users, CHECK (id > 0));

-- CONCURRENTLY in a block: PostgreSQL's error, and what to do
\set VERBOSITY default
BEGIN;
CREATE INDEX CONCURRENTLY late ON users (id, v);
ROLLBACK;
CREATE INDEX CONCURRENTLY late ON users (id, v);

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
DROP OWNED BY regress_zdm_owner;
DROP ROLE regress_zdm_owner;
