"""Options of a network's factory, as a user writes them: NAME=VALUE."""

import json
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.models.registry import factory_options, options_of


def check_options(name: str, options: Mapping[str, Any], factory: Callable[..., Any] | None) -> None:
    """Raises EdgenetError where options are not among those of the network `name`, or of the user's own factory."""
    known = _known(name, factory)
    unknown = [] if known is None else [option for option in options if option not in known]
    if unknown:
        has = f"its options are {', '.join(sorted(known))}" if known else "it has no options"
        raise EdgenetError(f"{name} has no option {unknown[0]!r}: {has}")


def parse_options(name: str, pairs: Sequence[str], factory: Callable[..., Any] | None) -> dict[str, Any]:
    """Options of the network `name` from NAME=VALUE each; a value is read as what the option's default is.

    Raises EdgenetError for an option that the network lacks, and for a value of another kind.
    """
    texts: dict[str, str] = {}
    for pair in pairs:
        option, equals, text = pair.partition("=")
        if not equals or not option:
            raise EdgenetError(f"option {pair!r} is not NAME=VALUE, as in depth=20")
        texts[option] = text
    check_options(name, texts, factory)
    known = _known(name, factory) or {}
    return {option: _parse(name, option, text, known.get(option)) for option, text in texts.items()}


def _known(name: str, factory: Callable[..., Any] | None) -> dict[str, Any] | None:
    if factory is None:
        return factory_options(name)
    try:
        kinds = [parameter.kind for parameter in signature(factory).parameters.values()]
    except (TypeError, ValueError):
        return None
    return None if Parameter.VAR_KEYWORD in kinds else options_of(factory)


def _parse(name: str, option: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    # Lists may be written without their brackets, and truth as Python writes it.
    written = {"True": "true", "False": "false", "None": "null"}.get(text, text)
    if isinstance(default, tuple | list) and not written.startswith("["):
        written = f"[{written}]"
    try:
        value = json.loads(written)
    except ValueError:
        value = text
    wanted = type(default)
    if default is None or (wanted is float and type(value) is int):
        return value
    if wanted in (tuple, list) and isinstance(value, list):
        return value
    if wanted in (bool, int, float) and type(value) is not wanted:
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[wanted]
        raise EdgenetError(f"option {option} of {name} is {kind}, such as {json.dumps(default)}; got {text!r}")
    if wanted in (tuple, list):
        raise EdgenetError(f"option {option} of {name} is a list, such as {json.dumps(default)[1:-1]}; got {text!r}")
    return value
