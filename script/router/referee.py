"""An independent optimum of splits, beside those of the crate `router`.

Reads one instance a line (pools, amount, shares, output) and prints how far the crate's splits are from the optimum.
Pools are described anew here from their contracts' formulas, with plain floats; each leg's input at a price is found by
scipy's root finder on the leg's marginal price, and the common price by the same on their sum.
"""

import json
import math
import statistics
import sys

from scipy.optimize import brentq


class ConstantProduct:
    def __init__(self, pool):
        self.x, self.y = map(float, pool["reserves"])
        self.keep = pool["keep"] / pool["of"]

    def output(self, amount):
        kept = self.keep * amount
        return self.y * kept / (self.x + kept)

    def marginal(self, amount):
        return self.keep * self.x * self.y / (self.x + self.keep * amount) ** 2

    limit = math.inf


class Concentrated:
    """token0 in: the price falls from tick to tick."""

    def __init__(self, pool):
        self.keep = 1 - pool["fee"] / 1e6
        root = int(pool["sqrt_price"]) / 2**96
        liquidity = float(pool["liquidity"])
        self.ranges = []
        total = 0.0
        for tick, net in sorted(pool["ticks"], reverse=True):
            if tick > pool["tick"]:
                continue
            low = math.pow(1.0001, tick / 2)
            need = liquidity * (1 / low - 1 / root)
            self.ranges.append((total, liquidity, root))
            total += need
            root = low
            liquidity -= float(net)
        self.limit = total / self.keep * (1 - 1e-12)

    def walk(self, amount):
        """Root of the price after an amount, and what came out."""
        kept = self.keep * amount
        out = 0.0
        for n, (start, liquidity, root) in enumerate(self.ranges):
            last = n + 1 == len(self.ranges)
            end = math.inf if last else self.ranges[n + 1][0]
            here = min(kept, end) - start
            after = liquidity * root / (liquidity + here * root) if liquidity > 0 else root
            if kept <= end:
                return after, out + liquidity * root * root * here / (liquidity + here * root) if liquidity else out
            out += liquidity * (root - self.ranges[n + 1][2])
        raise AssertionError("the last range ends nowhere")

    def output(self, amount):
        return self.walk(amount)[1]

    def marginal(self, amount):
        return self.keep * self.walk(amount)[0] ** 2


class Stable:
    def __init__(self, pool):
        self.balances = [float(b) for b in pool["balances"]]
        self.fee = float(pool["fee"]) / 1e10
        n = len(self.balances)
        self.leverage = float(pool["amplification"]) / float(pool["precision"]) * n
        total = sum(self.balances)

        def miss(d):
            # The invariant, with the stored A, which carries n^(n-1): A n S + D = A n D + D^(n+1) / (n^n prod x).
            product = d
            for balance in self.balances:
                product *= d / (n * balance)
            return self.leverage * total + d - self.leverage * d - product

        self.d = brentq(miss, total * 0.1, total * (1 + 1e-9), xtol=1.0, rtol=8.9e-16, maxiter=500)
        self.before = self.other(0.0)

    def other(self, amount):
        n, d = len(self.balances), self.d
        x = self.balances[0] + amount
        b = x + sum(self.balances[2:]) + d / self.leverage - d
        c = d / n * d / self.leverage * d / (n * x)
        for balance in self.balances[2:]:
            c *= d / (n * balance)
        root = math.hypot(b, 2 * math.sqrt(c))
        return 2 * c / (b + root) if b > 0 else (root - b) / 2

    def output(self, amount):
        return (1 - self.fee) * (self.before - self.other(amount))

    def marginal(self, amount):
        """Implicit derivative of the invariant."""
        n, d = len(self.balances), self.d
        x, y = self.balances[0] + amount, self.other(amount)
        power = d
        for balance in [x, y, *self.balances[2:]]:
            power *= d / (n * balance)
        return (1 - self.fee) * (self.leverage + power / x) / (self.leverage + power / y)

    limit = math.inf


class Weighted:
    def __init__(self, pool):
        self.x, self.y = map(float, pool["balances"])
        heavy, light = map(float, pool["weights"])
        self.ratio = heavy / light
        self.keep = 1 - float(pool["fee"]) / 1e18
        by_output = self.x * (math.pow(0.7, -1 / self.ratio) - 1)
        self.limit = min(0.3 * self.x, by_output) / self.keep

    def output(self, amount):
        return -self.y * math.expm1(-self.ratio * math.log1p(self.keep * amount / self.x))

    def marginal(self, amount):
        grown = 1 + self.keep * amount / self.x
        return self.y * self.ratio * self.keep / self.x * math.pow(grown, -self.ratio - 1)


KINDS = {"v2": ConstantProduct, "v3": Concentrated, "stable": Stable, "weighted": Weighted}


def taken(pool, price, amount):
    """What a pool takes until its marginal price has fallen to a price."""
    end = min(pool.limit, amount)
    if pool.marginal(0.0) <= price:
        return 0.0
    if pool.marginal(end) >= price:
        return end
    return brentq(lambda x: pool.marginal(x) - price, 0.0, end, xtol=1e-3, rtol=8.9e-16, maxiter=500)


def optimum(pools, amount):
    """By weak duality from above, at the price where the pools take the amount."""
    high = max(pool.marginal(0.0) for pool in pools)
    low = high
    while sum(taken(pool, low, amount) for pool in pools) < amount:
        low /= 2
        if low < high * 1e-9:
            return None

    def excess(price):
        return sum(taken(pool, price, amount) for pool in pools) - amount

    price = brentq(excess, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=500)
    inputs = [taken(pool, price, amount) for pool in pools]
    return price * amount + sum(pool.output(x) - price * x for pool, x in zip(pools, inputs))


def main():
    before, after, disagreement = [], [], []
    for line in sys.stdin.readlines():
        instance = json.loads(line)
        pools = [KINDS[pool["kind"]](pool) for pool in instance["pools"]]
        best = optimum(pools, float(instance["amount"]))
        if best is None:
            sys.exit("an instance that the router split has no optimum: " + line)
        own = sum(pools[n].output(x) for n, x in instance["shares"])
        before.append(1 - own / best)
        after.append(1 - float(instance["planned"]) / best)
        disagreement.append(abs(own / instance["output"] - 1))
    print("route_referee_instances", len(before), "instances")
    print("route_referee_gap_max", max(before), "relative")
    print("route_referee_gap_p50", statistics.median(before), "relative")
    print("route_referee_gap_integers_max", max(after), "relative")
    print("route_referee_gap_integers_p50", statistics.median(after), "relative")
    print("route_referee_disagreement_max", max(disagreement), "relative")


main()
