"""Who may do what with musterd's tables in PostgreSQL, as SQL. The roles exist already."""

RELAYS = """\
GRANT USAGE ON SCHEMA musterd TO {role};
GRANT SELECT, INSERT, UPDATE ON musterd.member TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO {role};
GRANT USAGE, SELECT, UPDATE ON SEQUENCE musterd.slots TO {role};
GRANT SELECT, UPDATE ON musterd.turn TO {role};
GRANT EXECUTE ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat,
    musterd.announce, musterd.beat, musterd.retire TO {role};
"""
"""Relays write for many hosts, in batches, and are trusted with what they write."""

COORDINATORS_STORE = (
    RELAYS + "GRANT SELECT, INSERT ON musterd.life TO {role};\n"
    "GRANT SELECT ON musterd.host_roles TO {role};\n"
)
COORDINATORS = (
    COORDINATORS_STORE
    + """\
GRANT SELECT ON musterd.schema_version, musterd.beats TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON musterd.registry, musterd.history, musterd.coordinator TO {role};
"""
)
"""They need no DDL rights but to upgrade."""

AGENTS = """\
REVOKE ALL ON ALL TABLES IN SCHEMA musterd FROM {role};
REVOKE ALL ON ALL SEQUENCES IN SCHEMA musterd FROM {role};
REVOKE ALL ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat FROM {role};
GRANT USAGE ON SCHEMA musterd TO {role};
GRANT EXECUTE ON FUNCTION musterd.announce, musterd.beat, musterd.retire TO {role};
"""
"""Three functions, and no table."""

HOSTS = (
    AGENTS
    + """\
INSERT INTO musterd.host_roles VALUES ('{name}', {most_members})
ON CONFLICT (role) DO UPDATE SET most_members = excluded.most_members;
"""
)
"""As :data:`AGENTS`, for a role that hosts' login roles are members of."""

SHARED = "DELETE FROM musterd.host_roles WHERE role = '{name}';\n"
"""The role is no (longer a) role of hosts with logins of their own."""

# All of this only where the one who runs it may: revoke what PostgreSQL gives everybody and fills
# disks, and have the server end transactions that agents leave open (they could set it back).
LOCKED = """\
DO $$
DECLARE
    host name;
BEGIN
    BEGIN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %s',
            current_database(), $role${role}$role$);
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER) THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_import(text),
            pg_catalog.lo_import(text, oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
    FOR host IN SELECT rolname FROM pg_roles
        WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, '{name}', 'MEMBER')
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', host, '5s');
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END $$;
"""

MAY_FILL_DISKS = "SELECT has_database_privilege($1::text, current_database(), 'TEMPORARY')"
"""Whether the role of this name may make temporary tables all the same."""
