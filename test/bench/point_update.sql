\set id random(1, :rows)
UPDATE t SET a = a + 1 WHERE id = :id;
