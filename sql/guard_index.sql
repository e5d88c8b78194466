-- CREATE INDEX becomes CONCURRENTLY; what is left is what plain PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE users (id int, email text, age int, "Last Login" timestamptz, country char(2));
    INSERT INTO users SELECT i, 'user' || i, nullif(i, 500) % 1000 + 1, 'epoch', 'at' FROM generate_series(1, 1000) AS i;
    UPDATE users SET age = 7 WHERE id = 8;
$$);

-- the command tag is the user's own
CREATE INDEX by_age ON users (age);
\echo :SQLSTATE :ERROR
SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_age'::regclass;
DROP INDEX by_age;

-- every form, and the names that PostgreSQL chooses
SELECT twin('CREATE INDEX by_age ON users (age)') :run
SELECT twin('CREATE INDEX ON users (age)') :run
SELECT twin('CREATE INDEX ON users (age)') :run
SELECT twin('CREATE INDEX ON users (lower(email), age DESC NULLS LAST)') :run
SELECT twin('CREATE INDEX ON users ((age + id))') :run
SELECT twin('CREATE INDEX ON users ("Last Login", country)') :run
SELECT twin('CREATE UNIQUE INDEX ON users (id)') :run
SELECT twin('CREATE UNIQUE INDEX one_email ON users USING btree (email COLLATE "C" text_pattern_ops) INCLUDE (age, country) WITH (fillfactor = 70) WHERE age > 17') :run
SELECT twin('CREATE UNIQUE INDEX nulls ON users (id, email) NULLS NOT DISTINCT') :run
SELECT twin('CREATE INDEX ON users USING hash (email)') :run
SELECT twin('CREATE INDEX IF NOT EXISTS by_country ON users (country)') :run
SELECT twin('CREATE INDEX "Odd "" name; --" ON users (id)') :run
SELECT twin('CREATE INDEX i23456789_123456789_123456789_123456789_123456789_123456789_123 ON users (id)') :run
SELECT twin('CREATE INDEX j23456789_123456789_123456789_123456789_123456789_123456789_12345 ON users (age)') :run
SELECT twin('CREATE INDEX ON ONLY users (country) TABLESPACE pg_default') :run
SELECT twin(E'create /* a comment; */ index -- another\n  on users\n(id, age)  ') :run
SELECT compare();

-- with the schema in front, from anywhere
SET search_path = pg_catalog, twins;
CREATE INDEX far ON guarded.users (age);
SET search_path = guarded, twins, public;
SELECT pg_get_indexdef('far'::regclass);
DROP INDEX far;

-- already concurrent: passes as it is
CREATE INDEX CONCURRENTLY already ON users (age);
DROP INDEX CONCURRENTLY already;

-- a name that is taken gets PostgreSQL's own answer
SELECT twin('CREATE INDEX by_age ON users (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX IF NOT EXISTS by_age ON users (age)') :run
SELECT twin('CREATE INDEX IF NOT EXISTS by_age ON users (id)') :run
SELECT twin('CREATE INDEX users ON users (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- bad input as well
SELECT twin('CREATE INDEX ON nobody (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX ON users (nothing)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX ON users USING nonsense (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX ON users (random())') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX ON users (id) WITH (nonsense = 1)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX ON users (id) TABLESPACE nowhere') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE INDEX IF NOT EXISTS ON users (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('CREATE VIEW adults AS SELECT * FROM users WHERE age > 17');
SELECT twin('CREATE INDEX ON adults (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- duplicates in the way: PostgreSQL's own error, and nothing of the index remains
SELECT twin('CREATE UNIQUE INDEX one_age ON users (age)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE UNIQUE INDEX ON users (country) WHERE id < 3') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE UNIQUE INDEX pair ON users ((age % 2), country) WHERE id IN (1, 3)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE UNIQUE INDEX no_pair ON users ((age % 2), country) WHERE id IN (1, 2)') :run
CALL each_side('UPDATE users SET email = NULL WHERE id < 3');
SELECT twin('CREATE UNIQUE INDEX with_nulls ON users (email)') :run
SELECT twin('CREATE UNIQUE INDEX without_nulls ON users (email) NULLS NOT DISTINCT') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- materialized views are as large as tables
CALL each_side('CREATE MATERIALIZED VIEW grown AS SELECT * FROM users WHERE age > 17');
SELECT twin('CREATE UNIQUE INDEX ON grown (id)') :run
SELECT compare();

-- DROP INDEX
SELECT twin('DROP INDEX by_age') :run
SELECT twin('DROP INDEX users_age_idx, users_age_idx1') :run
SELECT twin('DROP INDEX IF EXISTS by_country, no_such_index') :run
SELECT twin('DROP INDEX IF EXISTS no_such_index') :run
SELECT twin('DROP INDEX "Odd "" name; --" RESTRICT') :run
SELECT twin('DROP INDEX users_expr_idx') :run
SELECT twin('DROP INDEX users_id_age_idx CASCADE') :run
SELECT twin('DROP INDEX no_such_index') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('DROP INDEX users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('DROP INDEX one_email, no_such_index') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('ALTER TABLE users ADD CONSTRAINT by_constraint UNIQUE (id, age)');
SELECT twin('DROP INDEX by_constraint') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- REINDEX leaves the same indexes in other files
CREATE TEMPORARY TABLE before AS SELECT indexrelid::regclass::text AS name, pg_relation_filenode(indexrelid) AS file
    FROM pg_index WHERE indrelid = 'users'::regclass;
SELECT count(*) > 5 FROM before;
REINDEX INDEX one_email;
SELECT 'rebuilt: ' || name FROM before WHERE file <> pg_relation_filenode(name::regclass) ORDER BY 1;
REINDEX TABLE users;
SELECT 'not rebuilt: ' || name FROM before WHERE file = pg_relation_filenode(name::regclass) ORDER BY 1;
REINDEX (VERBOSE false) INDEX one_email;
REINDEX INDEX CONCURRENTLY one_email;
SELECT compare();
SELECT twin('REINDEX INDEX no_such_index') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('REINDEX TABLE adults') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
