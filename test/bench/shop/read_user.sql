\set id random(1, 10000 * :scale)
SELECT name, email, country FROM users WHERE id = :id;
