"""What MkDocs does not do by itself for the pages of docs/source, which are read on GitHub as well as on the site.

A link that leaves docs/source, as ../../server/openapi, becomes one to that file or folder in the repository on GitHub. One to
what the repository does not have, and a page that would fetch anything from elsewhere, are warnings, which fail a strict build.
Diagrams are put into their pages, where they follow the page's light and dark, and a picture X.png beside which X-dark.png lies
is shown as that one by night."""

import logging
import pathlib
import posixpath
import re
import subprocess

log = logging.getLogger("mkdocs.hooks")

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = "docs/source"
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
LINK = re.compile(r"(\]\()(\.\./[^)\s#]*)(#[^)\s]*)?(\))")
LOADED = re.compile(r"""<(?:script|img|iframe|link|source|video|audio|embed|object)\b[^>]*?\b(?:src|href|data)=["']?(?:https?:)?//[^>]*>""", re.I)
HARMLESS = re.compile(r"""<link\b[^>]*\brel=["']?(?:canonical|prev|next|alternate)\b""", re.I)
DIAGRAM = re.compile(r'<img alt="([^"]*)" src="[^"]*diagrams/([a-z-]+\.svg)"\s*/?>')

PICTURE = re.compile(r'<img alt="([^"]*)" src="([^"]*/)?([a-z-]+)\.png"\s*/?>')

# Pages whose tables want the room of both margins.
WIDE = ("comparison.md",)

tree = set()


def on_config(config):
    """Lists what the repository has: files that git tracks or would, and their folders."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    tree.clear()
    for name in filter(None, files):
        if (ROOT / name).exists():
            tree.add(name)
            tree.update(str(parent) for parent in pathlib.PurePosixPath(name).parents)
    return config


def on_page_markdown(markdown, page, config, **_):
    """Points links that leave docs/source at the repository."""
    folder = posixpath.join(PAGES, posixpath.dirname(page.file.src_uri))
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["navigation", "toc"]

    def outside(link):
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if target.startswith(PAGES + "/"):
            return link[0]
        if target not in tree:
            log.warning("%s links to %s, which the repository does not have", page.file.src_uri, link[2])
            return link[0]
        kind = "blob" if (ROOT / target).is_file() else "tree"
        return f"{link[1]}{config.repo_url}/{kind}/main/{target}{link[3] or ''}{link[4]}"

    lines, fence = [], None
    for line in markdown.split("\n"):
        mark = FENCE.match(line)
        if mark and fence is None:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = None
        elif fence is None and not line.startswith("    "):
            line = LINK.sub(outside, line)
        lines.append(line)
    return "\n".join(lines)


def on_page_content(html, page, **_):
    """Puts diagrams into the page in the place of a picture, and pictures that have one beside that for the night."""

    def inline(picture):
        svg = (ROOT / PAGES / "diagrams" / picture[2]).read_text(encoding="utf-8")
        return f'<div class="wide" tabindex="0">{svg.strip()}</div>'

    def both(picture):
        alt, folder, name = picture.groups()
        if not (ROOT / PAGES / f"{name}-dark.png").exists():
            return picture[0]
        one = '<img alt="{}" src="{}{}.png#only-{}" loading="lazy">'.format
        return one(alt, folder or "", name, "light") + one(alt, folder or "", f"{name}-dark", "dark")

    return PICTURE.sub(both, DIAGRAM.sub(inline, html))


def on_post_page(output, page, **_):
    """Finds what a reader's browser would fetch from elsewhere."""
    for tag in LOADED.findall(output):
        if not HARMLESS.match(tag):
            log.warning("%s would have the reader fetch something from elsewhere: %s", page.file.src_uri, tag)
    return output
