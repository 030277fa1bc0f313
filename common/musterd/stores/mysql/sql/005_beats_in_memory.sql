-- Step 5: where a MariaDB stands alone, beats are in its memory. They are volatile, as in PostgreSQL: who
-- finds its row gone announces anew. To write and sync a log is most of what a beat costs.

DELIMITER //

SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION' //

-- Have beats where this server needs them: in its memory; or in InnoDB, where it is a node of a Galera
-- cluster, which has no such tables in common, or has a binary log, by which replicas follow it: one that
-- starts anew has lost such a table, and ends with an error at the next beat. They are made anew,
-- empty, for what the servers of a cluster have in a table of memory differs.
--
-- Such a table may be as large as max_heap_table_size is for whoever makes it, or uses it first after a
-- start of the server. 512 MB are room for four million members, and musterd's programs have set that
-- before they use it; where somebody else came first the table is given it, and keeps its rows. In MySQL
-- beats stay in InnoDB.
DROP PROCEDURE IF EXISTS musterd_fit //
CREATE PROCEDURE musterd_fit()
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
    DECLARE wanted VARCHAR(64) DEFAULT 'InnoDB';
    DECLARE found VARCHAR(64);
    DECLARE room BIGINT UNSIGNED;
    /*M!100201
    SET SESSION max_heap_table_size = GREATEST(@@SESSION.max_heap_table_size, 536870912);
    IF NOT @@GLOBAL.log_bin AND NOT EXISTS (
        SELECT 1 FROM information_schema.SYSTEM_VARIABLES
        WHERE variable_name = 'WSREP_ON' AND global_value = 'ON') THEN
        SET wanted = 'MEMORY';
    END IF;
    SELECT engine, max_data_length INTO found, room FROM information_schema.TABLES
    WHERE table_schema = DATABASE() AND table_name = 'musterd_beat';
    IF found <> wanted THEN
        EXECUTE IMMEDIATE CONCAT('
            CREATE OR REPLACE TABLE musterd_beat (
                slot INT NOT NULL,
                member_id BIGINT NOT NULL,
                namespace_key INT NOT NULL,
                login_key INT UNSIGNED NOT NULL,
                seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
                record BINARY(64) NOT NULL,
                PRIMARY KEY (slot) USING BTREE
            ) ENGINE = ', wanted);
    ELSEIF found = 'MEMORY' AND room < 350000000 THEN
        ALTER TABLE musterd_beat ENGINE = MEMORY;
    END IF;
    */
    DO 0;
END //

CALL musterd_fit() //

INSERT IGNORE INTO musterd_schema VALUES (5) //
