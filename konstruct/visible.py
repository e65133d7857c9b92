"""Text that people decide by: what cannot be seen in it is spelt out."""


def visible(text: str) -> str:
    """With every character that shows nothing, or turns others around, as JSON spells it; within JSON that is the same.

    Line ends stay. Halves of characters are spelt out too, so that what comes out can always be written as UTF-8.
    """
    return "".join(char if char.isprintable() or char == "\n" else _spelt(char) for char in text)


def _spelt(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
