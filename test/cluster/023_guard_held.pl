# A statement that meets somebody else's lock: when it first looks, when it runs as it is, in the middle of its plan, and
# while it undoes. Others go on, the user gets PostgreSQL's result or 55P03, and nothing half-done stays.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('held');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nfsync = off\n"
    . "log_statement = none\nmax_prepared_transactions = 5");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int PRIMARY KEY, v int, w text);
    INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) AS i;
    CREATE TABLE other (id int PRIMARY KEY);
    INSERT INTO other SELECT generate_series(1, 100);
    CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
    INSERT INTO p SELECT generate_series(0, 199);
});
my $invalid = 'SELECT string_agg(indexrelid::regclass::text, chr(32)) FROM pg_index WHERE NOT indisvalid';
my $constraints = q{SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n'};
my $before = $node->safe_psql('postgres', $constraints);

# What is PostgreSQL's own multi-transaction command, typed by the user while somebody holds the table even against a
# first look: it waits, then runs, by every protocol, and the server lives.
foreach my $held (
    [ 't', 'CREATE INDEX CONCURRENTLY by_v ON t (v)' ],
    [ 't', 'REINDEX INDEX CONCURRENTLY by_v' ],
    [ 't', 'REINDEX TABLE CONCURRENTLY t' ],
    [ 't', 'DROP INDEX CONCURRENTLY by_v' ],
    [ 't', 'CREATE INDEX by_v ON t (v)' ],
    [ 't', 'REINDEX TABLE t' ],
    [ 't', 'DROP INDEX by_v' ],
    [ 'p', 'ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY' ],
    [ 't', 'ALTER TABLE t ADD CONSTRAINT late CHECK (v > 0) NOT VALID' ],
    [ 't', 'ALTER TABLE t VALIDATE CONSTRAINT late' ],
    [ 't', 'ALTER TABLE t DROP CONSTRAINT late' ],
    ) {
    my ($table, $sql) = @$held;
    my $holder = transaction("LOCK TABLE $table");
    my $ddl = start("SET zdm.rule_actions = 'drop-check=allow'", $sql);
    ok(until_one_waits(), "$sql waits for the look");
    $holder->();
    my ($out, $err) = $ddl->();
    is($err =~ s/^(NOTICE|DETAIL):.*\n(?:\t.*\n)*//mgr =~ s/^LOCATION:.*\n//mgr, '', "$sql: done after the look");
}
foreach my $protocol ('extended', 'prepared') {
    my $holder = transaction('LOCK TABLE t');
    my $ddl = by_pgbench($protocol, "CREATE INDEX CONCURRENTLY by_v ON t (v);\nDROP INDEX CONCURRENTLY by_v;\n");
    ok(until_one_waits(), "-M $protocol waits for the look");
    $holder->();
    like($ddl->(), qr/actually processed: 1\/1/, "-M $protocol: done after the look");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass}), '1', 'the partition is detached');
is($node->safe_psql('postgres', $invalid), '', 'no invalid index');
is($node->safe_psql('postgres', $constraints), $before, 'the constraints of the start');
$node->safe_psql('postgres', q{ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200)});

# As it is, behind a reader: others go on, and in the end it is 55P03 with the reader's name.
$node->safe_psql('postgres', q{
    ALTER TABLE t ADD CONSTRAINT nv CHECK (v > 0) NOT VALID;
    CREATE SCHEMA s;
    CREATE TABLE s.inner_t (id int);
    INSERT INTO s.inner_t VALUES (1);
    CREATE DOMAIN dom AS int;
    CREATE TABLE with_dom (a dom);
    INSERT INTO with_dom VALUES (1);
});
foreach my $case (
    [ 'p1', 'BEGIN; ALTER TABLE p DETACH PARTITION p1' ],
    [ 'p', 'BEGIN; ALTER TABLE p DETACH PARTITION p1' ],
    [ 's.inner_t', 'DROP SCHEMA s CASCADE' ],
    [ 's.inner_t', 'DROP TABLE s.inner_t, other' ],
    [ 'with_dom', 'DROP DOMAIN dom CASCADE' ],
    ) {
    foreach my $age ('young', 'old') {
        my ($table, $sql) = @$case;
        my $reader = transaction("SELECT count(*) FROM $table");
        my $ddl = start("SET zdm.lock_patience = '2s'", $age eq 'old' ? 'SET zdm.long_transaction = 0' : (), $sql);
        ok(until_one_waits(), "$sql waits behind a $age reader");
        foreach (1 .. 4) {
            is($node->safe_psql('postgres', "SET statement_timeout = '1500ms'; SELECT count(*) > 0 FROM $table"), 't',
                "$sql behind a $age reader: another reader goes on");
        }
        my ($out, $err) = $ddl->();
        like($err, qr/ERROR:  55P03: /, "$sql behind a $age reader: 55P03");
        $reader->();
    }
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_attribute WHERE attname = 'late' AND attrelid = 't'::regclass}), '0',
    'nothing of it has been done');
