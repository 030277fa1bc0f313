-- Of agents: hosts share this login role; it is not, or no longer, a role of hosts with logins of
-- their own.

DELETE FROM musterd.host_roles WHERE role = :'role';
