-- Coordinators need what relays need, and this; DDL rights only to upgrade.

GRANT SELECT, INSERT ON musterd.life TO :"role";
GRANT SELECT ON musterd.host_roles TO :"role";
GRANT INSERT, UPDATE ON musterd.challenge TO :"role";
GRANT SELECT ON musterd.schema_version, musterd.beats TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE
    ON musterd.registry, musterd.history, musterd.coordinator TO :"role";
GRANT SELECT, INSERT, UPDATE ON musterd.token TO :"role";
