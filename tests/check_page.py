#!/usr/bin/python3
"""check_page.py PAGE.html FIGURES INVALID TITLE TABLE.md: a page of results/report.py is well-formed and all in one.

It has FIGURES pictures that decode, INVALID rows of runs that are marked as such, TITLE as the text of its heading, and
the cells of TABLE.md, which is what `dpsweep report --format markdown` says of the same file.
"""
import base64
import io
import sys
from html.parser import HTMLParser

from matplotlib import image

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.wrong, self.texts, self.rows = [], [], [], {}, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.wrong += [f"<{tag} {n}>" for n in attributes if n.startswith("on") or n in ("href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> out of place")

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data.replace("\N{EN DASH}", "-")


def rows_of(markdown):
    """The rows of its tables, without what tells them apart in a last column."""
    cells = [[c.strip() for c in line.strip("|\n").split("|")] for line in open(markdown) if line.startswith("|")]
    return [row[:13] for row in cells if not row[0].startswith("---")]


path, figures, invalid, title, table = sys.argv[1:]
text = open(path, encoding="utf-8").read()
page = Page()
page.feed(text)
page.close()
wrong = page.wrong + [f"<{tag}> never closed" for tag in page.open]
wrong += [f"a {tag} in the page" for tag in ("script", "link", "iframe", "object") if tag in dict(page.tags)]
wrong += [f"{word} in the page" for word in ("http:", "https:", "url(", "@import") if word in text.split("<pre>")[0]]
images = [a for tag, a in page.tags if tag == "img"]
for a in images:
    kind, _, data = a["src"].partition(",")
    try:
        height, width = image.imread(io.BytesIO(base64.b64decode(data, validate=True)), format="png").shape[:2]
        if kind != "data:image/png;base64" or min(height, width) < 200 or not a["alt"]:
            wrong.append(f"{a['alt']}: {width} x {height}, {kind}")
    except (ValueError, SyntaxError, OSError) as error:
        wrong.append(f"a picture that cannot be shown: {error}")
marked = sum("bad" in (a.get("class") or "").split() for tag, a in page.tags if tag == "tr")
for what, found, wanted in (("pictures", len(images), int(figures)), ("INVALID rows", marked, int(invalid)),
                            ("heading", page.texts.get("h1"), title)):
    if found != wanted:
        wrong.append(f"{what}: {found}, not {wanted}")
wrong += [f"not in the page: {row}" for row in rows_of(table) if row not in page.rows]
print("\n".join(wrong))
sys.exit(bool(wrong))
