-- Nova 34's table of services, where Nova is not there to make it.

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
