"""The command `review` at work: one proposal after the other on the screen, and a key for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mongoshot.cli.options import age_text, count_text
from mongoshot.cli.terminal import clear, echo, read_key
from mongoshot.comparison.printable import one_line
from mongoshot.errors import ProposalError

if TYPE_CHECKING:
    from mongoshot.review.proposal import Proposal
    from mongoshot.review.store import Store

_HELP = """\
  a  accept: write what is proposed to the expectation's file
  r  reject: leave that file as it is, and forget the proposal
  s  skip: keep the proposal for later
  A  accept this one and all that follow
  R  reject this one and all that follow
  m  show the whole message
  d  show the whole file that is proposed
  q  quit: keep this one and all that follow for later
  ?  show this"""
_COLORS = {"+": "green", "-": "red", "~": "yellow"}
_AROUND = 9  # lines of a screen that are not the message's
_FEWEST = 10  # lines of a message on the smallest screen


class Review:
    """Go through proposals with the person at the terminal."""

    def __init__(self, store: Store, proposals: Sequence[Proposal]) -> None:
        """Take what there is to review."""
        self._store = store
        self._proposals = proposals
        self._accepted: list[Proposal] = []
        self._rejected: list[Proposal] = []

    def run(self) -> None:
        """Show each proposal and do as the keys say, until all are seen or one says to stop."""
        for at in range(len(self._proposals)):
            clear()
            self._show(at)
            if not self._decide(self._proposals[at:]):
                return

    def tell(self) -> None:
        """Say what has become of the proposals."""
        for word, proposals in (("accepted", self._accepted), ("rejected", self._rejected)):
            if proposals:
                echo(":", bold=f"{word} {len(proposals)}")
                for proposal in proposals:
                    echo(f"  {one_line(proposal.name)}")
        if left := len(self._proposals) - len(self._accepted) - len(self._rejected):
            echo(": mongoshot review", bold=f"{count_text(left, 'expectation')} left to review")

    def _show(self, at: int) -> None:
        proposal = self._proposals[at]
        age = age_text(self._store.left_at(proposal))
        scenario = f"on {one_line(proposal.scenario)}, " if proposal.scenario else ""
        echo(
            f"  {proposal.kind}, {scenario}{age}",
            bold=f"{at + 1} of {len(self._proposals)}  {one_line(proposal.name)}",
        )
        echo(one_line(proposal.file), color="cyan")
        if reason := self._store.staleness(proposal):
            echo(f"stale, and can only be rejected: {reason}; run pytest again", color="red")
        lines = proposal.report.splitlines()
        room = max(shutil.get_terminal_size().lines - _AROUND, _FEWEST)
        echo("")
        _show_message(lines[:room])
        if len(lines) > room:
            echo(f"… and {count_text(len(lines) - room, 'more line')}: m shows them", color="cyan")

    def _decide(self, following: Sequence[Proposal]) -> bool:
        """Ask until a key decides what becomes of the first; tell whether there is more to do."""
        proposal, left = following[0], len(following)
        while True:
            accept = "" if self._store.staleness(proposal) else "a accept · "
            every = f"A accept all {left} · R reject all {left} · " if left > 1 else ""
            keys = f"{accept}r reject · s skip · {every}d file · q quit · ? help"
            echo(f"\n{keys}", color="cyan")
            match read_key():
                case "a":
                    if self._accept([proposal]):
                        return True
                case "r":
                    self._reject([proposal])
                    return True
                case "s":
                    return True
                case "A":
                    self._accept(following)
                    return False
                case "R":
                    self._reject(following)
                    return False
                case "m":
                    _show_message(proposal.report.splitlines())
                case "d":
                    echo(proposal.proposed)
                case "q" | "":
                    return False
                case _:
                    echo(_HELP)

    def _accept(self, proposals: Iterable[Proposal]) -> bool:
        """Accept those that can be, say of the others why not, and tell whether all could."""
        refused = False
        for proposal in proposals:
            try:
                self._store.accept(proposal)
            except ProposalError as error:
                echo(one_line(str(error)), color="red")
                refused = True
            else:
                self._accepted.append(proposal)
        return not refused

    def _reject(self, proposals: Iterable[Proposal]) -> None:
        for proposal in proposals:
            self._store.reject(proposal)
            self._rejected.append(proposal)


def _show_message(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line, color=_COLORS.get(line.lstrip()[:1]))
