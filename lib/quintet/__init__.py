"""Quintet: GPU deep-learning courseware that grades itself.

Nothing is imported eagerly: `check` and `progress` resolve on first use, so that a process which only runs a student's
code pulls in no topic and no check by accident.
"""

__all__ = ["check", "progress"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'quintet' has no attribute {name!r}")
    from quintet.checks import notebook

    return getattr(notebook, name)
