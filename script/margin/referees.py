"""The options of tests/vectors/margin/black76.json, as QuantLib and py_vollib value them: one JSON document."""

import json
import math
import pathlib
import warnings

import QuantLib

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from py_vollib.black import undiscounted_black

vectors = pathlib.Path(__file__).parents[2] / "tests/vectors/margin/black76.json"
columns = json.loads(vectors.read_text())
names = ["forward", "strike", "volatility", "seconds", "isCall"]
quantlib, vollib = [], []
for forward, strike, volatility, seconds, is_call in zip(*(columns[name] for name in names)):
    forward, strike, volatility = (int(number) / 10**18 for number in (forward, strike, volatility))
    years = int(seconds) / (365 * 86_400)
    kind = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    quantlib.append(QuantLib.blackFormula(kind, strike, forward, volatility * math.sqrt(years)))
    vollib.append(undiscounted_black(forward, strike, volatility, years, "c" if is_call else "p"))
print(json.dumps({"quantlib": quantlib, "vollib": vollib}))
