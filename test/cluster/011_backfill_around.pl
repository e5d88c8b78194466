# Backfills where there is more than one server, database, worker, key or owner.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nzdm.max_workers = 1");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION zdm');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION zdm');

sub until_true
{
    my ($server, $database, $sql, $what) = @_;
    my $deadline = time + 120;
    while (time < $deadline) {
        my ($status, $out) = $server->psql($database, $sql);
        return 1 if defined $status && $status == 0 && $out eq 't';
        usleep(20_000);
    }
    fail("in time: $what");
    diag(($server->psql($database, 'SELECT * FROM zdm.jobs'))[1] // 'no answer');
    return 0;
}

sub fresh_table
{
    my ($database, $name, $rows) = @_;
    $node->safe_psql($database, "DROP TABLE IF EXISTS $name; CREATE TABLE $name (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0);
        INSERT INTO $name (id) SELECT g FROM generate_series(1, $rows) g");
}

# One worker for the cluster: jobs of two databases take turns, and none is forgotten.
my @jobs;
foreach my $table ('a', 'b', 'c') {
    foreach my $database ('postgres', 'other') {
        fresh_table($database, $table, 200);
        push @jobs, [ $database, $table, $node->safe_psql($database, "SELECT zdm.backfill('$table', 'n = n + 1', batch_rows => 20)") ];
    }
}
foreach my $job (@jobs) {
    my ($database, $table, $id) = @$job;
    until_true($node, $database, "SELECT state = 'done' FROM zdm.jobs WHERE id = $id", "$database.$table");
    is($node->safe_psql($database, "SELECT min(n), max(n) FROM $table"), '1|1', "$database.$table is done by the one worker");
}

# A paused job frees the worker.
fresh_table('postgres', 'a', 200);
my $first = $node->safe_psql('postgres', "SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 1, pause => '1h')");
until_true($node, 'postgres', "SELECT state = 'running' FROM zdm.jobs WHERE id = $first", 'the first runs');
my $second = $node->safe_psql('postgres', "SELECT zdm.backfill('b', 'n = n + 1')");
until_true($node, 'postgres', "SELECT waiting_for = 'a free worker' FROM zdm.jobs WHERE id = $second", 'the second waits for a worker');
$node->safe_psql('postgres', "SELECT zdm.pause($first)");
until_true($node, 'postgres', "SELECT state = 'done' FROM zdm.jobs WHERE id = $second", 'the second is done');
is($node->safe_psql('postgres', "SELECT state FROM zdm.jobs WHERE id = $first"), 'paused', 'while the first is paused');
$node->safe_psql('postgres', "SELECT zdm.cancel($first)");

# Another key: what was walked so far means nothing in it.
fresh_table('postgres', 'a', 2000);
my $job = $node->safe_psql('postgres', "SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 10, pause => '10ms')");
until_true($node, 'postgres', "SELECT rows_done > 50 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', q{SET zdm.mode = 'off';} . 'ALTER TABLE a ADD COLUMN other_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (other_id)');
until_true($node, 'postgres', "SELECT state = 'failed' FROM zdm.jobs WHERE id = $job", 'the job ends');
like($node->safe_psql('postgres', "SELECT error FROM zdm.jobs WHERE id = $job"), qr/key of the table has changed/, 'and says why');

# The same key under another index.
fresh_table('postgres', 'a', 2000);
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 20, pause => '5ms')");
until_true($node, 'postgres', "SELECT rows_done > 50 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY a_pkey');
until_true($node, 'postgres', "SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is($node->safe_psql('postgres', 'SELECT min(n), max(n) FROM a'), '1|1', 'REINDEX CONCURRENTLY disturbs nothing');

# The owner goes.
$node->safe_psql('postgres', 'CREATE ROLE leaver');
fresh_table('postgres', 'a', 2000);
$node->safe_psql('postgres', 'GRANT SELECT, UPDATE ON a TO leaver');
$job = $node->safe_psql('postgres', "SET ROLE leaver; SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 10, pause => '10ms')");
until_true($node, 'postgres', "SELECT rows_done > 50 FROM zdm.jobs WHERE id = $job", 'progress');
$node->safe_psql('postgres', 'DROP OWNED BY leaver; DROP ROLE leaver');
until_true($node, 'postgres', "SELECT state = 'failed' FROM zdm.jobs WHERE id = $job", 'the job ends');

# A session that waits can be cancelled.
fresh_table('postgres', 'a', 2000);
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 1, pause => '1h')");
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '200ms'; CALL zdm.wait($job)");
like($err, qr/statement timeout/, 'a waiting session can be interrupted');
$node->safe_psql('postgres', "SELECT zdm.cancel($job)");

# Nothing of it is dumped.
my ($dump) = run_command([ 'pg_dump', '--data-only', $node->connstr('postgres') ]);
unlike($dump, qr/zdm\./, 'jobs are not dumped');

# Failover: a standby shows the job and cannot steer it; promoted, it goes on where the primary was.
fresh_table('postgres', 'a', 3000);
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('a', 'n = n + 1', batch_rows => 10, pause => '10ms')");
until_true($standby, 'postgres', "SELECT rows_done > 100 FROM zdm.jobs WHERE id = $job", 'progress arrives at the standby');
foreach my $call ("zdm.cancel($job)", "zdm.pause($job)", "zdm.backfill('a', 'n = 1')") {
    ($status, $out, $err) = $standby->psql('postgres', "SELECT $call", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
    like($err, qr/25006/, "$call on a standby is 25006");
}
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'zdm%'"), '0', 'no launcher on a standby');
$node->stop('immediate');
$standby->promote;
until_true($standby, 'postgres', "SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'the job is done after the failover');
is($standby->safe_psql('postgres', 'SELECT min(n), max(n), sum(n) FROM a'), '1|1|3000', 'each row once, through a failover');
$standby->stop;

done_testing();
