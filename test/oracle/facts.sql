-- What the suite installs in its database, in a schema of its own.
--   oracle.state()           what is there now: files, sizes, scan counters, locks of this backend
--   oracle.observe(before, old)   what has happened since: locks, the heaviest work, and work that others wait for
--   oracle.facts()           everything the catalogs say about users' objects, a line each, without OIDs
--   oracle.reset()           an empty database again
CREATE SCHEMA oracle;
REVOKE ALL ON SCHEMA oracle FROM PUBLIC;

CREATE FUNCTION oracle.is_users(schema oid) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'zdm', 'oracle') FROM pg_namespace n WHERE n.oid = $1
$$;

CREATE FUNCTION oracle.state() RETURNS jsonb LANGUAGE sql
AS $$
    SELECT jsonb_build_object(
        'relations', (SELECT coalesce(jsonb_object_agg(c.oid, jsonb_build_object(
                'name', format('%I.%I', n.nspname, c.relname), 'kind', c.relkind, 'file', c.relfilenode,
                'pages', CASE WHEN c.relkind IN ('r', 'm', 'i') THEN pg_relation_size(c.oid) / 8192 ELSE 0 END,
                'scans', coalesce(pg_stat_get_xact_numscans(c.oid), 0), 'indexed', x.indrelid)), '{}')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index x ON x.indexrelid = c.oid
            WHERE oracle.is_users(c.relnamespace) AND c.relpersistence <> 't'),
        'locks', (SELECT coalesce(jsonb_object_agg(concat_ws(' ', l.relation, l.mode), true), '{}')
            FROM pg_locks l
            WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation'
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())))
$$;

CREATE FUNCTION oracle.strength(mode text) RETURNS int LANGUAGE sql IMMUTABLE
AS $$
    SELECT array_position(ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock',
        'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], mode)
$$;

-- `old`: relations that were there before the transaction began; what it made itself nobody else can want.
CREATE FUNCTION oracle.observe(before jsonb, old jsonb) RETURNS jsonb LANGUAGE sql
AS $$
    WITH now AS MATERIALIZED (SELECT oracle.state() AS s),
    was AS (
        SELECT key::oid AS oid, value FROM jsonb_each(before -> 'relations') WHERE old -> 'relations' ? key
    ),
    locks AS (
        SELECT DISTINCT ON (was.oid) was.oid, was.value ->> 'name' AS name, was.value ->> 'kind' AS kind,
            (was.value ->> 'indexed')::oid AS indexed, split_part(l, ' ', 2) AS mode
        FROM now, jsonb_object_keys(s -> 'locks') AS l JOIN was ON was.oid = split_part(l, ' ', 1)::oid
        WHERE NOT before -> 'locks' ? l
        ORDER BY was.oid, oracle.strength(split_part(l, ' ', 2)) DESC
    ),
    works AS (
        SELECT was.oid, (was.value ->> 'indexed')::oid AS heap, was.value ->> 'name' AS name,
            CASE
            WHEN was.value ->> 'kind' IN ('r', 'm') AND later ->> 'file' <> was.value ->> 'file' THEN 'rewrite'
            WHEN was.value ->> 'kind' = 'i' AND later ->> 'file' <> was.value ->> 'file' THEN 'index build'
            ELSE 'scan'
            END AS work
        FROM now, was, LATERAL (SELECT s -> 'relations' -> was.oid::text AS later) AS l,
            LATERAL (SELECT was.value ->> 'indexed' AS heap) AS h
        WHERE (was.value ->> 'pages')::int > 0 AND (later ->> 'pages')::int > 0
            AND (later ->> 'file' <> was.value ->> 'file'
                OR was.value ->> 'kind' IN ('r', 'm') AND later -> 'scans' <> was.value -> 'scans')
            -- The index of an empty table, or of one that TRUNCATE has emptied.
            AND (heap IS NULL OR (before -> 'relations' -> heap ->> 'pages')::int > 0
                AND (s -> 'relations' -> heap ->> 'pages')::int > 0)
        UNION ALL
        SELECT made.key::oid, heap.oid, made.value ->> 'name', 'index build'
        FROM now, jsonb_each(s -> 'relations') AS made JOIN was AS heap ON heap.oid = (made.value ->> 'indexed')::oid
        WHERE NOT before -> 'relations' ? made.key AND made.value ->> 'kind' = 'i' AND (heap.value ->> 'pages')::int > 0
            AND (s -> 'relations' -> heap.oid::text ->> 'pages')::int > 0
            -- Unless it has taken over another's file.
            AND NOT EXISTS (SELECT FROM was w WHERE w.value -> 'file' = made.value -> 'file')
    )
    SELECT jsonb_build_object(
        'held', (SELECT coalesce(jsonb_agg(DISTINCT split_part(l, ' ', 2)), '[]')
            FROM jsonb_object_keys(before -> 'locks') AS l JOIN was ON was.oid = split_part(l, ' ', 1)::oid),
        'lock', (SELECT mode FROM locks ORDER BY oracle.strength(mode) DESC LIMIT 1),
        'locks', (SELECT coalesce(jsonb_object_agg(name, mode), '{}') FROM locks),
        -- Who may not read the table asks for no index of it either.
        'covered', (SELECT coalesce(jsonb_object_agg(was.value ->> 'name', true), '{}') FROM was
            WHERE EXISTS (SELECT FROM locks h
                WHERE h.oid = (was.value ->> 'indexed')::oid AND h.mode = 'AccessExclusiveLock')),
        'work', coalesce((SELECT work FROM works
            ORDER BY array_position(ARRAY['rewrite', 'index build', 'scan'], work) LIMIT 1), 'instant'),
        -- Work while others have to wait, whoever took the lock.
        'hazards', (SELECT coalesce(jsonb_agg(DISTINCT concat(work, ' of ', name, ' under ', split_part(l, ' ', 2))), '[]')
            FROM now, works, jsonb_object_keys(s -> 'locks') AS l
            WHERE split_part(l, ' ', 1)::oid IN (works.oid, works.heap) AND oracle.strength(split_part(l, ' ', 2)) >=
                -- Nobody writes a materialized view.
                CASE before -> 'relations' -> works.oid::text ->> 'kind' WHEN 'm' THEN 8 ELSE 5 END))
$$;

CREATE FUNCTION oracle.reset() RETURNS void LANGUAGE plpgsql SET client_min_messages = error
AS $$
DECLARE
    command text;
BEGIN
    FOR command IN
        SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
        UNION ALL SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
        UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE oracle.is_users(oid)
    LOOP
        EXECUTE command;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'oracle_owner') THEN
        DROP OWNED BY oracle_owner;
    ELSE
        CREATE ROLE oracle_owner;
    END IF;
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END
$$;

