#!/usr/bin/env python3
"""Renders the templates of tests/golden/cases/text/jinja.jsonl with Jinja2 again, in the environment of transformers.

usage: tools/jinja_cases.py [--add FILE]

Needs Python 3 and jinja2 3.1 (pip install jinja2). The file's first line holds the variables; each other line is
{"template", "expected", "spans"?} or {"template", "error": true}. Every line is rendered again and the file is written with what
came out; --add FILE adds a template from each line of a file of JSON strings. "refused": true marks what Jinja2 renders and pleiad
refuses; it is kept as it is, and a person decides about it.
"""
import datetime
import json
import os
import sys

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

PATH = os.path.join(os.path.dirname(__file__), "..", "tests", "golden", "cases", "text", "jinja.jsonl")


class Generation(jinja2.ext.Extension):
    """{% generation %}: notes where its text begins and ends."""

    tags = {"generation"}
    written = None
    spans = None

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("note"), [], [], body).set_lineno(line)

    def note(self, caller):
        text = caller()
        begin = len("".join(self.written))
        self.spans.append([begin, begin + len(text)])
        return text


def raise_exception(message):
    raise jinja2.TemplateError(message)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = datetime.datetime(2026, 1, 2, 3, 4, 5).strftime
    return env


def render(env, template, variables):
    tracker = next(e for e in env.extensions.values() if isinstance(e, Generation))
    tracker.written, tracker.spans = [], []
    try:
        compiled = env.from_string(template)
        for text in compiled.root_render_func(compiled.new_context(json.loads(json.dumps(variables)))):
            tracker.written.append(text)
    except Exception:  # whatever Python raises is an error of the template
        return {"template": template, "error": True}
    row = {"template": template, "expected": "".join(tracker.written)}
    if tracker.spans:
        row["spans"] = tracker.spans
    return row


def main():
    with open(PATH, encoding="utf-8", newline="\n") as f:
        rows = [json.loads(line) for line in f.read().split("\n") if line]
    variables = rows[0]["variables"]
    templates = [row["template"] for row in rows[1:]]
    refused = {row["template"] for row in rows[1:] if row.get("refused")}
    if len(sys.argv) == 3 and sys.argv[1] == "--add":
        with open(sys.argv[2], encoding="utf-8") as f:
            templates += [t for t in map(json.loads, f) if t not in templates]
    env = environment()
    with open(PATH, "w", encoding="utf-8", newline="\n") as f:
        for row in [rows[0]] + [
            {"template": t, "refused": True} if t in refused else render(env, t, variables) for t in templates
        ]:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
