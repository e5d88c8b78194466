
-- given
CREATE TABLE core_recipe (id bigint PRIMARY KEY, name text DEFAULT 'x', edits int DEFAULT 1, foo_old text); INSERT INTO core_recipe(id) SELECT generate_series(1,1000);
CREATE FUNCTION uuid() RETURNS int LANGUAGE plpgsql VOLATILE AS $$begin return 1; end$$; CREATE FUNCTION myjsonb() RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$begin return '{}'::jsonb; end$$;
-- expect add-column-volatile-default
ALTER TABLE "core_recipe" ADD COLUMN "foo" integer DEFAULT uuid();

-- given
CREATE TABLE core_recipe (id bigint PRIMARY KEY, name text DEFAULT 'x', edits int DEFAULT 1, foo_old text);
INSERT INTO core_recipe(id) SELECT generate_series(1,1000);
-- expect nothing
ALTER TABLE "core_recipe" ADD COLUMN "foo" boolean DEFAULT true;
-- expect nothing
ALTER TABLE "core_recipe" ADD COLUMN "foo" text DEFAULT 'some-str';

-- given
CREATE TABLE core_recipe (id bigint PRIMARY KEY, name text DEFAULT 'x', edits int DEFAULT 1, foo_old text); INSERT INTO core_recipe(id) SELECT generate_series(1,1000);
CREATE FUNCTION uuid() RETURNS int LANGUAGE plpgsql VOLATILE AS $$begin return 1; end$$; CREATE FUNCTION myjsonb() RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$begin return '{}'::jsonb; end$$;
-- expect nothing
ALTER TABLE "core_recipe" ADD COLUMN "foo" jsonb DEFAULT myjsonb();

-- given
CREATE TABLE t (id bigint PRIMARY KEY);
INSERT INTO t(id) SELECT generate_series(1,1000);
-- expect nothing
alter table t add column c timestamptz default current_timestamp;
-- expect add-column-volatile-default
alter table t add column c timestamptz default clock_timestamp();

-- given
CREATE TABLE other_table(id int primary key);
INSERT INTO other_table SELECT generate_series(1,1000);
-- expect nothing
CREATE TABLE table_name (id BIGSERIAL NOT NULL, my_fk_id INTEGER NOT NULL REFERENCES other_table (id) ON DELETE CASCADE);

-- given
CREATE TABLE core_recipe (id bigint PRIMARY KEY, name text DEFAULT 'x', edits int DEFAULT 1, foo_old text);
INSERT INTO core_recipe(id) SELECT generate_series(1,1000);
-- expect nothing; in a transaction
ALTER TABLE "core_recipe" ADD COLUMN "foo" integer NOT NULL DEFAULT 10;

-- given
CREATE TABLE my_table (id bigint PRIMARY KEY, my_column int DEFAULT 1);
INSERT INTO my_table(id) SELECT generate_series(1,1000);
CREATE TABLE alembic_version(version_num text);
INSERT INTO alembic_version VALUES('a');
-- expect set-not-null-scan; in a transaction
ALTER TABLE my_table ALTER COLUMN my_column SET NOT NULL;
UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a';

-- given
CREATE TABLE foo (id bigint PRIMARY KEY, bar bigint DEFAULT 1, baz bigint DEFAULT 1);
INSERT INTO foo(id) SELECT generate_series(1,1000);
ALTER TABLE foo ADD CONSTRAINT foo_bar_not_null CHECK (bar IS NOT NULL) NOT VALID;
-- expect nothing
ALTER TABLE foo VALIDATE CONSTRAINT foo_bar_not_null;
ALTER TABLE foo ALTER COLUMN bar SET NOT NULL;
ALTER TABLE foo DROP CONSTRAINT foo_bar_not_null;

