-- Of agents: the login roles of hosts are members of this one, and each has members of its own.

INSERT INTO musterd.host_roles VALUES (:'role', :most_members)
ON CONFLICT (role) DO UPDATE SET most_members = excluded.most_members;
