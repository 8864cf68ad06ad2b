"""The oracle: the rules service's outcome worked out a second time, slowly and independently.

It shares no line with what it checks: standard library only, neither `services` nor `shared`.
"""
