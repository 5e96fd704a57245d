"""Renders chat templates with jinja2, set up as transformers sets it up, and with
render_cli, and compares the texts.

The templates are in chat_templates.py, what they are rendered with in chat_cases.py.
Usage: compare_chat.py RENDER_CLI [TEMPLATE_FILE...]   (further templates to try)
"""
import datetime
import json
import pathlib
import subprocess
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chat_cases import CONVERSATIONS, SETTINGS, SNIPPETS
from chat_templates import FAMILIES

NOW = 1735738496  # 2025-01-01 13:34:56


class Generation(Extension):
    """{% generation %} marks the assistant's part; it renders as its body."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(f)
    return env


def run(cli, cases):
    lines = "".join(json.dumps({"template": t, "now": NOW, "variables": v}) + "\n" for _, t, v in cases)
    out = subprocess.run([cli], input=lines.encode(), capture_output=True, check=True).stdout.decode()
    return [json.loads(line) for line in out.splitlines()]


def expected(env, template, variables):
    try:
        return env.from_string(template).render(**variables)
    except Exception as e:  # whatever it raises, ours has to refuse as well
        return e


def main():
    cli, extra = sys.argv[1], sys.argv[2:]
    templates = dict(FAMILIES)
    templates |= {pathlib.Path(p).name: pathlib.Path(p).read_text() for p in extra}
    cases = []
    base = {"add_generation_prompt": True, "tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>"}
    for name, template in templates.items():
        for messages in CONVERSATIONS:
            for setting in SETTINGS:
                cases.append((name, template, base | setting | {"messages": messages}))
    for line in SNIPPETS.strip("\n").split("\n"):
        cases.append(("snippet " + line[:40], line, base | {"messages": CONVERSATIONS[3]}))
    cases.append(("all snippets", SNIPPETS, base | {"messages": CONVERSATIONS[3]}))
    env = environment()
    results = run(cli, cases)
    bad, families = 0, {}
    for (name, template, variables), got in zip(cases, results):
        want = expected(env, template, variables)
        refused = isinstance(want, Exception)
        same = "error" in got if refused else got.get("text") == want
        counts = families.setdefault(name.split(" ")[0], [0, 0, 0])
        counts[0] += same
        counts[1] += 1
        counts[2] += refused
        if refused and name.startswith("snippet"):
            print(f"{name}: refused as jinja2 does: {want!r}; ours: {got.get('error')}")
        if not same:
            bad += 1
            if bad <= 20:
                print(f"{name}: {json.dumps(variables['messages'])[:100]}\n  want {want!r}\n  got  {got}")
    for name, (same, total, refused) in families.items():
        print(f"{name}: {same} of {total} equal ({refused} of these refused by jinja2)")
    return 1 if bad or len(results) != len(cases) else 0


sys.exit(main())
