# Values of other types than JSON has, as AWS's client writes them. A part of worker.py, which has it compiled when somebody
# needs it.


class Raw(str):
    """JSON as it stands."""


encode_rich = encoder(lambda text: text if type(text) is Raw else encode_text(text), refuse)


def enriched(value):
    """The same of types that the encoder knows."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if callable(getattr(value, "_asdict", None)):
        value = value._asdict()
    if isinstance(value, dict):
        return {name.decode() if isinstance(name, bytes) else name: enriched(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [enriched(each) for each in value]
    if isinstance(value, bytes):
        return value.decode()
    if any(kind.__name__ == "Decimal" and kind.__module__ == "decimal" for kind in type(value).__mro__):
        return float("nan") if value.is_nan() else Raw(value)
    return value
