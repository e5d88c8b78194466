# zdm.max_lock_hold: a transaction that has changed a table does not keep others from it for ever. What is to end is
# waited for; what is not to end is given several times the limit.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('hold');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nmax_prepared_transactions = 5\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int PRIMARY KEY, v int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
    CREATE TABLE other (id int);
    INSERT INTO other VALUES (1);
});
my $for_ever = 'SELECT pg_sleep(' . 10 * $PostgreSQL::Test::Utils::timeout_default . ')';
my $held = qr/DETAIL:  Rule lock-held-too-long: ACCESS EXCLUSIVE on public\.t for [\d.]+ m?s; zdm\.max_lock_hold is 300 ms\./;

# A statement that runs for longer is cancelled.
foreach my $case (
    [ 'a query', "BEGIN;\nALTER TABLE t ADD COLUMN x int;\n$for_ever;" ],
    [ 'another lock', "BEGIN;\nALTER TABLE t DISABLE TRIGGER ALL;\n$for_ever;", qr/SHARE ROW EXCLUSIVE on public\.t/ ],
    [ 'a block of PL/pgSQL', "DO \$\$ BEGIN ALTER TABLE t ADD COLUMN x int; PERFORM pg_sleep(100000); END \$\$;" ],
    [ 'a function', "BEGIN;\nCREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN ALTER TABLE t ADD COLUMN x int; PERFORM pg_sleep(100000); END';\nSELECT f();" ],
    [ 'the change itself', "SET zdm.rule_actions = 'alter-column-type-rewrite=allow, alter-column-type-stats-lost=allow';\nBEGIN;\n"
            . "ALTER TABLE t ALTER v TYPE bigint USING length(pg_sleep(1000)::text);" ],
    [ 'a deferred trigger', "BEGIN;\nCREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(100000); RETURN NULL; END';\n"
            . "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON other INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();\n"
            . "INSERT INTO other VALUES (2);\nCOMMIT;", qr/SQLSTATE 57014|ERROR:  57014/ ])
{
    my ($name, $sql, $detail) = @$case;
    my ($status, $out, $err) = verbose("SET zdm.max_lock_hold = '300ms';\n$sql");
    like($err, qr/ERROR:  57014: /, "$name: cancelled");
    like($err, $detail // $held, "$name: says what was held");
    is($node->safe_psql('postgres', "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'x'"), '0', "$name: undone");
}

# A session that idles is ended.
foreach my $setting ('', "SET idle_in_transaction_session_timeout = '1h';\n") {
    my ($in, $out, $err) = ("\\set VERBOSITY verbose\n${setting}SET zdm.max_lock_hold = '300ms';\nBEGIN;\nALTER TABLE t ADD COLUMN x int;\n\\echo held\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=holder' ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $psql->pump until $out =~ /held/;
    ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'holder'"), 'an idle session is ended');
    $in .= "SELECT 1;\n\\q\n";
    $psql->finish;
    like($err, qr/FATAL:  25P03: /, 'with the code for it');
    is($node->safe_psql('postgres', "SELECT count(*) FROM t WHERE id = 1"), '1', 'and its lock is gone');
}
like(slurp_file($node->logfile), qr/LOG:  session ended: .*\n.*DETAIL:  Rule idle-in-txn-after-ddl: ACCESS EXCLUSIVE on public\.t for /, 'the log says why');

# After the error of a savepoint there is time for an answer; then it ends again.
{
    my ($status, $out, $err) = verbose("SET zdm.max_lock_hold = '300ms';\nBEGIN;\nALTER TABLE t ADD COLUMN x int;\nSAVEPOINT s;\n$for_ever;\nROLLBACK TO s;\n"
        . "SELECT 'goes on';\n$for_ever;\nROLLBACK;\nSELECT 'and after it';");
    my $cancelled = () = $err =~ /ERROR:  57014/g;
    is($cancelled, 2, 'the lock from before the savepoint still counts');
    like($out, qr/goes on\nand after it/, 'the session is there');
}

# What does not count, or is over.
foreach my $case (
    [ 'TRUNCATE', 'TRUNCATE other;' ],
    [ 'LOCK TABLE', 'LOCK TABLE t;' ],
    [ 'a new table', 'CREATE TABLE fresh (id int); ALTER TABLE fresh ADD COLUMN v int;' ],
    [ 'a weak lock', 'ALTER TABLE t ALTER v SET STATISTICS 50;' ],
    [ 'no limit', 'SET LOCAL zdm.max_lock_hold = 0; ALTER TABLE t ADD COLUMN x int;' ],
    [ 'allowed', q{SET LOCAL zdm.rule_actions = 'lock-held-too-long=allow'; ALTER TABLE t ADD COLUMN x int;} ],
    [ 'given back', 'SAVEPOINT s\; ALTER TABLE t ADD COLUMN x int\; ROLLBACK TO s;', '1s' ],
    [ 'the transaction before', 'ALTER TABLE t ADD COLUMN y int\; ALTER TABLE t DROP COLUMN y\; COMMIT\; BEGIN;', '1s' ])
{
    my ($name, $sql, $limit) = @$case;
    $limit //= '100ms';
    my ($status, $out, $err) = verbose("SET zdm.max_lock_hold = '$limit';\nBEGIN;\n$sql\nSELECT pg_sleep(extract(epoch FROM interval '$limit') * 1.5);\nSELECT 'goes on';\nROLLBACK;");
    unlike($err, qr/57014|25P03/, "$name: not cancelled");
    like($out, qr/goes on/, "$name: goes on");
}
is($node->safe_psql('postgres', 'SHOW idle_in_transaction_session_timeout'), '0', 'nobody else is timed');

# Mode warn only says so: with the next statement, or at COMMIT, once.
foreach my $end ("SELECT 1;\nSELECT 2;\nCOMMIT;", 'COMMIT;', "ALTER TABLE t DROP COLUMN x;\nCOMMIT;") {
    my ($status, $out, $err) = verbose("SET zdm.mode = 'warn';\nSET zdm.max_lock_hold = '1ms';\nSET zdm.rule_actions = 'drop-column=allow';\nBEGIN;\n"
        . "ALTER TABLE t ADD COLUMN x int;\nCREATE TEMP TABLE x AS SELECT clock_timestamp();\nDO 'BEGIN PERFORM pg_sleep(0.01); END';\n$end");
    my $warned = () = $err =~ /WARNING:  01ZDM: the transaction has kept others/g;
    is($warned, 1, "mode warn: said once, whatever comes next");
    unlike($err, qr/ERROR|FATAL/, 'and nothing else');
    $node->safe_psql('postgres', "SET zdm.mode = 'off'; ALTER TABLE t DROP COLUMN IF EXISTS x");
}

# A prepared transaction keeps its locks, and no clock.
{
    my ($status, $out, $err) = verbose("SET zdm.max_lock_hold = '1h';\nBEGIN;\nALTER TABLE t ADD COLUMN x int;\nPREPARE TRANSACTION 'kept';\nROLLBACK PREPARED 'kept';");
    like($err, qr/WARNING:  01ZDM: the prepared transaction keeps a lock.*\nDETAIL:.*ACCESS EXCLUSIVE on public\.t/, 'PREPARE TRANSACTION is warned of');
    ($status, $out, $err) = verbose("BEGIN;\nALTER TABLE t ADD COLUMN x int;\nPREPARE TRANSACTION 'kept';\nROLLBACK PREPARED 'kept';");
    unlike($err, qr/WARNING/, 'not without a limit');
}

# What the policy writes to the log.
{
    my $before = -s $node->logfile;
    verbose("SET zdm.safety_assured = on;\nALTER TABLE t RENAME COLUMN v TO w;\nSET zdm.mode = 'warn';\nALTER TABLE t RENAME COLUMN w TO v;\n"
        . "RESET zdm.mode;\nSET zdm.max_dml_rows = 10;\nSET zdm.safety_assured = on;\nUPDATE t SET v = v;");
    my $log = slurp_file($node->logfile, $before);
    like($log, qr/LOG:  zdm\.safety_assured used by role "\S+", application "policy"\n.*DETAIL:  Statement: ALTER TABLE t RENAME COLUMN v TO w/, 'who has reviewed what');
    like($log, qr/DETAIL:  Statement: UPDATE t SET v = v\n/, 'also of a query');
    like($log, qr/WARNING:  would be refused \(ZD001\): ALTER TABLE on public\.t: RENAME COLUMN.*\n.*\n.*Statement: ALTER TABLE t RENAME COLUMN w TO v/,
        'mode warn: the statement with what would have been done');
}

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal/, 'no server process has crashed');
$node->stop;
done_testing();

sub verbose {
    my ($sql) = @_;
    return $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0, extra_params => [],
        connstr => $node->connstr('postgres') . ' application_name=policy', timeout => $PostgreSQL::Test::Utils::timeout_default);
}
