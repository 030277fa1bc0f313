-- What musterd reads of Nova's tables, in the shape that Nova 34 gives them in PostgreSQL: a cell's database and
-- the API database in one.

CREATE TABLE services (
    created_at timestamp, updated_at timestamp, deleted_at timestamp,
    id serial PRIMARY KEY,
    host varchar(255), "binary" varchar(255), topic varchar(255),
    report_count integer NOT NULL,
    disabled boolean, deleted integer, disabled_reason varchar(255),
    last_seen_up timestamp, forced_down boolean, version integer, uuid varchar(36),
    CONSTRAINT uniq_services0host0topic0deleted UNIQUE (host, topic, deleted),
    CONSTRAINT uniq_services0host0binary0deleted UNIQUE (host, "binary", deleted)
);
CREATE UNIQUE INDEX services_uuid_idx ON services (uuid);

CREATE TABLE cell_mappings (
    created_at timestamp, updated_at timestamp,
    id serial PRIMARY KEY,
    uuid varchar(36) NOT NULL, name varchar(255), transport_url text, database_connection text,
    disabled boolean,
    CONSTRAINT uniq_cell_mappings0uuid UNIQUE (uuid)
);

CREATE TABLE host_mappings (
    created_at timestamp, updated_at timestamp,
    id serial PRIMARY KEY,
    cell_id integer NOT NULL, host varchar(255) NOT NULL,
    CONSTRAINT uniq_host_mappings0host UNIQUE (host)
);

CREATE TABLE aggregates (
    created_at timestamp, updated_at timestamp,
    id serial PRIMARY KEY,
    uuid varchar(36), name varchar(255),
    CONSTRAINT uniq_aggregate0name UNIQUE (name)
);

CREATE TABLE aggregate_hosts (
    created_at timestamp, updated_at timestamp,
    id serial PRIMARY KEY,
    host varchar(255), aggregate_id integer NOT NULL,
    CONSTRAINT uniq_aggregate_hosts0host0aggregate_id UNIQUE (host, aggregate_id)
);

CREATE TABLE aggregate_metadata (
    created_at timestamp, updated_at timestamp,
    id serial PRIMARY KEY,
    aggregate_id integer NOT NULL, key varchar(255) NOT NULL, value varchar(255) NOT NULL,
    CONSTRAINT uniq_aggregate_metadata0aggregate_id0key UNIQUE (aggregate_id, key)
);
