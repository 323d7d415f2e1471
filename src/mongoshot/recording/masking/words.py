"""Names and places to mask with, from Faker's lists.

Faker is asked for many of each once, with a fixed seed; which one stands for a value is decided by
the keyed hash of the value. So the same Faker gives the same masks, and a value costs no call.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mongoshot.errors import UsageError

DEFAULT_LOCALE = "en_US"

_ASKED = 2500  # how often Faker is asked for a word of each list

_LISTS = {
    "first": "first_name",
    "last": "last_name",
    "street": "street_name",
    "city": "city",
    "postcode": "postcode",
}


def faker_version() -> str:
    """Return the version of Faker that is installed.

    Raises UsageError where there is none.
    """
    return str(_faker().VERSION)


def check_locale(locale: str) -> None:
    """Raise UsageError unless Faker has a locale."""
    _faker()
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        near = difflib.get_close_matches(locale, AVAILABLE_LOCALES, n=3) or [DEFAULT_LOCALE]
        raise UsageError(f"Faker has no locale {locale!r:.40}: did you mean {' or '.join(near)}?")


@lru_cache(maxsize=64)
def words(locale: str, which: str) -> Sequence[str]:
    """Return the words of a list ("first", "last", "street", "city", "postcode"), sorted."""
    source = _faker().Faker(locale)
    ask = getattr(source, _LISTS[which], None)
    if ask is None:  # some locales know their names alone
        source = _faker().Faker(DEFAULT_LOCALE)
        ask = getattr(source, _LISTS[which])
    source.seed_instance(0)
    found = {str(ask()) for _ in range(_ASKED)}
    if which == "street":  # "John Parks" may be a street of Faker's, and is a name
        names = set(words(locale, "last"))
        found = {each for each in found if each.split()[-1] not in names} or found
    return sorted(found)


def _faker() -> Any:
    try:
        import faker
    except ImportError:
        raise UsageError(
            "names and addresses are masked with Faker, which is not installed;"
            " pip install 'mongoshot[masking]'"
        ) from None
    return faker
