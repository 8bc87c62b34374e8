"""Print the size and shape of checkouts as one table, a column for each.

    python tools/measure.py [FOLDER ...] [--list ROW]

Product code is every Python file outside `tests/` and `migrations/`. `--list` prints the places
behind the rows whose names contain ROW. McCabe's complexity is ruff's, which has to be installed
beside the Python that runs this.
"""

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_GOALS = {
    "product lines": "≤ 34,500",
    "product files": "",
    "function length, median / 90 %": "",
    "functions over 50 lines": "≤ 7",
    "functions over McCabe 10": "≤ 4",
    "functions over 5 arguments in webapp": "≤ 20",
    "functions over 5 arguments elsewhere": "",
    "public names at module level": "≤ 1,400",
    "public functions with a docstring": "",
    "class names used more than once": "0",
    "import cycles": "0",
    "wide lines: product Python": "0",
    "wide lines: other Python": "0",
    "wide lines: html, css, js": "0",
    "retired words": "0",
    "retired names": "0",
    "retired variables": "0",
}
_WIDEST, _LONGEST = 100, 50
_SEARCHED = (".py", ".html", ".css", ".js", ".md", ".toml", ".txt")

# Retired wherever it stands: names, comments, docstrings, messages, pages, docs; by itself or as a
# part of a name: `lane` in `LongLane`, in `long_lane` and in "the lane", not in "plane".
_WORDS = (
    "rooms|doors?|cupboard|turnstile|doorbell|bell|ring|crew|lanes?|courier|veil|tally|tallies"
    "|rereadings?|dice|sniffs?|sniffing|packing|exams?|studio|drawings|whoever|lest"
)
_PHRASES = (
    r"\bso many\b|\bre-reading|\bforeign\b(?![ _-]?keys?)|[\"'>]keeping\b|rules? of keeping"
    r"|\bhands\b(?! (?:over|on|back|out|off|in|it|them|the|a)\b)"
    r"|_learnt\b|\blearnt_(?!from|known)|(?<![a-z] )\blearnt\b(?! from| by| on)"
)
_CAPITALS = re.sub(r"\b[a-z]", lambda match: match[0].upper(), _WORDS)
_RETIRED = re.compile(
    rf"(?:(?<![A-Za-z])(?i:{_WORDS})|(?<=[a-z])(?:{_CAPITALS}))(?![a-z])|(?i:{_PHRASES})"
)
# Retired as names of modules and folders, and NAMES also of classes and functions of the product.
_FILES = r"room|cells|looks?|looking|turns?|sent|shown|keeping|imports|labelling|filtering"
_NAMES = (
    r"work|kinds?|job_kinds|words|\w+_words|foreign_\w+|containers|drawn|drawing|follow|today"
    r"|reading|seen|seen_\w+|frame|fold|many|\w+_later"
)
_VARIABLES = {"one", "found", "said", "question", "at"}
# What is left alone: routes, options, parameters and JSON fields that users have, and trade names.
_PUBLIC = re.compile(
    r"label[ _-]?studio|crew cab|/admin/keeping|--hands|with_learnt|[\"'?&`=]learnt\b"
    r"|\blearnt(?=[:=])|models and drawings|\"drawings\"|drawings is no setting"
    r"|^(?:name|display) = .*$",
    re.IGNORECASE | re.MULTILINE,
)
# Names that templates and scripts bind: of loops, of assignments, of arrow functions.
_SCRIPT_VARIABLE = re.compile(
    r"(?:\{%-?\s*(?:for|set)|\b(?:const|let|var))\s+(?:\w+,\s*)?(\w+)|\(?\b(\w+)\)?\s*=>"
)


