-- ALTER COLUMN TYPE: what is only a change of the catalog, and what is not.

-- given
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
SET TimeZone = 'UTC';
CREATE DOMAIN plain_text AS text;
CREATE DOMAIN short_text AS text CHECK (length(VALUE) < 100);
CREATE TABLE t (id int PRIMARY KEY, small smallint, n int, big bigint, num numeric(10, 2), free numeric, name varchar(20), v varchar,
    body text, code char(8), ci citext, ts timestamp, tz timestamptz, ts3 timestamp(3), tm time(0), iv interval, b bit(8), vb varbit(8), x xml,
    j json, flag boolean, ip cidr, d date, arr varchar(5)[]);
INSERT INTO t SELECT i, i, i, i, i, i, 'n', 'v', 'b', 'c', 'ci', now(), now(), now(), '10:00', '1 day', B'00000001', B'01', '<a/>', '{}', true,
    '10.0.0.0/8', now(), '{a}' FROM generate_series(1, 1000) AS i;
-- Catalog only.
-- expect nothing
ALTER TABLE "t" ALTER COLUMN "name" TYPE varchar(255);
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE text;
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE character varying;
-- expect nothing
ALTER TABLE t ALTER COLUMN v TYPE text USING v::text;
-- expect nothing
ALTER TABLE t ALTER COLUMN body SET DATA TYPE varchar;
-- expect nothing
ALTER TABLE t ALTER COLUMN ci TYPE text;
-- expect nothing
ALTER TABLE t ALTER COLUMN num TYPE numeric(12, 2);
-- expect nothing
ALTER TABLE t ALTER COLUMN num TYPE numeric;
-- expect nothing
ALTER TABLE t ALTER COLUMN ts3 TYPE timestamp(6);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN ts TYPE timestamptz USING ts AT TIME ZONE 'UTC';
-- expect nothing
ALTER TABLE t ALTER COLUMN ts TYPE timestamptz;
-- expect nothing
ALTER TABLE t ALTER COLUMN tm TYPE time(3);
-- expect nothing
ALTER TABLE t ALTER COLUMN vb TYPE varbit(64);
-- expect nothing
ALTER TABLE t ALTER COLUMN b TYPE varbit;
-- expect nothing
ALTER TABLE t ALTER COLUMN x TYPE text;
-- expect nothing
ALTER TABLE t ALTER COLUMN ip TYPE inet;
-- expect nothing
ALTER TABLE t ALTER COLUMN body TYPE plain_text;
-- expect nothing
ALTER TABLE t ALTER COLUMN n TYPE int;
-- expect nothing
ALTER TABLE t ALTER COLUMN n TYPE oid;
-- expect nothing
ALTER TABLE t ALTER COLUMN arr TYPE varchar(5)[];
-- expect nothing
ALTER TABLE t ALTER COLUMN body TYPE text COLLATE "C";
-- expect nothing; in a transaction
CREATE TABLE made AS SELECT * FROM t;
ALTER TABLE made ALTER COLUMN n TYPE bigint;
-- Rewritten.
-- expect alter-column-type-rewrite
ALTER TABLE "t" ALTER COLUMN "id" TYPE bigint;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN n TYPE bigint USING n::bigint;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN small TYPE integer;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN big TYPE int;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN n TYPE text;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN body TYPE varchar(50);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN name TYPE varchar(10);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN num TYPE numeric(12, 4);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN free TYPE numeric(8, 2);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN ts TYPE timestamp(0);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN tz TYPE date;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN iv TYPE interval(3);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN code TYPE text;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN code TYPE char(10);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN j TYPE jsonb;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN j TYPE jsonb USING j::jsonb;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN flag TYPE int USING flag::int;
-- expect alter-column-type-rewrite; another end (the base type and a CHECK)
ALTER TABLE t ALTER COLUMN body TYPE short_text;
-- first
CREATE DOMAIN filled_name AS varchar(50) NOT NULL CHECK (VALUE <> '');
-- expect alter-column-type-rewrite; another end (the base type, SET NOT NULL and a CHECK)
ALTER TABLE t ALTER COLUMN body TYPE filled_name;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN body TYPE text USING lower(body);
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN d TYPE timestamptz;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN arr TYPE varchar(3)[];
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER n TYPE bigint, ALTER small TYPE bigint;
-- expect alter-column-type-rewrite; in a transaction
ALTER TABLE t ALTER COLUMN n TYPE bigint;
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN v TYPE text, ALTER COLUMN n TYPE bigint, ADD COLUMN more text;
-- first
SET TimeZone = 'Europe/Berlin';
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN ts TYPE timestamptz;
-- first
SET TimeZone = 'Europe/Berlin';
-- expect alter-column-type-rewrite
ALTER TABLE t ALTER COLUMN tz TYPE timestamp;
-- expect nothing; error 42804
ALTER TABLE t ALTER COLUMN body TYPE int;
-- Indexes: rebuilt or not.
-- first
CREATE INDEX i ON t (body);
-- expect nothing
ALTER TABLE t ALTER COLUMN body TYPE varchar;
-- first
CREATE INDEX i ON t (name);
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE varchar(40);
-- first
CREATE INDEX i ON t (ci);
-- expect alter-column-type-index-rebuild
ALTER TABLE t ALTER COLUMN ci TYPE text;
-- first
CREATE INDEX i ON t (body);
-- expect alter-column-type-index-rebuild
ALTER TABLE t ALTER COLUMN body TYPE citext;
-- first
CREATE INDEX i ON t (body);
-- expect alter-column-type-index-rebuild
ALTER TABLE t ALTER COLUMN body TYPE text COLLATE "C";
-- first
CREATE INDEX i ON t (n) WHERE name = 'n';
-- expect alter-column-type-index-rebuild
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
CREATE INDEX i ON t (lower(name));
-- expect alter-column-type-index-rebuild
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- CHECK constraints and foreign keys that are looked at again.
-- first
ALTER TABLE t ADD CHECK (length(name) < 200);
-- expect alter-column-type-check-recheck
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
ALTER TABLE t ADD CHECK (length(body) < 200);
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
ALTER TABLE t ADD CHECK (length(name) < 200) NOT VALID;
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
CREATE TABLE names (name varchar(20) PRIMARY KEY);
INSERT INTO names VALUES ('n');
ALTER TABLE t ADD FOREIGN KEY (name) REFERENCES names;
-- expect nothing
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
CREATE TABLE names (name varchar(20) PRIMARY KEY);
INSERT INTO names VALUES ('n');
ALTER TABLE t ADD FOREIGN KEY (name) REFERENCES names;
-- expect nothing
ALTER TABLE names ALTER COLUMN name TYPE varchar(30);
-- first
CREATE TABLE names (name varchar(20) PRIMARY KEY, again varchar(20) REFERENCES names);
-- expect nothing
ALTER TABLE names ALTER COLUMN again TYPE varchar(30);
-- What depends on it.
-- first
CREATE VIEW shown AS SELECT name FROM t;
-- expect alter-column-type-blocked-by-view; another end (as written it fails); error 0A000; when empty alter-column-type-blocked-by-view
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
-- first
ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED;
-- expect alter-column-type-blocked-by-view; another end (as written it fails); error 0A000; when empty alter-column-type-blocked-by-view
ALTER TABLE t ALTER COLUMN n TYPE bigint;
-- first
CREATE VIEW shown AS SELECT name FROM t;
-- expect nothing
ALTER TABLE t ALTER COLUMN v TYPE text;
-- Statistics that would be lost: ANALYZE comes with it.
-- first
ANALYZE t;
-- expect alter-column-type-stats-lost
ALTER TABLE t ALTER COLUMN name TYPE varchar(30);
