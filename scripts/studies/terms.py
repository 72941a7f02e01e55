"""The words of a study: what it compares and what is independent, for every text that speaks of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UserError

LONGEST = 60  # of a noun
EXAMPLES = {"unit": "patient or drive", "compared": "loss or network"}  # of nouns that a user gives, by key


@dataclass(frozen=True)
class Terms:
    """What the texts of a study call its conditions and its independent units; the defaults are true of any study.

    Args:
        thing: what is compared: "loss", "network", "optimiser"; "condition" where it is something else, or several.
        unit: what is independent: "patient", or e.g. "drive" or "case"; "unit" where nothing is known.
        parted: what the folds share out, where that is not the unit: "image" where images are dealt at random.
        losses_differ: whether the conditions are trained with different losses.
    """

    thing: str = "condition"
    unit: str = "unit"
    parted: str = ""
    losses_differ: bool = False

    @property
    def things(self) -> str:
        """What is compared, in the plural."""
        return plural(self.thing)

    @property
    def units(self) -> str:
        """The independent units."""
        return plural(self.unit)

    @property
    def parts(self) -> str:
        """What the folds share out, in the plural."""
        return plural(self.parted or self.unit)

    @property
    def leak(self) -> str:
        """What lies in training and test parts where the parts were dealt at random."""
        if self.parted in ("", self.unit):
            return f"nearly equal {self.parts} may be in training and test part"
        return f"{self.parts} of one {self.unit} are in training and test part"

    @property
    def equal_rates(self) -> str:
        """What equal learning rates do to the comparison."""
        return "favour losses with larger gradients" if self.losses_differ else f"can favour one of the {self.things}"


def plural(noun: str) -> str:
    """The plural of a regular noun.

    >>> [plural(noun) for noun in ("loss", "patient", "biopsy", "batch size", "day")]
    ['losses', 'patients', 'biopsies', 'batch sizes', 'days']
    """
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def noun(value: object, key: str) -> str:
    """A word that a user gives for something, as the texts use it.

    Raises:
        UserError: it is no text of one short line.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST:
        raise UserError(f"{key} must be a noun in the singular, such as {EXAMPLES[key]}, got {value!r}")
    return value.strip()
