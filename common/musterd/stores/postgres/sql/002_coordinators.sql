-- Step 2: several coordinators on one registry: who saw a change first, who said a state first, and
-- where each of them stands. A forgotten member's row is neither read at a start nor looked for when
-- it has been there long enough.

ALTER TABLE musterd.registry ADD COLUMN state_by bigint NOT NULL DEFAULT 0;
ALTER TABLE musterd.history ADD COLUMN coordinator text NOT NULL DEFAULT '';
CREATE INDEX registry_living ON musterd.registry (namespace, changed, "group", name)
    WHERE forgotten_at IS NULL;
CREATE INDEX registry_forgotten ON musterd.registry (namespace, forgotten_at)
    WHERE forgotten_at IS NOT NULL;
CREATE TABLE musterd.coordinator (
    namespace text NOT NULL,
    name text NOT NULL,
    seen_at timestamptz NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (namespace, name)
);

-- No DELETE or UPDATE before the table has a key: where everything is published, it takes neither.
INSERT INTO musterd.schema_version VALUES (2);
