-- Indexes: as Rails, Django, Alembic, Prisma, Flyway and people write them.

-- given
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name varchar(80), org_id int, tags text[], data jsonb,
    deleted_at timestamptz, "createdAt" timestamptz NOT NULL DEFAULT now());
INSERT INTO users SELECT i, 'u' || i || '@example.org', 'n' || i, i % 7, '{a,b}', '{"a": 1}', NULL FROM generate_series(1, 1000) AS i;
CREATE INDEX by_name ON users (name);
CREATE INDEX by_org ON users (org_id);
COMMENT ON INDEX by_name IS 'names';
CREATE TABLE "Order Lines" ("Id" int PRIMARY KEY, "user id" bigint REFERENCES users, amount numeric);
INSERT INTO "Order Lines" SELECT i, i, i FROM generate_series(1, 500) AS i;
CREATE MATERIALIZED VIEW totals AS SELECT org_id, count(*) AS n FROM users GROUP BY org_id;

-- Rails: add_index
-- expect create-index-blocking
CREATE INDEX "index_users_on_email" ON "users" ("email");
-- expect create-index-blocking
CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email");
-- expect create-index-blocking
CREATE UNIQUE INDEX ON users (lower(email));
-- expect create-index-blocking
CREATE INDEX "index_users_on_data" ON "users" USING gin ("data");
-- expect create-index-blocking
CREATE INDEX index_users_on_org_and_created ON users (org_id, "createdAt" DESC NULLS LAST);
-- expect create-index-blocking
CREATE INDEX active_users ON users (email) WHERE deleted_at IS NULL;
-- expect create-index-blocking
CREATE INDEX IF NOT EXISTS users_email_idx ON users USING btree (email);
-- expect create-index-blocking
CREATE INDEX covering ON users (org_id) INCLUDE (email, name);
-- expect create-index-blocking
CREATE INDEX small ON users (org_id) WITH (fillfactor = 70);
-- expect create-index-blocking
CREATE INDEX by_hash ON public.users USING hash (email);
-- expect create-index-blocking
CREATE INDEX by_block ON users USING brin ("createdAt");
-- expect create-index-blocking
CREATE INDEX like_email ON users (email text_pattern_ops);
-- expect create-index-blocking
CREATE INDEX by_collation ON users (email COLLATE "C");
-- expect create-index-blocking
CREATE INDEX ON "Order Lines" ("user id");
-- expect create-index-blocking
CREATE UNIQUE INDEX "a name that is exactly as long as PostgreSQL allows: 63 bytes!!!" ON "Order Lines" (amount, "Id");
-- expect create-index-blocking
CREATE INDEX ON ONLY users (org_id);
-- expect create-index-blocking
CREATE UNIQUE INDEX ON totals (org_id);
-- expect create-index-blocking
CREATE INDEX ON users ((data ->> 'a'), (coalesce(org_id, 0)));
-- expect create-index-blocking
CREATE UNIQUE INDEX nulls ON users (id, deleted_at) NULLS NOT DISTINCT;
-- expect create-index-blocking; in a transaction
CREATE INDEX "index_users_on_email" ON "users" ("email");
-- expect create-index-blocking; in a transaction
ALTER TABLE users ADD COLUMN city text;
CREATE INDEX ON users (city);
-- expect create-index-blocking; in a transaction
SAVEPOINT s;
CREATE INDEX ON users (email);
RELEASE s;
-- expect create-index-blocking
DO $$ BEGIN CREATE INDEX ON users (email); END $$;

-- The harmless ones.
-- expect nothing
CREATE INDEX CONCURRENTLY "index_users_on_email" ON "users" ("email");
-- first
SET statement_timeout = '10min';
-- expect cic-short-timeout
CREATE INDEX CONCURRENTLY "index_users_on_email" ON "users" ("email");
-- first
SET lock_timeout = '1min';
-- expect cic-short-timeout
REINDEX INDEX CONCURRENTLY by_name;
-- Duplicates in a table that its owner may not read are not looked for.
-- first
ALTER TABLE users OWNER TO oracle_owner;
REVOKE SELECT ON users FROM oracle_owner;
-- expect create-index-blocking, unique-index-dup
CREATE UNIQUE INDEX ON users (email);
-- expect nothing
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_mail ON users (email);
-- expect nothing
CREATE INDEX IF NOT EXISTS by_name ON users (name);
-- expect nothing
CREATE TABLE invoices (id bigint PRIMARY KEY, n int);
CREATE INDEX ON invoices (n);
-- expect nothing; in a transaction
CREATE TABLE invoices (id bigint PRIMARY KEY, n int);
CREATE INDEX ON invoices (n);
CREATE UNIQUE INDEX ON invoices (id, n);
-- expect nothing; in a transaction
CREATE TABLE invoices AS SELECT * FROM users;
CREATE INDEX ON invoices (email);
-- expect nothing; in a transaction
SAVEPOINT s;
SELECT * INTO copy FROM users;
RELEASE s;
CREATE INDEX ON copy (email);
-- expect nothing
CREATE TEMP TABLE scratch AS SELECT * FROM users;
CREATE INDEX ON scratch (email);
-- expect nothing; in a transaction
CREATE TABLE users_new (LIKE users INCLUDING ALL);
CREATE INDEX ON users_new (email);

-- Under a name that is taken.
-- expect nothing; error 42P07
CREATE INDEX by_name ON users (email);
-- expect create-index-blocking; error 42703
CREATE INDEX by_nothing ON users (nothing);

