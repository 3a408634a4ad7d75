"""The version of the package, for files and messages that name who wrote them."""

VERSION = "0.2.0"
