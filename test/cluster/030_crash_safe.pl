# A session that dies in the middle of a plan, in any step and in any way: what it has begun is undone, or finished
# where only instant steps and cleaning up remain, without anybody asking for it.
#
# As in 020, an event trigger halts the statement before and after each DDL command that it runs.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'zdm'
autovacuum = off
log_statement = none
fsync = off
restart_after_crash = on
});
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    SET zdm.mode = 'off';
    CREATE TABLE users (id int PRIMARY KEY);
    INSERT INTO users SELECT generate_series(1, 100);
    CREATE TABLE t (id int, v int, r int, w varchar(10), d text);
    INSERT INTO t SELECT i, i, i, i, repeat('x', 10) FROM generate_series(1, 100) AS i;
    CREATE INDEX by_id ON t (id);
    CREATE INDEX by_w ON t (w);

    CREATE SEQUENCE events;
    CREATE TABLE halt (at bigint);
    INSERT INTO halt VALUES (0);
    CREATE FUNCTION halt() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('application_name') = 'ddl' AND (SELECT at >= 0 FROM halt) AND nextval('events') = (SELECT at FROM halt) THEN
            LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
        END IF;
    END $$;
    CREATE EVENT TRIGGER halt_before ON ddl_command_start EXECUTE FUNCTION halt();
    CREATE EVENT TRIGGER halt_after ON ddl_command_end EXECUTE FUNCTION halt();
});

my $facts = q{
    SELECT conname || ' ' || pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
        FROM pg_constraint WHERE conrelid IN ('t'::regclass, 'users'::regclass)
    UNION ALL SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index WHERE indrelid IN ('t'::regclass, 'users'::regclass) OR NOT indisvalid
    UNION ALL SELECT attname || ' ' || atttypid::regtype || ' ' || attnotnull || ' ' || atthasdef FROM pg_attribute
        WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped
    ORDER BY 1};
my $before = $node->safe_psql('postgres', $facts);
my $halted = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'PgSleep'};
my $waits_for_snapshot = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'virtualxid'};

my %statement = (
    'CREATE INDEX' => 'CREATE INDEX new ON t (v)',
    'CREATE UNIQUE INDEX' => 'CREATE UNIQUE INDEX new ON t (v)',
    'DROP INDEX' => 'DROP INDEX by_w',
    'SET NOT NULL' => 'ALTER TABLE t ALTER v SET NOT NULL',
    'ADD CHECK' => 'ALTER TABLE t ADD CHECK (v > 0)',
    'ADD FOREIGN KEY' => 'ALTER TABLE t ADD FOREIGN KEY (r) REFERENCES users',
    'ADD UNIQUE' => 'ALTER TABLE t ADD UNIQUE (v)',
    'ADD PRIMARY KEY' => 'ALTER TABLE t ADD PRIMARY KEY (v)',
    'several commands' => 'ALTER TABLE t ADD CHECK (v > 0), ALTER w SET NOT NULL, ADD UNIQUE (v), '
        . 'ADD FOREIGN KEY (r) REFERENCES users, ADD x int DEFAULT 7',
);
my %seen;

# (An event trigger that writes makes DROP INDEX CONCURRENTLY impossible.)
foreach my $name (grep { $_ ne 'DROP INDEX' } sort keys %statement) {
    my ($count, $wanted) = events_of($statement{$name});
    cmp_ok($count, '>=', 2, "$name runs at least one command");
    foreach my $at (1 .. $count) {
        # the killed server takes longer: at every second place, so that each kind of step meets both
        foreach my $way ($at % 2 == 1 ? ('terminate') : ('kill -9')) {
            dies($name, $way, $wanted, "event $at", sub { halt_at($at) }, $halted);
        }
    }
    dies($name, 'immediate shutdown', $wanted, "event $count", sub { halt_at($count) }, $halted);
}
ok($seen{done} && $seen{'rolled back'}, 'some were finished, some were undone');

