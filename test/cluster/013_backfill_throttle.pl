# A backfill waits for those who follow the server: standbys, logical slots, slots that nobody reads. It says for whom,
# and holds nothing meanwhile.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION zdm');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby1');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_receiver_status_interval = '100ms'");
$standby->start;

sub until_true
{
    my ($sql, $what) = @_;
    my $deadline = time + 120;
    while (time < $deadline) {
        my ($status, $out) = $node->psql('postgres', $sql);
        return 1 if defined $status && $status == 0 && $out eq 't';
        usleep(20_000);
    }
    fail("in time: $what");
    diag(($node->psql('postgres', 'SELECT * FROM zdm.jobs; SELECT * FROM pg_stat_replication; SELECT * FROM pg_replication_slots'))[1] // 'no answer');
    return 0;
}

sub ask { return ($node->psql('postgres', $_[0]))[1] // '' }

sub caught_up
{
    until_true("SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication", 'the standby has caught up');
}

$node->safe_psql('postgres', 'CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, pad text);
    INSERT INTO t (id, pad) SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 20000) g');
$node->safe_psql('postgres', 'VACUUM FREEZE t; CHECKPOINT');
caught_up();

# In bytes: the worst that a standby gets behind is the limit and a batch.
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
my $job = $node->safe_psql('postgres', "SET zdm.max_replication_lag = '1MB'; SET zdm.max_replication_delay = -1;
    SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 100)");
until_true("SELECT waiting_for LIKE 'replication lag of \"standby1\": %kB' OR waiting_for LIKE 'replication lag of \"standby1\": %MB' FROM zdm.jobs WHERE id = $job", 'the job waits for the standby');
my $done = ask("SELECT rows_done FROM zdm.jobs WHERE id = $job");
cmp_ok($done, '<', 10000, 'it has stopped early');
until_true("SELECT bool_and(backend_xmin IS NULL AND backend_xid IS NULL AND wait_event_type = 'Extension') FROM pg_stat_activity
    WHERE backend_type = 'zdm worker' AND application_name = 'zdm job $job'", 'nothing is held while it waits');
is(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), $done, 'it stands still');
cmp_ok(ask('SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM pg_stat_replication'), '<', 1.6 * 1024 * 1024,
    'the standby is hardly further behind than it may be');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'it goes on when the standby does');
is(ask('SELECT min(n), max(n) FROM t'), '1|1', 'each row once');

# In time.
caught_up();
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$job = $node->safe_psql('postgres', "SET zdm.max_replication_lag = -1; SET zdm.max_replication_delay = '200ms';
    SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 20, pause => '10ms')");
until_true("SELECT waiting_for LIKE 'replication delay of \"standby1\": %' FROM zdm.jobs WHERE id = $job", 'the job waits for a late standby');
cmp_ok(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), '<', 20000, 'it has stopped early');

# Tuned: felt at once.
ask("SELECT zdm.tune($job, max_replication_delay => '-1 s')");
until_true("SELECT waiting_for IS NULL AND rows_done > 200 FROM zdm.jobs WHERE id = $job", 'tuned, it goes on');
ask("SELECT zdm.tune($job, max_replication_lag => '10kB')");
until_true("SELECT waiting_for LIKE 'replication lag%' FROM zdm.jobs WHERE id = $job", 'and waits again');
ask("SELECT zdm.cancel($job)");
until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'zdm job $job')", 'a job that waits can be cancelled');

$node->safe_psql('postgres', 'UPDATE t SET n = 0');

# One that does not count.
$job = $node->safe_psql('postgres', "SET zdm.max_replication_lag = '1kB'; SET zdm.ignore_standbys = 'other, standby1';
    SELECT zdm.backfill('t', 'n = n + 1')");
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'an ignored standby is not waited for');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
caught_up();

# Throttled, then terminated: it comes back and waits again.
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$job = $node->safe_psql('postgres', "SET zdm.max_replication_lag = '100kB'; SELECT zdm.backfill('t', 'n = n + 1')");
until_true("SELECT waiting_for LIKE 'replication lag%' FROM zdm.jobs WHERE id = $job", 'throttled');
ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'zdm worker'");
until_true("SELECT attempts > 1 AND waiting_for LIKE 'replication lag%' FROM zdm.jobs WHERE id = $job", 'a new worker waits as well');
$standby->stop('immediate');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'a standby that is gone is not waited for');

# An active logical slot whose reader does not confirm.
$node->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('reader', 'test_decoding')");
my ($in, $out, $err) = ('', '', '');
my $reader = IPC::Run::start([ 'pg_recvlogical', '-d', $node->connstr('postgres'), '-S', 'reader', '--start', '-f', '-',
    '--status-interval', '0', '--fsync-interval', '0' ], '<', \$in, '>', \$out, '2>', \$err);
until_true("SELECT active FROM pg_replication_slots WHERE slot_name = 'reader'", 'the reader is there');
kill 'STOP', $reader->{KIDS}[0]{PID};
$job = $node->safe_psql('postgres', "SET zdm.max_replication_lag = '100kB'; SET zdm.max_replication_delay = -1; SELECT zdm.backfill('t', 'n = n + 1')");
until_true("SELECT waiting_for LIKE '%\"reader\"%' OR waiting_for LIKE '%pg_recvlogical%' FROM zdm.jobs WHERE id = $job", 'the job waits for the reader');
kill 'KILL', $reader->{KIDS}[0]{PID};
$reader->finish;
until_true("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'reader'", 'the reader is gone');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'an inactive slot is not waited for');

# Unless its WAL is about to be taken from it.
$node->safe_psql('postgres', "ALTER SYSTEM SET max_slot_wal_keep_size = '20MB'");
$node->reload;
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 500) FROM generate_series(1, 10) LIMIT 1");
until_true("SELECT state = 'done' OR waiting_for LIKE 'inactive slot \"reader\"%' FROM zdm.jobs WHERE id = $job", 'done or waiting');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 500)") if ask("SELECT state FROM zdm.jobs WHERE id = $job") eq 'done';
until_true("SELECT waiting_for LIKE 'inactive slot \"reader\", which has used % of max_slot_wal_keep_size' FROM zdm.jobs WHERE id = $job", 'the job waits for whoever minds the slot');
is(ask("SELECT wal_status IN ('reserved', 'extended') FROM pg_replication_slots"), 't', 'which has lost nothing');
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('reader')");
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'it goes on when the slot is dropped');

# Commits that wait for a synchronous standby which does not answer.
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$node->reload;
until_true("SELECT current_setting('synchronous_standby_names') = 'nobody'", 'reloaded');
my $waiting = $node->background_psql('postgres');
$waiting->query_until(qr/sent/, "\\echo sent\nCREATE TABLE never ();\n");
until_true("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')", 'a commit waits');
$job = $node->safe_psql('postgres', "SET synchronous_commit = local; SELECT zdm.backfill('t', 'n = n + 1', options => '{\"only_when\": \"true\"}')");
until_true("SELECT waiting_for LIKE 'a synchronous standby%' OR EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker' AND wait_event = 'SyncRep') FROM zdm.jobs WHERE id = $job", 'the job waits too');
$node->safe_psql('postgres', "ALTER SYSTEM RESET synchronous_standby_names");
$node->reload;
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'it goes on without');
$waiting->quit;
is(ask('SELECT count(DISTINCT n) FROM t'), '1', 'each row as often as any other');

$node->stop;
done_testing();
