"""What only the living system knows: of the database, clocks, disks and Redis. Changes nothing.

E050        migrations           E051, W052  SQLite and disks    W053, W054  clocks
E055..W057  Redis                E06x, W06x  PostgreSQL
"""

from sessions_app.adapters.examination.database import examine
from sessions_app.adapters.examination.redis import examine_redis

__all__ = ["examine", "examine_redis"]