# While a concurrent command waits for an old snapshot.
foreach my $name ('CREATE UNIQUE INDEX', 'REINDEX TABLE', 'ADD UNIQUE', 'several commands', 'REINDEX SCHEMA', 'DROP INDEX') {
    $statement{'REINDEX TABLE'} = 'REINDEX TABLE t';
    $statement{'REINDEX SCHEMA'} = 'REINDEX SCHEMA public';
    foreach my $way ('terminate', 'kill -9') {
        my $old;
        my $wanted = $name eq 'DROP INDEX' ? $before =~ s/^.* by_w .*\n//mr : $before;
        dies($name, $way, $wanted, 'in the wait for an old snapshot', sub {
                halt_at(-1);
                # of a reader of the table itself the other steps would have to wait
                my $read = $name eq 'DROP INDEX' ? 't' : 'users';
                $old = transaction("SELECT count(*) FROM $read", 'BEGIN ISOLATION LEVEL REPEATABLE READ');
            }, $waits_for_snapshot, sub { $old->() });
    }
}

# After the swap of REINDEX, behind a reader: the old index is still there, and dead.
foreach my $way ('terminate', 'kill -9') {
    my $reader;
    dies('REINDEX TABLE', $way, $before, 'after the swap', sub { halt_at(-1); $reader = transaction('SELECT count(*) FROM t'); },
        q{SELECT EXISTS (SELECT FROM pg_class WHERE relname LIKE '%\_ccold%') AND count(*) = 1
            FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'virtualxid'}, sub { $reader->() });
}

# Others' INVALID indexes are not ours to drop, whenever they became so.
{
    $node->safe_psql('postgres', q{
        SET zdm.mode = 'off';
        CREATE TABLE doubles (a int);
        INSERT INTO doubles VALUES (1), (1);
    });
    $node->psql('postgres', q{SET zdm.mode = 'off'; CREATE UNIQUE INDEX CONCURRENTLY mine_ccnew ON doubles (a)});
    my $reader = transaction('SELECT count(*) FROM t', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
    halt_at(-1);
    my $ddl = start('REINDEX SCHEMA public');
    ok(until_true($waits_for_snapshot), 'REINDEX SCHEMA waits');
    $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    $ddl->();
    $reader->();
    until_resolved();
    is($node->safe_psql('postgres', q{SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE NOT indisvalid}),
        'mine_ccnew', 'an INVALID index of before stays, and nothing else');
    $node->safe_psql('postgres', 'DROP TABLE doubles');
}

# The same statement again waits for that, and then is done.
foreach my $name ('CREATE INDEX', 'SET NOT NULL', 'ADD UNIQUE') {
    foreach my $at (2 .. 3) {
        my ($count, $wanted) = events_of($statement{$name});
        # an unnamed constraint that was finished after all would be made a second time, as PostgreSQL does
        next if $at > $count || ($name eq 'ADD UNIQUE' && $at > 2);
        halt_at($at);
        my $ddl = start($statement{$name});
        ok(until_true($halted), "$name halts at event $at");
        # recovery has to wait for the holder; so does the statement sent again
        my $holder = $name eq 'SET NOT NULL' && $at == 3 ? transaction('LOCK TABLE t IN ACCESS SHARE MODE') : undef;
        $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
        $ddl->();
        my $again = start($statement{$name}, 'again');
        if ($holder) {
            ok(until_true(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'again' AND wait_event_type = 'Extension'}),
                "$name: the second one waits");
            my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET zdm.lock_patience = '100ms';\n$statement{$name};");
            like($err, qr/ERROR:  55P03: .*job \d+/, "$name: a third one has no patience, and is told the job");
            $holder->();
        }
        my ($out, $err) = $again->();
        unlike($err, qr/ERROR|WARNING/, "$name again: done");
        is($node->safe_psql('postgres', $facts), $wanted, "$name again: as if nothing had happened");
        until_resolved();
        back();
    }
}

