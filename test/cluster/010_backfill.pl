# Backfills through what kills them: a worker, the server, a rollback, the emergency stop; and other sessions' locks.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('jobs');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'zdm'
max_prepared_transactions = 2
restart_after_crash = on
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION zdm');

# A query that may meet a server that is just restarting.
sub ask
{
    my ($sql) = @_;
    my ($status, $out) = $node->psql('postgres', $sql);
    return defined $status && $status == 0 ? $out : undef;
}

sub until_true
{
    my ($sql, $what) = @_;
    my $deadline = time + 120;
    while (time < $deadline) {
        my $answer = ask($sql);
        return 1 if defined $answer && $answer eq 't';
        usleep(20_000);
    }
    fail("in time: $what");
    diag(ask('SELECT * FROM zdm.jobs') // 'no answer');
    return 0;
}

sub fresh_table
{
    my ($rows) = @_;
    $node->safe_psql('postgres', "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0);
        INSERT INTO t (id) SELECT g FROM generate_series(1, $rows) g");
}

sub start_job
{
    my ($options) = @_;
    return $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1'" . ($options // '') . ')');
}

sub state_of { return ask("SELECT state FROM zdm.jobs WHERE id = $_[0]") // '' }

sub once_each
{
    my ($rows, $what) = @_;
    is($node->safe_psql('postgres', 'SELECT min(n), max(n), sum(n), count(*) FROM t'), "1|1|$rows|$rows", $what);
}

my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'zdm worker' AND application_name = 'zdm job %s'";

is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'zdm launcher'"), '1',
    'the launcher is there');

# kill -9 of the worker, twice, then of the whole server.
fresh_table(20000);
my $job = start_job(", batch_rows => 100, pause => '2ms'");
foreach my $kill (1, 2) {
    until_true("SELECT rows_done > $kill * 2000 FROM zdm.jobs WHERE id = $job", 'progress');
    my $pid = ask(sprintf($worker, $job));
    kill 'KILL', $pid;
    until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'the server is back');
}
until_true("SELECT rows_done > 8000 FROM zdm.jobs WHERE id = $job", 'progress');
$node->stop('immediate');
$node->start;
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'the job is done after all');
once_each(20000, 'each row once, through two killed workers and a killed server');
cmp_ok(ask("SELECT attempts FROM zdm.jobs WHERE id = $job"), '>=', 4, 'in several attempts');

# A clean restart, and a terminated worker, are no crashes.
fresh_table(3000);
$job = start_job(", batch_rows => 10, pause => '10ms'");
until_true("SELECT rows_done > 100 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($worker) x" =~ s/%s/$job/r);
$node->restart;
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'the job is done after a restart');
once_each(3000, 'each row once, through a terminated worker and a restart');

# A job that takes the server with it is left alone after the third time.
fresh_table(100);
$node->safe_psql('postgres', q{
    CREATE FUNCTION die_here() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(600); RETURN 1; END $$;
});
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = die_here()')");
foreach my $crash (1 .. 3) {
    until_true("SELECT EXISTS ($worker AND wait_event = 'PgSleep')" =~ s/%s/$job/r, "the worker is at work, $crash");
    my $pid = ask(sprintf($worker, $job));
    kill 'KILL', $pid;
    until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'the server is back');
}
until_true("SELECT state = 'failed' FROM zdm.jobs WHERE id = $job", 'the job is given up');
like(ask("SELECT error FROM zdm.jobs WHERE id = $job"), qr/crashed three times/, 'and says why');