is($node->safe_psql('postgres', q{SELECT to_regclass('s.inner_t') IS NOT NULL AND to_regclass('other') IS NOT NULL}), 't', 'nor of a DROP');
$node->safe_psql('postgres', 'ALTER TABLE t DROP CONSTRAINT nv');

# The owner of a schema may drop what others own in it, though not lock it: the statement itself does, and briefly.
{
    $node->safe_psql('postgres', q{
        CREATE ROLE keeper;
        CREATE SCHEMA kept AUTHORIZATION keeper;
        CREATE TABLE kept.of_another (id int);
        INSERT INTO kept.of_another VALUES (1);
    });
    my $reader = transaction('SELECT count(*) FROM kept.of_another');
    my $ddl = start("SET zdm.lock_patience = '2s'", 'SET ROLE keeper', 'DROP SCHEMA kept CASCADE');
    ok(until_one_waits(), 'DROP SCHEMA of its owner waits');
    is($node->safe_psql('postgres', "SET statement_timeout = '1500ms'; SELECT count(*) > 0 FROM kept.of_another"), 't',
        'DROP SCHEMA of its owner: another reader goes on');
    my ($out, $err) = $ddl->();
    like($err, qr/ERROR:  55P03: .*kept\.of_another/, 'DROP SCHEMA of its owner: 55P03 with the table');
    $reader->();
    ($out, $err) = start('SET ROLE keeper', 'DROP SCHEMA kept CASCADE')->();
    unlike($err, qr/ERROR/, 'DROP SCHEMA of its owner: done without the reader');
}

# The next step of a plan does not get its lock: what the steps before it did is undone.
{
    my $writer = transaction('UPDATE other SET id = id WHERE id = 1');
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET zdm.lock_patience = '500ms';\n"
        . 'ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0), ADD FOREIGN KEY (v) REFERENCES other;');
    like($err, qr/ERROR:  55P03: .*public\.other/s, 'the second constraint cannot lock the other table: 55P03');
    unlike($err, qr/WARNING/, 'it could be undone');
    is($node->safe_psql('postgres', $constraints), $before, 'neither constraint is there');
    $writer->();
}
# The same where the one in the way came in the middle, and stays for the undoing too: a WARNING says what is left.
$node->safe_psql('postgres', q{
    CREATE TABLE halt (go boolean);
    CREATE FUNCTION halt() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('application_name') = 'ddl' AND current_query() ~ 'SET NOT NULL'
            AND (SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND NOT convalidated) = 1 THEN
            WHILE NOT EXISTS (SELECT FROM halt) LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
        END IF;
    END $$;
    CREATE EVENT TRIGGER halt ON ddl_command_start EXECUTE FUNCTION halt();
});
foreach my $stays (1, 0) {
    my $ddl = start("SET zdm.lock_patience = '1s'", 'ALTER TABLE t ALTER v SET NOT NULL');
    ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'PgSleep'}),
        'the plan is in its second step');
    my $reader = transaction('SELECT count(*) FROM t');
    $node->safe_psql('postgres', 'INSERT INTO halt VALUES (true)');
    if (!$stays) {
        # it waits for the lock of its last step
        ok(until_one_waits(), 'the plan waits in its last step');
        $reader->();
    }
    my ($out, $err) = $ddl->();
    if ($stays) {
        like($err, qr/WARNING:  01ZDM:.*Job \d+ goes on.*DROP CONSTRAINT.*ERROR:  55P03/s,
            'the undoing cannot lock either: a WARNING that names the job that goes on with it, and 55P03');
        $reader->();
        ok($node->poll_query_until('postgres', q{SELECT state = 'failed' FROM zdm.jobs ORDER BY id DESC LIMIT 1}), 'the job ends by itself');
        is($node->safe_psql('postgres', $constraints), $before, 'and the CHECK is gone');
    } else {
        unlike($err, qr/ERROR|WARNING/, 'and goes on when the reader has ended');
        is($node->safe_psql('postgres', $constraints), $before, 'no CHECK is left');
    }
    $node->safe_psql('postgres', 'TRUNCATE halt; ALTER TABLE t ALTER v DROP NOT NULL');
}
$node->safe_psql('postgres', 'DROP EVENT TRIGGER halt');

