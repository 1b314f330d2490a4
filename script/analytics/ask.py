"""Asks an export of the ledger questions, and prints the answers as JSON: ask.py DIR VIEWS.sql QUESTION.sql..."""

import json
import os
import pathlib
import sys

import duckdb

folder, views, *questions = sys.argv[1:]
texts = {pathlib.Path(q).stem: pathlib.Path(q).read_text() for q in questions}
con = duckdb.connect()
setup = pathlib.Path(views).read_text()
os.chdir(folder)
con.execute(setup)
answers = {}
for name, text in texts.items():
    asked = con.execute(text)
    columns = [column[0] for column in asked.description]
    answers[name] = [dict(zip(columns, row)) for row in asked.fetchall()]
print(json.dumps(answers, default=str))
