# pg_partman's own maintenance under the default mode: it makes and drops partitions from functions, and must not find
# itself stopped at midnight, nor be told anything, but for one thing: that a filled default partition is scanned.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('partman');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nfsync = off");
$node->start;
if ($node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'}) !~ /^4\./) {
    plan skip_all => 'pg_partman 4 is not there for this PostgreSQL';
}

$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE SCHEMA partman;
    CREATE EXTENSION pg_partman SCHEMA partman;
    CREATE TABLE customers (id int PRIMARY KEY);
    INSERT INTO customers VALUES (1);
    CREATE TABLE events (id bigint, customer int REFERENCES customers, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX ON events (at);
});

# Runs it, wants success, and returns what zdm said.
sub quietly {
    my ($what, $sql) = @_;
    my ($status, $out, $err) = $node->psql('postgres', $sql);
    is($status, 0, $what) or diag($err);
    return join("\n", grep { /zdm|rewritten|refused|Rule/ } split(/\n/, $err));
}

my $partitions = q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass};

is(quietly('create_parent', q{
    SELECT partman.create_parent('public.events', 'at', 'native', 'daily', p_premake := 2,
        p_start_partition := (now() - interval '5 days')::text)}), '', 'create_parent: not a word');
my $before = $node->safe_psql('postgres', $partitions);
cmp_ok($before, '>=', 8, 'five days, today, two to come, the default');

$node->safe_psql('postgres', q{
    INSERT INTO events SELECT i, 1, now() + (i % 8 - 5) * interval '1 day' FROM generate_series(1, 1000) AS i;
    UPDATE partman.part_config SET premake = 5, infinite_time_partitions = true;
});
is(quietly('run_maintenance makes partitions', 'SELECT partman.run_maintenance()'), '', 'making: not a word');
is($node->safe_psql('postgres', $partitions), $before + 3, 'three more');

$node->safe_psql('postgres', q{UPDATE partman.part_config SET retention = '2 days', retention_keep_table = false});
is(quietly('run_maintenance drops partitions', 'SELECT partman.run_maintenance()'), '', 'dropping: not a word');
is($node->safe_psql('postgres', $partitions), $before, 'three fewer');

$node->safe_psql('postgres', q{UPDATE partman.part_config SET premake = 6});
is(quietly('run_maintenance_proc', 'CALL partman.run_maintenance_proc()'), '', 'the procedure: not a word');
is($node->safe_psql('postgres', $partitions), $before + 1, 'one more');

# A filled default partition is scanned by each ATTACH: said, and done.
$node->safe_psql('postgres', q{
    INSERT INTO events VALUES (0, 1, now() - interval '1 year');
    UPDATE partman.part_config SET premake = 8;
});
like(quietly('run_maintenance beside a filled default partition', 'SELECT partman.run_maintenance()'),
    qr/Rule attach-partition-scan: ACCESS EXCLUSIVE on public\.events_default/, 'it is warned of');
is($node->safe_psql('postgres', $partitions), $before + 3, 'and the partitions are there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_index WHERE NOT indisvalid}), '0', 'all indexes are valid');


$node->stop;
done_testing();