# REINDEX ended by statement_timeout, in each of its waits: for an old snapshot, and, after the swap, for a reader.
$node->safe_psql('postgres', q{
    CREATE SCHEMA big;
    CREATE TABLE big.one (id int PRIMARY KEY, doc text);
    CREATE TABLE big.two (id int PRIMARY KEY, doc text);
    CREATE INDEX ON big.one (doc);
    INSERT INTO big.one SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 100) AS i;
    INSERT INTO big.two SELECT * FROM big.one;
});
my $indexes = q{SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index JOIN pg_class c ON c.oid = indrelid
    WHERE indrelid::regclass::text LIKE 'big.%' OR c.relname LIKE 'pg\_toast\_%' AND c.oid IN
        (SELECT reltoastrelid FROM pg_class WHERE oid::regclass::text LIKE 'big.%')};
my $all_indexes = $node->safe_psql('postgres', $indexes);
foreach my $sql ('REINDEX TABLE big.one', 'REINDEX SCHEMA big') {
    my $old = transaction('SELECT count(*) FROM other', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET statement_timeout = '700ms';\n$sql;");
    like($err, qr/57014: canceling statement due to statement timeout/, "$sql behind an old snapshot: ended by statement_timeout");
    unlike($err, qr/WARNING/, "$sql behind an old snapshot: undone");
    is($node->safe_psql('postgres', $invalid), '', "$sql behind an old snapshot: no invalid index");
    is($node->safe_psql('postgres', $indexes), $all_indexes, "$sql behind an old snapshot: the indexes of before");
    $old->();

    my $reader = transaction('SELECT count(*) FROM big.one');
    my $ddl = start("SET statement_timeout = '2s'", $sql);
    my $waiting = q{SELECT virtualtransaction FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'ddl'
        AND locktype = 'virtualxid' AND NOT granted AND EXISTS (SELECT FROM pg_class WHERE relname LIKE '%\_ccold%')};
    my $in_build = until_returns($waiting);
    isnt($in_build, '', "$sql behind a reader: waits after the swap");
    # now it is another transaction that waits: the one that undoes
    isnt(until_returns($waiting . " AND virtualtransaction <> '$in_build'"), '', "$sql behind a reader: undoes");
    is($node->safe_psql('postgres', "SET statement_timeout = '1500ms'; SELECT count(*) FROM big.one"), '100',
        "$sql behind a reader: others go on meanwhile");
    $reader->();
    ($out, $err) = $ddl->();
    like($err, qr/57014: canceling statement due to statement timeout/, "$sql behind a reader: ended by statement_timeout");
    unlike($err, qr/WARNING/, "$sql behind a reader: undone");
    is($node->safe_psql('postgres', $invalid), '', "$sql behind a reader: no invalid index, of toast neither");
    is($node->safe_psql('postgres', $indexes), $all_indexes, "$sql behind a reader: the indexes of before");
}

# CREATE INDEX is cancelled, and cannot be undone for a reader: it gives up in time, and the next one replaces the leftover.
{
    my $reader = transaction('SELECT count(*) FROM t', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
    my $ddl = start("SET zdm.lock_patience = '1s'", 'CREATE INDEX by_v ON t (v)');
    ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'virtualxid'}),
        'the build waits for the reader');
    $node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    my ($out, $err) = $ddl->();
    like($err, qr/WARNING:  01ZDM:.*DROP INDEX CONCURRENTLY.*ERROR:  57014: canceling statement due to user request/s,
        'the undoing gives up and says what is left');
    is($node->safe_psql('postgres', $invalid), 'by_v', 'an invalid index is left');
    $reader->();
    my ($status, $said, $error) = $node->psql('postgres', 'CREATE INDEX by_v ON t (v)');
    is($status, 0, 'the same statement again replaces it') or diag($error);
    is($node->safe_psql('postgres', q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_v'::regclass}), 't', 'it is valid');
    $node->safe_psql('postgres', 'DROP INDEX by_v');
}

# Mode warn changes nothing, not even whom it waits for, and how.
foreach my $sql ('ALTER TABLE t ADD COLUMN late int', 'CREATE INDEX by_v ON t (v)', 'CREATE INDEX CONCURRENTLY by_w ON t (w)', 'DROP INDEX by_v',
    'DROP INDEX CONCURRENTLY by_w', 'ALTER TABLE t DROP COLUMN late') {
    my $holder = transaction('LOCK TABLE t');
    my $ddl = start("SET zdm.mode = 'warn'", 'SET zdm.lock_patience = 0', $sql);
    ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event_type = 'Lock'}),
        "mode warn: $sql stands in PostgreSQL's queue");
    $holder->();
    my ($out, $err) = $ddl->();
    unlike($err, qr/ERROR|connection/, "mode warn: $sql is done");
}
is($node->safe_psql('postgres', $constraints), $before, 'mode warn: nothing is left over');

