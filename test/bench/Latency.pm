package Latency;
# Reads what the traffic of ground.sh left in a directory: pgbench's per-transaction logs and the list of failed queries.
# Only core Perl.
use strict;
use warnings;

# Return {all => [[sent, done, failed], ...] by time sent, failed => [[time, message], ...]}. Times are seconds since the epoch.
sub load {
    my ($dir) = @_;
    my (@all, @failed, %last);
    for my $file (glob "$dir/log.*") {
        my ($client, $turn) = $file =~ /log\.(\d+)\.(\d+)\./ or next;
        open my $in, '<', $file or die "$file: $!\n";
        while (my $line = <$in>) {
            # client transaction latency script epoch microseconds [lag]; the latency counts from when it was due.
            my @field = split ' ', $line;
            next if @field < 6 || $field[2] !~ /^\d+$/;
            my $done = $field[4] + $field[5] / 1e6;
            push @all, [$done - $field[2] / 1e6, $done, 0];
            $last{"$client.$turn"} = $done if $done > ($last{"$client.$turn"} // 0);
        }
    }
    if (open my $in, '<', "$dir/failed") {
        while (my $line = <$in>) {
            chomp $line;
            my ($time, $client, $turn, $message) = split /\t/, $line;
            # pgbench does not log a query that failed. It was sent some time after the last that did not: a little is too much here.
            my $sent = $last{"$client.$turn"} // $time;
            push @all, [$sent, $time, 1];
            push @failed, [$time, $message];
        }
    }
    @all = sort { $a->[0] <=> $b->[0] } @all;
    return { all => \@all, failed => \@failed };
}

# Of all queries that were under way at any moment between two times: how many, the longest wait, percentiles (seconds), failed ones.
sub window {
    my ($run, $from, $to) = @_;
    my @in = grep { $_->[1] >= $from && $_->[0] <= $to } @{ $run->{all} };
    my @wait = sort { $a <=> $b } map { $_->[1] - $_->[0] } @in;
    my $at = sub { @wait ? $wait[ int($_[0] * $#wait + 0.5) ] : 0 };
    return {
        count  => scalar @wait,
        max    => @wait ? $wait[-1] : 0,
        p50    => $at->(0.5),
        p99    => $at->(0.99),
        failed => scalar(grep { $_->[2] } @in),
    };
}

# 0.0123 -> "12 ms", 9.6 -> "9.6 s".
sub human {
    my ($s) = @_;
    return sprintf '%.1f s', $s if $s >= 0.95;
    return sprintf '%.0f ms', $s * 1e3 if $s >= 0.00995;
    return sprintf '%.1f ms', $s * 1e3;
}

1;
