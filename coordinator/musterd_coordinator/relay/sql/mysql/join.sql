-- Slots that nobody had before: by plain VALUES, of which a server knows how many numbers to take.
INSERT INTO musterd_member (
    member_id, namespace, `group`, name, zone, owner, metadata, mac, login, version)
VALUES {rows}