# zdm.run_jobs = off ends workers and starts none; on goes on.
fresh_table(2000);
$job = start_job(", batch_rows => 10, pause => '10ms'");
until_true("SELECT rows_done > 50 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', 'ALTER SYSTEM SET zdm.run_jobs = off');
$node->reload;
until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker')", 'no worker is left');
my $second = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n', where_clause => 'id < 3')");
is(state_of($job), 'queued', 'the job is queued again');
like(ask("SELECT waiting_for FROM zdm.jobs WHERE id = $job"), qr/run_jobs/, 'and says what it waits for');
is(state_of($second), 'queued', 'a new one is too');
$node->restart;
is(ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'zdm worker'"), '0', 'no worker after a restart');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET zdm.run_jobs');
$node->reload;
until_true("SELECT bool_and(state = 'done') FROM zdm.jobs WHERE id IN ($job, $second)", 'both are done');
once_each(2000, 'each row once, through the emergency stop');

# Asked for in a transaction: begins after its commit, or never was.
fresh_table(10);
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$job = $session->query_safe("SELECT zdm.backfill('t', 'n = n + 1')");
is(ask("SELECT count(*) FROM zdm.jobs WHERE id = $job"), '0', 'nobody sees a job before its commit');
$session->query_safe('ROLLBACK');
is(ask("SELECT count(*) FROM zdm.jobs WHERE id = $job"), '0', 'rolled back: no job');
$session->query_safe('BEGIN');
$job = $session->query_safe("SELECT zdm.backfill('t', 'n = n + 1')");
$session->query_safe('COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'committed: done');
once_each(10, 'once');
my ($status, $out, $err) = $node->psql('postgres', "BEGIN; SELECT zdm.backfill('t', 'n = 1'); PREPARE TRANSACTION 'p'");
like($err, qr/cannot PREPARE/, 'a prepared transaction cannot start a job');

# A row that somebody has locked: the job waits with nothing held, says so, and goes on.
fresh_table(1000);
$session->query_safe('BEGIN; UPDATE t SET n = n WHERE id = 500');
$job = start_job();
until_true("SELECT waiting_for LIKE 'locks%' FROM zdm.jobs WHERE id = $job", 'the job says that it waits for a lock');
is(ask('UPDATE t SET n = n WHERE id = 400 RETURNING id'), "400", 'its other rows are free');
$session->query_safe('ROLLBACK');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'it is done when the lock is gone');
once_each(1000, 'each row once, past a locked one');

# Cancel is felt within one batch; nothing of the job happens after it.
fresh_table(100000);
$job = start_job(', batch_rows => 10');
until_true("SELECT rows_done > 100 FROM zdm.jobs WHERE id = $job", 'progress');
my $sum = $node->safe_psql('postgres', "SELECT zdm.cancel($job)") . $node->safe_psql('postgres', 'SELECT sum(n) FROM t');
until_true("SELECT NOT EXISTS ($worker)" =~ s/%s/$job/r, 'the worker is gone');
is(ask('SELECT sum(n) FROM t'), $sum, 'no row changes after zdm.cancel');
is(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), $sum, 'and rows_done is what was done');

# Rows that come while it runs: wanted if they match a condition that the backfill makes false.
$node->safe_psql('postgres', 'CREATE TABLE late (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v int);
    INSERT INTO late (v) SELECT NULL FROM generate_series(1, 2000)');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('late', 'v = 1', 'v IS NULL', batch_rows => 100, pause => '10ms')");
until_true("SELECT rows_done > 500 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', 'INSERT INTO late (v) SELECT NULL FROM generate_series(1, 100)');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT count(*) FROM late WHERE v IS NULL'), '0', 'no visible row matches at the end');

# The table changes its name, and another takes it.
fresh_table(2000);
$job = start_job(", batch_rows => 10, pause => '5ms'");
until_true("SELECT rows_done > 100 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', 'BEGIN; ALTER TABLE t RENAME TO t_then; CREATE TABLE t (id bigint PRIMARY KEY, n int DEFAULT 0);
    INSERT INTO t SELECT g FROM generate_series(1, 2000) g; COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done under another name');
is(ask('SELECT sum(n) FROM t'), '0', 'the table that took the name is left alone');
is(ask('SELECT min(n), max(n) FROM t_then'), '1|1', 'the table that was meant is done');

$session->quit;

# A copy of the database does not take up the jobs of the original.
fresh_table(1000);
$job = start_job(", batch_rows => 1, pause => '1h'");
$node->safe_psql('postgres', 'ALTER SYSTEM SET zdm.run_jobs = off');
$node->reload;
until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker')", 'no worker is left');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET zdm.run_jobs');
$node->reload;
is($node->safe_psql('copy', "SELECT state, waiting_for LIKE '%OID%' FROM zdm.jobs WHERE id = $job"), 'paused|t',
    'in a copy of the database the job is paused, with the reason');
is($node->safe_psql('copy', "SELECT zdm.cancel($job), state FROM zdm.jobs WHERE id = $job"), '|paused', 'it can be cancelled there');
is($node->safe_psql('copy', "SELECT state FROM zdm.jobs WHERE id = $job"), 'cancelled', 'and is');
isnt(state_of($job), 'cancelled', 'the original goes on');

# The extension goes, and the job with it; then a database with a worker in it.
until_true("SELECT EXISTS ($worker)" =~ s/%s/$job/r, 'the original is at work');
$node->safe_psql('postgres', 'DROP EXTENSION zdm');
until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker')", 'the worker ends');
$node->safe_psql('postgres', 'CREATE DATABASE doomed');
$node->safe_psql('doomed', "CREATE EXTENSION zdm; CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1), (2), (3);
    SELECT zdm.backfill('t', 'n = 1', batch_rows => 1, pause => '1h')");
until_true("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker' AND datname = 'doomed')", 'a worker is there');
$node->safe_psql('postgres', 'DROP DATABASE doomed WITH (FORCE)');
pass('DROP DATABASE WITH (FORCE) gets past a worker');

# Not preloaded: no workers, and the call says what to do.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
($status, $out, $err) = $node->psql('postgres', "CREATE EXTENSION zdm; CREATE TABLE u (id int PRIMARY KEY, n int);
    SELECT zdm.backfill('u', 'n = 1')", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55000.*shared_preload_libraries/s, 'not preloaded: 55000, and the hint says to preload');
$node->stop;

done_testing();
