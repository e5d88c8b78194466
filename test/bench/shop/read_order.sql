\set id random(1, 20000 * :scale)
SELECT id, user_id, status, amount, created_at FROM orders WHERE id = :id;
