"""How a submission becomes a grade. Imports checks, never student code; nothing imports this but its command line."""


class Refusal(Exception):
    """What was asked cannot be done as it is. A user is shown the message: one sentence with the remedy."""


class GradingFault(Refusal):
    """Our fault, not the student's: the submission stays ungraded and is tried again."""
