-- An INVALID index that a failed build left in the way: dropped and rebuilt if it is the wanted one, else PostgreSQL's
-- own answer and a warning.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set leave 'SET zdm.mode = \'off\'; UPDATE users SET email = \'user2\' WHERE id = 1; CREATE UNIQUE INDEX CONCURRENTLY one_email ON users (email); UPDATE users SET email = \'user\' || id; RESET zdm.mode;'
\set ECHO all

CREATE TABLE users (id int, email text, age int) WITH (autovacuum_enabled = off);
INSERT INTO users SELECT i, 'user' || i, i % 90 FROM generate_series(1, 1000) AS i;
CREATE VIEW indexes AS SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_index WHERE indrelid = 'users'::regclass ORDER BY 1;

-- :leave fails in plain PostgreSQL, which leaves the index INVALID, and takes the duplicate away
:leave
TABLE indexes;

-- the same again
CREATE UNIQUE INDEX one_email ON users (email);
TABLE indexes;
DROP INDEX one_email;

-- IF NOT EXISTS would make PostgreSQL skip it
:leave
CREATE UNIQUE INDEX IF NOT EXISTS one_email ON users (email);
TABLE indexes;
DROP INDEX one_email;

-- CONCURRENTLY as well
:leave
CREATE UNIQUE INDEX CONCURRENTLY one_email ON users (email);
TABLE indexes;
DROP INDEX one_email;
:leave
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_email ON users (email);
TABLE indexes;
DROP INDEX one_email;

-- the same definition in other words
:leave
create unique index one_email on guarded.users using BTREE ("email" asc nulls last);
TABLE indexes;
DROP INDEX one_email;

-- it is still wanted, but there are duplicates again: PostgreSQL's error, and the schema as before
:leave
UPDATE users SET email = 'user2' WHERE id = 1;
CREATE UNIQUE INDEX IF NOT EXISTS one_email ON users (email);
TABLE indexes;
UPDATE users SET email = 'user1' WHERE id = 1;

-- another definition under the name: PostgreSQL's own answer, with a warning
CREATE INDEX one_email ON users (email);
\echo :SQLSTATE
CREATE UNIQUE INDEX one_email ON users (id);
\echo :SQLSTATE
CREATE INDEX IF NOT EXISTS one_email ON users (age);
CREATE UNIQUE INDEX CONCURRENTLY one_email ON users (email) WHERE age > 17;
\echo :SQLSTATE
TABLE indexes;

-- a valid one under the name: no warning
REINDEX INDEX one_email;
TABLE indexes;
CREATE UNIQUE INDEX one_email ON users (email);
\echo :SQLSTATE
CREATE UNIQUE INDEX IF NOT EXISTS one_email ON users (email);
DROP INDEX one_email;

-- in a transaction block it cannot be rebuilt
:leave
BEGIN;
CREATE UNIQUE INDEX IF NOT EXISTS one_email ON users (email);
\echo :SQLSTATE
ROLLBACK;
TABLE indexes;
DROP INDEX one_email;

-- a parent index that lacks partitions is INVALID too, but no leftover
CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events VALUES (1, '2024-05-05');
CREATE INDEX by_at ON ONLY events (at);
CREATE INDEX IF NOT EXISTS by_at ON ONLY events (at);
CREATE INDEX by_at ON ONLY events (at);
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'events'::regclass;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
