"""What the system lacks or refuses, from its error: memory, files, threads, a path."""

import errno
import os

_LESS_MEMORY = "try a smaller --imgsz, a smaller batch, fewer sources at once, or --detector nano"
_MORE_FILES = "raise the limit with ulimit -n 1024, or take fewer sources at once"
_MORE_THREADS = "raise the limits of memory and threads (ulimit -v, ulimit -u)"
_NO_MEMORY = ("Cannot allocate memory", "failed to map segment from shared object")
_NO_THREAD = "can't start new thread"
_LONGEST_NAME = 200
_NOT_ALLOWED = "permission denied; check the owner and mode of its folders with ls -ld"
_REFUSALS = {
    errno.ENAMETOOLONG: "the name is too long; shorten the path",
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ELOOP: "too many symbolic links; create them again",
    errno.EIO: "the disk reports an input/output error",
    errno.ESTALE: "its network file system is gone; mount it again",
}


def shortage_text(error: BaseException) -> str | None:
    """Returns the message for an error that a lack of resources has caused, `None` for others.

    Libraries raise errors of their own in such a case; it is recognised by its number or text, in
    the error or in one that caused it.

    Example:
        >>> shortage_text(OSError(24, "Too many open files", "a.py"))[:20]
        'too many open files '
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        found = _text_of(cause)
        if found is not None:
            return found
        cause = cause.__cause__ or cause.__context__
    return None


def refused_path_text(error: BaseException) -> str | None:
    """Returns the message for a path that the system does not look at, `None` for other errors.

    Example:
        >>> refused_path_text(OSError(36, "File name too long", "a" * 300))[-45:]
        'aa...: the name is too long; shorten the path'
        >>> refused_path_text(PermissionError(13, "Permission denied", "x/in.mp4"))
        'x/in.mp4: permission denied; check the owner and mode of its folders with ls -ld'
    """
    if not isinstance(error, OSError) or error.filename is None or error.errno not in _REFUSALS:
        return None
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return f"{shown}: {_REFUSALS[error.errno]}"


def _text_of(error: BaseException) -> str | None:
    text = str(error)
    if isinstance(error, MemoryError) or any(part in text for part in _NO_MEMORY):
        return f"out of memory{f' ({text})' if text else ''}; {_LESS_MEMORY}"
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EMFILE, errno.ENFILE) or "Too many open files" in text:
        return f"too many open files ({text}); {_MORE_FILES}"
    if isinstance(error, RuntimeError) and _NO_THREAD in text:
        return f"no new thread can be started; {_MORE_THREADS}"
    return None
