-- Where coordinators that watch Nova keep a canary, on the server of each cell's database: a row that each of
-- them overwrites, to see that the server takes what is written. Nothing of Nova's is touched.

CREATE DATABASE IF NOT EXISTS musterd_watch;

CREATE TABLE IF NOT EXISTS musterd_watch.canary (
    name VARBINARY(1020) NOT NULL PRIMARY KEY,
    record BINARY(64) NOT NULL,
    seen_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
