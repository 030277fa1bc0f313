-- What musterd reads of Nova's tables, in the shape that Nova 34 gives them in MariaDB: a cell's database and the
-- API database in one.

CREATE TABLE services (
    created_at DATETIME, updated_at DATETIME, deleted_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host VARCHAR(255), `binary` VARCHAR(255), topic VARCHAR(255),
    report_count INT NOT NULL,
    disabled TINYINT(1), deleted INT, disabled_reason VARCHAR(255),
    last_seen_up DATETIME, forced_down TINYINT(1), version INT, uuid VARCHAR(36),
    UNIQUE KEY uniq_services0host0topic0deleted (host, topic, deleted),
    UNIQUE KEY uniq_services0host0binary0deleted (host, `binary`, deleted),
    UNIQUE KEY services_uuid_idx (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;

CREATE TABLE cell_mappings (
    created_at DATETIME, updated_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid VARCHAR(36) NOT NULL, name VARCHAR(255), transport_url TEXT, database_connection TEXT,
    disabled TINYINT(1),
    UNIQUE KEY uniq_cell_mappings0uuid (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;

CREATE TABLE host_mappings (
    created_at DATETIME, updated_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    cell_id INT NOT NULL, host VARCHAR(255) NOT NULL,
    UNIQUE KEY uniq_host_mappings0host (host)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;

CREATE TABLE aggregates (
    created_at DATETIME, updated_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid VARCHAR(36), name VARCHAR(255),
    UNIQUE KEY uniq_aggregate0name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;

CREATE TABLE aggregate_hosts (
    created_at DATETIME, updated_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host VARCHAR(255), aggregate_id INT NOT NULL,
    UNIQUE KEY uniq_aggregate_hosts0host0aggregate_id (host, aggregate_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;

CREATE TABLE aggregate_metadata (
    created_at DATETIME, updated_at DATETIME,
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    aggregate_id INT NOT NULL, `key` VARCHAR(255) NOT NULL, value VARCHAR(255) NOT NULL,
    UNIQUE KEY uniq_aggregate_metadata0aggregate_id0key (aggregate_id, `key`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb3;
