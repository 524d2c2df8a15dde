"""Facts: what a host is.

Each one is a section of POSIX sh and a pure parser; any number of them cost one remote command.
"""
