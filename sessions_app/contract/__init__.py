"""The contract: what a client may say and what it is told, for machines.

`document()` is AsyncAPI 3 with the JSON Schema of everything, made from the flows. From it alone
are made the TypeScript types, the page for people, and the comparison with an older one.
"""

from sessions_app.contract.compatibility import breaks
from sessions_app.contract.document import document, printed
from sessions_app.contract.reference import reference
from sessions_app.contract.typescript import types

__all__ = ["breaks", "document", "printed", "reference", "types"]
