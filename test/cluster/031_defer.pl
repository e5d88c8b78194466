# Deferred jobs through what happens to them: a killed worker, a crash after COMMIT, the emergency stop, cancelling, other
# sessions' locks, and each other.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('defer');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'zdm'
autovacuum = off
fsync = off
restart_after_crash = on
zdm.in_transaction = 'defer'
});
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int, v int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
    CREATE TABLE other (id int);
    INSERT INTO other SELECT generate_series(1, 100);
    CREATE TABLE third AS SELECT * FROM other;
});
my $facts = q{
    SELECT 'index ' || indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END FROM pg_index
        WHERE indrelid IN ('t'::regclass, 'other'::regclass)
    UNION ALL SELECT 'constraint ' || conname || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END FROM pg_constraint
        WHERE conrelid IN ('t'::regclass, 'other'::regclass) AND contype <> 'n'
    UNION ALL SELECT 'not null ' || attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnotnull AND attnum > 0
    ORDER BY 1};
my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'zdm worker' AND application_name = 'zdm job %s'";
my $in_build = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'zdm job %s' AND wait_event = 'virtualxid'";

# A worker that dies in the middle of a build, in each way: the next one clears its leftover away and builds again.
foreach my $way ('kill -9', 'terminate', 'immediate shutdown', 'restart') {
    my $old = transaction('SELECT count(*) FROM other');
    my $job = in_block('ALTER TABLE t ALTER v SET NOT NULL', 'CREATE UNIQUE INDEX u ON t (id)');
    ok(until_true(sprintf($in_build, $job)), "$way: the build waits for an old snapshot");
    my $pid = ask(sprintf($worker, $job));
    if ($way eq 'kill -9') {
        kill 'KILL', $pid;
    } elsif ($way eq 'terminate') {
        ask("SELECT pg_terminate_backend($pid)");
        ok(until_true(sprintf("SELECT NOT EXISTS ($worker AND pid = $pid)", $job)), 'it ends');
    } elsif ($way eq 'immediate shutdown') {
        $node->stop('immediate');
        $node->start;
    } else {
        $node->restart('fast');
    }
    $old->();
    ok(until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job"), "$way: the job is done after all") or show();
    is(ask($facts), "index u\nnot null v", "$way: as asked for");
    cmp_ok(ask("SELECT attempts FROM zdm.jobs WHERE id = $job"), '>=', 2, "$way: in more than one attempt");
    back();
}

# A crash right after COMMIT; the emergency stop; order and places.
{
    $node->safe_psql('postgres', 'ALTER SYSTEM SET zdm.run_jobs = off');
    $node->reload;
    ok(until_true("SELECT current_setting('zdm.run_jobs') = 'off'"), 'stopped');
    my $second = in_block('CREATE INDEX a ON other (id)', 'ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0)');
    is(ask("SELECT string_agg(state, ' ') FROM zdm.jobs WHERE id IN ($second - 1, $second)"), 'queued queued', 'nothing is begun');
    is(ask($facts), 'constraint c NOT VALID', 'but what is instant has been done');
    like(ask('SELECT waiting_for FROM zdm.jobs WHERE id = ' . ($second - 1)), qr/run_jobs/, 'the first says what it waits for');
    is(ask("SELECT waiting_for FROM zdm.jobs WHERE id = $second"), 'job ' . ($second - 1), 'the second waits for the first');
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nDROP EXTENSION zdm CASCADE");
    like($err, qr/55000/, 'DROP EXTENSION is refused while one is queued');
    $node->stop('immediate');
    $node->start;
    is(ask("SELECT state FROM zdm.jobs WHERE id = $second"), 'queued', 'a crash after COMMIT loses nothing');
    $node->safe_psql('postgres', 'ALTER SYSTEM RESET zdm.run_jobs');
    $node->reload;
    ok(until_true("SELECT bool_and(state = 'done') FROM zdm.jobs WHERE id IN ($second - 1, $second)"), 'both are done') or show();
    is(ask($facts), "constraint c\nindex a", 'as asked for');
    is(ask("SELECT (SELECT finished_at FROM zdm.jobs WHERE id = $second - 1) <= (SELECT started_at FROM zdm.jobs WHERE id = $second)"),
        't', 'one after the other');
    back();
}

# Not committed: not there.
{
    my $before = ask('SELECT count(*) FROM zdm.jobs');
    my $session = $node->background_psql('postgres');
    $session->query_safe('SET client_min_messages = warning; BEGIN; CREATE INDEX never ON t (v)');
    is(ask('SELECT count(*) FROM zdm.jobs'), $before, 'before COMMIT nobody sees it');
    $session->query_safe('ROLLBACK');
    $session->quit;
    is(ask('SELECT count(*) FROM zdm.jobs'), $before, 'rolled back: no job');
}

# Two on the same relation go one after the other, also of two transactions.
{
    my $old = transaction('SELECT count(*) FROM other');
    my $first = in_block('CREATE INDEX one ON t (id)');
    ok(until_true(sprintf($in_build, $first)), 'the first is at work');
    my $second = in_block('CREATE INDEX two ON t (v)');
    my $elsewhere = in_block('ALTER TABLE third ADD CONSTRAINT c CHECK (id > 0)');
    ok(until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $elsewhere"), 'one on another relation is done meanwhile') or show();
    is(ask("SELECT state || ' ' || waiting_for FROM zdm.jobs WHERE id = $second"), "queued job $first", 'the second waits');
    $old->();
    ok(until_true("SELECT bool_and(state = 'done') FROM zdm.jobs WHERE id IN ($first, $second)"), 'then both are done') or show();
    back();
}

# Cancelled: in the queue, and at work.
{
    my $old = transaction('SELECT count(*) FROM other');
    my $fourth = in_block('CREATE INDEX one ON t (id)', 'CREATE INDEX two ON t (v)', 'ALTER TABLE t ALTER v SET NOT NULL',
        'ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0)');
    my ($first, $second, $third) = ($fourth - 3, $fourth - 2, $fourth - 1);
    ok(until_true(sprintf($in_build, $first)), 'the first is at work');
    ask("SELECT zdm.cancel($second)");
    is(ask("SELECT state FROM zdm.jobs WHERE id = $second"), 'cancelled', 'one that has not begun is cancelled at once');
    ask("SELECT zdm.cancel($third)");
    ask("SELECT zdm.pause($fourth)");
    ask("BEGIN; SELECT zdm.cancel($first); ROLLBACK");
    is(ask("SELECT state FROM zdm.jobs WHERE id = $first"), 'running', 'a rolled back cancel is none');
    ask("SELECT zdm.cancel($first)");
    $old->();
    ok(until_true("SELECT bool_and(state = 'cancelled') FROM zdm.jobs WHERE id IN ($first, $third)"), 'those that have begun are undone') or show();
    is(ask($facts), 'constraint c NOT VALID', 'and leave nothing');
    is(ask("SELECT state FROM zdm.jobs WHERE id = $fourth"), 'paused', 'a paused one waits');
    ask("SELECT zdm.resume($fourth)");
    ok(until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $fourth"), 'and goes on') or show();
    back();
}

# It asks for its locks as everybody else does: nobody waits behind it, and it waits as long as it takes.
{
    my $job = in_block('ALTER TABLE t ALTER v SET NOT NULL');
    ok(until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job"), 'done') or show();
    back();
    $node->safe_psql('postgres', 'ALTER SYSTEM SET zdm.run_jobs = off');
    $node->reload;
    ok(until_true("SELECT current_setting('zdm.run_jobs') = 'off'"), 'stopped');
    $job = in_block('ALTER TABLE t ALTER v SET NOT NULL');
    my $reader = transaction('SELECT count(*) FROM t');
    $node->safe_psql('postgres', 'ALTER SYSTEM RESET zdm.run_jobs');
    $node->reload;
    ok(until_true("SELECT waiting_for LIKE 'could not get ACCESS EXCLUSIVE on public.t%holds%' FROM zdm.jobs WHERE id = $job"),
        'it says whom it waits for') or show();
    is($node->safe_psql('postgres', "SET statement_timeout = '1500ms'; SELECT count(*) FROM t"), '100', 'others go on');
    $reader->();
    ok(until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job"), 'and is done when it can be') or show();
    is(ask($facts), 'not null v', 'as asked for');
    back();
}

# As its owner, who may do no more than he could, whatever his functions try.
{
    $node->safe_psql('postgres', q{
        CREATE ROLE mover;
        GRANT CREATE, USAGE ON SCHEMA public TO mover;
        SET ROLE mover;
        CREATE TABLE his (id int);
        INSERT INTO his SELECT generate_series(1, 10);
        CREATE FUNCTION climb(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            IF current_setting('application_name') LIKE 'zdm job%' THEN
                BEGIN
                    EXECUTE 'RESET SESSION AUTHORIZATION';
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
                BEGIN
                    EXECUTE 'SET ROLE pgrun';
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
                RETURN (SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user);
            END IF;
            RETURN true;
        END $$;
        BEGIN;
        ALTER TABLE his ADD CONSTRAINT c CHECK (climb(id));
        CREATE INDEX i ON his (climb(id)) WHERE climb(id);
        COMMIT;
    });
    ok(until_true(q{SELECT bool_and(state = 'done') FROM zdm.jobs WHERE relation = 'public.his'}), 'the functions of the owner run as the owner') or show();
    is(ask(q{SELECT string_agg(DISTINCT owner::text, ' ') FROM zdm.jobs WHERE relation = 'public.his'}), 'mover', 'whose job it is');
    is(ask(q{SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'i'}), 'mover', 'and whose index');
}

# A dropped table.
{
    my $old = transaction('SELECT count(*) FROM other');
    my $first = in_block('CREATE INDEX one ON t (id)');
    ok(until_true(sprintf($in_build, $first)), 'at work');
    my $second = in_block('CREATE INDEX two ON t (v)'); # which locks nothing now
    $node->safe_psql('postgres', "SELECT zdm.cancel($first)");
    $old->();
    ok(until_true("SELECT bool_and(state IN ('cancelled', 'done')) FROM zdm.jobs WHERE id IN ($first, $second)"), 'over') or show();
    $node->safe_psql('postgres', 'ALTER SYSTEM SET zdm.run_jobs = off');
    $node->reload;
    ok(until_true("SELECT current_setting('zdm.run_jobs') = 'off'"), 'stopped');
    my $third = in_block('CREATE INDEX three ON t (id)');
    $node->safe_psql('postgres', 'DROP TABLE t');
    $node->safe_psql('postgres', 'ALTER SYSTEM RESET zdm.run_jobs');
    $node->reload;
    ok(until_true("SELECT state = 'failed' AND error = 'relation public.t was dropped' FROM zdm.jobs WHERE id = $third"), 'of a dropped table the job fails') or show();
}

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP/, 'no server process has crashed by itself');
unlike($log, qr/terminated by signal (?!9)/, 'nor was killed by another signal');
$node->stop;
done_testing();

# The statements in one transaction; the id of the last one's job.
sub in_block
{
    $node->safe_psql('postgres', join("\n", 'BEGIN;', (map { "$_;" } @_), 'COMMIT;'));
    return $node->safe_psql('postgres', 'SELECT max(id) FROM zdm.jobs');
}

sub back
{
    $node->safe_psql('postgres', q{
        SET zdm.mode = 'off';
        SET client_min_messages = error;
        DROP INDEX IF EXISTS u, a, one, two;
        ALTER TABLE t ALTER v DROP NOT NULL;
        ALTER TABLE t DROP CONSTRAINT IF EXISTS c;
        ALTER TABLE other DROP CONSTRAINT IF EXISTS c;
    });
}

sub show
{
    diag(ask('SELECT id, state, description, waiting_for, error FROM zdm.jobs ORDER BY id DESC LIMIT 3') // 'no answer');
    diag(ask('SELECT job, step, phase, state, left(sql, 60), error FROM zdm.steps ORDER BY job DESC, step LIMIT 8') // 'no answer');
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

# A transaction that holds its snapshot, and what it has read.
sub transaction
{
    my ($sql) = @_;
    my ($in, $out, $err) = ("BEGIN ISOLATION LEVEL REPEATABLE READ; $sql;\n\\echo held\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=holder' ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $psql->pump until $out =~ /held/;
    return sub { $in .= "COMMIT;\n\\q\n"; eval { $psql->finish; }; };
}
