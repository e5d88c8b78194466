\set user random(1, 10000 * :scale)
\set cents random(499, 19999)
INSERT INTO orders (user_id, status, amount) VALUES (:user, 'new', :cents / 100.0);
