"""The module has beats moved out of memory where a server began to share its tables with others."""

from musterd.stores.mysql.schema import FIT
from musterd.stores.mysql.session import Session

_UNFIT = """
SELECT COUNT(*) FROM information_schema.TABLES
WHERE table_schema = DATABASE() AND table_name = 'musterd_beat' AND engine = 'MEMORY'
    AND (@@GLOBAL.log_bin OR max_data_length < 350000000 OR EXISTS (
        SELECT 1 FROM information_schema.SYSTEM_VARIABLES
        WHERE variable_name = 'WSREP_ON' AND global_value = 'ON'))
"""


async def fit(session: Session) -> None:
    """Have the table of beats be one that all have in common who read and write it, and with enough room.

    A server must be started anew to become another one there: so a look at each new connection does.
    An account that may not change it reads nothing. Raises StoreError and the driver's errors.
    """
    if session.is_mariadb:
        [(unfit,)] = (await session.once(_UNFIT)).rows
        if unfit:
            await session.order(FIT)
