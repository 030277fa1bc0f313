-- Step 1: members and beats, for MariaDB 10.4 or newer, and MySQL 8.0. The database exists already.
--
-- An order that changes tables cannot be taken back there: each statement of a step may be run again.
--
-- Agents have procedures, and no rights on tables. A procedure runs with its owner's rights, by the
-- modes (sql_mode) in which it was made. None that an agent may call holds a lock for which another agent
-- or a coordinator waits: a beat changes nothing within a transaction of its caller's, and the others end
-- that and their own. Their owner may be one for whom a read-only server makes an exception, so they
-- refuse that themselves.
--
-- Texts are UTF-8 in binary columns: two names are one only where they have the same bytes, blanks at
-- their ends and capitals included. Numbers that musterd's programs know too: slots are below 16777216; a
-- namespace, group, name, zone or owner has 1020 bytes at most (255 characters of four bytes), and a
-- member's metadata 32768.

DELIMITER //

SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION' //

CREATE TABLE IF NOT EXISTS musterd_schema (version INT NOT NULL PRIMARY KEY) ENGINE = InnoDB //

-- A member's row outlives it: member_id becomes null, and the slot goes to the next newcomer. `version`
-- is another number after each change, and the same never comes back, not even on another server: so a
-- coordinator sees what changed, in whatever order transactions end. `login` is the name, without its
-- host, of the account to which the member belongs.
CREATE TABLE IF NOT EXISTS musterd_member (
    slot INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    member_id BIGINT NULL,
    namespace VARBINARY(1020) NOT NULL,
    `group` VARBINARY(1020) NOT NULL,
    name VARBINARY(1020) NOT NULL,
    zone VARBINARY(1020) NOT NULL,
    owner VARBINARY(1020) NOT NULL,
    metadata VARBINARY(32768) NOT NULL,
    mac BINARY(16) NULL,
    login VARBINARY(320) NULL,
    version BIGINT UNSIGNED NOT NULL,
    UNIQUE KEY member_id (member_id),
    KEY version (slot, version)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

-- A beat is the 64 bytes of musterd.beat in a row of fixed size, which an update overwrites where it
-- stands; no index but the key. Slots below zero are coordinators' own. `login_key` stands for the account
-- and the host by which the row was begun; who comes from another host begins it anew.
CREATE TABLE IF NOT EXISTS musterd_beat (
    slot INT NOT NULL PRIMARY KEY,
    member_id BIGINT NOT NULL,
    namespace_key INT NOT NULL,
    login_key INT UNSIGNED NOT NULL,
    seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    record BINARY(64) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

-- What agents sign their beats for: coordinators write it.
CREATE TABLE IF NOT EXISTS musterd_challenge (
    namespace VARBINARY(1020) NOT NULL PRIMARY KEY,
    value VARBINARY(128) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC //

-- The beat of the member in this slot, if it is its caller's: else it changes no row, which the caller
-- is told; and none on a read-only server, for which it asks then. It is one statement, for each
-- costs a server as much as a tenth of the beat, and a condition with many functions no less. MySQL cannot
-- say whether its caller is within a transaction: so there it is ended first.
DROP PROCEDURE IF EXISTS musterd_beat //
CREATE PROCEDURE musterd_beat(its_slot INT, its_id BIGINT, its_record BINARY(64))
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
    /*!80001 COMMIT; */
    UPDATE musterd_beat SET record = its_record, seen_at = CURRENT_TIMESTAMP(3)
    WHERE slot = its_slot AND member_id = its_id AND login_key = CRC32(USER())
        AND @@autocommit /*M! AND NOT @@in_transaction */
        AND CONCAT(@@GLOBAL.read_only) IN ('0', 'OFF');
END //

-- The same, and then one row with the challenge, which may be empty; NULL where the member has to be
-- announced again: because its row is gone, or no longer says what it announced. `its_mac` is NULL
-- where that does not matter; `its_facts` are the SHA-256 of zone, owner and metadata, one after the other.
DROP PROCEDURE IF EXISTS musterd_beat_look //
CREATE PROCEDURE musterd_beat_look(
    its_slot INT, its_id BIGINT, its_record BINARY(64), its_namespace VARBINARY(1020),
    its_mac BINARY(16), its_facts BINARY(32))
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
    DECLARE is_there BOOLEAN;
    /*!80001 COMMIT; */
    UPDATE musterd_beat SET record = its_record, seen_at = CURRENT_TIMESTAMP(3)
    WHERE slot = its_slot AND member_id = its_id AND login_key = CRC32(USER())
        AND @@autocommit /*M! AND NOT @@in_transaction */
        AND CONCAT(@@GLOBAL.read_only) IN ('0', 'OFF');
    SET is_there = ROW_COUNT() > 0;
    IF is_there AND its_mac IS NOT NULL THEN
        SET is_there = EXISTS (
            SELECT 1 FROM musterd_member
            WHERE slot = its_slot AND member_id = its_id AND mac = its_mac
                AND its_facts = UNHEX(SHA2(CONCAT_WS(0x00, zone, owner, metadata), 256)));
    END IF;
    SELECT IF(is_there,
        COALESCE((SELECT value FROM musterd_challenge WHERE namespace = its_namespace), ''),
        NULL) AS challenge;
END //

-- One row with the member's slot and the challenge. Without a mac (NULL) it takes away the one that is
-- there only where it says something else. Who belongs to another account is refused.
DROP PROCEDURE IF EXISTS musterd_announce //
CREATE PROCEDURE musterd_announce(
    its_id BIGINT, its_namespace VARBINARY(1020), its_group VARBINARY(1020),
    its_name VARBINARY(1020), its_zone VARBINARY(1020), its_owner VARBINARY(1020),
    its_metadata VARBINARY(32768), its_namespace_key INT, its_mac BINARY(16))
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
    DECLARE seat INT;
    DECLARE old_login VARBINARY(320);
    DECLARE is_news BOOLEAN;
    DECLARE its_login VARBINARY(320) DEFAULT LEFT(
        SESSION_USER(), CHAR_LENGTH(SESSION_USER()) - LOCATE('@', REVERSE(SESSION_USER())));
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET seat = NULL;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    IF CONCAT(@@GLOBAL.read_only) NOT IN ('0', 'OFF') THEN
        SIGNAL SQLSTATE 'HY000'
        SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'the server is read-only, as a replica is';
    END IF;
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT slot, login,
        NOT (zone = its_zone AND owner = its_owner AND metadata = its_metadata)
    INTO seat, old_login, is_news
    FROM musterd_member WHERE member_id = its_id FOR UPDATE;
    IF seat IS NOT NULL AND old_login <> its_login THEN
        SIGNAL SQLSTATE '45028' SET MESSAGE_TEXT = 'the member belongs to another account';
    ELSEIF seat IS NOT NULL THEN
        UPDATE musterd_member SET
            version = IF(is_news OR login IS NULL OR NOT mac <=> COALESCE(its_mac, mac),
                UUID_SHORT(), version),
            mac = IF(is_news, its_mac, COALESCE(its_mac, mac)),
            zone = its_zone, owner = its_owner, metadata = its_metadata, login = its_login
        WHERE slot = seat;
    ELSE
        -- A vacant slot that somebody else is about to take is passed over, where the server can.
        SELECT slot INTO seat FROM musterd_member WHERE member_id IS NULL ORDER BY slot LIMIT 1
        FOR UPDATE /*M!100600 SKIP LOCKED */ /*!80001 SKIP LOCKED */;
        IF seat IS NOT NULL THEN
            UPDATE musterd_member SET
                member_id = its_id, namespace = its_namespace, `group` = its_group,
                name = its_name, zone = its_zone, owner = its_owner, metadata = its_metadata,
                mac = its_mac, login = its_login, version = UUID_SHORT()
            WHERE slot = seat;
        ELSE
            INSERT INTO musterd_member (member_id, namespace, `group`, name, zone, owner,
                metadata, mac, login, version)
            VALUES (its_id, its_namespace, its_group, its_name, its_zone, its_owner,
                its_metadata, its_mac, its_login, UUID_SHORT());
            SET seat = LAST_INSERT_ID();
            IF seat >= 16777216 THEN
                SIGNAL SQLSTATE '45053' SET MESSAGE_TEXT = 'there are as many slots as there may be';
            END IF;
        END IF;
    END IF;
    INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record)
    VALUES (seat, its_id, its_namespace_key, CRC32(USER()), REPEAT(0x00, 64))
    ON DUPLICATE KEY UPDATE
        record = IF(member_id = its_id, record, REPEAT(0x00, 64)), member_id = its_id,
        namespace_key = its_namespace_key, login_key = CRC32(USER());
    COMMIT;
    SELECT seat AS slot,
        COALESCE((SELECT value FROM musterd_challenge WHERE namespace = its_namespace), '')
        AS challenge;
END //

DROP PROCEDURE IF EXISTS musterd_retire //
CREATE PROCEDURE musterd_retire(its_id BIGINT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    IF CONCAT(@@GLOBAL.read_only) NOT IN ('0', 'OFF') THEN
        SIGNAL SQLSTATE 'HY000'
        SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'the server is read-only, as a replica is';
    END IF;
    COMMIT;
    START TRANSACTION;
    DELETE FROM b USING musterd_beat b JOIN musterd_member m ON m.slot = b.slot
    WHERE m.member_id = its_id AND b.member_id = its_id AND m.login = LEFT(
        SESSION_USER(), CHAR_LENGTH(SESSION_USER()) - LOCATE('@', REVERSE(SESSION_USER())));
    UPDATE musterd_member SET
        member_id = NULL, mac = NULL, login = NULL, version = UUID_SHORT()
    WHERE member_id = its_id AND login = LEFT(
        SESSION_USER(), CHAR_LENGTH(SESSION_USER()) - LOCATE('@', REVERSE(SESSION_USER())));
    COMMIT;
END //

-- For people.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW musterd_beats AS SELECT
    CONVERT(m.namespace USING utf8mb4) AS namespace, CONVERT(m.`group` USING utf8mb4) AS `group`,
    CONVERT(m.name USING utf8mb4) AS name, b.slot, b.seen_at,
    ELT(1 + ASCII(SUBSTR(b.record, 4, 1)), 'ok', 'check failing', 'draining', 'leaving') AS status,
    CONV(HEX(REVERSE(SUBSTR(b.record, 5, 4))), 16, 10) / 1000 AS interval_s,
    LOWER(HEX(REVERSE(SUBSTR(b.record, 17, 8)))) AS incarnation,
    CAST(CONV(HEX(REVERSE(SUBSTR(b.record, 25, 8))), 16, 10) AS UNSIGNED) AS sequence
FROM musterd_beat b JOIN musterd_member m ON m.slot = b.slot AND m.member_id = b.member_id
WHERE SUBSTR(b.record, 1, 2) <> 0x0000 //

INSERT IGNORE INTO musterd_schema VALUES (1) //