-- given
CREATE TABLE foo (id bigint PRIMARY KEY, bar bigint DEFAULT 1, baz bigint DEFAULT 1);
INSERT INTO foo(id) SELECT generate_series(1,1000);
ALTER TABLE foo ADD CONSTRAINT zz CHECK (baz > 0) NOT VALID;
-- expect drop-check, set-not-null-scan; when empty nothing
ALTER TABLE foo VALIDATE CONSTRAINT zz;
ALTER TABLE foo ALTER COLUMN bar SET NOT NULL;
ALTER TABLE foo DROP CONSTRAINT zz;

-- given
CREATE TABLE recipe(id bigint primary key);
-- expect nothing
ALTER TABLE "recipe" ADD COLUMN "public" boolean NOT NULL;

-- given
CREATE TABLE foo (id bigint PRIMARY KEY, a numeric DEFAULT 1, baz numeric DEFAULT 1);
INSERT INTO foo(id) SELECT generate_series(1,1000);
-- expect add-column-generated-stored; another end (a trigger keeps a plain column)
ALTER TABLE foo ADD COLUMN bar numeric GENERATED ALWAYS AS (a + baz) STORED NOT NULL;

-- given
CREATE TABLE t (id bigint PRIMARY KEY);
INSERT INTO t(id) SELECT generate_series(1,1000);
-- expect nothing
alter table t add column c char;

-- given
-- expect nothing
create table users (id integer primary key);
-- expect nothing
create table users (id serial4 primary key);
-- expect nothing
create table users (id bigint primary key);
-- expect nothing
create table users (id smallserial primary key);
-- expect nothing
create table users (id bigserial);
-- expect nothing
create table users (id bigint generated always as identity primary key);

-- given
CREATE TABLE foo_table (id bigint PRIMARY KEY);
INSERT INTO foo_table(id) SELECT generate_series(1,1000);
-- expect nothing; in a transaction
ALTER TABLE "foo_table" ADD COLUMN "foo_column" varchar(256) NULL;

-- given
-- expect nothing; in a transaction
CREATE TABLE tmp_x(i int);
DROP TABLE tmp_x;
-- expect nothing; in a transaction
CREATE TABLE users (id bigint);

-- given
CREATE TABLE core_recipe (id bigint PRIMARY KEY, edits int DEFAULT 1, foo varchar(100) DEFAULT 'f');
INSERT INTO core_recipe(id) SELECT generate_series(1,1000);
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE "core_recipe" ALTER COLUMN "edits" TYPE text USING "edits"::text;
-- expect nothing; in a transaction
ALTER TABLE "core_recipe" ALTER COLUMN "foo" TYPE varchar(255) USING "foo"::varchar(255);
ALTER TABLE "core_recipe" ALTER COLUMN "foo" TYPE text USING "foo"::text;

-- given
CREATE TABLE app_user(id int primary key);
INSERT INTO app_user SELECT generate_series(1,1000);
CREATE TABLE app_email (id bigint PRIMARY KEY, user_id int, email text);
INSERT INTO app_email(id) SELECT generate_series(1,1000);
-- expect validate-in-same-txn; in a transaction
ALTER TABLE "app_email" ADD CONSTRAINT "fk_user" FOREIGN KEY (user_id) REFERENCES "app_user" (id) NOT VALID;
ALTER TABLE "app_email" VALIDATE CONSTRAINT "fk_user";

-- given
CREATE TABLE addresses(address int primary key);
INSERT INTO addresses SELECT generate_series(1,1000);
CREATE TABLE distributors (id bigint PRIMARY KEY, address int, dist_id int);
INSERT INTO distributors(id) SELECT generate_series(1,1000);
-- expect add-fk-validating
ALTER TABLE distributors ADD CONSTRAINT distfk FOREIGN KEY (address) REFERENCES addresses (address);
-- expect nothing
ALTER TABLE distributors ADD CONSTRAINT distfk FOREIGN KEY (address) REFERENCES addresses (address) NOT VALID;
ALTER TABLE distributors VALIDATE CONSTRAINT distfk;

