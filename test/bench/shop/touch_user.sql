\set id random(1, 10000 * :scale)
UPDATE users SET last_seen = now() WHERE id = :id;
