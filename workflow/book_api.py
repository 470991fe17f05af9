"""The book's API reference: Markdown from the source of modules, which are not imported."""

import ast
import html
import re

ALONE = re.compile(r"^\s*#\s*(.*)$")  # a line that is a comment


def comment(lines: list[str], number: int) -> str:
    "The comment at the end of a line of code; without one, the comment above it."
    found = re.search(r"\s#\s*(.*)$", lines[number - 1])
    parts = [found[1]] if found else []
    k = number - 2
    while not found and k >= 0 and (above := ALONE.match(lines[k])):
        parts.insert(0, above[1])
        k -= 1
    return " ".join(parts).replace("|", "\\|")


def comment_below(lines: list[str], number: int) -> str:
    "The comment at the end of a line of code, and on the lines below."
    parts = [comment(lines, number)]
    k = number
    while parts[0] and k < len(lines) and (below := ALONE.match(lines[k])):
        parts.append(below[1].replace("|", "\\|"))
        k += 1
    return " ".join(parts)


def arguments(node: ast.FunctionDef) -> list[tuple[str, ast.expr | None, int]]:
    "Names, defaults and last lines of a function's arguments."
    spec = node.args
    places = spec.posonlyargs + spec.args
    defaults = [None] * (len(places) - len(spec.defaults)) + spec.defaults
    found = list(zip(places, defaults))
    found += [(spec.vararg, None)] if spec.vararg else []
    found += list(zip(spec.kwonlyargs, spec.kw_defaults))
    found += [(spec.kwarg, None)] if spec.kwarg else []
    return [(a.arg, d, (d or a).end_lineno) for a, d in found if a.arg not in ("self", "cls")]


def fields(node: ast.ClassDef) -> list[tuple[str, ast.expr | None, int]]:
    "The same of the fields of a dataclass or named tuple."
    found = [
        n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    return [(n.target.id, n.value, n.end_lineno) for n in found if n.target.id[0] != "_"]


def parameters(rows, returns: str, lines: list[str]) -> str:
    "A table of parameters with the comments that stand beside them in the code."
    said = [(f"`{name}`", default, comment(lines, line)) for name, default, line in rows]
    said = [(n, f"`{ast.unparse(d)[:40]}`" if d is not None else "", c) for n, d, c in said]
    said += [("*returns*", "", returns)] if returns else []
    if not any(c for _, _, c in said):
        return ""
    if not any(d for _, d, _ in said):
        table = [f"| {n} | {c} |" for n, _, c in said]
        return "\n".join(["| parameter | what |", "|---|---|", *table]) + "\n"
    table = [f"| {n} | {c} | {d} |" for n, d, c in said]
    return "\n".join(["| parameter | what | default |", "|---|---|---|", *table]) + "\n"


def signature(name: str, node: ast.FunctionDef) -> str:
    "A call as it stands in the code, without `self`; one argument a line where it is long."
    whole = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    whole = re.sub(r"^(self|cls)(, |$)", "", whole)
    if len(name + whole + returns) <= 86:
        return f"{name}({whole}){returns}"
    lines = "".join(f"    {part},\n" for part in split(whole))
    return f"{name}(\n{lines}){returns}"


def split(arguments: str) -> list[str]:
    "Split a list of arguments at the commas outside of brackets."
    parts = [""]
    depth = 0
    for letter in arguments:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def members(node: ast.ClassDef, nodes: dict[str, ast.AST]) -> dict[str, ast.FunctionDef]:
    "Functions of a class and of its private bases in the same module."
    found = {}
    for base in node.bases:
        above = nodes.get(ast.unparse(base))
        if isinstance(above, ast.ClassDef) and above.name[0] == "_":
            found |= members(above, nodes)
    return found | {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}


def entry(name: str, node, call: str, rows, returns: str, lines: list[str]) -> str:
    "A function, class or method: its call, what is said of it, its parameters."
    level = "###" if "." in name else "##"
    doc = html.escape(ast.get_docstring(node) or "", quote=False)
    text = f"{level} {name}\n\n```python\n{call}\n```\n\n{doc}\n\n"
    return text + parameters(rows, returns, lines) + "\n"


def function_entry(name: str, node: ast.FunctionDef, lines: list[str]) -> str:
    "A function or method."
    returns = comment_below(lines, node.returns.end_lineno) if node.returns else ""
    return entry(name, node, signature(name, node), arguments(node), returns, lines)


def class_entry(node: ast.ClassDef, nodes: dict[str, ast.AST], lines: list[str]) -> str:
    "A class and its public methods."
    found = members(node, nodes)
    bases = ", ".join(b for b in map(ast.unparse, node.bases) if b[0] != "_")
    call = f"class {node.name}" + (f"({bases})" if bases else "")
    rows = fields(node)
    if init := found.get("__init__"):
        call = "class " + signature(node.name, init)
        rows = arguments(init)
    text = [entry(node.name, node, call, rows, "", lines)]
    for name, method in found.items():
        if name[0] != "_":
            text.append(function_entry(f"{node.name}.{name}", method, lines))
    return "\n".join(text)


def exported(tree: ast.Module) -> list[str]:
    "The names in `__all__`."
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def reference(
    name: str,  # of the module
    source: str,  # its text
    why: str,  # a sentence that leads to its notebook
) -> str:  # Markdown
    "The reference of a module: everything in its `__all__`."
    tree = ast.parse(source)
    lines = source.splitlines()
    nodes = {getattr(n, "name", ""): n for n in tree.body}
    text = [f"# {name}\n\n{ast.get_docstring(tree) or ''}. {why}\n"]
    for public in exported(tree):
        node = nodes.get(public)
        if isinstance(node, ast.ClassDef):
            text.append(class_entry(node, nodes, lines))
        elif isinstance(node, ast.FunctionDef):
            text.append(function_entry(public, node, lines))
    return "\n".join(text)