# A foreign key of a table that nobody else knows yet locks the other side, which others do know.
foreach my $sql ('CREATE TABLE fresh (id int REFERENCES other)', 'CREATE TABLE fresh (id int); ALTER TABLE fresh ADD FOREIGN KEY (id) REFERENCES other') {
    foreach my $age ('young', 'old') {
        my $writer = transaction('UPDATE other SET id = id WHERE id = 1');
        my $settings = "SET statement_timeout = '20s'; " . ($age eq 'old' ? 'SET zdm.long_transaction = 0; ' : '');
        my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n\\set ON_ERROR_STOP 0\n$settings\nBEGIN;\n"
            . "CREATE TABLE in_front (a int);\n$sql;\nSELECT 'still in the block';\n"
            . "\\! psql -XAtqc \"SET statement_timeout = '1500ms'; UPDATE other SET id = id WHERE id = 2 RETURNING 'a writer goes on'\"\nROLLBACK;");
        like($err, qr/ERROR:  55P03: .*public\.other/s, "$sql behind a $age writer: 55P03");
        like($out, qr/a writer goes on/, "$sql behind a $age writer: others are not blocked");
        $writer->();
        is($node->safe_psql('postgres', "BEGIN; $sql; COMMIT; SELECT count(*) FROM pg_constraint WHERE conrelid = 'fresh'::regclass; DROP TABLE fresh"),
            '1', "$sql: done without the writer");
    }
}

# Several sessions want the same at once: each gets it.
foreach my $sql ('ALTER TABLE t ALTER v SET NOT NULL', 'CREATE INDEX IF NOT EXISTS by_v ON t (v)') {
    my $reader = transaction('LOCK TABLE t');
    my @all = map { start($sql) } 1 .. 3;
    ok(until_returns(q{SELECT 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event_type = 'Extension' HAVING count(*) = 3}),
        "three times $sql wait");
    $reader->();
    foreach my $end (@all) {
        my ($out, $err) = $end->();
        unlike($err, qr/ERROR|WARNING/, "three times $sql: one of them");
    }
    is($node->safe_psql('postgres', $constraints), $before, 'no CHECK is left');
    is($node->safe_psql('postgres', $invalid), '', 'no invalid index is left');
}
is($node->safe_psql('postgres', q{SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'}), 't', 'NOT NULL');
$node->safe_psql('postgres', 'ALTER TABLE t ALTER v DROP NOT NULL; DROP INDEX by_v');

# A prepared transaction has no session, and may stay for ever.
{
    $node->safe_psql('postgres', q{BEGIN; LOCK TABLE t IN ACCESS SHARE MODE; INSERT INTO other VALUES (1000); PREPARE TRANSACTION 'left'});
    my $ddl = start("SET zdm.lock_patience = '2s'", 'ALTER TABLE t ADD COLUMN late int');
    ok(until_one_waits(), 'waits for a prepared transaction');
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'ddl' AND locktype = 'relation' AND relation = 't'::regclass}), '0', 'outside the queue');
    is($node->safe_psql('postgres', "SET statement_timeout = '1500ms'; SELECT count(*) FROM t"), '100', 'others go on');
    my ($out, $err) = $ddl->();
    like($err, qr/ERROR:  55P03: .*DETAIL:.*prepared transaction/s, 'the prepared transaction is named');
    $node->safe_psql('postgres', q{COMMIT PREPARED 'left'});
    unlike((start('ALTER TABLE t ADD COLUMN late int')->())[1], qr/ERROR/, 'done without it');
}