-- given
CREATE TABLE account(id int NOT NULL);
INSERT INTO account SELECT generate_series(1,1000);
CREATE UNIQUE INDEX account_pk_idx ON account(id);
-- expect nothing
ALTER TABLE account ADD CONSTRAINT account_pk PRIMARY KEY USING INDEX account_pk_idx;

-- given
CREATE TABLE app_user(id int primary key);
INSERT INTO app_user SELECT generate_series(1,1000);
CREATE TABLE app_email (id bigint PRIMARY KEY, user_id int, email text);
INSERT INTO app_email(id) SELECT generate_series(1,1000);
CREATE UNIQUE INDEX email_idx ON app_email(id,email);
-- expect nothing
ALTER TABLE "app_email" ADD CONSTRAINT "email_uniq" UNIQUE USING INDEX "email_idx";

-- given
CREATE TABLE foo (id bigint PRIMARY KEY);
INSERT INTO foo(id) SELECT generate_series(1,1000);
CLUSTER foo USING foo_pkey;
-- expect cluster; when empty cluster
CLUSTER;

-- given
CREATE TABLE foo (id bigint PRIMARY KEY);
INSERT INTO foo(id) SELECT generate_series(1,1000);
-- expect vacuum-full
VACUUM (FULL) foo;
-- expect nothing
VACUUM foo;

-- given
CREATE TABLE core_foo (id bigint PRIMARY KEY, foo int DEFAULT 1);
INSERT INTO core_foo(id) SELECT generate_series(1,1000);
-- expect nothing
select 1;
ALTER TABLE "core_foo" ADD COLUMN "answer_id" integer NULL;
-- expect nothing
select 1;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "core_foo_idx" ON "core_foo" ("foo");
-- expect drop-column
select 1;
alter table core_foo drop column if exists foo cascade;

-- given
-- expect nothing
CREATE TABLE IF NOT EXISTS test();
ALTER TABLE test ENABLE ROW LEVEL SECURITY;
-- expect nothing; in a transaction
select 1;
CREATE TEMP TABLE test_table (id int) ON COMMIT DROP;

-- given
CREATE TABLE table_name (id bigint PRIMARY KEY, field_name int);
INSERT INTO table_name(id) SELECT generate_series(1,1000);
-- expect create-index-blocking; in a transaction
CREATE INDEX "field_name_idx" ON "table_name" ("field_name");

-- given
-- expect nothing; in a transaction
CREATE TABLE "core_foo" ("id" bigint NOT NULL PRIMARY KEY, "tenant_id" integer NULL);
CREATE INDEX "core_foo_tenant_id_4d397ef9" ON "core_foo" ("tenant_id");

-- given
CREATE TABLE table_name (id bigint PRIMARY KEY, field_name int);
INSERT INTO table_name(id) SELECT generate_series(1,1000);
CREATE INDEX field_name_idx ON table_name(field_name);
CREATE INDEX idx2 ON table_name(id,field_name);
-- expect drop-index-blocking; when empty drop-index-blocking
DROP INDEX IF EXISTS "field_name_idx";

-- given
CREATE TABLE foo_t (id bigint PRIMARY KEY);
INSERT INTO foo_t(id) SELECT generate_series(1,1000);
CREATE INDEX foo ON foo_t(id);
-- expect reindex-blocking
REINDEX INDEX foo;

-- given
CREATE TABLE foo (id bigint PRIMARY KEY);
INSERT INTO foo(id) SELECT generate_series(1,1000);
-- expect nothing
REINDEX (CONCURRENTLY) TABLE foo;

-- given
CREATE TYPE my_enum AS ENUM('existing_value');
-- expect nothing
ALTER TYPE my_enum ADD VALUE 'new_value' AFTER 'existing_value';

-- given
CREATE TABLE t (id bigint PRIMARY KEY, c0 text);
INSERT INTO t(id) SELECT generate_series(1,1000);
-- expect nothing
SET statement_timeout = '5s';
ALTER TABLE t ADD COLUMN c BOOLEAN;

