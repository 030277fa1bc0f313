-- Step 4: tokens, and a line of the history says who gave an order, from which address, in which
-- request. A token's row stays after it was revoked: the history names orders by it. `digest` is the
-- SHA-256 of its secret, which stands nowhere; `groups` is a JSON array.

CREATE TABLE musterd.token (
    namespace text NOT NULL,
    name text NOT NULL,
    id text NOT NULL,
    digest bytea NOT NULL,
    role text NOT NULL,
    groups text NOT NULL,
    created_by text NOT NULL,
    created timestamptz NOT NULL,
    expires timestamptz,
    revoked timestamptz,
    PRIMARY KEY (namespace, name),
    UNIQUE (namespace, id)
);
ALTER TABLE musterd.history
    ADD COLUMN actor text NOT NULL DEFAULT '',
    ADD COLUMN address text NOT NULL DEFAULT '',
    ADD COLUMN request text NOT NULL DEFAULT '';

-- Whoever could take orders before can do it still.
DO $$
DECLARE
    who regrole;
BEGIN
    FOR who IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'musterd.registry'::regclass AND a.privilege_type = 'UPDATE'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON musterd.token TO %s', who);
    END LOOP;
END $$;

DELETE FROM musterd.schema_version;
INSERT INTO musterd.schema_version VALUES (4);