# Dropped meanwhile: the relation, and the whole extension.
{
    $node->safe_psql('postgres', q{ALTER SYSTEM SET zdm.run_jobs = off});
    $node->reload;
    until_true(q{SELECT current_setting('zdm.run_jobs') = 'off'});
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; CREATE TABLE passing AS SELECT * FROM t});
    halt_at(3);
    my $ddl = start('ALTER TABLE passing ALTER v SET NOT NULL');
    ok(until_true($halted), 'halts');
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nDROP EXTENSION zdm CASCADE;");
    like($err, qr/ERROR:  55000: .*HINT:.*uninstall_blockers/s, 'DROP EXTENSION is refused while a plan is open');
    ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nDROP SCHEMA zdm CASCADE;");
    like($err, qr/ERROR:  55000: /, 'so is DROP SCHEMA');
    my $ends_with = $node->safe_psql('postgres', 'SELECT ends_with FROM zdm.uninstall_blockers()');
    like($ends_with, qr/^SELECT zdm.cancel\(\d+\)$/, 'zdm.uninstall_blockers lists it');
    # of a session that is alive the statement is cancelled
    $node->safe_psql('postgres', $ends_with);
    ($out, $err) = $ddl->();
    like($err, qr/57014: canceling statement due to user request/, 'the call that it names ends it');
    is($node->safe_psql('postgres', q{SELECT state FROM zdm.jobs ORDER BY id DESC LIMIT 1}), 'failed', 'and the job says so');

    halt_at(3);
    $ddl = start('ALTER TABLE passing ALTER v SET NOT NULL');
    ok(until_true($halted), 'halts');
    $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    $ddl->();
    is($node->safe_psql('postgres', q{SELECT state FROM zdm.jobs ORDER BY id DESC LIMIT 1}), 'running', 'run_jobs off: nobody undoes it');
    # ... but the next one who needs it
    $node->safe_psql('postgres', 'ALTER TABLE passing ALTER v SET NOT NULL');
    is($node->safe_psql('postgres', q{SELECT state FROM zdm.jobs ORDER BY id DESC LIMIT 1 OFFSET 1}), 'rolled back', 'the next statement does');
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'passing'::regclass}), '0', 'and nothing is left');

    halt_at(3);
    $ddl = start('ALTER TABLE passing ALTER w SET NOT NULL');
    ok(until_true($halted), 'halts');
    $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    $ddl->();
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; CREATE ROLE stranger; GRANT SELECT ON halt TO stranger; GRANT ALL ON SCHEMA public TO stranger; ALTER TABLE passing OWNER TO stranger});
    ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET ROLE stranger;\nALTER TABLE passing ADD y int;");
    like($err, qr/ERROR:  55P03: .*HINT:  Nobody does that/s, 'somebody who may not act as its owner is told so');
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; DROP TABLE passing});
    $node->safe_psql('postgres', q{ALTER SYSTEM RESET zdm.run_jobs});
    $node->reload;
    until_resolved();
    is($node->safe_psql('postgres', q{SELECT state || ': ' || error FROM zdm.jobs ORDER BY id DESC LIMIT 1}),
        'rolled back: relation public.passing was dropped', 'of a dropped table nothing is to undo');
}

# What the user has cleared away, renamed or made himself meanwhile.
{
    $node->safe_psql('postgres', q{ALTER SYSTEM SET zdm.run_jobs = off});
    $node->reload;
    until_true(q{SELECT current_setting('zdm.run_jobs') = 'off'});
    halt_at(3);
    my $ddl = start('ALTER TABLE t ALTER v SET NOT NULL');
    ok(until_true($halted), 'halts');
    $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    $ddl->();
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; ALTER TABLE t RENAME TO renamed; CREATE TABLE t (v int); ALTER TABLE t ADD CONSTRAINT t_v_zdm_not_null CHECK (v > 7)});
    $node->safe_psql('postgres', q{ALTER SYSTEM RESET zdm.run_jobs});
    $node->reload;
    until_resolved();
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass}), '1', 'a table of the same name keeps its own');
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; DROP TABLE t; ALTER TABLE renamed RENAME TO t});
    is($node->safe_psql('postgres', $facts), $before, 'the renamed table is as before');
}

$node->safe_psql('postgres', 'DROP EXTENSION zdm');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP/, 'no server process has crashed by itself');
unlike($log, qr/terminated by signal (?!9)/, 'nor was killed by another signal');
$node->stop;
done_testing();

