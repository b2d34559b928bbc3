"""What goes wrong, said in one line: the file, the frame, the remedy."""

from poof.printable import LONGEST, one_line


class PoofError(Exception):
    """A problem the user can solve. The message is one line that names the file, the frame and the remedy.

    What files and libraries put into it is made printable, and long ones are shortened in the middle; `longest` is for
    those that hold an address and a path of poof's own.
    """

    def __init__(self, message: object = "", longest: int = LONGEST) -> None:
        super().__init__(one_line(message, longest))


class PoofWarning(UserWarning):
    """Something the user should know that does not stop the work; one line, as an error is."""

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(message))
