"""The one exception that means: the input cannot be used, and here is the line that says why."""


class InputError(ValueError):
    """Raised for what the user gave: a config, a file, an argument.

    The message is one line: `<where>: <what is wrong, with the value>. Expected <what would be right>.
    <how to fix it>`. The command line prints it and exits with code 2; every other exception is a
    defect of this program and keeps its traceback.
    """
