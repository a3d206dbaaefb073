"""Files in S3 become rows of Iceberg tables: the part of the service that needs pyarrow and PyIceberg.

Only the ingest functions import it; a door must not.
"""

import os

# pyarrow reads this when it is first imported. Its own choice of allocator keeps about 100 MB more of the blocks that
# come and go resident than the system's does, at the same speed, and a worker has 512 MB.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
