-- +goose Up
SET lock_timeout = '2s';

-- What each process says of itself every few seconds, for /status: which versions run
-- is known without asking Docker. Rows are few, and no column that changes has an index:
-- with room on the page the updates stay HOT.
CREATE TABLE replica_heartbeat (
    id         text PRIMARY KEY,
    service    text NOT NULL,
    slot       text NOT NULL,
    node       text NOT NULL,
    host       text NOT NULL,
    version    text NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    in_flight  integer NOT NULL,
    draining   boolean NOT NULL
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE replica_heartbeat;