# A session runs the statement until $reached, dies, and all is well again, or done.
sub dies
{
    my ($name, $way, $wanted, $where, $prepare, $reached, $then) = @_;
    $prepare->();
    my $ddl = start($statement{$name});
    ok(until_true($reached), "$name, $way, $where: gets there") or BAIL_OUT('the test is wrong');
    my $job = ask(q{SELECT max(id) FROM zdm.jobs});
    is(ask("SELECT state FROM zdm.jobs WHERE id = $job"), 'running', "$name, $way, $where: its job is running");
    my $pid = ask(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'ddl'});
    if ($way eq 'terminate') {
        ask("SELECT pg_terminate_backend($pid)");
    } elsif ($way eq 'kill -9') {
        kill 'KILL', $pid;
    } else {
        $node->stop('immediate');
        $node->start;
    }
    $ddl->();
    $then->() if $then;
    until_resolved();
    my $state = ask("SELECT state FROM zdm.jobs WHERE id = $job") // '';
    my $now = ask($facts);
    $seen{$state} = 1;
    if ($state eq 'done') {
        is($now, $wanted, "$name, $way, $where: finished");
        is(ask("SELECT string_agg(DISTINCT state, ' ') FROM zdm.steps WHERE job = $job"), 'done', 'its steps are done');
    } else {
        is($state, 'rolled back', "$name, $way, $where: rolled back");
        is($now, $before, "$name, $way, $where: as before");
        is(ask("SELECT count(*) FROM zdm.steps WHERE job = $job AND state IN ('running', 'done') AND phase = 'undo'"), '0', 'no step is left');
        like(ask("SELECT string_agg(DISTINCT phase, ' ') FROM zdm.steps WHERE job = $job") // '', qr/undo/, 'and it says it was undone');
    }
    back();
}

sub until_resolved
{
    ok(until_true(q{SELECT NOT EXISTS (SELECT FROM zdm.jobs WHERE kind = 'ddl' AND state IN ('queued', 'running'))}), 'all plans are resolved')
        or diag(ask('SELECT id, state, waiting_for, error FROM zdm.jobs ORDER BY id DESC LIMIT 1') // 'no answer',
            ask('SELECT * FROM zdm.steps ORDER BY job DESC, step LIMIT 6') // '');
}

sub halt_at { $node->safe_psql('postgres', "UPDATE halt SET at = $_[0]; ALTER SEQUENCE events RESTART"); }

# How many events there are, and what the statement leads to.
sub events_of
{
    my ($sql) = @_;
    halt_at(0);
    $node->safe_psql('postgres', "SET application_name = 'ddl'; SET client_min_messages = warning;\n$sql");
    my $count = $node->safe_psql('postgres', 'SELECT last_value FROM events');
    my $wanted = $node->safe_psql('postgres', $facts);
    back();
    is($node->safe_psql('postgres', $facts), $before, 'back to the start') or BAIL_OUT('the test is wrong');
    return ($count, $wanted);
}

# To the start, by plain PostgreSQL.
sub back
{
    $node->safe_psql('postgres', q{
        SET zdm.mode = 'off';
        SET client_min_messages = error;
        DO $$
        DECLARE c record;
        BEGIN
            FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n' LOOP
                EXECUTE format('ALTER TABLE t DROP CONSTRAINT %I', c.conname);
            END LOOP;
        END $$;
        DROP INDEX IF EXISTS new;
        CREATE INDEX IF NOT EXISTS by_w ON t (w);
        ALTER TABLE t ALTER v DROP NOT NULL, ALTER w DROP NOT NULL, DROP COLUMN IF EXISTS x;
    });
}

sub ask
{
    my ($sql) = @_;
    my ($status, $out) = $node->psql('postgres', $sql);
    return defined $status && $status == 0 ? $out : undef;
}

sub until_true
{
    my ($sql) = @_;
    my $deadline = time + 30;
    while (time < $deadline) {
        my $answer = ask($sql);
        return 1 if defined $answer && $answer eq 't';
        usleep(10_000);
    }
    return 0;
}

sub transaction
{
    my ($sql, $begin) = @_;
    $begin //= 'BEGIN';
    my ($in, $out, $err) = ("$begin; $sql;\n\\echo held\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=holder' ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $psql->pump until $out =~ /held/;
    return sub { $in .= "COMMIT;\n\\q\n"; eval { $psql->finish; }; };
}

sub start
{
    my ($sql, $name) = @_;
    $name //= 'ddl';
    my ($out, $err) = ('', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose',
        '-d', $node->connstr('postgres') . " application_name=$name", '-c', $sql ],
        '<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return sub { $psql->finish; return ($out, $err); };
}
