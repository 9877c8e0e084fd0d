"""A verb whose options are the fields of a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

__all__ = ["takes"]

_T = TypeVar("_T")


def takes(options: type[_T]) -> Callable[[Callable[[_T], None]], Callable[..., None]]:
    """Decorate a verb that takes one instance of `options`, so that typer sees a parameter for each field.

    Arguments:
        options: a dataclass; each field is annotated as typer has it, `Annotated[type, typer.Option(...)]`, and
            its default is the option's. The fields stand in the order of --help.
    """
    hints = get_type_hints(options, include_extras=True)
    signature = inspect.signature(options)
    fields = [field.replace(annotation=hints[name]) for name, field in signature.parameters.items()]

    def decorate(verb: Callable[[_T], None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def command(**values: Any) -> None:
            verb(options(**values))

        command.__signature__ = signature.replace(parameters=fields)  # type: ignore[attr-defined]
        return command

    return decorate
