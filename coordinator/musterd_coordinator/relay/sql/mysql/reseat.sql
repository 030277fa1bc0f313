-- What these members tell, in slots that they have or that are vacant. Who has its slot keeps the
-- account that it belongs to.
UPDATE (
    WITH given (slot, member_id, namespace, `group`, name, zone, owner, metadata, mac)
    AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_member m ON m.slot = n.slot
SET m.login = IF(m.member_id <=> n.member_id, COALESCE(m.login, {login}), {login}),
    m.member_id = n.member_id, m.namespace = n.namespace, m.`group` = n.`group`, m.name = n.name,
    m.zone = n.zone, m.owner = n.owner, m.metadata = n.metadata, m.mac = n.mac,
    m.version = UUID_SHORT()
