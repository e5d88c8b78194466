-- A report that reads the whole table and takes ten seconds on any machine: it rests 10 ms at every 2000th order.
-- What matters to the others is the lock it holds meanwhile, the weakest there is: ACCESS SHARE on orders.
SET max_parallel_workers_per_gather = 0;
SELECT status, count(*), sum(amount), count(pg_sleep(0.01)) FROM orders WHERE id % (2 * :scale * 10) = 0 GROUP BY status;
