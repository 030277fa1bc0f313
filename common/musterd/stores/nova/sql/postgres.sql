-- Where coordinators that watch Nova keep a canary, in each cell's database: a row that each of them
-- overwrites, to see that the database takes what is written. Nothing of Nova's is touched.

CREATE SCHEMA IF NOT EXISTS musterd_watch;

CREATE TABLE IF NOT EXISTS musterd_watch.canary (
    name text NOT NULL PRIMARY KEY,
    record bytea NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
