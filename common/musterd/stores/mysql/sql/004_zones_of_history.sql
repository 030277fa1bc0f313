-- Step 4: a line of the history says in which zone the member was. Those from before do not: to look
-- the zones up would write all of them anew. MySQL knows no ADD COLUMN IF NOT EXISTS.

DELIMITER //

SET @musterd_step = (
    SELECT IF(
        COUNT(*), 'DO 0', 'ALTER TABLE musterd_history ADD COLUMN zone VARBINARY(1020) NULL')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'musterd_history' AND column_name = 'zone') //
PREPARE musterd_step FROM @musterd_step //
EXECUTE musterd_step //
DEALLOCATE PREPARE musterd_step //

INSERT IGNORE INTO musterd_schema VALUES (4) //
