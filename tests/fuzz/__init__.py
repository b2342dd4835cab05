"""Spoil what the tool reads, again and again, and see that it ends well every time.

A case is a small monorepo with spoiled files, spoiled prepared patches or a spoiled run folder.
Each is worked on by a process of its own, under a deadline and a bound of memory, with folders
beside it that must stay as they are.

The engine that spoils is our own. What we looked at instead: hypothesis makes values from a
description, while we start from files that are nearly right, and it can neither end a hang nor
live on a budget of seconds. atheris follows coverage through millions of cheap calls in one
process, while one of ours is a whole close-out with git below it, a third of a second long, and
ends where that process does. What remains of either is a list of ways to spoil bytes.
"""