# Renames of tables in a transaction are judged by what COMMIT would leave.
$node->safe_psql('postgres', q{
    CREATE TABLE cur (id int, v int);
    INSERT INTO cur VALUES (1, 1);
    CREATE TABLE nxt (id int, v int, more int);
    INSERT INTO nxt VALUES (2, 2, 2);
    CREATE TABLE less (id int);
    INSERT INTO less VALUES (3);
});
in_block('swap', 'ALTER TABLE cur RENAME TO old; ALTER TABLE nxt RENAME TO cur', undef);
is($node->safe_psql('postgres', 'SELECT id FROM cur'), '2', 'the tables are swapped');
in_block('swap back', 'ALTER TABLE cur RENAME TO nxt; ALTER TABLE old RENAME TO cur', 'ZD001');
in_block('bare rename', 'ALTER TABLE cur RENAME TO gone', 'ZD001');
is($node->safe_psql('postgres', q{SELECT to_regclass('gone') IS NULL AND to_regclass('cur') IS NOT NULL}), 't', 'nothing is renamed');
in_block('replaced by a narrower table', 'ALTER TABLE cur RENAME TO gone; ALTER TABLE less RENAME TO cur', 'ZD001');
in_block('replaced by a view', 'ALTER TABLE cur RENAME TO behind; CREATE VIEW cur AS SELECT * FROM behind', undef);
in_block('rolled back to a savepoint', 'SAVEPOINT a; ALTER TABLE behind RENAME TO gone; ROLLBACK TO a', undef);
in_block('released savepoint', 'SAVEPOINT a; ALTER TABLE behind RENAME TO gone; RELEASE a', 'ZD001');
in_block('released, then the outer rolled back', 'SAVEPOINT a; SAVEPOINT b; ALTER TABLE behind RENAME TO gone; RELEASE b; ROLLBACK TO a', undef);
in_block('rename, then drop', 'ALTER TABLE less RENAME TO lesser; DROP TABLE lesser', 'ZD001');
{
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN;\nALTER TABLE behind RENAME TO gone;\nPREPARE TRANSACTION 'rename';");
    like($err, qr/ERROR:  ZD001/, 'PREPARE TRANSACTION is judged as COMMIT is');
    is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is prepared');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM behind'), '1', 'all is where it was');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|was terminated by signal/, 'no server process has crashed');

$node->stop;
done_testing();

# A transaction that has run the statement and stays open; the returned code ends it.
sub transaction {
    my ($sql, $begin) = @_;
    $begin //= 'BEGIN';
    my ($in, $out, $err) = ("$begin; $sql;\n\\echo held\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=holder' ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $psql->pump until $out =~ /held/;
    return sub { $in .= "COMMIT;\n\\q\n"; $psql->finish; };
}

# Statements each sent by themselves; the returned code waits for their end and returns what was said.
sub start {
    my (@statements) = @_;
    my ($out, $err) = ('', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose',
        '-d', $node->connstr('postgres') . ' application_name=ddl', map { ('-c', $_) } @statements ],
        '<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return sub { $psql->finish; return ($out, $err); };
}

sub by_pgbench {
    my ($protocol, $script) = @_;
    my $file = $node->basedir . '/script.sql';
    open(my $handle, '>', $file) or die;
    print $handle $script;
    close $handle;
    my $output = '';
    my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-M', $protocol, '-t', '1', '-f', $file, $node->connstr('postgres') . ' application_name=ddl' ],
        '<', '/dev/null', '>&', \$output, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return sub { $pgbench->finish; return $output; };
}

# In the wait between two attempts, which no lock queue knows of.
sub until_one_waits {
    return $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
        WHERE application_name = 'ddl' AND wait_event_type = 'Extension' AND state = 'active'});
}

# The first thing that the query returns; '' if that takes too long.
sub until_returns {
    my ($query) = @_;
    my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
    while (time < $deadline) {
        my $found = $node->safe_psql('postgres', $query);
        return $found if $found ne '';
    }
    return '';
}

sub in_block {
    my ($name, $sql, $sqlstate) = @_;
    my ($status, $out, $err) = $node->psql('postgres', join("\n", '\set VERBOSITY verbose', '\set ON_ERROR_STOP 0', 'BEGIN;', "$sql;", '\echo reached', 'COMMIT;'));
    if (defined $sqlstate) {
        like($err, qr/ERROR:  $sqlstate/, "$name: $sqlstate");
    } else {
        is($err, '', "$name: passes");
    }
}
