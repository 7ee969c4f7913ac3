"""How a submission becomes a grade. Imports checks, never student code; nothing imports this but its command line."""


class Refusal(Exception):
    """What was asked cannot be done as it is; the message is one sentence with the remedy. The command line shows it alone."""


class GradingFault(Refusal):
    """Our fault, not the student's: the submission stays ungraded and is tried again."""
