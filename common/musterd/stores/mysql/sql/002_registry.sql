-- Step 2: the registry, for MariaDB 10.6 or newer, and MySQL 8.0: members, their history, tokens, and
-- what coordinators leave for each other.
--
-- Texts that are compared are UTF-8 in binary columns, as in step 1. Instants are in UTC.

DELIMITER //

-- `turn` is held by who records a batch, to the end of its transaction. `changes` has the number of the
-- last change that coordinators hear of. Whoever takes the next one holds it to the end of its
-- transaction too: so changes end in the order of their numbers, and who read up to one missed none.
-- It is never behind the clock, in microseconds, so that a server that took over and lacks the last
-- changes gives none of their numbers to others.
CREATE TABLE IF NOT EXISTS musterd_count (
    what VARBINARY(16) NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
) ENGINE = InnoDB //

-- `changed` and `changed_by` tell coordinators what others did; saving a state touches neither. A
-- forgotten member's row stays for a while, or nobody would hear of it. `state_by` said its state first.
CREATE TABLE IF NOT EXISTS musterd_registry (
    namespace VARBINARY(1020) NOT NULL,
    `group` VARBINARY(1020) NOT NULL,
    name VARBINARY(1020) NOT NULL,
    zone VARBINARY(1020) NOT NULL,
    owner VARBINARY(1020) NOT NULL,
    metadata MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    facts MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    state VARBINARY(32) NOT NULL,
    reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    since DATETIME(6) NOT NULL,
    first_seen DATETIME(6) NOT NULL,
    interval_s DOUBLE NOT NULL,
    forgotten_at DATETIME(6) NULL,
    changed BIGINT NOT NULL,
    changed_by BIGINT NOT NULL,
    state_by BIGINT NOT NULL,
    PRIMARY KEY (namespace, `group`, name),
    KEY changed (namespace, changed, `group`, name),
    KEY forgotten (namespace, forgotten_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

CREATE TABLE IF NOT EXISTS musterd_history (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace VARBINARY(1020) NOT NULL,
    `group` VARBINARY(1020) NOT NULL,
    name VARBINARY(1020) NOT NULL,
    version BIGINT NOT NULL,
    at DATETIME(6) NOT NULL,
    old VARBINARY(32) NOT NULL,
    new VARBINARY(32) NOT NULL,
    reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    recorded_by BIGINT NOT NULL,
    coordinator VARBINARY(1020) NOT NULL,
    actor TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    address TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    request TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    KEY of_member (namespace, `group`, name, at),
    KEY at (namespace, at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

CREATE TABLE IF NOT EXISTS musterd_coordinator (
    namespace VARBINARY(1020) NOT NULL,
    name VARBINARY(1020) NOT NULL,
    seen_at DATETIME(6) NOT NULL,
    report MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (namespace, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

-- A token's row stays after it was revoked: the history names orders by it. `digest` is the SHA-256 of
-- its secret, which stands nowhere; `groups` is a JSON array.
CREATE TABLE IF NOT EXISTS musterd_token (
    namespace VARBINARY(1020) NOT NULL,
    name VARBINARY(1020) NOT NULL,
    id VARBINARY(64) NOT NULL,
    digest VARBINARY(64) NOT NULL,
    role VARBINARY(32) NOT NULL,
    `groups` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_by TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created DATETIME(6) NOT NULL,
    expires DATETIME(6) NULL,
    revoked DATETIME(6) NULL,
    PRIMARY KEY (namespace, name),
    UNIQUE KEY id (namespace, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

INSERT IGNORE INTO musterd_schema VALUES (2) //
