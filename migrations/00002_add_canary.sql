-- +goose Up
SET lock_timeout = '2s';

-- The author of the messages by which monitoring finds out whether one that is
-- written can be read (minitwit canary). People have ids from 1; below that an
-- author's messages stay out of the public timeline. No password has this digest.
INSERT INTO users (id, username, email, pw_hash)
VALUES (-1, 'minitwit-canary', 'canary@localhost', 'pbkdf2:sha256:1000$canary$' || repeat('0', 64))
ON CONFLICT DO NOTHING;

-- +goose Down
DELETE FROM messages WHERE author_id = -1;
DELETE FROM followers WHERE -1 IN (who_id, whom_id);
DELETE FROM users WHERE id = -1;
