"""Who may do what: every kind of person at every door, compared with a table.

The tables are next to the tests. What is not in them, a flow, a page, an action, an endpoint or a
notification, fails: nothing is published without saying for whom.
"""
