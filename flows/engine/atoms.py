"""The atoms of a scope: each is made once, in a task of its own, and cleaned up at the end."""

import asyncio
import contextvars
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flows.engine.closing import Undo, release_all
from flows.engine.context import Context, blank
from flows.engine.errors import Closed, worst
from flows.engine.kinds import is_atom
from flows.engine.nodes import Atom, Node
from flows.engine.presets import Given
from flows.engine.waiting import CLOSED, mark, telling, until, until_made

if TYPE_CHECKING:
    from flows.engine.scope import Scope


class Atoms:
    """The values of a scope's atoms, those that are being made, and their clean-ups."""

    def __init__(self, scope: "Scope") -> None:
        self._scope = scope
        self._values: dict[Node, Any] = {}
        self._making: dict[Atom[Any], tuple[asyncio.Task[None], Context[Any]]] = {}
        self._ledger: list[tuple[Undo, contextvars.Context]] = []
        self._is_open = False

    def open(self) -> None:
        """From now on atoms can be made, in the contextvars that hold now."""
        self._loop = asyncio.get_running_loop()
        self._ambient = contextvars.copy_context()
        self._is_open = True

    async def value(self, found: Node | Given) -> Any:
        """The value of an atom that is itself no longer preset, or the one that was preset."""
        if isinstance(found, Given):
            return found.value
        assert is_atom(found)  # noqa: S101 - atoms are replaced by atoms
        if found not in self._values:
            self._scope.plans.below(found)
        return (await self.make([found]))[found]

    async def make(self, atoms: Iterable[Atom[Any]]) -> dict[Node, Any]:
        """Make those of the atoms that are not there yet, at the same time; all values."""
        missing = [each for each in atoms if each not in self._values]
        if missing:
            makings = dict(self._making.get(each) or self._begin(each) for each in missing)
            try:
                await until_made(makings)
            except asyncio.CancelledError:
                if not self._is_open and any(each.cancelled() for each in makings):
                    raise Closed("The scope") from None
                raise
        return self._values

    def _begin(self, atom: Atom[Any]) -> tuple[asyncio.Task[None], Context[Any]]:
        maker = blank(self._scope)
        maker.opening = atom
        # A context of the scope's, not of who happens to be the first to ask.
        ambient = self._ambient.copy()
        task = self._loop.create_task(self._make(atom, maker, ambient), context=ambient)
        task.add_done_callback(_retrieve)
        self._making[atom] = task, maker
        return task, maker

    @telling("maker")
    async def _make(
        self, atom: Atom[Any], maker: Context[Any], ambient: contextvars.Context
    ) -> None:
        mark(maker)
        plan = self._scope.plans.of(atom)
        acquired: list[Undo] = []
        try:
            values = await self.make(each for _, each in plan.atoms)
            arguments = {name: values[each] for name, each in plan.atoms}
            self._values[atom] = await self._scope.make(self._scope, plan, arguments, acquired)
            self._ledger += ((undo, ambient) for undo in acquired)
        finally:
            maker.state = CLOSED
            del self._making[atom]

    async def close(self, error: BaseException | None) -> BaseException | None:
        """Give up what is being made, clean up what was, the last first; the error there is then.

        Clean-ups are resumed whatever has failed: an atom has no outcome.
        """
        self._is_open = False
        making = [task for task, _ in self._making.values()]
        for task in making:
            task.cancel()
        for task in making:
            error = worst(error, await until(task))
            failure = None if task.cancelled() else task.exception()
            error = error if isinstance(failure, Closed) else worst(error, failure)
        while self._ledger:
            undo, ambient = self._ledger.pop()
            try:
                # It finds the contextvars that its factory had.
                coroutine = release_all([undo], None)
                later = await self._loop.create_task(coroutine, context=ambient)
            except asyncio.CancelledError as cancelled:
                later = cancelled
            error = worst(error, later)
        return error


def _retrieve(task: asyncio.Task[None]) -> None:
    # Whoever waited has seen the error; without waiters, the next use meets it again.
    if not task.cancelled():
        task.exception()
