-- Step 3: relays, which write for many hosts.

DELIMITER //

-- Rows that are written by whoever does something that is to be done in turn, to the end of its
-- transaction.
CREATE TABLE IF NOT EXISTS musterd_turn (
    what VARBINARY(16) NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
) ENGINE = InnoDB //
INSERT IGNORE INTO musterd_turn VALUES ('announce', 0) //

INSERT IGNORE INTO musterd_schema VALUES (3) //
