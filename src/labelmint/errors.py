"""The one error that people see: bad input, said in one line.

Raise `InputError` at the edges (files, command line, constructors) when the cause lies outside the program.
Its message is one sentence: what was wrong, in which file, what was expected, and the value or command that
mends it. The command line prints it and leaves with exit code 2; Python code catches it as a `ValueError`.
"""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input from outside: a file, an option, a value. The message is one line fit for the person who gave
    it.
    """
