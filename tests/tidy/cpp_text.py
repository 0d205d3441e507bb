"""C++ as text: what is code and what is comment, and where functions begin and end.

No parser: comments and strings are blanked out, then braces are counted. Good enough for code
that clang-format wrote.
"""

import re

_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\ ]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)


def code_only(text):
    """The text with comments and the insides of strings blanked, line for line the same."""

    def blank(found):
        token = found.group(0)
        if token.startswith('"') and _is_include(text, found.start()):
            return token
        kept = re.sub(r"[^\n]", " ", token)
        return kept if token.startswith("/") else '"' + kept[1:-1] + '"'

    return _TOKENS.sub(blank, text)


def _is_include(text, position):
    return "#include" in text[text.rfind("\n", 0, position) + 1:position]


_SCOPES = re.compile(r"\b(namespace|class|struct|union|enum|concept)\b|\bextern\s+\"")


def functions(text):
    """Triples of first line, count of lines and head of every function, lambdas inside of a
    function being part of it."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda found: re.sub(r"[^\n]", " ",
                  found.group(0)), code_only(text), flags=re.M)
    found = []
    stack = []  # of scope, function or data
    head_start, position, start_line = 0, 0, 0
    while position < len(code):
        letter = code[position]
        inside_function = "function" in stack
        if letter == "{":
            kind = "data" if inside_function else _kind(code[head_start:position])
            if kind == "function":
                head = re.sub(r"^\s*(?:(?:public|private|protected)\s*:\s*)?", "",
                              code[head_start:position])
                start_line = code.count("\n", 0, position - len(head)) + 1
                stack.append(kind)
                name = " ".join(head.split())
            else:
                stack.append(kind)
            if kind != "data":
                head_start = position + 1
        elif letter == "}" and stack:
            kind = stack.pop()
            if kind == "function":
                last = code.count("\n", 0, position) + 1
                found.append((start_line, last - start_line + 1, _short(name)))
            # A brace pair that was data, as in a member's initialiser, belongs to its head.
            if kind != "data":
                head_start = position + 1
        elif letter == ";" and "data" not in stack and not inside_function:
            head_start = position + 1
        position += 1
    return found


def _kind(head):
    """What an opening brace opens, judged by the text since the last statement."""
    bare = re.sub(r"\b(public|private|protected)\s*:", "", head)
    bare = re.sub(r"\btemplate\s*<[^{};]*?>\s*(?=\w)", "", bare).strip()
    if bare.count("(") != bare.count(")") or bare.endswith(("=", ",", "return")):
        return "data"
    if _SCOPES.search(bare) and not bare.endswith(")") and "(" not in bare.split("{")[0]:
        return "scope"
    if ")" not in bare:
        return "scope" if not bare or _SCOPES.search(bare) else "data"
    after = bare[bare.rfind(")") + 1:].strip()
    # "Type() : member_{" opens a member's initialiser, the next brace may open the body.
    if re.search(r"\)[^?]*:(?!:)[^{}]*\w$", bare) and re.search(r"[\w>]$", after or "x)"):
        return "data"
    return "function"


def _short(head):
    head = re.sub(r"\s*:\s.*", "", head)
    return head if len(head) <= 60 else head[:57] + "..."
