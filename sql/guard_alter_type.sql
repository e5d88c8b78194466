-- ALTER COLUMN TYPE passes where PostgreSQL would not rewrite, and is refused where it would.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all
SET TimeZone = 'UTC';

CALL each_side($$
    CREATE DOMAIN short AS varchar(10);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN any_text AS text;
    CREATE TABLE t (id int, v varchar(10), v2 varchar(10), v3 varchar, x text, n numeric(10, 2), n2 numeric(10, 2), n3 numeric, c char(10),
        ts timestamp(3), ts2 timestamp, tz timestamptz, iv interval(3), b bit varying(8), s short, d any_text, a int[],
        ip cidr, f float4, o oid, x2 xml);
    INSERT INTO t VALUES (1, 'a', 'b', 'c', '{}', 1, 1, 1, 'e', 'epoch', 'epoch', 'epoch', '1 s', '1', 'f', 'g',
        '{1}', '10.0.0.0/8', 1, 1, '<a/>');
$$);
-- hands the statement on, if it rewrites the table in plain PostgreSQL
CREATE FUNCTION rewritten(statement text) RETURNS text LANGUAGE plpgsql SET zdm.mode = 'off' SET search_path = plain, public
AS $$
DECLARE
    file oid = pg_relation_filenode('t');
BEGIN
    BEGIN
        EXECUTE statement;
        IF file = pg_relation_filenode('t') THEN
            statement = format('SELECT %L', 'not rewritten: ' || statement);
        END IF;
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
    END;
    RETURN statement;
END
$$;
CREATE FUNCTION files() RETURNS oid LANGUAGE sql AS $$ SELECT pg_relation_filenode('guarded.t') $$;
SELECT files() AS file \gset

-- no rewrite
SELECT twin('ALTER TABLE t ALTER v TYPE varchar(20)') :run
SELECT twin('ALTER TABLE t ALTER v TYPE varchar') :run
SELECT twin('ALTER TABLE t ALTER v2 TYPE text') :run
SELECT twin('ALTER TABLE t ALTER v3 SET DATA TYPE text, ALTER x TYPE varchar') :run
SELECT twin('ALTER TABLE t ALTER n TYPE numeric(12, 2)') :run
SELECT twin('ALTER TABLE t ALTER n2 TYPE numeric') :run
SELECT twin('ALTER TABLE t ALTER ts TYPE timestamp(6)') :run
SELECT twin('ALTER TABLE t ALTER iv TYPE interval(6)') :run
SELECT twin('ALTER TABLE t ALTER b TYPE bit varying(16)') :run
SELECT twin('ALTER TABLE t ALTER d TYPE text') :run
SELECT twin('ALTER TABLE t ALTER d TYPE any_text') :run
SELECT twin('ALTER TABLE t ALTER ip TYPE inet') :run
SELECT twin('ALTER TABLE t ALTER o TYPE regclass') :run
SELECT twin('ALTER TABLE t ALTER x2 TYPE text') :run
-- a USING that says nothing else
SELECT twin('ALTER TABLE t ALTER id TYPE int USING id') :run
SELECT twin('ALTER TABLE t ALTER v2 TYPE varchar USING v2::varchar') :run
-- timestamp and timestamptz are the same where the zone is UTC
SELECT twin('ALTER TABLE t ALTER tz TYPE timestamp') :run
SELECT twin('ALTER TABLE t ALTER tz TYPE timestamptz') :run
SELECT :file = files() AS "no rewrite so far";
SELECT compare();

-- a rewrite: refused, and the hint names the way
SET TimeZone = 'Europe/Vienna';
SELECT rewritten('ALTER TABLE t ALTER tz TYPE timestamp') :run
RESET TimeZone;
\set VERBOSITY terse
SELECT rewritten($$ALTER TABLE t ALTER id TYPE bigint$$) :run
\echo :SQLSTATE
SELECT rewritten($$ALTER TABLE t ALTER id TYPE int USING id + 1$$) :run
SELECT rewritten($$ALTER TABLE t ALTER v TYPE varchar(5)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER c TYPE varchar(10)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER c TYPE char(12)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER n TYPE numeric(12, 3)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER n3 TYPE numeric(12, 3)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER f TYPE float8$$) :run
SELECT rewritten($$ALTER TABLE t ALTER a TYPE bigint[]$$) :run
SELECT rewritten($$ALTER TABLE t ALTER ts2 TYPE timestamp(0)$$) :run
SELECT rewritten($$ALTER TABLE t ALTER x TYPE json USING x::json$$) :run
-- a domain with a constraint has to look at each row
SELECT rewritten($$ALTER TABLE t ALTER id TYPE positive$$) :run
-- from a domain the server does not take the length on trust
SELECT rewritten($$ALTER TABLE t ALTER s TYPE varchar(10)$$) :run
-- one of several
SELECT rewritten('ALTER TABLE t ALTER v TYPE text, ALTER id TYPE bigint') :run
\echo :SQLSTATE
\set VERBOSITY default
SELECT :file = files() AS "no rewrite so far";
SELECT compare();

-- an index is kept where the server keeps it
CALL each_side('CREATE INDEX by_v ON t (v); CREATE UNIQUE INDEX by_x ON t (x, id); CREATE INDEX by_low ON t (lower(x)); CREATE INDEX by_part ON t (id) WHERE ip IS NOT NULL');
SELECT pg_relation_filenode('by_v') AS file_v, pg_relation_filenode('by_x') AS file_x \gset
SELECT twin('ALTER TABLE t ALTER v TYPE text') :run
SELECT pg_relation_filenode('by_v') = :file_v AS "index kept";
-- another collation sorts otherwise
ALTER TABLE t ALTER x TYPE text COLLATE "C";
\echo :SQLSTATE
SELECT twin('ALTER TABLE t ALTER v2 TYPE text COLLATE "C"') :run
SELECT pg_relation_filenode('by_x') = :file_x AS "index kept";
SELECT compare();

-- bad input gets PostgreSQL's own answer
SELECT twin('ALTER TABLE t ALTER nothing TYPE text') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE nobody ALTER id TYPE text') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t ALTER id TYPE no_such_type') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t ALTER x TYPE int') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t ALTER x TYPE int USING nothing::int') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