-- given
create table authors(id integer generated always as identity primary key, name text);
insert into authors(name) select 'n'||i from generate_series(1,1000) i;
-- expect add-check-validating; in a transaction
set local lock_timeout = '2s';
alter table authors add constraint name_not_null check (name is not null);
-- expect set-not-null-scan; in a transaction
set local lock_timeout = '2s';
alter table authors alter column name set not null;

-- given
create table authors(id integer generated always as identity primary key, name text);
insert into authors(name) select 'n'||i from generate_series(1,1000) i;
alter table authors add constraint check_name_not_null check (name is not null);
-- expect nothing; in a transaction
set local lock_timeout = '2s';
alter table authors alter name set not null;

-- given
create table authors(id integer generated always as identity primary key, name text);
insert into authors(name) select 'n'||i from generate_series(1,1000) i;
alter table authors alter name set not null;
-- expect nothing; in a transaction
set local lock_timeout = '2s';
alter table authors add column email text;
-- expect nothing; in a transaction
set local lock_timeout = '2s';
alter table authors add column email text;
select count(*) from authors;
-- expect add-unique-blocking; in a transaction
set local lock_timeout = '2s';
alter table authors add constraint unique_name unique(name);

-- given
create table prices (price int not null);
insert into prices select generate_series(1,1000);
-- expect add-column-serial; in a transaction
set local lock_timeout = '2s';
alter table prices add column id serial;

-- given
create table items(id bigint generated always as identity primary key);
create table purchase(id bigint generated always as identity primary key, item bigint not null references items(id));
insert into items select from generate_series(1,100);
insert into purchase(item) select 1+i%100 from generate_series(1,1000) i;
-- expect nothing
create index concurrently purchase_item_idx on purchase(item);

-- given
-- expect nothing; in a transaction
create type document_type as enum ('invoice', 'receipt', 'other');
create table document (id bigint generated always as identity primary key, type document_type);