class _Checkout:
    """One checkout: its files in git, figures, and the places behind each row."""

    def __init__(self, root: Path) -> None:
        self.root = root
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        out = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        paths = [path for path in sorted(out.splitlines()) if path.endswith(_SEARCHED)]
        paths = [path for path in paths if (root / path).is_file()]
        self.texts = {path: (root / path).read_text("utf-8") for path in paths}
        python = [path for path in paths if path.endswith(".py")]
        self.trees = {path: ast.parse(self.texts[path]) for path in python}
        product = [path for path in python if not path.startswith(("tests/", "migrations/"))]
        self.product = {path: self.trees[path] for path in product}
        self.figures: dict[str, str] = {}
        self.places: dict[str, list[str]] = defaultdict(list)

    def measure(self) -> None:
        lines = sum(len(self.texts[path].splitlines()) for path in self.product)
        self.figures |= {"product lines": f"{lines:,}", "product files": f"{len(self.product):,}"}
        self._measure_functions()
        self._ask_ruff()
        self._measure_names()
        if cycle := _import_cycle(self.product):
            self._add("import cycles", cycle[0], 1, " <- ".join(cycle))
        for path, text in self.texts.items():
            self._measure_width(path, text)
            if path.startswith(("webapp/", "tests/", "docs/")) and "/fixtures/" not in path:
                self._find_retired(path, text)

    def value(self, row: str) -> str:
        return self.figures.get(row) or f"{len(self.places[row]):,}"

    def _add(self, row: str, path: str, line: int, what: str) -> None:
        self.places[row].append(f"{path}:{line}: {what}")

    def _measure_functions(self) -> None:
        lengths, documented = [], []
        for path, tree in self.product.items():
            for node in ast.walk(tree):
                if not isinstance(node, _Function):
                    continue
                length = (node.end_lineno or 0) - node.lineno + 1
                lengths.append(length)
                if length > _LONGEST:
                    self._add("functions over 50 lines", path, node.lineno, f"{node.name} {length}")
                if not node.name.startswith("_"):
                    documented.append(bool(ast.get_docstring(node)))
        ninety = sorted(lengths)[int(len(lengths) * 0.9)]
        self.figures |= {
            "function length, median / 90 %": f"{statistics.median(lengths):.0f} / {ninety}",
            "public functions with a docstring": f"{sum(documented) / len(documented):.0%}",
        }

    def _ask_ruff(self) -> None:
        """Complexity, and arguments: keyword-only ones count, `self` and `cls` do not."""
        ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--isolated", "--no-cache"]
        ruff += ["--select=C901,PLR0913", "--output-format=json"]
        ruff += ["--config", "lint.mccabe.max-complexity=10", "--config", "lint.pylint.max-args=5"]
        command = [*ruff, *self.product]
        out = subprocess.run(command, cwd=self.root, capture_output=True, text=True).stdout
        for fault in json.loads(out):
            path = str(Path(fault["filename"]).relative_to(self.root))
            row = f"functions over 5 arguments {'in webapp' if 'webapp/' in path else 'elsewhere'}"
            row = "functions over McCabe 10" if fault["code"] == "C901" else row
            self._add(row, path, fault["location"]["row"], fault["message"])

    def _measure_names(self) -> None:
        classes = defaultdict(list)
        for path, tree in self.product.items():
            for node in tree.body:
                if isinstance(node, _Function | ast.ClassDef) and not node.name.startswith("_"):
                    self._add("public names at module level", path, node.lineno, node.name)
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    classes[node.name].append((path, node.lineno))
                if isinstance(node, _Function | ast.ClassDef) and path.startswith("webapp/"):
                    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower().strip("_")
                    if re.fullmatch(_NAMES, snake):
                        self._add("retired names", path, node.lineno, node.name)
        for name, ((path, line), *others) in classes.items():
            if others:
                what = f"{name}, also in {', '.join(other for other, _ in others)}"
                self._add("class names used more than once", path, line, what)

    def _measure_width(self, path: str, text: str) -> None:
        kind = "html, css, js" if path.endswith((".html", ".css", ".js")) else "other Python"
        kind = "product Python" if path in self.product else kind
        if path.endswith((".py", ".html", ".css", ".js")):
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > _WIDEST:
                    self._add(f"wide lines: {kind}", path, number, str(len(line)))

    def _find_retired(self, path: str, text: str) -> None:
        """Words anywhere in the path and the text, then names of files, then variables."""
        for part in (path, text):
            plain = _PUBLIC.sub(lambda match: "·" * len(match[0]), part)
            for match in _RETIRED.finditer(plain):
                self._add("retired words", path, _line_of(match), match[0])
        for part in path.split("/"):
            if re.fullmatch(f"{_FILES}|{_NAMES}", part.split(".")[0].removeprefix("test_")):
                self._add("retired names", path, 1, part)
        bound = [*_variables_of(self.trees[path])] if path in self.trees else []
        if path.endswith((".html", ".js")):
            matches = _SCRIPT_VARIABLE.finditer(text)
            bound = [(match[1] or match[2], _line_of(match)) for match in matches]
        for name, line in bound:
            if name in _VARIABLES:
                self._add("retired variables", path, line, name)


def _line_of(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start()) + 1


def _variables_of(tree: ast.AST, in_class: bool = False) -> Iterator[tuple[str, int]]:
    """Names that are bound: assignments, loops, comprehensions, arguments; not a class's fields."""
    for node in ast.iter_child_nodes(tree):
        if in_class and isinstance(node, ast.AnnAssign):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        yield from _variables_of(node, isinstance(node, ast.ClassDef))


def _import_cycle(trees: dict[str, ast.Module]) -> list[str]:
    """Modules that import each other as they are loaded (not inside functions); [] without any."""
    endings = ("/__init__.py", ".py")
    names = {path: path.removesuffix(endings[0]).removesuffix(endings[1]) for path in trees}
    modules = {names[path].replace("/", "."): tree for path, tree in trees.items()}
    graph = {name: _imports_of(tree, set(modules)) - {name} for name, tree in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _imports_of(tree: ast.AST, modules: set[str]) -> set[str]:
    wanted = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            wanted |= below & modules or {str(node.module)}
        elif not isinstance(node, _Function | ast.If):  # an `if` is one of TYPE_CHECKING
            wanted |= _imports_of(node, modules)
    return wanted & modules


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n\n")[1].strip())
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).parents[1]])
    parser.add_argument("--list", metavar="ROW")
    options = parser.parse_args()
    checkouts = [_Checkout(folder.resolve()) for folder in options.folders]
    for checkout in checkouts:
        checkout.measure()
    for row, goal in _GOALS.items():
        values = " ".join(f"{checkout.value(row):>10}" for checkout in checkouts)
        sys.stdout.write(f"{row:40}{values}   {goal}\n")
        if options.list and options.list in row:
            sys.stdout.writelines(f"    {place}\n" for place in checkouts[-1].places[row])


if __name__ == "__main__":
    main()
