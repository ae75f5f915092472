"""A lock between processes: an open file that one of them holds.

The system releases it when the file is closed or the process ends in any way; a leftover lock file
locks nothing.
"""

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def try_lock(file: IO[bytes]) -> bool:
        """Returns whether the lock was free and is held now, until the file is closed.

        Raises:
            OSError: The file system does not support locks.
        """
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: IO[bytes]) -> bool:
        """Returns whether the lock was free and is held now, until the file is closed.

        Raises:
            OSError: The file system does not support locks.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