-- given
create table authors(name text);
insert into authors select 'n'||i from generate_series(1,1000) i;
create unique index authors_name_key on authors(name);
-- expect add-pk-using-index-nullable; in a transaction
set local lock_timeout = '2s';
alter table authors add constraint authors_name_pkey primary key using index authors_name_key;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
-- expect nothing; in a transaction
ALTER TABLE "users" ADD "nice" boolean DEFAULT TRUE;
-- expect nothing; in a transaction
ALTER TABLE "users" ADD "nice" uuid;
ALTER TABLE "users" ALTER COLUMN "nice" SET DEFAULT gen_random_uuid();
-- expect nothing; in a transaction
ALTER TABLE "users" ADD "properties2" json;
-- expect create-index-blocking; in a transaction
CREATE INDEX "index_users_on_name" ON "users" ("name");
-- expect nothing
ALTER TABLE "users" ADD "ip_id" bigint;
CREATE INDEX CONCURRENTLY "index_users_on_ip_id" ON "users" ("ip_id");
-- expect add-fk-validating; in a transaction
ALTER TABLE "users" ADD "device_id" bigint, ADD CONSTRAINT fk FOREIGN KEY ("device_id") REFERENCES "orders" ("id");
-- expect nothing; in a transaction
ALTER TABLE "users" ADD CONSTRAINT "fk_rails_1" FOREIGN KEY ("order_id") REFERENCES "orders" ("id") NOT VALID;
-- expect validate-in-same-txn; in a transaction
ALTER TABLE "users" ADD CONSTRAINT "fk_rails_1" FOREIGN KEY ("order_id") REFERENCES "orders" ("id") NOT VALID;
ALTER TABLE "users" VALIDATE CONSTRAINT "fk_rails_1";
-- expect nothing; in a transaction
ALTER TABLE "users" ADD CONSTRAINT "credit_check" CHECK (credit_score > 0) NOT VALID;
-- expect nothing
ALTER TABLE "users" ADD CONSTRAINT "credit_check" CHECK (credit_score > 0) NOT VALID;
ALTER TABLE "users" VALIDATE CONSTRAINT "credit_check";
-- expect add-exclude-blocking; in a transaction
ALTER TABLE "users" ADD CONSTRAINT ex EXCLUDE USING gist ("interval" WITH =);
-- expect set-not-null-scan; in a transaction
ALTER TABLE "users" ALTER COLUMN "name" SET NOT NULL;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
ALTER TABLE "users" ADD CONSTRAINT "test" CHECK ("name" IS NOT NULL);
-- expect nothing; in a transaction
UPDATE "users" SET "name"='Andy' WHERE "name" IS NULL;
ALTER TABLE "users" ALTER COLUMN "name" SET NOT NULL;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "country" TYPE character varying(21);
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE "users" ALTER COLUMN "country" TYPE character varying(19);
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "description" TYPE character varying;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
CREATE INDEX i ON users(lower(description));
-- expect alter-column-type-index-rebuild; in a transaction
ALTER TABLE "users" ALTER COLUMN "description" TYPE citext;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "code" TYPE text;
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE "users" ALTER COLUMN "code" TYPE character varying(20);
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "credit_score" TYPE decimal;
-- expect alter-column-type-rewrite; in a transaction
SET timezone = 'America/Los_Angeles';
ALTER TABLE "users" ALTER COLUMN "deleted_at" TYPE timestamptz;

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
ALTER TABLE users ADD zc time(0);
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "zc" TYPE time(3);

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
ALTER TABLE users ADD zc interval;
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE "users" ALTER COLUMN "zc" TYPE interval(3);

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
ALTER TABLE users ADD zc timestamptz(0);
-- expect nothing; in a transaction
ALTER TABLE "users" ALTER COLUMN "zc" TYPE timestamptz(3);

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
CREATE INDEX i ON users(name);
-- expect nothing
DROP INDEX CONCURRENTLY "i";

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE users(id bigserial PRIMARY KEY, name varchar, city varchar, country varchar(20), description text, code citext, credit_score numeric(10,5), deleted_at timestamp(6), "interval" int, properties text, order_id bigint, other text);
CREATE TABLE orders(id bigserial PRIMARY KEY);
INSERT INTO orders SELECT i FROM generate_series(1,1000) i;
INSERT INTO users(name,city,country,description,code,credit_score,deleted_at,"interval") SELECT 'n'||i,'c','us','d'||i,'k'||i,i,now(),i FROM generate_series(1,1000) i;
SET timezone='UTC';
-- expect rename-column; in a transaction
ALTER TABLE "users" RENAME COLUMN "properties" TO "bad_name";
-- expect rename-table; in a transaction
ALTER TABLE "users" RENAME TO "bad_name";
-- expect drop-table; in a transaction
DROP TABLE IF EXISTS "users" CASCADE;
CREATE TABLE "users"(id bigserial primary key);

-- given
-- expect nothing; in a transaction
SELECT 1;

-- given
CREATE TABLE files(id bigserial primary key, name varchar(20), name_text text, size numeric(10,4), cost_per_gb numeric, created_at timestamp, sx xml, vb varbit(16), bt bit(16), st text);
INSERT INTO files(name,name_text,size,cost_per_gb,created_at,sx,vb,bt,st) SELECT 'a','t',1,1,now(),'<a/>',B'01',B'0000000000000000','<a/>' FROM generate_series(1,1000);
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE files ALTER COLUMN cost_per_gb TYPE integer;
-- expect nothing; in a transaction
ALTER TABLE files ALTER COLUMN name_text TYPE varchar;
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE files ALTER COLUMN st TYPE xml USING st::xml;
-- expect nothing; in a transaction
ALTER TABLE files ALTER COLUMN sx TYPE varchar;
-- expect nothing; in a transaction
ALTER TABLE files ALTER COLUMN bt TYPE varbit;
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE files ALTER COLUMN bt TYPE varbit(32);