-- All tables without a page.
CREATE FUNCTION oracle.empty() RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    tables text = (SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
        WHERE oracle.is_users(relnamespace) AND relkind IN ('r', 'p') AND relpersistence <> 't');
BEGIN
    IF tables IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || tables || ' CASCADE';
    END IF;
    FOR tables IN SELECT oid::regclass::text FROM pg_class
        WHERE oracle.is_users(relnamespace) AND relkind = 'm' AND relispopulated
    LOOP
        EXECUTE 'REFRESH MATERIALIZED VIEW ' || tables;
    END LOOP;
END
$$;

CREATE FUNCTION oracle.described(class oid, object oid, part int) RETURNS text LANGUAGE sql STABLE
AS $$
    SELECT regexp_replace(pg_describe_object(class, object, part), '(RI_ConstraintTrigger_[ac]|Unique_ConstraintTrigger|PK_ConstraintTrigger|pg_toast)_\d+', '\1', 'g')
$$;

-- What 15 does not have yet counts as the default that later versions give it.
CREATE FUNCTION oracle.facts() RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog
AS $$
    SELECT f
    FROM (
        SELECT format('relation %s: kind %s, persistence %s, owner %s, acl %s, options %s, tablespace %s, method %s, '
            || 'replica identity %s, has index %s, row security %s %s, rules %s, populated %s, partition %s, bound %s, key %s, children %s',
            c.oid::regclass, c.relkind, c.relpersistence, c.relowner::regrole, c.relacl, c.reloptions, c.reltablespace, am.amname,
            c.relreplident, c.relhasindex, c.relrowsecurity, c.relforcerowsecurity, c.relhasrules, c.relispopulated,
            c.relispartition, pg_get_expr(c.relpartbound, c.oid),
            CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
            EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)) AS f
        FROM pg_class c LEFT JOIN pg_am am ON am.oid = c.relam
        WHERE oracle.is_users(c.relnamespace)
        UNION ALL
        SELECT format('column %s.%s (%s): %s, not null %s, collation %s, default %s, identity %s, generated %s, storage %s, '
            || 'compression %s, target %s, options %s, acl %s, local %s, inherited %s, missing %s',
            a.attrelid::regclass, a.attname,
            (SELECT count(*) FROM pg_attribute b
                WHERE b.attrelid = a.attrelid AND b.attnum > 0 AND b.attnum <= a.attnum AND NOT b.attisdropped),
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
            pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attstorage, a.attcompression,
            coalesce(to_jsonb(a) ->> 'attstattarget', '-1'),
            -- Some builds keep a number of their own there.
            ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o !~ '^pg_'), a.attacl, a.attislocal, a.attinhcount,
            a.attmissingval)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE oracle.is_users(c.relnamespace) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')
        UNION ALL
        SELECT format('index %s: valid %s, ready %s, live %s, primary %s, unique %s, immediate %s, exclusion %s, '
            || 'clustered %s, replica identity %s, options %s, tablespace %s, targets %s',
            pg_get_indexdef(x.indexrelid), x.indisvalid, x.indisready, x.indislive, x.indisprimary, x.indisunique,
            x.indimmediate, x.indisexclusion, x.indisclustered, x.indisreplident, c.reloptions, c.reltablespace,
            (SELECT array_agg(coalesce(to_jsonb(a) ->> 'attstattarget', '-1') ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = c.oid))
        FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE oracle.is_users(c.relnamespace)
        UNION ALL
        SELECT format('constraint %s on %s %s: %s, validated %s, enforced %s, deferrable %s %s, local %s, inherited %s, '
            || 'no inherit %s, index %s, parent %s',
            k.conname, k.conrelid::regclass, k.contypid::regtype, pg_get_constraintdef(k.oid), k.convalidated,
            coalesce(to_jsonb(k) ->> 'conenforced', 'true'), k.condeferrable, k.condeferred, k.conislocal, k.coninhcount,
            -- ATTACH leaves the mark that the constraint had on its own.
            k.connoinherit AND k.conparentid = 0, k.conindid::regclass, (SELECT p.conname FROM pg_constraint p WHERE p.oid = k.conparentid))
        FROM pg_constraint k WHERE oracle.is_users(k.connamespace)
        UNION ALL
        SELECT format('trigger on %s: %s, enabled %s, has a parent %s', t.tgrelid::regclass,
            CASE WHEN t.tgisinternal
                THEN format('%s %s for %s of %s', t.tgfoid::regproc, t.tgtype, k.conname, k.conrelid::regclass)
                ELSE pg_get_triggerdef(t.oid) END,
            t.tgenabled, t.tgparentid <> 0)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
        WHERE oracle.is_users(c.relnamespace)
        UNION ALL
        SELECT format('rule on %s: %s', r.ev_class::regclass, pg_get_ruledef(r.oid))
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE oracle.is_users(c.relnamespace)
        UNION ALL
        SELECT format('policy %s on %s: %s %s %s %s', p.polname, p.polrelid::regclass, p.polcmd, p.polpermissive,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        FROM pg_policy p
        UNION ALL
        SELECT format('inheritance: %s from %s, place %s, detach pending %s', i.inhrelid::regclass, i.inhparent::regclass,
            i.inhseqno, i.inhdetachpending)
        FROM pg_inherits i
        UNION ALL
        SELECT format('sequence %s: %s', s.seqrelid::regclass, to_jsonb(s) - 'seqrelid' - 'seqtypid')
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE oracle.is_users(c.relnamespace)
        UNION ALL
        SELECT format('type %s: %s, not null %s, default %s, labels %s', t.oid::regtype, t.typtype, t.typnotnull, t.typdefault,
            (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
        FROM pg_type t WHERE oracle.is_users(t.typnamespace) AND t.typtype IN ('d', 'e')
        UNION ALL
        SELECT format('published by %s: %s', p.pubname, r.prrelid::regclass)
        FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
        UNION ALL
        SELECT format('statistics: %s, target %s', pg_get_statisticsobjdef(s.oid), coalesce(to_jsonb(s) ->> 'stxstattarget', '-1'))
        FROM pg_statistic_ext s WHERE oracle.is_users(s.stxnamespace)
        UNION ALL
        SELECT format('comment on %s: %s', oracle.described(d.classoid, d.objoid, d.objsubid), d.description)
        FROM pg_description d
        WHERE d.objoid >= 16384 AND oracle.described(d.classoid, d.objoid, d.objsubid) !~ '(zdm|oracle)'
        UNION ALL
        SELECT format('dependency of %s on %s: %s', o, r, d.deptype)
        FROM pg_depend d,
            LATERAL (SELECT oracle.described(d.classid, d.objid, d.objsubid),
                oracle.described(d.refclassid, d.refobjid, d.refobjsubid)) AS _(o, r)
        WHERE d.objid >= 16384 AND d.refobjid >= 16384 -- ATTACH ties triggers together that CREATE makes at once.
            AND d.deptype <> 'e' AND NOT (d.deptype IN ('P', 'S') AND o ~ 'RI_ConstraintTrigger') AND o !~ '(zdm|oracle|pg_toast)' AND r !~ '(zdm|oracle|pg_toast)'
    ) AS of_all(f)
    ORDER BY f COLLATE "C"
$$;
