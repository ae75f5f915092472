"""What the system is short of, from the error that it caused: memory, files, threads."""

import errno

_LESS_MEMORY = "try a smaller --imgsz, a smaller batch, fewer sources at once, or --detector nano"
_MORE_FILES = "raise the limit with ulimit -n 1024, or take fewer sources at once"
_MORE_THREADS = "raise the limits of memory and threads (ulimit -v, ulimit -u)"
_NO_MEMORY = ("Cannot allocate memory", "failed to map segment from shared object")
_NO_THREAD = "can't start new thread"


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
