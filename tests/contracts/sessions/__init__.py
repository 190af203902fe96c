"""Every sentence of the port `Sessions`, asked of each thing that stands behind it.

The fixture `sessions` is an empty log whose users are ann, bob, cid and dan; `clock` is its clock.
"""