-- DROP INDEX
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX by_name;
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX IF EXISTS "by_name";
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX public.by_name, by_org;
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX IF EXISTS by_name, not_there;
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX by_name RESTRICT;
-- first
SET allow_in_place_tablespaces = on;
SELECT 'CREATE TABLESPACE oracle_space LOCATION $$$$' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'oracle_space') \gexec
-- expect alter-index-tablespace
ALTER INDEX by_name SET TABLESPACE oracle_space;
-- expect nothing
DROP INDEX CONCURRENTLY by_name;
-- expect nothing
DROP INDEX CONCURRENTLY IF EXISTS by_name;
-- expect nothing
DROP INDEX IF EXISTS not_there;
-- expect nothing; error 2BP01
DROP INDEX users_pkey;
-- expect nothing; in a transaction
CREATE TABLE made (a int);
CREATE INDEX made_a ON made (a);
DROP INDEX made_a;
-- expect drop-index-blocking; in a transaction; when empty drop-index-blocking
DROP INDEX by_name;

-- An index that something needs.
-- first
CREATE INDEX lines_user ON "Order Lines" ("user id");
-- expect drop-index-blocking, drop-index-needed; when empty drop-index-blocking
DROP INDEX lines_user;
-- first
CREATE UNIQUE INDEX identity_of_users ON users (email);
ALTER TABLE users REPLICA IDENTITY USING INDEX identity_of_users;
-- expect drop-index-blocking, drop-index-needed; when empty drop-index-blocking, drop-index-needed
DROP INDEX identity_of_users;

-- REINDEX
-- expect reindex-blocking
REINDEX INDEX by_name;
-- expect reindex-blocking
REINDEX TABLE users;
-- expect reindex-blocking
REINDEX (VERBOSE) TABLE "Order Lines";
-- expect reindex-blocking
REINDEX (CONCURRENTLY false) INDEX users_pkey;
-- expect reindex-blocking; when empty reindex-blocking
REINDEX SCHEMA public;
-- expect nothing
REINDEX TABLE CONCURRENTLY users;
-- expect nothing
REINDEX (CONCURRENTLY) INDEX by_name;
-- expect reindex-blocking; in a transaction
REINDEX TABLE users;

-- ALTER INDEX
-- expect nothing
ALTER INDEX by_name RENAME TO by_full_name;
-- expect nothing
ALTER INDEX by_name SET (fillfactor = 50);
-- expect nothing
ALTER INDEX by_name RESET (fillfactor);
-- expect nothing
ALTER INDEX by_name SET TABLESPACE pg_default;
-- expect nothing
ALTER INDEX IF EXISTS not_there RENAME TO anything;
-- expect nothing
COMMENT ON INDEX by_name IS 'again';
-- first
CREATE INDEX by_lower ON users (lower(name));
-- expect nothing
ALTER INDEX by_lower ALTER COLUMN 1 SET STATISTICS 500;

-- PostgreSQL itself refuses these in a block.
-- expect concurrently-in-txn; in a transaction; error 25001
CREATE INDEX CONCURRENTLY by_mail ON users (email);
-- expect concurrently-in-txn; in a transaction; error 25001
DROP INDEX CONCURRENTLY by_name;
-- expect concurrently-in-txn; in a transaction; error 25001
REINDEX TABLE CONCURRENTLY users;

-- An INVALID index of a failed build.
-- given
CREATE TABLE t (a int, b int);
INSERT INTO t SELECT i % 10, i FROM generate_series(1, 1000) AS i;
CREATE UNIQUE INDEX CONCURRENTLY left_over ON t (b);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_over'::regclass;
-- expect cic-if-not-exists-invalid; when empty cic-if-not-exists-invalid; another end (the invalid index is replaced)
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS left_over ON t (b);
-- expect cic-if-not-exists-invalid; when empty cic-if-not-exists-invalid; another end (the invalid index is replaced)
CREATE UNIQUE INDEX CONCURRENTLY left_over ON t (b);
-- expect cic-if-not-exists-invalid; when empty cic-if-not-exists-invalid; another end (the invalid index is replaced)
CREATE UNIQUE INDEX IF NOT EXISTS left_over ON t (b);
-- expect nothing; error 42P07
CREATE INDEX left_over ON t (a);

-- Partitioned.
-- given
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (kind);
CREATE TABLE events_2025_a PARTITION OF events_2025 FOR VALUES IN ('a');
CREATE TABLE events_2025_rest PARTITION OF events_2025 DEFAULT;
INSERT INTO events SELECT i, '2024-06-01'::date + i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 500) AS i;
CREATE INDEX by_kind ON events (kind);
-- expect create-index-partitioned
CREATE INDEX ON events (id);
-- expect create-index-partitioned
CREATE UNIQUE INDEX events_key ON events (id, at, kind);
-- expect create-index-partitioned
CREATE INDEX IF NOT EXISTS events_at ON events USING brin (at);
-- expect create-index-partitioned; in a transaction
CREATE INDEX events_at ON events (at);
-- expect create-index-blocking
CREATE INDEX ON events_2024 (id);
-- expect create-index-partitioned
CREATE INDEX ON events_2025 (id);
-- expect nothing
CREATE INDEX events_id ON ONLY events (id);
-- expect nothing
CREATE INDEX CONCURRENTLY ON events_2024 (id);
-- expect nothing; error 0A000
CREATE INDEX CONCURRENTLY ON events (id);
-- first
CREATE INDEX parent ON ONLY events (id);
CREATE INDEX child ON events_2024 (id);
-- expect nothing
ALTER INDEX parent ATTACH PARTITION child;
-- expect reindex-blocking
REINDEX TABLE events;
-- expect nothing; error 2BP01
DROP INDEX events_2024_kind_idx;
-- expect nothing
ALTER INDEX by_kind RENAME TO by_what;
