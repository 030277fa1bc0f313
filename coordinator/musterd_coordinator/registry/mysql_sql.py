"""These are the statements that read and write a registry in MariaDB; long ones are in files."""

from functools import partial

from musterd.sqlfiles import folder, statement

_statement = partial(statement, folder(__package__, "sql") / "mysql")

_INSTANT = "'%Y-%m-%dT%H:%i:%s.%f+00:00'"

LOAD = _statement("load")
PAGE = _statement("page")
LOOK_UP = _statement("look_up")
LACKING = _statement("lacking")
SAVE = _statement("save")
APPEND = _statement("append")
FACTS_OF = _statement("facts_of")
CHANGE_FACTS_OF = _statement("change_facts_of")
FORGET = _statement("forget")
CLEAR = _statement("clear")

# Written, and not only locked: nodes of a Galera cluster know nothing of each other's locks, and let
# one of two such transactions end.
MY_TURN = """
INSERT INTO musterd_count (what, number) VALUES ('turn', 1)
ON DUPLICATE KEY UPDATE number = number + 1
"""
COUNT = """
INSERT INTO musterd_count (what, number)
VALUES ('changes', FLOOR(UNIX_TIMESTAMP(CURRENT_TIMESTAMP(6)) * 1000000))
ON DUPLICATE KEY UPDATE number = GREATEST(number + 1, VALUES(number))
"""
NUMBER = "SELECT number FROM musterd_count WHERE what = 'changes'"
# A server's unique numbers begin with its own and the second in which it started.
MARK = f"""
SELECT COALESCE(({NUMBER}), 0), UUID_SHORT() DIV 16777216, CONCAT(@@GLOBAL.read_only)
"""
PUBLISH = "UPDATE musterd_registry SET changed = ? WHERE namespace = ? AND changed = ?"
HAS_NEWS = "SELECT 1 FROM musterd_registry WHERE namespace = ? AND changed = ? LIMIT 1"
FACTS = """
SELECT facts FROM musterd_registry
WHERE namespace = ? AND `group` = ? AND name = ? AND forgotten_at IS NULL FOR UPDATE
"""
CHANGE_FACTS = """
UPDATE musterd_registry SET facts = ?, changed = ?, changed_by = ?
WHERE namespace = ? AND `group` = ? AND name = ?
"""
# By its index, and not by a plan that reads all members' lines in the order of their numbers.
HISTORY = f"""
SELECT version, DATE_FORMAT(at, {_INSTANT}), `group`, name, old, new, reason, actor, address,
    request, zone, coordinator
FROM musterd_history FORCE INDEX (of_member)
WHERE namespace = ? AND `group` = ? AND name = ? ORDER BY id DESC LIMIT ?
"""
_STRETCH = """
FROM musterd_history FORCE INDEX (at)
WHERE namespace = ? AND at >= ? AND at <= ? AND (at < ? OR id < ?)
ORDER BY at DESC, id DESC
"""
_OF_WHOM = "WHERE (? IS NULL OR `group` = ?) AND (? IS NULL OR zone = ?)"
CHANGES = f"""
SELECT version, DATE_FORMAT(at, {_INSTANT}), `group`, name, old, new, reason, actor, address,
    request, zone, coordinator, id
FROM (SELECT * {_STRETCH} LIMIT ?) AS looked_at {_OF_WHOM} ORDER BY at DESC, id DESC LIMIT ?
"""
EDGE = f"SELECT DATE_FORMAT(at, {_INSTANT}), id {_STRETCH} LIMIT 1 OFFSET ?"
COUNTS = f"""
SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', at) / ?) AS step, new, COUNT(*)
FROM (SELECT * {_STRETCH} LIMIT ?) AS looked_at {_OF_WHOM} AND old <> new GROUP BY step, new
"""
NEWEST = f"""
SELECT DATE_FORMAT(at, {_INSTANT}) FROM musterd_history WHERE namespace = ? ORDER BY id DESC LIMIT 1
"""
PRUNE = "DELETE FROM musterd_history WHERE namespace = ? AND at < ? ORDER BY at LIMIT ?"
PRUNE_FORGOTTEN = """
DELETE FROM musterd_registry
WHERE namespace = ? AND forgotten_at < CURRENT_TIMESTAMP(6) - INTERVAL ? SECOND
ORDER BY forgotten_at LIMIT ?
"""
NAMES = """
SELECT `group`, name FROM musterd_registry
WHERE namespace = ? AND (`group` > ? OR (`group` = ? AND name > ?)) AND forgotten_at IS NULL
ORDER BY `group`, name LIMIT ?
"""
TOKENS = f"""
SELECT name, id, digest, role, `groups`, created_by, DATE_FORMAT(created, {_INSTANT}),
    DATE_FORMAT(expires, {_INSTANT}), DATE_FORMAT(revoked, {_INSTANT})
FROM musterd_token WHERE namespace = ? ORDER BY name
"""
ADMIT = """
INSERT INTO musterd_token (
    namespace, name, id, digest, role, `groups`, created_by, created, expires, revoked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REVOKE = """
UPDATE musterd_token SET revoked = COALESCE(revoked, ?) WHERE namespace = ? AND name = ?
"""
SERVER = "SELECT VERSION(), @@GLOBAL.innodb_flush_log_at_trx_commit"
CLUSTER = "SHOW GLOBAL VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'"
"""A row, where other nodes keep what this one loses."""

REPORT = """
INSERT INTO musterd_coordinator (namespace, name, seen_at, report)
VALUES (?, ?, CURRENT_TIMESTAMP(6), ?)
ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at), report = VALUES(report)
"""
REPORTS = """
SELECT name, TIMESTAMPDIFF(MICROSECOND, seen_at, CURRENT_TIMESTAMP(6)), report
FROM musterd_coordinator
WHERE namespace = ? AND name <> ? AND seen_at > CURRENT_TIMESTAMP(6) - INTERVAL 1 HOUR
ORDER BY name
"""
