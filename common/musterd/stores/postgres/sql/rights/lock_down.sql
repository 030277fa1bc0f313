-- Of agents, only where the one who runs it may: revoke what PostgreSQL gives everybody and fills
-- disks, and have the server end transactions that agents leave open (they could set it back).

SET LOCAL musterd.role = :'role'; -- psql puts no variable of its own into a block of code
DO $$
DECLARE
    agents name := current_setting('musterd.role');
    host name;
BEGIN
    BEGIN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I',
            current_database(), agents);
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER) THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_import(text),
            pg_catalog.lo_import(text, oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
    FOR host IN SELECT rolname FROM pg_roles
        WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, agents, 'MEMBER')
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', host, '5s');
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END $$;
