"""How a submission becomes a grade. Imports checks, never student code; nothing imports this but its command line."""

import sys

# jsonschema, which nbformat imports, would build a grammar of addresses for 1.3 s; nothing here asks for it.
sys.modules.setdefault("rfc3987_syntax", None)


class Refusal(Exception):
    """What was asked cannot be done as it is. A user is shown the message: one sentence with the remedy."""

    exit_code = 2


class GradingFault(Refusal):
    """Our fault, not the student's: the submission stays ungraded and is tried again."""


class CannotGrade(GradingFault):
    """This machine can grade no submission of a lab until a person has put something right."""
