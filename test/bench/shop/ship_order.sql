\set id random(1, 20000 * :scale)
UPDATE orders SET status = 'shipped' WHERE id = :id;
