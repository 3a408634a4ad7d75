"""Rows as a table: plain text or Markdown."""

TABLE_FORMATS = ("text", "markdown")


def format_table(rows, *, kind="text"):
    """Lays rows out in columns; a column of numbers is aligned to the right, gaps in it (blank or -) included.

    Args:
        rows: at least one mapping column -> text; all have the columns of the first.
        kind: one of TABLE_FORMATS.

    Returns:
        str of lines: the columns' names, in Markdown a rule, the rows.
    """
    columns = list(rows[0])
    to_the_right = [all(_is_number(row[column]) for row in rows) for column in columns]
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    if kind == "markdown":
        lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        lines.insert(1, ["---:" if right else "---" for right in to_the_right])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    aligned = [
        [cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, to_the_right, strict=True)]
        for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in aligned)


def _is_number(cell):
    return cell in ("", "-") or cell.removeprefix("-")[:1].isdigit()
