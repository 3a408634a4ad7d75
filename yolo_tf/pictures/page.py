"""One page of HTML that needs no other file and no network: pictures are part of it."""

import base64
import html
from pathlib import Path

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #24292f; background: #fff; max-width: 1100px;
  margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.25em; margin-top: 2em; border-bottom: 1px solid #e4e8ec }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1em 0 }
td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #e4e8ec }
td:first-child, th:first-child { text-align: left }
img { max-width: 100%; height: auto } figure { margin: 1em 0 } figcaption { font-size: .9em; overflow-wrap: anywhere }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 1em } .gallery figure { margin: 0 }
.note { color: #57606a; max-width: 48em } .key { font-weight: bold }
"""
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


def page(title, sections):
    """Returns a page.

    Args:
        title: text.
        sections: (heading or "", pieces of HTML) each.

    Returns:
        str, a whole HTML document.
    """
    parts = []
    for heading, pieces in sections:
        parts += [f"<h2>{html.escape(heading)}</h2>"] if heading else []
        parts += pieces
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def note(text):
    """Returns a paragraph that explains."""
    return f'<p class="note">{html.escape(text)}</p>'


def paragraph(text):
    """Returns a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def table(header, rows):
    """Returns a table of texts; the first column stands left, the others right."""

    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(["<table>", line("th", header), *(line("td", row) for row in rows), "</table>"])


def picture(path, description, caption=""):
    """Returns a picture with its bytes in it.

    Args:
        path: PNG or JPEG file.
        description: for those who do not see it.
        caption: text below it.
    """
    path = Path(path)
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = f"data:{MEDIA_TYPES[path.suffix]};base64,{content}"
    return f'<figure><img alt="{html.escape(description)}" src="{source}">{below}</figure>'


def gallery(pictures):
    """Returns pictures side by side."""
    return "\n".join(['<div class="gallery">', *pictures, "</div>"])


def key(words):
    """Returns a line that says what colours stand for: (text, (red, green, blue)) each."""
    spans = (f'<span class="key" style="color: rgb{tuple(color)}">{html.escape(text)}</span>' for text, color in words)
    return f"<p>{', '.join(spans)}</p>"
