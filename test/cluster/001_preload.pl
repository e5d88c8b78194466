# The library in a whole server: preloaded, loaded by one session only, dumped and restored.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('preloaded');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'");
$node->start;

# Preloaded: guarded where the extension is, and only there.
$node->safe_psql('postgres', 'CREATE DATABASE guarded');
$node->safe_psql('postgres', 'CREATE DATABASE bystander');
$node->safe_psql('guarded', 'CREATE EXTENSION zdm');
is($node->safe_psql('guarded', 'SELECT zdm.guarded()'), 't', 'guarded with library, extension and mode');
is($node->safe_psql('bystander', "SELECT to_regproc('zdm.guarded') IS NULL"), 't', 'nothing in another database');
is($node->safe_psql('bystander', 'CREATE TABLE t (id int); ALTER TABLE t RENAME id TO key; DROP TABLE t; SELECT 1'),
    '1', 'where DDL is as it always was');
is($node->safe_psql('guarded', 'SHOW zdm.max_workers'), '4', 'zdm.max_workers is there');

$node->safe_psql('postgres', "ALTER DATABASE guarded SET zdm.mode = 'off'");
is($node->safe_psql('guarded', 'SELECT zdm.guarded()'), 'f', 'not guarded in mode off');
$node->safe_psql('postgres', 'ALTER DATABASE guarded RESET zdm.mode');

$node->restart;
is($node->safe_psql('guarded', 'SELECT zdm.guarded()'), 't', 'guarded again after a restart');

# Dump and restore, both ways the documentation names.
$node->safe_psql('guarded', q{
    CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);
    INSERT INTO users SELECT i, 'user' || i FROM generate_series(1, 1000) AS i;
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, CHECK (id > 0));
    INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) AS i;
});
my $dump = $node->basedir . '/guarded.sql';
my $archive = $node->basedir . '/guarded.dump';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('guarded') ], 'pg_dump, plain SQL');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $archive, $node->connstr('guarded') ], 'pg_dump, archive');
unlike(slurp_file($dump), qr/CREATE (TABLE|FUNCTION|VIEW) zdm\./, 'no part of the extension is dumped');

$node->safe_psql('postgres', 'CREATE DATABASE from_sql TEMPLATE template0');
{
    local $ENV{PGOPTIONS} = '-c zdm.mode=off';
    $node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('from_sql') ],
        'plain SQL restores with zdm.mode=off');
}
$node->safe_psql('postgres', 'CREATE DATABASE from_archive TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('from_archive'), $archive ],
    'pg_restore restores as it is');
foreach my $copy ('from_sql', 'from_archive') {
    is($node->safe_psql($copy, 'SELECT zdm.guarded(), count(*) FROM orders JOIN users ON users.id = user_id'),
        't|1000', "$copy is whole and guarded");
    is($node->safe_psql($copy, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), '0',
        "$copy has no constraint left NOT VALID");
}
$node->stop;

# Not preloaded: one session may load it for itself.
my $plain = PostgreSQL::Test::Cluster->new('not_preloaded');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION zdm');
is($plain->safe_psql('postgres', "LOAD 'zdm'; SELECT zdm.guarded()"), 't', 'LOAD guards the session');
my ($status, $out, $err) = $plain->psql('postgres', "LOAD 'zdm'; SHOW zdm.max_workers");
like($err, qr/unrecognized configuration parameter "zdm.max_workers"/, 'and brings no zdm.max_workers');
$plain->stop;

done_testing();
