-- Two schemas, `guarded` and `plain`, in which the same things happen: in `plain` by plain PostgreSQL (zdm.mode = off,
-- in a function), in `guarded` by the guard, at top level as a client sends it.
--
--   CALL each_side('CREATE TABLE t ...');            the same start on both sides, by plain PostgreSQL
--   SELECT twin('CREATE INDEX ON t (a)') :run        in plain now, in guarded by :run; errors of plain are kept
--   SELECT compare();                                what the two catalogs say differently
--   SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');   whether plain failed likewise
--
-- :run is \gexec for one statement: after \gexec psql 17 and later have forgotten the error.
--
-- A script begins with
--   \getenv srcdir PG_ABS_SRCDIR
--   \set ECHO none
--   \i :srcdir/test/lib/twins.sql
--   \set ECHO all
SET client_min_messages = error;
DROP SCHEMA IF EXISTS plain, guarded, twins CASCADE;
CREATE SCHEMA plain;
CREATE SCHEMA guarded;
CREATE SCHEMA twins;

CREATE TABLE twins.plain_error (sqlstate text, message text, detail text);

CREATE PROCEDURE twins.each_side(statements text)
    LANGUAGE plpgsql SET zdm.mode = 'off' SET client_min_messages = warning
AS $$
BEGIN
    PERFORM set_config('search_path', 'plain, public', true);
    EXECUTE statements;
    PERFORM set_config('search_path', 'guarded, public', true);
    EXECUTE statements;
    PERFORM set_config('search_path', 'guarded, twins, public', true);
END
$$;

CREATE FUNCTION twins.twin(statement text) RETURNS text
    LANGUAGE plpgsql SET zdm.mode = 'off' SET search_path = plain, public SET client_min_messages = error
AS $$
DECLARE
    code text = '00000';
    said text = '';
    more text = '';
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, said = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL;
    END;
    DELETE FROM twins.plain_error;
    INSERT INTO twins.plain_error VALUES (code, said, more);
    RETURN statement;
END
$$;

-- psql knows no detail of the last error; where there is one it is printed, and here is PostgreSQL's.
CREATE FUNCTION twins.same_error(sqlstate text, message text) RETURNS text LANGUAGE sql
AS $$
    SELECT CASE WHEN (e.sqlstate, e.message) = ($1, $2) THEN concat_ws('. ', 'as PostgreSQL', nullif(e.detail, ''))
        ELSE 'PostgreSQL: ' || e::text END
    FROM twins.plain_error e
$$;

CREATE FUNCTION twins.facts(schema text) RETURNS TABLE (fact text) LANGUAGE sql
AS $$
    SELECT replace(f, schema || '.', '')
    FROM (
        SELECT format('relation %s: kind %s, persistence %s, options %s, tablespace %s, replica identity %s, triggers %s',
            relname, relkind, relpersistence, reloptions, reltablespace, relreplident,
            (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid)) AS f
        FROM pg_class c WHERE relnamespace = schema::regnamespace
        UNION ALL
        SELECT format('column %s.%s: %s, not null %s, collation %s, default %s, identity %s, generated %s',
            relname, attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation,
            pg_get_expr(adbin, adrelid), attidentity, attgenerated)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE relnamespace = schema::regnamespace AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p')
        UNION ALL
        SELECT format('index %s: valid %s, ready %s, live %s, primary %s, immediate %s, clustered %s, replica identity %s',
            pg_get_indexdef(indexrelid), indisvalid, indisready, indislive, indisprimary, indimmediate, indisclustered,
            indisreplident)
        FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = schema::regnamespace
        UNION ALL
        SELECT format('constraint %s on %s: %s, validated %s, deferrable %s %s, local %s, inherited %s, no inherit %s, part of %s',
            conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred, conislocal,
            coninhcount, contype IN ('c', 'n') AND connoinherit, (SELECT p.conname FROM pg_constraint p WHERE p.oid = c.conparentid))
        FROM pg_constraint c WHERE connamespace = schema::regnamespace
        UNION ALL
        SELECT format('%s below %s: %s, detach pending %s', c.oid::regclass, inhparent::regclass,
            pg_get_expr(relpartbound, c.oid), inhdetachpending)
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE relnamespace = schema::regnamespace
        UNION ALL
        SELECT format('column %s.%s: local %s, inherited %s, storage %s, comment %s', attrelid::regclass, attname, attislocal,
            attinhcount, attstorage, col_description(attrelid, attnum))
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE relnamespace = schema::regnamespace AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'f')
        UNION ALL
        SELECT format('trigger %s on %s: enabled %s, internal %s, of a parent %s', CASE WHEN tgisinternal THEN tgtype::text ELSE tgname END,
            tgrelid::regclass, tgenabled, tgisinternal, tgparentid <> 0)
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = schema::regnamespace
        UNION ALL
        SELECT format('rights of %s: owner %s, %s, security %s %s', c.oid::regclass, relowner::regrole, relacl, relrowsecurity,
            relforcerowsecurity)
        FROM pg_class c WHERE relnamespace = schema::regnamespace AND relkind IN ('r', 'p')
    ) AS of_schema(f)
$$;

CREATE FUNCTION twins.compare() RETURNS SETOF text LANGUAGE sql
AS $$
    WITH differences AS (
        (SELECT fact, 'plain' AS here FROM twins.facts('plain') EXCEPT ALL SELECT fact, 'plain' FROM twins.facts('guarded'))
        UNION ALL
        (SELECT fact, 'guarded' FROM twins.facts('guarded') EXCEPT ALL SELECT fact, 'guarded' FROM twins.facts('plain'))
    )
    SELECT 'only ' || here || ': ' || fact FROM (SELECT * FROM differences ORDER BY fact, here) AS ordered
    UNION ALL
    SELECT 'same' WHERE NOT EXISTS (SELECT FROM differences)
$$;

\set run 'AS statement \\gset \\\\ \\echo :statement \\\\ :statement\\g'
\pset tuples_only on
\pset format unaligned
SET search_path = guarded, twins, public;
RESET client_min_messages;
