# What a verdict costs on a table with 1,000 partitions, each with a page. Beside it, on the same server: PostgreSQL locking
# the parent and all partitions with ACCESS SHARE, which is the least that a statement that locks them all has to do.

bench_verdict() {
    local rounds=${quick:+20} name statement
    rounds=${rounds:-200}
    server_init "$tmp/verdict"
    server_start "$tmp/verdict" autovacuum=off max_locks_per_transaction=1024 shared_preload_libraries=zdm
    sql -d postgres <<'SQL' || give_up "cannot prepare the partitions"
CREATE EXTENSION zdm;
SET zdm.mode = off;
CREATE TABLE many (id int NOT NULL, v int) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE many_%s PARTITION OF many FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10)
FROM generate_series(0, 999) AS i \gexec
INSERT INTO many SELECT i, i FROM generate_series(0, 9999) AS i;
CREATE TABLE next (id int NOT NULL CHECK (id >= 10000 AND id < 10010), v int);
INSERT INTO next VALUES (10000, 1);
CREATE FUNCTION ms(statement text, rounds int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    took numeric[];
    started timestamptz;
BEGIN
    FOR i IN 0 .. rounds LOOP
        started = clock_timestamp();
        EXECUTE statement;
        -- The first fills the caches.
        took = CASE WHEN i > 0 THEN took || 1000 * extract(epoch FROM clock_timestamp() - started) END;
    END LOOP;
    RETURN (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(took) AS t);
END
$$;
SQL
    while IFS='|' read -r name statement; do
        sql -d postgres -c "SELECT ms(format('SELECT count(*) FROM zdm.explain(%L)', \$s\$$statement\$s\$), $rounds)" \
            >"$out/$part.$name.txt" || give_up "verdict: $statement"
        progress "verdict, $name: $(of_last "$name") ms"
    done <<'END'
alone|ALTER TABLE next ADD COLUMN x int
attach|ALTER TABLE many ATTACH PARTITION next FOR VALUES FROM (10000) TO (10010)
create|CREATE TABLE more PARTITION OF many FOR VALUES FROM (20000) TO (20010)
detach|ALTER TABLE many DETACH PARTITION many_1
drop|DROP TABLE many_1
one|ALTER TABLE many_1 ADD COLUMN x int
owner|ALTER TABLE many OWNER TO CURRENT_USER
policy|CREATE POLICY p ON many
all|ALTER TABLE many ADD COLUMN x int
END
    # In a transaction of its own each time: a lock that is held is had for nothing.
    sql -d postgres -c "DO \$\$ DECLARE t numeric[]; s timestamptz; BEGIN
        FOR i IN 0 .. $rounds LOOP
            s = clock_timestamp(); LOCK TABLE many IN ACCESS SHARE MODE;
            t = CASE WHEN i > 0 THEN t || 1000 * extract(epoch FROM clock_timestamp() - s) END; ROLLBACK;
        END LOOP;
        RAISE NOTICE 'lock %', (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(t) AS x); END \$\$" 2>&1 |
        sed -n 's/^NOTICE:  lock //p' >"$out/$part.lock.txt"
    server_stop "$tmp/verdict"

    echo "== verdict: zdm.explain on a table with 1,000 partitions (median of $rounds)"
    printf '%-34s %8.3f ms\n' "a table without partitions" "$(of_last alone)" "ATTACH PARTITION" "$(of_last attach)" \
        "CREATE TABLE ... PARTITION OF" "$(of_last create)" "DETACH PARTITION" "$(of_last detach)" "DROP TABLE partition" \
        "$(of_last drop)" "ADD COLUMN to one partition" "$(of_last one)" "OWNER TO (locks only the parent)" "$(of_last owner)" \
        "CREATE POLICY (the same)" "$(of_last policy)" "ADD COLUMN to all" "$(of_last all)" \
        "plain PostgreSQL: locking them all" "$(of_last lock)"
    for name in attach create detach drop one owner policy; do cat "$out/$part.$name.txt"; done >"$out/$part.few.txt"
    echo "goal: less than 1 ms where the statement itself would not lock the partitions: $(verdict "$(of max few)" 'at most' 1) ($(of max few) ms)"
    echo "for all partitions: $(quotient "$(of_last all)" "$(of_last lock)") times what locking them takes PostgreSQL"
}
