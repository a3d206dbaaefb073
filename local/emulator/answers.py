"""Writing an answer, without asking each time under what names moto's classes might hold each part of it.

moto looks for every member of a shape under up to a dozen names. In a dict the names depend on the shape alone. Most
of DynamoDB's answer is attribute values, each of which has ten members of which nine are not there.
"""

import functools
from typing import Any

from moto.core.serialize import (
    AttributePickerContext,
    ResponseSerializer,
    XFormedAttributePicker,
)


@functools.cache
def apply() -> None:
    """Replace how a member of a dict is found, once per process; other objects are looked into as before."""
    look: Any = ResponseSerializer.get_value
    names: dict[tuple[int, str], tuple[Any, tuple[str, ...]]] = {}

    def find(serializer: Any, value: Any, key: str, shape: Any) -> Any:
        picker = serializer._value_picker  # noqa: SLF001 - moto hands it to nobody
        if type(value) is not dict or type(picker) is not XFormedAttributePicker or picker.response_transformers:
            return look(serializer, value, key, shape)
        found = names.get((id(shape), key))
        if found is None:
            context = AttributePickerContext(obj=value, key=key, shape=shape)
            # The shape stays with its names, so that no other shape gets its id.
            found = names[id(shape), key] = (shape, tuple(dict.fromkeys(picker.get_possible_keys(context))))
        for name in found[1]:
            if name in value:
                return value[name]
        return None

    ResponseSerializer.get_value = find
