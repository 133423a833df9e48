"""Prints McNemar's p-values by statsmodels: exact below 25 discordant images, with the correction for continuity from there on."""

import json

from statsmodels.stats.contingency_tables import mcnemar

cases = []
for a in [0, 1, 2, 3, 5, 8, 11, 12, 13, 24, 25, 30, 60, 100, 999, 12345]:
    for b in [0, 1, 2, 4, 7, 10, 12, 20, 26, 31, 75, 110, 1024]:
        n = a + b
        if n == 0 or (a == b and n >= 25):  # statsmodels corrects beyond 0 there
            continue
        p = mcnemar([[50, a], [b, 50]], exact=n < 25, correction=True).pvalue
        cases.append({"A": a, "B": b, "P": float(p)})
print(json.dumps(cases))
