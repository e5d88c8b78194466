# Autovacuum on the table gives way to one short attempt of zdm, although its lock_timeout is shorter than the
# deadlock_timeout after which PostgreSQL would send it away.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('vacuum');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'zdm'
autovacuum = on
autovacuum_naptime = 1
autovacuum_vacuum_cost_delay = 100
autovacuum_vacuum_cost_limit = 1
autovacuum_vacuum_threshold = 1
autovacuum_vacuum_scale_factor = 0
});
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION zdm;
CREATE TABLE t (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 20000) AS i;
DELETE FROM t WHERE id % 2 = 0;
ALTER TABLE t SET (autovacuum_enabled = on);
});

sub vacuum_at_work {
    $node->poll_query_until('postgres', q{
        SELECT EXISTS (SELECT FROM pg_stat_progress_vacuum AS p JOIN pg_stat_activity AS a USING (pid)
                        WHERE p.relid = 't'::regclass AND a.backend_type = 'autovacuum worker')});
}

ok(vacuum_at_work(), 'autovacuum is at work on the table');
my ($status, $out, $err) =
    $node->psql('postgres', q{SET zdm.mode = off; SET lock_timeout = '100ms'; ALTER TABLE t ADD COLUMN plain int});
like($err, qr/lock timeout/, 'plain PostgreSQL with the same lock_timeout does not get past it');

ok(vacuum_at_work(), 'autovacuum is at work on the table');
($status, $out, $err) = $node->psql('postgres', q{SET zdm.lock_patience = 0; ALTER TABLE t ADD COLUMN guarded int});
is($status, 0, 'one attempt of zdm sends it away') or diag($err);
is($node->safe_psql('postgres', q{SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 't'::regclass AND attnum > 2}), 'guarded', 'and has its lock');

$node->stop;
done_testing();
