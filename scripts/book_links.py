"""A preprocessor of mdBook: links out of docs/ lead to the repository, where the rest is.

`book_links.py check BOOK` looks whether every link in a book leads somewhere in it, or out of it.
"""

import html
import json
import pathlib
import posixpath
import re
import sys

REPOSITORY = "https://github.com/lambwire/lambwire/blob/main"


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    if sys.argv[1:2] == ["check"]:
        sys.exit(check(pathlib.Path(sys.argv[2])))
    _, book = json.load(sys.stdin)
    for item in book.get("sections") or book["items"]:
        repair(item)
    json.dump(book, sys.stdout)


def repair(item):
    if "Chapter" not in item:
        return
    chapter = item["Chapter"]
    directory = posixpath.join("docs", posixpath.dirname(chapter["path"] or ""))
    chapter["content"] = re.sub(r"\]\((\.\./[^)\s]+)\)", lambda link: f"]({outside(directory, link[1])})", chapter["content"])
    for inner in chapter["sub_items"]:
        repair(inner)


def outside(directory, link):
    path, hash_sign, anchor = link.partition("#")
    path = posixpath.normpath(posixpath.join(directory, path))
    return link if path.startswith("docs/") else f"{REPOSITORY}/{path}{hash_sign}{anchor}"


def check(book):
    pages = {page: page.read_text() for page in book.rglob("*.html")}
    dead = count = 0
    for page, text in pages.items():
        if page.name in ("404.html", "print.html", "toc.html"):
            continue
        for link in map(html.unescape, re.findall(r'<a [^>]*href="([^"]+)"', text)):
            if "://" in link:
                continue
            count += 1
            path, _, anchor = link.partition("#")
            there = (page.parent / path).resolve() if path else page
            if not there.exists() or (anchor and there in pages and f'id="{anchor}"' not in pages[there]):
                print(f"{page.relative_to(book)}: {link} leads nowhere", file=sys.stderr)
                dead += 1
    print(f"{len(pages)} pages, {count} links within the book")
    return int(dead > 0 or count == 0)


if __name__ == "__main__":
    main()
