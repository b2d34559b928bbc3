"""What goes wrong, said in one line: the file, the frame, the remedy."""


class PoofError(Exception):
    """A problem the user can solve. The message is one line that names the file, the frame and the remedy."""


class PoofWarning(UserWarning):
    """Something the user should know that does not stop the work."""