-- given
CREATE TABLE u(id bigint primary key);
CREATE TABLE p(id bigint primary key);
INSERT INTO u SELECT generate_series(1,100);
INSERT INTO p SELECT generate_series(1,100);
-- expect multiple-fks-one-txn; in a transaction
CREATE TABLE c(id bigint primary key, u_id bigint REFERENCES u, p_id bigint REFERENCES p);

-- given
CREATE TABLE companies(id bigint primary key);
INSERT INTO companies SELECT generate_series(1,100);
CREATE TABLE emp (id bigint PRIMARY KEY, company_id int);
INSERT INTO emp(id) SELECT generate_series(1,1000);
-- expect nothing
ALTER TABLE emp ADD CONSTRAINT f FOREIGN KEY(company_id) REFERENCES companies(id) NOT VALID;

-- given
CREATE TABLE projects (id bigint PRIMARY KEY, name text);
INSERT INTO projects(id) SELECT generate_series(1,1000);
CREATE INDEX old_i ON projects(name);
-- expect drop-column; in a transaction
ALTER TABLE projects DROP COLUMN name;

-- given
CREATE TABLE tests_model (id bigint PRIMARY KEY, field int, t text);
INSERT INTO tests_model(id) SELECT generate_series(1,1000);
-- expect drop-default-not-null
ALTER TABLE "tests_model" ADD COLUMN "f2" varchar(40) DEFAULT 'test' NOT NULL;
ALTER TABLE "tests_model" ALTER COLUMN "f2" DROP DEFAULT;
-- expect nothing
ALTER TABLE "tests_model" ADD COLUMN "f2" varchar(40) NOT NULL DEFAULT 'test';
-- expect nothing
ALTER TABLE "tests_model" ADD COLUMN "f2" integer NULL;
CREATE UNIQUE INDEX CONCURRENTLY "uniq" ON "tests_model" ("f2");
ALTER TABLE "tests_model" ADD CONSTRAINT "uniq" UNIQUE USING INDEX "uniq";

-- given
CREATE TABLE tests_model (id bigint PRIMARY KEY, field int, t text);
INSERT INTO tests_model(id) SELECT generate_series(1,1000);
UPDATE tests_model SET field=1;
-- expect nothing
ALTER TABLE "tests_model" ADD CONSTRAINT "nn" CHECK ("field" IS NOT NULL) NOT VALID;
ALTER TABLE "tests_model" VALIDATE CONSTRAINT "nn";
ALTER TABLE "tests_model" ALTER COLUMN "field" SET NOT NULL;
ALTER TABLE "tests_model" DROP CONSTRAINT "nn";

-- given
CREATE TABLE t (id bigint PRIMARY KEY, c int);
INSERT INTO t(id) SELECT generate_series(1,1000);
UPDATE t SET c=id;
-- expect create-index-blocking
CREATE UNIQUE INDEX i ON t(c);

-- given
CREATE UNLOGGED TABLE t(id int primary key);
INSERT INTO t SELECT generate_series(1,1000);
-- expect set-logged-unlogged
ALTER TABLE t SET LOGGED;

-- given
CREATE TABLE t (id bigint PRIMARY KEY, b int);
INSERT INTO t(id) SELECT generate_series(1,1000);
CREATE VIEW v AS SELECT b FROM t;
-- expect drop-column
ALTER TABLE t DROP COLUMN b CASCADE;

-- given
CREATE TABLE t(id int, k int) PARTITION BY RANGE(id);
CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (1000);
CREATE TABLE p2 PARTITION OF t FOR VALUES FROM (1000) TO (2000);
INSERT INTO t SELECT i,i FROM generate_series(1,1500) i;
-- expect set-not-null-scan
ALTER TABLE t ALTER COLUMN k SET NOT NULL;

-- given
CREATE TABLE t (id bigint PRIMARY KEY, b int DEFAULT 1);
INSERT INTO t(id) SELECT generate_series(1,1000);
-- expect nothing; in a transaction
CREATE TABLE t2 AS SELECT * FROM t;
CREATE INDEX i2 ON t2(b);
ALTER TABLE t2 ADD PRIMARY KEY(id);
